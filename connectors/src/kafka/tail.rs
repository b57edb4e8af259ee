//! Partitions that are read without a group: whoever copies them keeps the positions.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};
use readmill_core::{Partition, Position, Record, ResumeAt};
use readmill_engine::Fault;

use super::begin::Asking;
use super::config::KafkaConfig;
use super::door::{Reader, permitted, reader};
use super::growth::{Probe, Seen};
use super::poller::{Asked, judge, record_of};

/// The client takes a new place to read from within this time.
const SEEK_LIMIT: Duration = Duration::from_secs(5);

/// Committed records of partitions that are named one by one.
pub struct Tail {
    config: KafkaConfig,
    consumer: Reader,
    probe: Probe,
}

impl fmt::Debug for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tail").field("brokers", &self.config.brokers).finish_non_exhaustive()
    }
}

/// What a poll brings.
#[derive(Debug)]
pub enum Pulled {
    /// A record.
    Record(Record),
    /// Nothing, for as long as was waited.
    Nothing,
    /// Some partition's log has not what comes next.
    Lost,
}

impl Tail {
    /// A tail that reads nothing yet.
    ///
    /// # Errors
    /// When the client library refuses the configuration, or the brokers refuse us.
    pub fn new(config: &KafkaConfig) -> Result<Self, Fault> {
        let group = format!("{}.archive", config.group_prefix);
        let consumer = reader(config, &config.tail(), format!("group {group}"))?;
        let probe = Probe::new(config, &group)?;
        Ok(Self { config: config.clone(), consumer, probe })
    }

    /// How many partitions a topic has; none if there is no such topic.
    ///
    /// # Errors
    /// When no broker answers.
    pub fn partitions(&self, topic: &str) -> Result<Option<i32>, Fault> {
        let found = self.consumer.fetch_metadata(Some(topic), self.config.connect_timeout());
        let metadata = found.map_err(|error| self.silent(&error.to_string()))?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        found.map_or(Ok(()), permitted)?;
        let count = found.and_then(|found| i32::try_from(found.partitions().len()).ok());
        Ok(count.filter(|count| *count > 0))
    }

    /// The first offset that the log still has, and the one behind its last committed record.
    ///
    /// # Errors
    /// When no broker answers.
    pub fn log(&self, partition: &Partition) -> Result<(i64, i64), Fault> {
        let found = Asking::within(self.config.connect_timeout()).log(&self.consumer, partition);
        found.ok_or_else(|| self.silent(&format!("nobody says where {partition} begins and ends")))
    }

    /// The record at a position; none where the log has none there.
    ///
    /// # Errors
    /// When no broker answers.
    pub fn record(&self, at: &Position) -> Result<Option<Record>, Fault> {
        match self.probe.next(&at.partition, ResumeAt::stored(at.offset.0)) {
            Seen::Record(record) if record.position == *at => Ok(Some(record)),
            Seen::Record(_) | Seen::End => Ok(None),
            Seen::Unknown => Err(self.silent(&format!("nobody says what is at {at}"))),
        }
    }

    /// Whether there is no record from `at` up to `end`, as far as anybody answers.
    pub fn is_empty(&self, partition: &Partition, at: ResumeAt, end: i64) -> bool {
        self.probe.is_empty(partition, at, end)
    }

    /// Begins to read a partition at a place.
    ///
    /// # Errors
    /// When the client library refuses.
    pub fn add(&self, partition: &Partition, at: ResumeAt) -> Result<(), Fault> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(
            &partition.topic,
            partition.index,
            KafkaOffset::Offset(at.value()),
        )
        .and_then(|()| self.consumer.incremental_assign(&list))
        .map_err(|error| self.refused(&error))
    }

    /// Reads a partition no longer.
    ///
    /// # Errors
    /// When the client library refuses.
    pub fn remove(&self, partition: &Partition) -> Result<(), Fault> {
        let mut list = TopicPartitionList::new();
        list.add_partition(&partition.topic, partition.index);
        self.consumer.incremental_unassign(&list).map_err(|error| self.refused(&error))
    }

    /// Reads a partition on from another place. What comes twice by that is the caller's to drop.
    pub fn jump(&self, partition: &Partition, to: ResumeAt) {
        let to = KafkaOffset::Offset(to.value());
        if let Err(error) = self.consumer.seek(&partition.topic, partition.index, to, SEEK_LIMIT) {
            tracing::warn!(%partition, %error, "the client takes no other place to read from");
        }
    }

    /// The next record of any partition.
    ///
    /// # Errors
    /// What only a person can mend; whatever passes is waited for.
    pub fn pull(&self, patience: Duration) -> Result<Pulled, Fault> {
        match self.consumer.poll(patience) {
            None => Ok(Pulled::Nothing),
            Some(Ok(message)) => Ok(Pulled::Record(record_of(&message))),
            Some(Err(error)) => match judge(&error, self.consumer.context())? {
                Asked::Nothing => Ok(Pulled::Nothing),
                Asked::Place => Ok(Pulled::Lost),
            },
        }
    }

    /// How far each partition was read: all records before it have been pulled. The ends of
    /// transactions are passed, too, which no pull brings.
    ///
    /// # Errors
    /// When the client library refuses.
    pub fn passed(&self) -> Result<BTreeMap<Partition, i64>, Fault> {
        let list = self.consumer.position().map_err(|error| self.refused(&error))?;
        let mut passed = BTreeMap::new();
        for element in list.elements() {
            if let KafkaOffset::Offset(at) = element.offset() {
                passed.insert(Partition::new(element.topic(), element.partition()), at);
            }
        }
        Ok(passed)
    }

    fn refused(&self, error: &KafkaError) -> Fault {
        self.consumer.context().refused(error)
    }

    fn silent(&self, detail: &str) -> Fault {
        let detail = format!("{detail} (brokers {})", self.config.brokers);
        Fault::Silent { service: "kafka", detail }
    }
}
