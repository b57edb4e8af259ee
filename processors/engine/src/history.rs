//! The history of a document: what a log has for it, folded record by record by the river's own
//! stations, in view of what each record did.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use readmill_core::document::Taken;
use readmill_core::rollup::Partials;
use readmill_core::{Document, Edges, Finished, Key, Position, ReadModel, Record, ResumeAt, Sent};
use tokio::sync::watch;

use crate::changes::Changes;
use crate::fault::Fault;
use crate::feed::Feed;
use crate::metrics::Metrics;
use crate::noted::Memory;
use crate::patience::Patience;
use crate::ports::{Clock, Log, Ports, Script, Side};
use crate::reader::{self, Reader};
use crate::route::{Part, Queues, Routed, Task};
use crate::shard::{Batch, Shard};
use crate::shelf::{NoneHeld, Shelf, Silent};
use crate::side_by_side::side_by_side;
use crate::word::Word;

/// Unless it is told otherwise, a search keeps no more bytes of records.
const MOST_BYTES: u64 = 256 << 20;
/// So many records are taken from a feed at a time.
const BATCH_RECORDS: usize = 1000;

/// What is needed to read records and to fold them in memory.
#[derive(Debug, Clone)]
pub struct Sources {
    /// How records are read.
    pub script: Script,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Metrics.
    pub metrics: Metrics,
}

impl Sources {
    /// Ports over documents in memory, of which nobody else is told.
    fn ports<M: ReadModel>(&self, store: Arc<Shelf<M>>) -> Ports<M> {
        let side = Side {
            partials: Some(Arc::<Shelf<Partials>>::default()),
            edges: Some(Arc::<Shelf<Edges>>::default()),
        };
        Ports {
            script: self.script.clone(),
            store,
            side,
            held: Arc::new(NoneHeld),
            outlet: Arc::new(Silent),
            word: Word::alone(),
            mirror: None,
            memory: Memory::default(),
            changes: Changes::default(),
            clock: Arc::clone(&self.clock),
            metrics: self.metrics.clone(),
        }
    }
}

/// A record's part in one of the documents that are looked at.
#[derive(Debug)]
pub struct Touch<M: ReadModel> {
    /// The document's key.
    pub key: Key,
    /// What the record brings.
    pub part: Part<M>,
    /// The row's own id; empty where it has none.
    pub event_id: String,
    /// When it came, in milliseconds since 1970: as its record was stamped, but no earlier than
    /// those before it in its partition.
    pub came_ms: i64,
}

/// What a log has for some documents.
#[derive(Debug)]
pub struct Gathered<M: ReadModel> {
    /// The records' parts in them, in the order in which they came.
    pub touches: Vec<Touch<M>>,
    /// How many records were read.
    pub records: u64,
    /// How many of these could not be read, and are of a key that nobody knows.
    pub keyless: u64,
    /// When the last record came that is no later than the landmark in its partition.
    pub landmark_ms: Option<i64>,
}

impl<M: ReadModel> Default for Gathered<M> {
    fn default() -> Self {
        Self { touches: Vec::new(), records: 0, keyless: 0, landmark_ms: None }
    }
}

/// What is looked for, within which bound.
#[derive(Debug, Clone)]
pub struct Search {
    /// The keys of the documents.
    pub keys: BTreeSet<Key>,
    /// A place of which is to be found out when it was reached.
    pub landmark: Option<Position>,
    /// More bytes of records are not kept in memory.
    pub most_bytes: u64,
    /// How many records have been read so far, for those who wait.
    pub read: Arc<AtomicU64>,
}

impl Search {
    /// For the documents under these keys.
    pub fn of(keys: BTreeSet<Key>) -> Self {
        Self { keys, landmark: None, most_bytes: MOST_BYTES, read: Arc::default() }
    }
}

/// Reads a log to its end, and keeps what it has for some documents.
///
/// What came in several partitions is put into the order of the records' time stamps; within a
/// partition it keeps the log's.
///
/// # Errors
/// A fault that needs a person, or more records than the bound allows.
pub async fn gather<M: ReadModel>(
    sources: &Sources,
    log: Box<dyn Log>,
    search: &Search,
) -> Result<Gathered<M>, Fault> {
    let ports = sources.ports(Arc::<Shelf<M>>::default());
    let kept = Arc::<AtomicU64>::default();
    let mut all = Gathered::default();
    let read = |feed: Feed| Sieve::new(&ports, search, &kept, &feed).drain(feed);
    side_by_side(log, read, |found| all.add(found)).await?;
    // Within a partition no record came before those before it.
    all.touches.sort_by(|a, b| (a.came_ms, &a.part.from).cmp(&(b.came_ms, &b.part.from)));
    Ok(all)
}

impl<M: ReadModel> Gathered<M> {
    fn add(&mut self, found: Self) {
        self.touches.extend(found.touches);
        self.records += found.records;
        self.keyless += found.keyless;
        self.landmark_ms = self.landmark_ms.max(found.landmark_ms);
    }
}

