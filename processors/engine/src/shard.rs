//! Stations 6 and 7 for a share of a partition's keys: load, fold, compare-and-set, tell.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;

use lru::LruCache;
use readmill_core::document::Taken;
use readmill_core::{
    Document, Guard, Key, Output, Partition, Position, ReadModel, Sent, What, stands,
};

use crate::fault::{Fault, Remedy};
use crate::metrics::Meter;
use crate::mirror;
use crate::patience::{Patience, patiently};
use crate::ports::{HeldRecord, Ports, Put, Write};
use crate::route::{Part, Queues, Task};
use crate::savings::Savings;
use crate::station::{Lap, Station};
use crate::tell::{Owed, Teller, owed_by};
use crate::timing::{Call, Timing};
use crate::work::{Holds, Moment, Work};

const PAUSE_AFTER_FAULT_MS: u64 = 200;

/// What one record's part in one document came to.
#[derive(Debug)]
pub struct End {
    /// Where the record comes from.
    pub from: Position,
    /// What became of it.
    pub taken: Taken,
    /// Whether the record came from the key's queue.
    pub from_queue: bool,
    /// When its source committed it, where that is known.
    pub committed_ms: Option<i64>,
}

/// Whose records are folded, and where.
#[derive(Debug)]
pub struct Batch<'a, M: ReadModel> {
    /// The outside world.
    pub ports: &'a Ports<M>,
    /// Whose they are: what follows from them is owed to records of this partition.
    pub partition: &'a Partition,
    /// What of the partition is sent.
    pub sent: Sent<'a>,
    /// How many documents that embed one another led here.
    pub depth: u8,
}

impl<'a, M: ReadModel> Batch<'a, M> {
    /// What comes from records.
    pub const fn of(ports: &'a Ports<M>, partition: &'a Partition, sent: Sent<'a>) -> Self {
        Self { ports, partition, sent, depth: 0 }
    }

    /// What follows for documents that embed those of this one.
    #[must_use]
    pub const fn deeper(self) -> Self {
        Self { depth: self.depth.saturating_add(1), ..self }
    }

    fn moment(self) -> Moment<'a> {
        Moment { sent: self.sent, now_ms: self.ports.clock.now_ms() }
    }
}

impl<M: ReadModel> Clone for Batch<'_, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M: ReadModel> Copy for Batch<'_, M> {}

/// A share of a partition's keys, with its cache of hot documents.
#[derive(Debug)]
pub struct Shard<M: ReadModel> {
    hot: LruCache<Key, Document<M>>,
    patience: Patience,
    savings: Savings,
    /// Who tells what follows.
    pub teller: Teller,
}

impl<M: ReadModel> Shard<M> {
    /// An empty shard that keeps up to `cached_documents` of them.
    pub fn new(cached_documents: NonZeroUsize, patience: Patience) -> Self {
        let teller = Teller::new(patience.clone());
        Self { hot: LruCache::new(cached_documents), patience, savings: Savings::default(), teller }
    }

    /// Folds queues into their documents until every one is durable and told.
    ///
    /// **Document first, with its outputs inside it; outputs second; the offset last.** A write
    /// that is refused or unsure is looked up: if what is stored is what was meant, it is done;
    /// else another writer came first, and the same parts are folded again into what it left.
    ///
    /// # Errors
    /// A fault that does not pass, or `Abandoned`.
    pub async fn fold_and_write(
        &mut self,
        batch: Batch<'_, M>,
        queues: Queues<M>,
    ) -> Result<Vec<End>, Fault> {
        let mut lap = Lap::begin(&batch.ports.metrics, M::NAME);
        let writing = batch.ports.changes.writing();
        let mut works = lap.of(Station::Fold, self.load_and_fold(batch, queues).await)?;
        trace(batch, Station::Fold, &lap, &works);
        let mut ends = Vec::new();
        while !works.is_empty() {
            self.embed_anew(batch, &mut works).await?;
            let held_first = stands(Guard::HeldFirst);
            if held_first {
                self.hold(batch, &works).await?;
            }
            let puts = self.write(batch, &works).await?;
            if !held_first {
                self.hold(batch, &works).await?;
            }
            let (again, done) = self.look_up(batch, works, &puts).await?;
            for work in done.iter().filter(|work| work.changed()) {
                batch.ports.changes.tell(&work.key, &work.document);
            }
            lap.of(Station::Write, self.tell(batch, &done).await)?;
            trace(batch, Station::Write, &lap, &done);
            self.take_back(batch, &done).await?;
            self.erase(batch, &done).await?;
            for work in done {
                self.finish(batch, work, &mut ends);
            }
            works = again;
        }
        writing.all_is_told();
        Ok(ends)
    }

