//! Single records as landmarks: by what was settled last in one cluster, its place is found in
//! another.

use std::time::{Duration, Instant};

use rdkafka::Offset as KafkaOffset;
use rdkafka::consumer::Consumer;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::topic_partition_list::TopicPartitionList;
use readmill_core::Partition;
use readmill_engine::Fault;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use super::config::KafkaConfig;
use super::door::{Reader, reader};

const POLL_STEP: Duration = Duration::from_millis(200);
/// The header by which the outbox router names an event.
const ID_HEADER: &str = "id";
/// So far back a record is looked for behind compacted ones, doubled each time.
const FIRST_STEP_BACK: i64 = 1;

/// What tells a record from others, whichever cluster it is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Landmark {
    /// When it was written, in milliseconds since 1970.
    pub timestamp_ms: i64,
    /// The event's id in its header, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// A hash of its key and its value.
    pub xxh3: String,
}

impl Landmark {
    fn of(message: &BorrowedMessage<'_>) -> Self {
        let header = |headers: &rdkafka::message::BorrowedHeaders| {
            let found = headers.iter().find(|header| header.key == ID_HEADER)?;
            found.value.map(|value| String::from_utf8_lossy(value).into_owned())
        };
        let mut hash = Xxh3::new();
        for part in [message.key(), message.payload()] {
            hash.update(&part.map_or(-1, |part| part.len() as i64).to_le_bytes());
            hash.update(part.unwrap_or_default());
        }
        Self {
            timestamp_ms: message.timestamp().to_millis().unwrap_or(0),
            id: message.headers().and_then(header),
            xxh3: format!("{:016x}", hash.digest()),
        }
    }

    /// Whether another is of the same record: by the id where both have one, else by the bytes.
    pub fn is_of(&self, other: &Self) -> bool {
        match (&self.id, &other.id) {
            (Some(one), Some(other)) => one == other,
            (None, Some(_)) | (Some(_), None) | (None, None) => self.xxh3 == other.xxh3,
        }
    }
}

/// Reads single records of partitions, as a member of no group.
pub struct Landmarks {
    consumer: Reader,
    limit: Duration,
}

impl std::fmt::Debug for Landmarks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Landmarks").finish_non_exhaustive()
    }
}

impl Landmarks {
    /// In the cluster of a configuration. All of its questions block.
    ///
    /// # Errors
    /// When the client's configuration is refused, or the brokers refuse us.
    pub fn of(config: &KafkaConfig, group: &str) -> Result<Self, Fault> {
        let consumer = reader(config, &config.reader(group), format!("group {group}"))?;
        Ok(Self { consumer, limit: config.connect_timeout() })
    }

    /// The last record of a partition below an offset; none if there is none.
    ///
    /// # Errors
    /// When no broker answers.
    pub fn before(
        &self,
        partition: &Partition,
        first: i64,
        offset: i64,
    ) -> Result<Option<Landmark>, Fault> {
        let mut back = FIRST_STEP_BACK;
        loop {
            let from = (offset - back).max(first);
            let mut last = None;
            self.visit(partition, from, offset, &mut |_, landmark| {
                last = Some(landmark);
                false
            })?;
            if last.is_some() || from == first {
                return Ok(last);
            }
            back *= 2;
        }
    }

    /// The place right behind a record, looked for from one offset up to another.
    ///
    /// # Errors
    /// When no broker answers.
    pub fn behind(
        &self,
        partition: &Partition,
        (from, end): (i64, i64),
        wanted: &Landmark,
    ) -> Result<Option<i64>, Fault> {
        let mut found = None;
        self.visit(partition, from, end, &mut |offset, landmark| {
            if landmark.is_of(wanted) {
                found = Some(offset + 1);
            }
            found.is_some()
        })?;
        Ok(found)
    }

    /// Visits records from one offset up to another, until told that it is enough.
    fn visit(
        &self,
        partition: &Partition,
        from: i64,
        end: i64,
        visit: &mut dyn FnMut(i64, Landmark) -> bool,
    ) -> Result<(), Fault> {
        if from >= end {
            return Ok(());
        }
        let mut list = TopicPartitionList::new();
        let offset = KafkaOffset::Offset(from);
        let added = list.add_partition_offset(&partition.topic, partition.index, offset);
        let assigned = added.and_then(|()| self.consumer.assign(&list));
        assigned.map_err(|error| self.consumer.context().refused(&error))?;
        let mut heard = Instant::now();
        loop {
            match self.consumer.poll(POLL_STEP) {
                None if heard.elapsed() > self.limit => {
                    let detail = format!("{partition} cannot be read from {from}");
                    return Err(Fault::Silent { service: "kafka", detail });
                }
                None => {}
                Some(Err(rdkafka::error::KafkaError::PartitionEOF(_))) => return Ok(()),
                Some(Err(error)) => return Err(self.consumer.context().refused(&error)),
                Some(Ok(message)) => {
                    heard = Instant::now();
                    let at = message.offset();
                    if at >= end || visit(at, Landmark::of(&message)) || at + 1 >= end {
                        return Ok(());
                    }
                }
            }
        }
    }
}
