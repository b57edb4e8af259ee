//! What the brokers themselves say: where logs end, what groups have committed, what was said.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use readmill_connectors::kafka::KafkaConfig;
use readmill_core::Partition;
use readmill_schemas::framing;

const LIMIT: Duration = Duration::from_secs(10);

/// A group and its partitions.
pub struct Group {
    consumer: BaseConsumer,
    partitions: Vec<Partition>,
}

impl Group {
    /// Looks at a group without joining it.
    pub fn new(brokers: &str, group: &str, partitions: Vec<Partition>) -> Self {
        Self { consumer: reader(brokers, group), partitions }
    }

    /// How many records the group has not committed; none while the broker does not say.
    pub fn lag(&self) -> Option<i64> {
        self.lags().map(|lags| lags.iter().map(|(_, lag)| lag).sum())
    }

    /// The same of each partition.
    pub fn lags(&self) -> Option<Vec<(Partition, i64)>> {
        let mut list = TopicPartitionList::new();
        for partition in &self.partitions {
            list.add_partition(&partition.topic, partition.index);
        }
        let committed = self.consumer.committed_offsets(list, LIMIT).ok()?;
        let behind = committed.elements().into_iter().map(|element| {
            let (topic, index) = (element.topic(), element.partition());
            let (begin, end) = self.consumer.fetch_watermarks(topic, index, LIMIT).ok()?;
            let at = if let Offset::Offset(at) = element.offset() { at } else { begin };
            Some((Partition::new(topic, index), end - at))
        });
        behind.collect()
    }

    /// Where the group stands in each partition that it has committed, and the notes beside it.
    pub fn committed(&self) -> Vec<(Partition, i64, String)> {
        let mut list = TopicPartitionList::new();
        for partition in &self.partitions {
            list.add_partition(&partition.topic, partition.index);
        }
        let found = self.consumer.committed_offsets(list, LIMIT).unwrap();
        let stands = found.elements().into_iter().filter_map(|element| {
            let Offset::Offset(at) = element.offset() else { return None };
            let partition = Partition::new(element.topic(), element.partition());
            Some((partition, at, element.metadata().to_owned()))
        });
        stands.collect()
    }

    /// Where each partition ends.
    pub fn ends(&self) -> Vec<(Partition, i64)> {
        let end = |partition: &Partition| {
            let found = self.consumer.fetch_watermarks(&partition.topic, partition.index, LIMIT);
            (partition.clone(), found.unwrap().1)
        };
        self.partitions.iter().map(end).collect()
    }
}

fn reader(brokers: &str, group: &str) -> BaseConsumer {
    let config = KafkaConfig { brokers: brokers.to_owned(), ..KafkaConfig::default() };
    config.consumer(group).set("enable.partition.eof", "true").create().unwrap()
}

/// Every reaction on a topic: its id and its body.
pub fn reactions(brokers: &str, topic: &str) -> Vec<(String, Vec<u8>)> {
    let consumer = reader(brokers, "nobody");
    let metadata = consumer.fetch_metadata(Some(topic), LIMIT).unwrap();
    let mut list = TopicPartitionList::new();
    let mut open = 0;
    for partition in metadata.topics()[0].partitions() {
        list.add_partition_offset(topic, partition.id(), Offset::Beginning).unwrap();
        open += 1;
    }
    consumer.assign(&list).unwrap();
    let mut found = Vec::new();
    while open > 0 {
        match consumer.poll(LIMIT).expect("the topic can be read") {
            Ok(message) => {
                let headers = message.headers().unwrap();
                let id = headers.iter().find(|header| header.key == "readmill-id").unwrap();
                let id = String::from_utf8(id.value.unwrap().to_vec()).unwrap();
                let body = framing::read(message.payload().unwrap()).unwrap().body.to_vec();
                found.push((id, body));
            }
            Err(rdkafka::error::KafkaError::PartitionEOF(_)) => open -= 1,
            Err(error) => panic!("{error}"),
        }
    }
    found
}
