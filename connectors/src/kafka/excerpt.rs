//! An excerpt of topics: every partition from one place to another, read as a member of no group.
//!
//! The ends are those of committed records when it was opened. No record may stand there: the last
//! one may be the end of a transaction, belong to one that was given up, or have been compacted
//! away. So a partition has ended when a later record comes, or when the client says that it has
//! come to the end of the log.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rdkafka::consumer::Consumer;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};
use readmill_core::{Partition, ResumeAt};
use readmill_engine::feed::{Feed, FeedLine, feed};
use readmill_engine::{Bounds, Fault, Log, Record, Since, Until};
use tokio::sync::{oneshot, watch};

use super::config::KafkaConfig;
use super::door::{Reader, reader};
use super::ear::Ear;
use super::extent::extent;
use super::line::{BATCH_BYTES, BATCH_RECORDS};
use super::lines::list_of;
use super::poller::{Asked, judge, record_of};

const SERVICE: &str = "kafka";
/// So many batches may queue before a worker.
const QUEUED_BATCHES: usize = 4;
/// How long is waited when nothing has come or nobody has room.
const IDLE_STEP: Duration = Duration::from_millis(5);
/// The client takes a place to read from within this time.
const SEEK_LIMIT: Duration = Duration::from_secs(5);

/// What is to be read.
#[derive(Debug, Clone)]
pub struct Passage {
    /// A group in whose name the brokers are asked. It is never joined, and nothing is committed.
    pub group: String,
    /// The topics, with all their partitions.
    pub topics: Vec<String>,
    /// Where to begin.
    pub since: Since,
    /// Where to end.
    pub until: Until,
}

/// A log that ends where its topics ended when it was opened.
#[derive(Debug)]
pub struct KafkaExcerpt {
    bounds: BTreeMap<Partition, Bounds>,
    feeds: VecDeque<Feed>,
    /// How reading ended; none once that was told.
    ended: Option<oneshot::Receiver<Result<(), Fault>>>,
    stop: watch::Sender<bool>,
    stop_limit: Duration,
}

impl KafkaExcerpt {
    /// Finds the ends, and begins to read. It blocks while the brokers are asked.
    ///
    /// # Errors
    /// When no broker answers, or a topic does not exist.
    pub fn open(config: &KafkaConfig, passage: &Passage) -> Result<Self, Fault> {
        let place = format!("group {}, topics {}", passage.group, passage.topics.join(", "));
        let consumer = Arc::new(reader(config, &config.reader(&passage.group), place)?);
        let limit = config.connect_timeout();
        let bounds = extent(&consumer, &passage.topics, &passage.since, &passage.until, limit)?;
        let (stop, stopping) = watch::channel(false);
        let (lines, feeds) = begin(&consumer, &bounds)?;
        let drain_limit = config.drain_limit();
        let reading = Reading { consumer, lines, stopping, drain_limit };
        let (telling, ended) = oneshot::channel();
        thread::Builder::new()
            .name("kafka-excerpt".to_owned())
            .spawn(move || reading.run(telling))
            .map_err(|error| Fault::Silent { service: SERVICE, detail: error.to_string() })?;
        // The client has to let go as well.
        let stop_limit = drain_limit * 2 + SEEK_LIMIT;
        Ok(Self { bounds, feeds, ended: Some(ended), stop, stop_limit })
    }

    /// Where each partition begins and ends, those included in which there is nothing to read.
    pub const fn bounds(&self) -> &BTreeMap<Partition, Bounds> {
        &self.bounds
    }

    /// How reading ended, once it has.
    async fn end(&mut self) -> Result<(), Fault> {
        let Some(ended) = &mut self.ended else { return Ok(()) };
        let end = ended.await;
        self.ended = None;
        let died = |error| Err(Fault::defect("the thread that reads an excerpt", &error));
        end.unwrap_or_else(died)
    }
}

#[async_trait]
impl Log for KafkaExcerpt {
    /// Answers `None` when everything up to the ends is settled.
    async fn assigned(&mut self) -> Result<Option<Feed>, Fault> {
        if let Some(feed) = self.feeds.pop_front() {
            return Ok(Some(feed));
        }
        self.end().await.map(|()| None)
    }

