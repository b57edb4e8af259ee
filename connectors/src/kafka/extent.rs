//! What topics hold now, as far as a reader of committed records sees it: from where to where.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};
use readmill_core::{Partition, ResumeAt};
use readmill_engine::{Bounds, Fault, Since, Until};

use super::begin::Asking;
use super::door::{Reader, permitted, why};

const SERVICE: &str = "kafka";

/// The bounds of every partition of some topics, as they stand now.
///
/// # Errors
/// When a topic does not exist, or nobody answers within the limit.
pub fn extent(
    consumer: &Reader,
    topics: &[String],
    since: &Since,
    until: &Until,
    limit: Duration,
) -> Result<BTreeMap<Partition, Bounds>, Fault> {
    let mut all = Vec::new();
    for topic in topics {
        all.extend(partitions(consumer, topic, limit)?);
    }
    let wanted = match since {
        Since::Beginning => BTreeMap::new(),
        Since::Places(places) => places.clone(),
        Since::Time(since_ms) => at_time(consumer, &all, *since_ms, limit)?,
    };
    let asking = Asking::within(limit);
    let bounds = all.into_iter().map(|partition| {
        let (first, end) = asking.log(consumer, &partition).ok_or_else(|| silent(&partition))?;
        let end = until.within(&partition, end);
        let bounds = Bounds::within(first, end, wanted.get(&partition).copied());
        Ok((partition, bounds))
    });
    bounds.collect()
}

/// The partitions of a topic.
///
/// # Errors
/// When it does not exist, or nobody answers within the limit.
pub fn partitions(
    consumer: &Reader,
    topic: &str,
    limit: Duration,
) -> Result<Vec<Partition>, Fault> {
    let found = consumer.fetch_metadata(Some(topic), limit);
    let unheard = |error| why(consumer, consumer.context()).unwrap_or_else(|| unanswered(&error));
    let metadata = found.map_err(unheard)?;
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    found.map_or(Ok(()), permitted)?;
    let found = found.filter(|found| !found.partitions().is_empty());
    let found = found.ok_or_else(|| Fault::Refused {
        service: SERVICE,
        detail: format!("topic {topic} does not exist"),
        hint: "check the model's topics, or apply the connector that fills them",
    })?;
    Ok(found.partitions().iter().map(|partition| Partition::new(topic, partition.id())).collect())
}

/// The place of the first record of each partition that was written at a time or later; one past
/// everything where no record is so young.
///
/// # Errors
/// When nobody answers within the limit.
pub fn at_time(
    consumer: &Reader,
    partitions: &[Partition],
    time_ms: i64,
    limit: Duration,
) -> Result<BTreeMap<Partition, ResumeAt>, Fault> {
    let mut times = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        let time = KafkaOffset::Offset(time_ms);
        let added = times.add_partition_offset(&partition.topic, partition.index, time);
        added.map_err(|error| consumer.context().refused(&error))?;
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
