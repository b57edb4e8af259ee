//! What topics hold now, as far as a reader of committed records sees it: from where to where.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};
use readmill_core::{Partition, ResumeAt};
use readmill_engine::{Bounds, Fault, Since};

use super::begin::Asking;
use super::config::KafkaConfig;
use super::excerpt::Passage;
use super::log::refused;

const SERVICE: &str = "kafka";

/// The bounds of every partition of a passage, as they stand now.
///
/// # Errors
/// When a topic does not exist, or nobody answers within the limit.
pub fn extent(
    consumer: &BaseConsumer,
    passage: &Passage,
    limit: Duration,
) -> Result<BTreeMap<Partition, Bounds>, Fault> {
    let mut all = Vec::new();
    for topic in &passage.topics {
        all.extend(partitions(consumer, topic, limit)?);
    }
    let wanted = wanted(consumer, &all, &passage.since, limit)?;
    let asking = Asking::within(limit);
    let bounds = all.into_iter().map(|partition| {
        let (first, end) = asking.log(consumer, &partition).ok_or_else(|| silent(&partition))?;
        let end = passage.until.within(&partition, end);
        let bounds = Bounds::within(first, end, wanted.get(&partition).copied());
        Ok((partition, bounds))
    });
    bounds.collect()
}

/// How far a group has settled the partitions of some topics. It blocks while the brokers are
/// asked.
///
/// # Errors
/// When a topic does not exist, or nobody answers within the limit.
pub fn settled(
    config: &KafkaConfig,
    group: &str,
    topics: &[String],
) -> Result<BTreeMap<Partition, ResumeAt>, Fault> {
    let consumer: BaseConsumer = config.reader(group).create().map_err(|error| refused(&error))?;
    let limit = config.connect_timeout();
    let mut all = Vec::new();
    for topic in topics {
        all.extend(partitions(&consumer, topic, limit)?);
    }
    let found = Asking::within(limit).committed(&consumer, &all);
    let found = found.ok_or_else(|| Fault::Silent {
        service: SERVICE,
        detail: format!("nobody says how far the group {group} has come"),
    })?;
    Ok(found.into_iter().map(|(partition, (at, _))| (partition, at)).collect())
}

fn partitions(
    consumer: &BaseConsumer,
    topic: &str,
    limit: Duration,
) -> Result<Vec<Partition>, Fault> {
    let metadata =
        consumer.fetch_metadata(Some(topic), limit).map_err(|error| unanswered(&error))?;
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    let found = found.filter(|found| !found.partitions().is_empty());
    let found = found.ok_or_else(|| Fault::Refused {
        service: SERVICE,
        detail: format!("topic {topic} does not exist"),
        hint: "check the model's topics, or apply the connector that fills them",
    })?;
    Ok(found.partitions().iter().map(|partition| Partition::new(topic, partition.id())).collect())
}

/// Where reading is to begin, in partitions that do not begin with their first record.
fn wanted(
    consumer: &BaseConsumer,
    partitions: &[Partition],
    since: &Since,
    limit: Duration,
) -> Result<BTreeMap<Partition, ResumeAt>, Fault> {
    let since_ms = match since {
        Since::Beginning => return Ok(BTreeMap::new()),
        Since::Places(places) => return Ok(places.clone()),
        Since::Time(since_ms) => *since_ms,
    };
    let mut times = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        let time = KafkaOffset::Offset(since_ms);
        let added = times.add_partition_offset(&partition.topic, partition.index, time);
        added.map_err(|error| refused(&error))?;
    }
    let found = consumer.offsets_for_times(times, limit).map_err(|error| unanswered(&error))?;
    let place = |offset| match offset {
        KafkaOffset::Offset(at) => ResumeAt::stored(at),
        // No record is so young.
        KafkaOffset::Beginning
        | KafkaOffset::End
        | KafkaOffset::Stored
        | KafkaOffset::Invalid
        | KafkaOffset::OffsetTail(_) => ResumeAt::stored(i64::MAX),
    };
    let places = found.elements().into_iter().map(|element| {
        let partition = Partition::new(element.topic(), element.partition());
        element.error().map_err(|error| unanswered(&error))?;
        Ok((partition, place(element.offset())))
    });
    places.collect()
}

fn unanswered(error: &KafkaError) -> Fault {
    Fault::Silent { service: SERVICE, detail: error.to_string() }
}

fn silent(partition: &Partition) -> Fault {
    let detail = format!("nobody says where {partition} begins and ends");
    Fault::Silent { service: SERVICE, detail }
}