    /// Forgets the documents that it keeps.
    pub fn forget_hot(&mut self) {
        self.hot.clear();
    }

    async fn load_and_fold(
        &mut self,
        batch: Batch<'_, M>,
        queues: Queues<M>,
    ) -> Result<Vec<Work<M>>, Fault> {
        let cold: Vec<Key> =
            queues.keys().filter(|key| !self.hot.contains(*key)).cloned().collect();
        let mut loaded = self.load(batch, &cold).await?.into_iter();
        let model = &[M::NAME];
        let hits = (queues.len() - cold.len()) as u64;
        batch.ports.metrics.add(Meter::CacheHits, model, hits);
        self.savings.cached::<M>(&batch.ports.metrics, hits);
        let moment = batch.moment();
        let records = queues.iter().map(|(key, parts)| (key, brought(parts)));
        batch.ports.metrics.hot().count(M::NAME, records, moment.now_ms);
        let works = queues.into_iter().map(|(key, parts)| {
            let document = match self.hot.pop(&key) {
                Some(hot) => hot,
                None => loaded.next().flatten().unwrap_or_default(),
            };
            Work::fold(key, document, parts, moment)
        });
        Ok(works.collect())
    }

    /// Takes over what stands in documents that are embedded from now on, so that no reader sees
    /// the one without the other. Whether it is the latest is looked after once the edge stands.
    /// Only with an event that is folded now: what follows must not be owed to an older record.
    async fn embed_anew(
        &mut self,
        batch: Batch<'_, M>,
        works: &mut [Work<M>],
    ) -> Result<(), Fault> {
        if !M::EMBEDS {
            return Ok(());
        }
        let anew = works.iter().flat_map(|work| work.document.embeds_anew(work.loaded).cloned());
        let keys: Vec<Key> = anew.collect::<BTreeSet<_>>().into_iter().collect();
        let found = self.load(batch, &keys).await?;
        let found = keys.iter().zip(&found);
        let found: BTreeMap<_, _> =
            found.filter_map(|(key, of)| Some((key, of.as_ref()?))).collect();
        for work in works {
            let anew: Vec<Key> = work.document.embeds_anew(work.loaded).cloned().collect();
            for key in anew {
                if let Some(of) = found.get(&key) {
                    work.embed(&key, of, batch.moment());
                }
            }
        }
        Ok(())
    }

