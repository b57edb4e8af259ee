//! Events as the outbox event router passes them on: the event as the value, the rest in headers.

use std::collections::BTreeMap;

use readmill_connectors::kafka::producer::Outgoing;
use readmill_connectors::kafka::{KafkaConfig, Producer};
use readmill_connectors::registry::{RegistryBook, RegistryConfig};
use readmill_core::Partition;
use readmill_schemas::{Contract, SchemaId, WrittenEvents, framing};

use crate::paths::stack;

const SENT_TOGETHER: usize = 2_000;

/// An event with its aggregate and that one's version.
pub type Fact<E> = (String, i64, E);

/// Whoever sends them.
pub struct Router {
    producer: Producer,
    ids: BTreeMap<&'static str, SchemaId>,
}

/// A producer to the stack's brokers.
pub fn producer() -> Producer {
    let brokers = stack("KAFKA_BROKERS");
    Producer::new(&KafkaConfig { brokers, ..KafkaConfig::default() }).unwrap()
}

impl Router {
    /// A router that writes by these contracts, under their own names as subjects.
    pub async fn new(contracts: &[Contract]) -> Self {
        let book = RegistryBook::new(&RegistryConfig::at(stack("REGISTRY_URL"))).unwrap();
        let mut ids = BTreeMap::new();
        for contract in contracts {
            ids.insert(contract.name, book.register(contract.name, contract.text).await.unwrap());
        }
        Self { producer: producer(), ids }
    }

    /// Makes topics.
    pub async fn make_topics(&self, topics: &[&str], partitions: i32) {
        self.producer.ensure_topics(topics, partitions).await.unwrap();
    }

    /// Sends events in their order; the aggregate decides the partition.
    pub async fn send<E: WrittenEvents>(&self, topic: &str, facts: &[Fact<E>]) {
        for some in facts.chunks(SENT_TOGETHER) {
            let batch = some.iter().map(|fact| self.outgoing(topic, fact)).collect();
            self.producer.send(batch).await.unwrap();
        }
    }

    /// Sends a change of an aggregate to a partition, under a version and an id. It says nothing.
    pub async fn send_as(&self, to: &Partition, aggregate: &str, version: i64, id: &str) {
        let schema = self.ids.values().next().unwrap();
        let mut value = Vec::new();
        framing::write(*schema, |_| {}, &mut value);
        let header = |name: &str, value: String| (name.to_owned(), value.into_bytes());
        let outgoing = Outgoing {
            topic: to.topic.to_string(),
            partition: Some(to.index),
            key: Some(aggregate.as_bytes().to_vec()),
            value: Some(value),
            headers: vec![
                header("id", id.to_owned()),
                header("aggregateVersion", version.to_string()),
            ],
        };
        self.producer.send(vec![outgoing]).await.unwrap();
    }

    fn outgoing<E: WrittenEvents>(&self, topic: &str, fact: &Fact<E>) -> Outgoing {
        let (aggregate, version, event) = fact;
        let id = self.ids[event.contract().name];
        let mut value = Vec::new();
        framing::write(id, |out| event.write(out), &mut value);
        let header = |name: &str, value: String| (name.to_owned(), value.into_bytes());
        Outgoing {
            topic: topic.to_owned(),
            partition: None,
            key: Some(aggregate.clone().into_bytes()),
            value: Some(value),
            headers: vec![
                header("id", format!("{aggregate}/{version}")),
                header("aggregateVersion", version.to_string()),
            ],
        }
    }
}