/// Stations 2 to 5 of one partition, of which only some keys' parts are kept.
struct Sieve<M: ReadModel> {
    reader: Reader<M>,
    search: Search,
    kept_bytes: Arc<AtomicU64>,
    found: Gathered<M>,
    came_ms: i64,
}

impl<M: ReadModel> Sieve<M> {
    fn new(ports: &Ports<M>, search: &Search, kept_bytes: &Arc<AtomicU64>, feed: &Feed) -> Self {
        let patience = Patience::new(feed.closing(), ports.metrics.clone(), M::NAME);
        Self {
            reader: Reader::new(&ports.script, patience),
            search: search.clone(),
            kept_bytes: Arc::clone(kept_bytes),
            found: Gathered::default(),
            came_ms: i64::MIN,
        }
    }

    async fn drain(mut self, mut feed: Feed) -> Result<Gathered<M>, Fault> {
        while let Some(records) = feed.next(BATCH_RECORDS).await {
            let next = records.last().map(|last| ResumeAt::stored(last.position.offset.0 + 1));
            self.search.read.fetch_add(records.len() as u64, Ordering::Relaxed);
            for record in records {
                self.pass(Arc::new(record)).await?;
            }
            if let Some(next) = next {
                feed.settle(next, Finished::default());
            }
        }
        Ok(self.found)
    }

    async fn pass(&mut self, record: Arc<Record>) -> Result<(), Fault> {
        self.came_ms = self.came_ms.max(record.timestamp_ms);
        self.found.records += 1;
        let is_before = |landmark: &Position| {
            let place = &record.position;
            place.partition == landmark.partition && place.offset <= landmark.offset
        };
        if self.search.landmark.as_ref().is_some_and(is_before) {
            self.found.landmark_ms = Some(self.came_ms);
        }
        let mut event_id = String::new();
        let passing = async {
            let framed = reader::wire(&record)?;
            let mut change = self.reader.envelope(&record, framed).await?;
            change.event_id.clone_into(&mut event_id);
            let event = self.reader.event(&record.position, &mut change).await?;
            Ok((change, event))
        };
        let passed = passing.await;
        let mut routed = Routed::<M>::new(1);
        routed.add(&record, passed)?;
        self.found.keyless += routed.keyless.len() as u64;
        for (key, parts) in routed.shards.into_iter().flatten() {
            if self.search.keys.contains(&key) {
                // That a person is forgotten is nobody's history.
                let told = |part: &Part<M>| !matches!(part.task, Task::Forget { .. });
                for part in parts.into_iter().filter(told) {
                    self.keep(key.clone(), part, &event_id)?;
                }
            }
        }
        Ok(())
    }

    fn keep(&mut self, key: Key, part: Part<M>, event_id: &str) -> Result<(), Fault> {
        let bytes = part.record.bytes() as u64;
        let kept = self.kept_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if kept > self.search.most_bytes {
            return Err(Fault::Refused {
                service: "explaining",
                detail: format!(
                    "the records of this key have more than {} MiB",
                    self.search.most_bytes >> 20
                ),
                hint: "begin later in the log, with --since",
            });
        }
        let (event_id, came_ms) = (event_id.to_owned(), self.came_ms);
        self.found.touches.push(Touch { key, part, event_id, came_ms });
        Ok(())
    }
}

/// Documents that are folded aside, one record at a time.
#[derive(Debug)]
pub struct History<M: ReadModel> {
    ports: Ports<M>,
    shelf: Arc<Shelf<M>>,
    shard: Shard<M>,
    // Nobody gives it up.
    _open: watch::Sender<bool>,
}

impl<M: ReadModel> History<M> {
    /// Nothing has been folded yet.
    pub fn new(sources: &Sources) -> Self {
        let (open, closing) = watch::channel(false);
        let patience = Patience::new(closing, sources.metrics.clone(), M::NAME);
        let shelf = Arc::<Shelf<M>>::default();
        let ports = sources.ports(Arc::clone(&shelf));
        Self { ports, shelf, shard: Shard::new(NonZeroUsize::MIN, patience), _open: open }
    }

    /// What stands under a key by now.
    pub fn document(&self, key: &Key) -> Option<Document<M>> {
        self.shelf.get(key)
    }

    /// Folds one record's part, with all that follows from it in other documents.
    ///
    /// # Errors
    /// A fault that does not pass.
    pub async fn fold(&mut self, key: Key, part: Part<M>) -> Result<Taken, Fault> {
        let Position { partition, offset: below } = part.from.clone();
        // What follows from each record is told before the next one is folded.
        let sent = Sent { below, unread: &BTreeSet::new() };
        let batch = Batch::of(&self.ports, &partition, sent);
        let queues = Queues::from([(key, vec![part])]);
        let ends = self.shard.fold_and_write(batch, queues).await?;
        let taken = ends.into_iter().next().map(|end| end.taken);
        Ok(taken.unwrap_or_else(Taken::nothing))
    }
}