    async fn load(
        &mut self,
        batch: Batch<'_, M>,
        keys: &[Key],
    ) -> Result<Vec<Option<Document<M>>>, Fault> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        batch.ports.metrics.add(Meter::Loaded, &[M::NAME], keys.len() as u64);
        let timing = Timing::of::<M>(&batch.ports.metrics, Call::Load);
        patiently!(self.patience, timing.time(batch.ports.store.load(keys)))
    }

    /// Held records come before the documents that refer to them: a key must never be held
    /// without its record.
    async fn hold(&mut self, batch: Batch<'_, M>, works: &[Work<M>]) -> Result<(), Fault> {
        let held: Vec<HeldRecord> =
            works.iter().flat_map(|work| held_records(batch, work)).collect();
        keep(&mut self.patience, batch.ports, &held).await
    }

    /// Lets go what was held for a fold that came to nothing, and is not held now. Only once the
    /// document says so for good: until then whoever holds the same record may still refer to it.
    async fn take_back(&mut self, batch: Batch<'_, M>, done: &[Work<M>]) -> Result<(), Fault> {
        let free: Vec<HeldRecord> = done.iter().flat_map(Work::held_in_vain).cloned().collect();
        if free.is_empty() {
            return Ok(());
        }
        patiently!(self.patience, batch.ports.held.release(&free))
    }

    /// Station 7, first half. Answers for each work what became of its write.
    async fn write(&mut self, batch: Batch<'_, M>, works: &[Work<M>]) -> Result<Vec<Put>, Fault> {
        let changed: Vec<&Work<M>> = works.iter().filter(|work| work.changed()).collect();
        let writes: Vec<Write<'_, M>> = changed
            .iter()
            .map(|work| Write { key: &work.key, expected: work.loaded, document: &work.document })
            .collect();
        let puts = if writes.is_empty() {
            Vec::new()
        } else {
            let timing = Timing::of::<M>(&batch.ports.metrics, Call::Put);
            match timing.time(batch.ports.store.put(&writes)).await {
                Err(fault) if fault.remedy() == Remedy::Retry => {
                    tracing::warn!(model = M::NAME, %fault, "writes are unsure");
                    self.patience.pause(PAUSE_AFTER_FAULT_MS).await?;
                    vec![Put::Unsure; writes.len()]
                }
                puts => puts?,
            }
        };
        let done = puts.iter().filter(|put| **put == Put::Done).count();
        batch.ports.metrics.add(Meter::Written, &[M::NAME], done as u64);
        batch.ports.metrics.add(Meter::Conflicts, &[M::NAME], (puts.len() - done) as u64);
        let ended = |(work, put): (&&Work<M>, &Put)| *put == Put::Done && work.document.stamp.gone;
        let ended = changed.iter().zip(&puts).filter(|pair| ended(*pair)).count();
        batch.ports.metrics.add(Meter::Tombstones, &[M::NAME], ended as u64);
        let mut puts = puts.into_iter();
        let verdict = |work: &Work<M>| {
            if !work.changed() {
                return Put::Done;
            }
            let put = puts.next().unwrap_or(Put::Unsure);
            if put == Put::Unsure && !stands(Guard::Revision) { Put::Done } else { put }
        };
        Ok(works.iter().map(verdict).collect())
    }

    /// Loads what is unsure: a document that stands as it was meant is done, the rest is folded
    /// again from what stands.
    async fn look_up(
        &mut self,
        batch: Batch<'_, M>,
        works: Vec<Work<M>>,
        puts: &[Put],
    ) -> Result<(Vec<Work<M>>, Vec<Work<M>>), Fault> {
        let (mut done, mut doubtful) = (Vec::with_capacity(works.len()), Vec::new());
        for (work, put) in works.into_iter().zip(puts) {
            match put {
                Put::Done => done.push(work),
                Put::Unsure => doubtful.push(work),
                Put::TooLarge => doubtful.push(work.too_large()?),
            }
        }
        let keys: Vec<Key> = doubtful.iter().map(|work| work.key.clone()).collect();
        let stored = self.load(batch, &keys).await?;
        let mut again = Vec::new();
        for (work, stored) in doubtful.into_iter().zip(stored) {
            let stored = stored.unwrap_or_default();
            if stored.stamp == work.document.stamp {
                done.push(work);
            } else {
                let held = held_records(batch, &work);
                again.push(work.again(stored, held, batch.moment()));
            }
        }
        Ok((again, done))
    }

    /// Station 7, second half: what the durable documents still have to say. Repeats say it again.
    async fn tell(&mut self, batch: Batch<'_, M>, done: &[Work<M>]) -> Result<(), Fault> {
        let owed: Vec<Owed<'_, M>> = done.iter().flat_map(|work| owed_by(work, batch)).collect();
        self.teller.tell(batch, &owed).await?;
        let shown = done.iter().filter(|work| !work.is_nothing());
        let documents = shown.map(|work| (&work.key, &work.document));
        mirror::show(&mut self.patience, batch.ports, documents).await
    }

    /// Erases what was a person's own who is forgotten, once what followed from its end is told.
    /// Whoever reads it again reads of that person, and so writes nothing there.
    async fn erase(&mut self, batch: Batch<'_, M>, done: &[Work<M>]) -> Result<(), Fault> {
        let erased = done.iter().filter(|work| work.is_to_be_erased(batch.partition));
        let keys: Vec<Key> = erased.map(|work| work.key.clone()).collect();
        if keys.is_empty() {
            return Ok(());
        }
        patiently!(self.patience, batch.ports.store.erase(&keys))
    }

    /// What is told is forgotten with the next write, not only when its record is settled. A
    /// document that has looked what it embeds was written again by that.
    fn finish(&mut self, batch: Batch<'_, M>, mut work: Work<M>, ends: &mut Vec<End>) {
        self.savings.written(&batch.ports.metrics, &work.document, work.loaded);
        let is_erased = work.is_to_be_erased(batch.partition);
        let unsent = &mut work.document.stamp.unsent;
        let is_told = |output: &Output| output.from.partition == *batch.partition;
        let has_looked =
            |output: &Output| is_told(output) && matches!(output.what, What::Embeds(_));
        let stands_anew = unsent.iter().any(has_looked);
        unsent.retain(|output| !is_told(output));
        for (part, taken) in work.parts.into_iter().zip(work.taken) {
            let from_queue = part.task.is_from_queue();
            let committed_ms = match part.task {
                Task::Take(told) => Some(told.committed_ms),
                Task::Hold { .. }
                | Task::Retry { .. }
                | Task::GiveUp(_)
                | Task::Look { .. }
                | Task::Embed { .. }
                | Task::Forget { .. }
                | Task::HoldOverdue { .. } => None,
            };
            ends.push(End { from: part.from, taken, from_queue, committed_ms });
        }
        if !stands_anew && !is_erased {
            self.hot.put(work.key, work.document);
        }
    }
}

