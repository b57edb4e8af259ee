//! Records of the workload, sent to a corner's topics piece by piece, and what must come of them.

use std::collections::BTreeMap;
use std::iter::Peekable;

use readmill_connectors::kafka::producer::Outgoing;
use readmill_connectors::kafka::{KafkaConfig, Producer};
use readmill_connectors::registry::{RegistryBook, RegistryConfig};
use readmill_core::{Offset, Partition, Position};
use readmill_models::{Deliveries, Points};
use readmill_workload::{Emission, Knobs, Relay, Source, written_schemas};

use super::truth::{Ids, Truth};
use crate::paths::stack;
use crate::real::Corner;

/// The records that are left, and the truth of those that were sent.
pub struct Shipment {
    /// What the members' documents must be.
    pub points: Truth<Points>,
    /// What the deliveries must be.
    pub deliveries: Truth<Deliveries>,
    /// What every record carries besides.
    pub headers: Vec<(String, Vec<u8>)>,
    relay: Peekable<Relay<Source>>,
    producer: Producer,
    prefix: String,
    ends: BTreeMap<Partition, i64>,
}

impl Shipment {
    /// A workload that spreads its keys over so many partitions.
    pub async fn of(corner: &Corner, knobs: &Knobs, partitions: u32) -> Self {
        let book = RegistryBook::new(&RegistryConfig::at(stack("REGISTRY_URL"))).unwrap();
        let mut ids = Ids::new();
        for schema in written_schemas() {
            let id = book.register(&schema.subject, &schema.text).await.unwrap();
            ids.insert(schema.name, id);
        }
        let source = Source::new(knobs.clone()).unwrap();
        let relay = Relay::new(source, knobs, partitions, &|name| ids.get(name).copied()).unwrap();
        Self {
            points: Truth::new(&ids),
            deliveries: Truth::new(&ids),
            headers: Vec::new(),
            relay: relay.peekable(),
            producer: producer(),
            prefix: corner.name.clone(),
            ends: BTreeMap::new(),
        }
    }

    /// Sends the next records, each to one of the first `partitions`; answers how many there were.
    pub async fn send(&mut self, records: usize, partitions: i32) -> usize {
        let emissions = self.relay.by_ref().take(records).collect();
        self.ship(emissions, partitions).await
    }

    /// Sends what its source has published by then; answers how many records there were.
    pub async fn send_until(&mut self, now_ms: i64, partitions: i32) -> usize {
        let due = |emission: &Emission| emission.timestamp_ms <= now_ms;
        let emissions = std::iter::from_fn(|| self.relay.next_if(due)).collect();
        self.ship(emissions, partitions).await
    }

    async fn ship(&mut self, emissions: Vec<Emission>, partitions: i32) -> usize {
        let mut batch = Vec::with_capacity(emissions.len());
        for emission in emissions {
            let topic = format!("{}.public.{}", self.prefix, emission.table.name());
            let index = emission.partition % partitions;
            let partition = Partition::new(topic.as_str(), index);
            let end = self.ends.entry(partition.clone()).or_default();
            let from = Position { partition, offset: Offset(*end) };
            *end += 1;
            self.points.take(&from, &emission.value);
            self.deliveries.take(&from, &emission.value);
            batch.push(Outgoing {
                topic,
                partition: Some(index),
                key: Some(emission.key),
                value: Some(emission.value),
                headers: self.headers.clone(),
            });
        }
        let many = batch.len();
        self.producer.send(batch).await.unwrap();
        many
    }

    /// Topics have grown: another producer, which asks at once.
    pub fn grown(&mut self) {
        self.producer = producer();
    }

    /// The partitions that records were sent to.
    pub fn partitions(&self) -> Vec<Partition> {
        self.ends.keys().cloned().collect()
    }
}

fn producer() -> Producer {
    let brokers = stack("KAFKA_BROKERS");
    Producer::new(&KafkaConfig { brokers, ..KafkaConfig::default() }).unwrap()
}
