//! Partitions that a topic grew by: keys have moved into them, so they wait for the older ones.
//!
//! A producer learns of new partitions when it pleases, and each at another time. So for a while
//! every batch of a new partition waits until all older partitions are settled up to where they
//! ended when the batch was there: whatever a key has in an older one is before that end.

use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};
use readmill_core::{Partition, Record, ResumeAt};
use readmill_engine::Fault;

use super::config::KafkaConfig;
use super::door::{Reader, reader};
use super::poller::record_of;

/// How long a look at the next record may take.
const LOOK_LIMIT: Duration = Duration::from_secs(3);

/// What a new partition waits for.
#[derive(Debug)]
pub struct Growth {
    topic: String,
    /// The partitions below this number are the older ones.
    older: i32,
    /// How many there are now.
    partitions: i32,
    /// From then on all producers know of it.
    until: Instant,
    barrier: Option<Barrier>,
}

/// The ends of the older partitions, and how many waiting records are no later than they.
#[derive(Debug)]
struct Barrier {
    ends: Vec<(Partition, i64)>,
    records: usize,
}

impl Growth {
    /// A topic had `older` partitions when the group last took stock, and has `partitions` now.
    pub fn new(topic: &str, older: i32, partitions: i32, window: Duration) -> Self {
        if partitions % older != 0 {
            tracing::warn!(
                topic,
                older,
                partitions,
                "the number of partitions has not become a \
                multiple: keys may have moved between older partitions, which do not wait"
            );
        }
        let until = Instant::now() + window;
        Self { topic: topic.to_owned(), older, partitions, until, barrier: None }
    }

    /// The older partitions.
    pub fn older(&self) -> Vec<Partition> {
        (0..self.older).map(|index| Partition::new(self.topic.as_str(), index)).collect()
    }

    /// Once all producers know, and nothing waits, the partition is like any other: answers with
    /// the number of partitions that the group has taken in.
    pub fn is_over(&self, now: Instant) -> Option<i32> {
        (now >= self.until && self.barrier.is_none()).then_some(self.partitions)
    }

    /// What `pending` records wait for: ends that are not passed; none if they are to be found out.
    pub fn waits_for(&self) -> Option<Vec<(Partition, i64)>> {
        self.barrier.as_ref().map(|barrier| barrier.ends.clone())
    }

    /// Waits for these ends with so many records.
    pub fn wait_for(&mut self, ends: Vec<(Partition, i64)>, records: usize) {
        self.barrier = Some(Barrier { ends, records });
    }

    /// How many records wait for the ends that were found out.
    pub fn waiting(&self) -> usize {
        self.barrier.as_ref().map_or(0, |barrier| barrier.records)
    }

    /// How many records may pass.
    pub fn open_records(&self) -> usize {
        let open = self.barrier.as_ref().filter(|barrier| barrier.ends.is_empty());
        open.map_or(0, |barrier| barrier.records)
    }

    /// So many have passed.
    pub fn passed(&mut self, records: usize) {
        if let Some(barrier) = &mut self.barrier {
            barrier.records -= records.min(barrier.records);
            if barrier.records == 0 {
                self.barrier = None;
            }
        }
    }
}

/// Looks at single records without being a member.
pub struct Probe {
    consumer: Reader,
}

impl Probe {
    /// A probe in the name of a group.
    ///
    /// # Errors
    /// When the client library refuses the configuration, or the brokers refuse us.
    pub fn new(config: &KafkaConfig, group: &str) -> Result<Self, Fault> {
        let mut client = config.client();
        client
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("isolation.level", "read_committed")
            // What is asked for at a log's end must not keep the next look waiting.
            .set("fetch.wait.max.ms", "10")
            .set("fetch.message.max.bytes", "1024");
        let consumer = reader(config, &client, format!("group {group}"))?;
        Ok(Self { consumer })
    }

    /// Whether there is no record from `at` up to `end`: what stands there is the end of a
    /// transaction, which no reader ever sees.
    pub fn is_empty(&self, partition: &Partition, at: ResumeAt, end: i64) -> bool {
        match self.next(partition, at) {
            Seen::Record(record) => record.position.offset.0 >= end,
            Seen::End => true,
            Seen::Unknown => false,
        }
    }

    /// The first record from `at` on.
    pub fn next(&self, partition: &Partition, at: ResumeAt) -> Seen {
        let mut list = TopicPartitionList::new();
        let from = KafkaOffset::Offset(at.value());
        let assigned = list
            .add_partition_offset(&partition.topic, partition.index, from)
            .and_then(|()| self.consumer.assign(&list));
        let until = Instant::now() + LOOK_LIMIT;
        let mut seen = Seen::Unknown;
        while assigned.is_ok() && Instant::now() < until {
            match self.consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => {
                    seen = Seen::Record(record_of(&message));
                    break;
                }
                Some(Err(KafkaError::PartitionEOF(_))) => {
                    seen = Seen::End;
                    break;
                }
                Some(Err(error)) => tracing::debug!(%partition, %error, "looked in vain"),
                None => {}
            }
        }
        if let Err(error) = self.consumer.unassign() {
            tracing::debug!(%partition, %error, "the probe stays where it is");
        }
        seen
    }
}

/// What a look at the next record shows.
#[derive(Debug)]
pub enum Seen {
    /// A record.
    Record(Record),
    /// The log ends before there is one.
    End,
    /// Nobody answered in time.
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_passes_when_the_ends_that_it_waits_for_are_passed() {
        let mut growth = Growth::new("t", 2, 4, Duration::ZERO);
        let ends = vec![(Partition::new("t", 0), 5), (Partition::new("t", 1), 9)];
        assert_eq!((growth.waits_for(), growth.open_records()), (None, 0));
        assert_eq!(growth.older(), [Partition::new("t", 0), Partition::new("t", 1)]);
        growth.wait_for(ends.clone(), 3);
        assert_eq!((growth.waits_for(), growth.open_records()), (Some(ends), 0));
        assert_eq!(growth.is_over(Instant::now()), None);
        growth.wait_for(Vec::new(), 3);
        assert_eq!(growth.open_records(), 3);
        growth.passed(2);
        assert_eq!(growth.open_records(), 1);
        growth.passed(1);
        assert_eq!((growth.open_records(), growth.is_over(Instant::now())), (0, Some(4)));
        let young = Growth::new("t", 2, 4, Duration::from_secs(60));
        assert_eq!(young.is_over(Instant::now()), None);
    }
}