/// How many records have brought an event for a document.
fn brought<M: ReadModel>(parts: &[Part<M>]) -> usize {
    parts.iter().filter(|part| is_brought(part)).count()
}

/// Whether it comes from its record, and is not owed to it only.
const fn is_brought<M: ReadModel>(part: &Part<M>) -> bool {
    matches!(part.task, Task::Take(_) | Task::Hold { .. })
}

/// Makes the spans of a station that documents have passed, for records that have any.
fn trace<M: ReadModel>(batch: Batch<'_, M>, station: Station, lap: &Lap<'_>, works: &[Work<M>]) {
    let metrics = &batch.ports.metrics;
    let Some(last) = lap.last().filter(|_| metrics.tracer().is_on()) else { return };
    for work in works {
        for part in work.parts.iter().filter(|part| is_brought(part)) {
            if let Some(traced) = metrics.tracer().of(M::NAME, &part.record) {
                metrics.note_span(traced.passed_for(station, work.key.as_str(), last));
            }
        }
    }
}

/// Keeps held records, and says so: a person has to look at them.
pub async fn keep<M: ReadModel>(
    patience: &mut Patience,
    ports: &Ports<M>,
    held: &[HeldRecord],
) -> Result<(), Fault> {
    if held.is_empty() {
        return Ok(());
    }
    for HeldRecord { reason, record, .. } in held {
        let position = &record.position;
        tracing::warn!(model = M::NAME, %position, reason, "held");
    }
    let timing = Timing::of::<M>(&ports.metrics, Call::Hold);
    patiently!(patience, timing.time(ports.held.hold(held)))?;
    // Seen at once; repeats that were held already are corrected when the gauge is read again.
    let many = i64::try_from(held.len()).unwrap_or(i64::MAX);
    ports.metrics.shift(Meter::Held, &[M::NAME], many);
    Ok(())
}

/// The records that a document's fold holds.
fn held_records<M: ReadModel>(batch: Batch<'_, M>, work: &Work<M>) -> Vec<HeldRecord> {
    let held_at_ms = batch.ports.clock.now_ms();
    let held = work.held().map(|Holds { record, unfolded, why }| {
        let key = Some(work.key.clone());
        HeldRecord::new::<M>(key, unfolded, why.to_owned(), held_at_ms, record.clone())
    });
    held.collect()
}