    async fn stop(&mut self) -> Result<(), Fault> {
        self.feeds.clear();
        self.stop.send_replace(true);
        let limit = self.stop_limit;
        tokio::time::timeout(limit, self.end()).await.unwrap_or_else(|_| {
            let detail = format!("the reader of an excerpt did not end within {limit:?}");
            Err(Fault::Silent { service: SERVICE, detail })
        })
    }
}

/// Assigns every partition in which there is something to read, each with a queue of its own.
fn begin(
    consumer: &Arc<Reader>,
    bounds: &BTreeMap<Partition, Bounds>,
) -> Result<(BTreeMap<Partition, Line>, VecDeque<Feed>), Fault> {
    let (mut lines, mut feeds) = (BTreeMap::new(), VecDeque::new());
    let open: Vec<_> = bounds.iter().filter(|(_, bounds)| !bounds.is_empty()).collect();
    let mut list = TopicPartitionList::with_capacity(open.len());
    for (Partition { topic, index }, Bounds { from, .. }) in &open {
        let from = KafkaOffset::Offset(from.value());
        let added = list.add_partition_offset(topic, *index, from);
        added.map_err(|error| consumer.context().refused(&error))?;
    }
    if !open.is_empty() {
        consumer.assign(&list).map_err(|error| consumer.context().refused(&error))?;
    }
    for (partition, bounds) in open {
        let queue = consumer.split_partition_queue(&partition.topic, partition.index);
        let queue = queue.ok_or_else(|| Fault::defect("a partition's queue", partition))?;
        let (line, worker) = feed(partition.clone(), QUEUED_BATCHES);
        lines.insert(partition.clone(), Line::new(line, queue, *bounds));
        feeds.push_back(worker);
    }
    Ok((lines, feeds))
}

/// The reading thread.
struct Reading {
    consumer: Arc<Reader>,
    lines: BTreeMap<Partition, Line>,
    stopping: watch::Receiver<bool>,
    drain_limit: Duration,
}

impl Reading {
    fn run(mut self, telling: oneshot::Sender<Result<(), Fault>>) {
        let end = self.read();
        self.let_go();
        drop(self);
        // Nobody listens any more when the log was dropped.
        let _ = telling.send(end);
    }

    /// Until everything is settled, or told to stop.
    fn read(&mut self) -> Result<(), Fault> {
        let mut wait = Duration::ZERO;
        while self.goes_on() && !self.lines.values().all(Line::is_done) {
            self.poll(wait)?;
            wait = if self.poll_each()? { Duration::ZERO } else { IDLE_STEP };
        }
        Ok(())
    }

    /// Whoever could say stop being gone means stop, too.
    fn goes_on(&self) -> bool {
        !*self.stopping.borrow() && self.stopping.has_changed().is_ok()
    }

    /// What concerns the client as a whole, and what it had fetched before each partition had its
    /// queue: that comes first.
    fn poll(&mut self, mut wait: Duration) -> Result<(), Fault> {
        let consumer = Arc::clone(&self.consumer);
        while let Some(polled) = consumer.poll(wait) {
            wait = Duration::ZERO;
            match polled {
                Ok(message) => {
                    let record = record_of(&message);
                    if let Some(line) = self.lines.get_mut(&record.position.partition) {
                        line.take(record)?;
                    }
                }
                Err(KafkaError::PartitionEOF(index)) => self.look_again(index),
                Err(error) => pass(&error, consumer.context())?,
            }
        }
        Ok(())
    }

    /// A partition of some topic has come to its end: those that it may be are read from where they
    /// are, so that it is said again where it is clear which one is meant.
    fn look_again(&self, index: i32) {
        let is_meant =
            |(partition, line): &(&Partition, &Line)| partition.index == index && line.is_open();
        for (partition, line) in self.lines.iter().filter(is_meant) {
            let at = KafkaOffset::Offset(line.next.value());
            let sought = self.consumer.seek(&partition.topic, index, at, SEEK_LIMIT);
            if let Err(error) = sought {
                tracing::debug!(%partition, %error, "it is not read yet");
            }
        }
    }

