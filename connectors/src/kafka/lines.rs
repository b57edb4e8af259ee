//! The assigned partitions of one consumer: their feeds, what does not fit, what is settled.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::{Offset as KafkaOffset, TopicPartitionList};
use readmill_core::{Partition, ResumeAt};
use readmill_engine::feed::{Feed, FeedLine, feed};
use readmill_engine::record::Record;

/// So many batches may queue before a worker.
const QUEUED_BATCHES: usize = 4;
/// A batch is handed on at this size at the latest.
pub const BATCH_RECORDS: usize = 1000;
const DRAIN_STEP: Duration = Duration::from_millis(2);

/// All assigned partitions.
#[derive(Debug, Default)]
pub struct Lines {
    lines: BTreeMap<Partition, Line>,
}

#[derive(Debug)]
struct Line {
    feed: FeedLine,
    /// Polled and not handed on yet.
    pending: Vec<Record>,
    paused: bool,
    committed: Option<ResumeAt>,
}

/// What backpressure asks of the consumer.
#[derive(Debug, Default)]
pub struct Valves {
    /// Partitions to stop fetching.
    pub pause: Vec<Partition>,
    /// Partitions to fetch again.
    pub resume: Vec<Partition>,
}

impl Lines {
    /// Opens a line for a partition that was assigned.
    pub fn open(&mut self, partition: Partition) -> Feed {
        let (line, worker) = feed(partition.clone(), QUEUED_BATCHES);
        let line = Line { feed: line, pending: Vec::new(), paused: false, committed: None };
        self.lines.insert(partition, line);
        worker
    }

    /// Takes a polled record. One of a partition that is not ours (any more) is dropped: whoever
    /// owns it reads it.
    pub fn push(&mut self, record: Record) {
        if let Some(line) = self.lines.get_mut(&record.position.partition) {
            line.pending.push(record);
        }
    }

    /// Hands polled records on, as far as the workers have room, and says which partitions are to
    /// be paused or fetched again.
    pub fn hand_on(&mut self) -> Valves {
        let mut valves = Valves::default();
        for (partition, line) in &mut self.lines {
            let full = !line.hand_on();
            if full && !line.paused && line.pending.len() >= BATCH_RECORDS {
                line.paused = true;
                valves.pause.push(partition.clone());
            } else if !full && line.paused {
                line.paused = false;
                valves.resume.push(partition.clone());
            }
        }
        valves
    }

    /// What has been settled since the last commit.
    pub fn to_commit(&mut self) -> Option<TopicPartitionList> {
        commit_list(self.lines.iter_mut())
    }

    /// Takes lines away: their workers finish the batch in hand, within `limit`. Answers with what
    /// they settled. A worker that needs longer is left behind; compare-and-set makes it harmless.
    pub fn close(&mut self, which: &[Partition], limit: Duration) -> Option<TopicPartitionList> {
        let mut closing: Vec<(Partition, Line)> =
            which.iter().filter_map(|partition| self.lines.remove_entry(partition)).collect();
        closing.iter().for_each(|(_, line)| line.feed.close());
        let until = Instant::now() + limit;
        while closing.iter().any(|(_, line)| !line.feed.released()) && Instant::now() < until {
            std::thread::sleep(DRAIN_STEP);
        }
        for (partition, _) in closing.iter().filter(|(_, line)| !line.feed.released()) {
            tracing::warn!(%partition, "work in hand took longer than drain_limit_ms: given up");
        }
        commit_list(closing.iter_mut().map(|(partition, line)| (&*partition, line)))
    }

    /// The partitions that are open.
    pub fn partitions(&self) -> Vec<Partition> {
        self.lines.keys().cloned().collect()
    }
}

impl Line {
    /// Answers false when records are left that do not fit.
    fn hand_on(&mut self) -> bool {
        if self.pending.is_empty() {
            return self.feed.batches.capacity() > 0;
        }
        match self.feed.batches.try_reserve() {
            Ok(place) => {
                place.send(std::mem::take(&mut self.pending));
                true
            }
            Err(_) => false,
        }
    }
}

fn commit_list<'a>(
    lines: impl Iterator<Item = (&'a Partition, &'a mut Line)>,
) -> Option<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    for (partition, line) in lines {
        let settled = line.feed.settled();
        if settled.is_none() || settled == line.committed {
            continue;
        }
        line.committed = settled;
        let offset = KafkaOffset::Offset(settled.map_or(0, ResumeAt::value));
        if let Err(error) = list.add_partition_offset(&partition.topic, partition.index, offset) {
            tracing::error!(%partition, %error, "the settled offset cannot be committed");
        }
    }
    (list.count() > 0).then_some(list)
}

/// Partitions as librdkafka lists them.
pub fn list_of(partitions: &[Partition]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        list.add_partition(&partition.topic, partition.index);
    }
    list
}

/// Partitions as we name them.
pub fn partitions_of(list: &TopicPartitionList) -> Vec<Partition> {
    list.elements()
        .iter()
        .map(|element| Partition::new(element.topic(), element.partition()))
        .collect()
}