    /// What each partition has, as far as its worker has room. Answers whether there was any.
    fn poll_each(&mut self) -> Result<bool, Fault> {
        let mut moved = false;
        for (partition, line) in &mut self.lines {
            let had_ended = line.ended;
            moved |= line.poll(self.consumer.context())?;
            if line.ended && !had_ended {
                // What comes behind the end is fetched no more.
                let paused = self.consumer.pause(&list_of(std::slice::from_ref(partition)));
                if let Err(error) = paused {
                    tracing::debug!(%partition, %error, "fetching goes on behind the end");
                }
            }
        }
        Ok(moved)
    }

    /// Workers that have not ended yet finish what they have begun.
    fn let_go(&self) {
        self.lines.values().for_each(|line| line.feed.close());
        let until = Instant::now() + self.drain_limit;
        let released = || self.lines.values().all(|line| line.feed.released());
        while !released() && Instant::now() < until {
            thread::sleep(IDLE_STEP);
        }
    }
}

/// One partition on its way to its end.
struct Line {
    feed: FeedLine,
    /// What the client has fetched; none once the end is reached.
    queue: Option<PartitionQueue<Ear>>,
    from: ResumeAt,
    to: ResumeAt,
    /// One past the last record that was taken.
    next: ResumeAt,
    /// Taken and not handed on yet.
    batch: Vec<Record>,
    batch_bytes: usize,
    /// Whether the worker was told that no more comes.
    ended: bool,
}

impl Line {
    const fn new(feed: FeedLine, queue: PartitionQueue<Ear>, Bounds { from, to }: Bounds) -> Self {
        let batch = Vec::new();
        Self { feed, queue: Some(queue), from, to, next: from, batch, batch_bytes: 0, ended: false }
    }

    /// Whether its end is still to be reached.
    const fn is_open(&self) -> bool {
        self.queue.is_some()
    }

    /// Whether everything up to the end is settled.
    fn is_done(&self) -> bool {
        self.ended && self.feed.settled().unwrap_or(self.from) >= self.next
    }

    const fn has_room(&self) -> bool {
        self.batch.len() < BATCH_RECORDS && self.batch_bytes < BATCH_BYTES
    }

    /// Takes what is there and hands it on, as far as there is room. Answers whether there was any.
    fn poll(&mut self, ear: &Ear) -> Result<bool, Fault> {
        let mut moved = false;
        while self.has_room()
            && let Some(polled) = self.polled()
        {
            moved = true;
            match polled {
                Ok(record) => self.take(record)?,
                Err(KafkaError::PartitionEOF(_)) => self.queue = None,
                Err(error) => pass(&error, ear)?,
            }
        }
        self.hand_on();
        Ok(moved)
    }

    fn polled(&self) -> Option<KafkaResult<Record>> {
        let polled = self.queue.as_ref()?.poll(Duration::ZERO)?;
        Some(polled.map(|message| record_of(&message)))
    }

    fn take(&mut self, record: Record) -> Result<(), Fault> {
        let offset = record.position.offset;
        if !self.is_open() {
            return Ok(());
        }
        if self.next.covers(offset) {
            return Err(Fault::defect("reading an excerpt", &"a record came after a later one"));
        }
        if !self.to.covers(offset) {
            self.queue = None;
            return Ok(());
        }
        self.next = ResumeAt::stored(offset.0 + 1);
        self.batch_bytes += record.bytes();
        self.batch.push(record);
        if self.next >= self.to {
            self.queue = None;
        }
        Ok(())
    }

    fn hand_on(&mut self) {
        if !self.batch.is_empty() {
            let Ok(place) = self.feed.batches.try_reserve() else { return };
            self.batch_bytes = 0;
            place.send(std::mem::take(&mut self.batch));
        }
        if !self.is_open() && !self.ended {
            self.ended = true;
            self.feed.end();
        }
    }
}

/// What passes is left to the client library; anything else ends the reading.
fn pass(error: &KafkaError, ear: &Ear) -> Result<(), Fault> {
    match judge(error, ear)? {
        Asked::Nothing => Ok(()),
        Asked::Place => Err(Fault::Refused {
            service: SERVICE,
            detail: "records were deleted while they were being read".to_owned(),
            hint: "read from a later time on, or from an archive",
        }),
    }
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading").field("partitions", &self.lines.len()).finish_non_exhaustive()
    }
}
