//! The load: a made-up shop's changes, sent while faults go on, and what must follow from them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use readmill_connectors::kafka::producer::Outgoing;
use readmill_connectors::kafka::{KafkaConfig, Producer};
use readmill_connectors::registry::{RegistryBook, RegistryConfig};
use readmill_core::{Offset, Partition, Position};
use readmill_models::{Deliveries, Points};
use readmill_workload::{Knobs, Relay, Source, SourceRow, Table, written_schemas};
use tokio::task::JoinHandle;

use super::topics::Group;
use super::truth::{Ids, Truth};

/// Of each table.
pub const PARTITIONS: i32 = 8;
const SENT_TOGETHER: usize = 200;
const RECORDS_PER_SECOND: u64 = 1500;
/// The load waits while so many records are not committed: rest must not be far away.
const MOST_BEHIND: i64 = 15_000;

/// The topic of a table.
pub fn topic(table: Table) -> String {
    format!("kills.public.{}", table.name())
}

/// All partitions of the tables of a model.
pub fn partitions(model: &str) -> Vec<Partition> {
    let of = |table| {
        let topic = topic(table);
        (0..PARTITIONS).map(move |index| Partition::new(topic.as_str(), index))
    };
    Table::of_model(model).flat_map(of).collect()
}

/// What was sent, and what must come of it.
#[derive(Debug)]
pub struct Sent {
    /// What the member's documents must be.
    pub points: Truth<Points>,
    /// What the deliveries must be.
    pub deliveries: Truth<Deliveries>,
    /// Where each partition must end.
    pub ends: BTreeMap<Partition, i64>,
}

/// The load while it runs.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    rows: Arc<AtomicU64>,
    behind: Arc<AtomicI64>,
    sending: JoinHandle<Sent>,
}

/// The rows of the shop until the load is to stop.
struct Rows {
    source: Source,
    stop: Arc<AtomicBool>,
    taken: Arc<AtomicU64>,
}

impl Iterator for Rows {
    type Item = SourceRow;

    fn next(&mut self) -> Option<SourceRow> {
        if self.stop.load(Ordering::SeqCst) {
            return None;
        }
        self.taken.fetch_add(1, Ordering::SeqCst);
        self.source.next()
    }
}

impl Load {
    /// Makes schemas and topics, and begins to send.
    pub async fn begin(brokers: &str, registry: &str, knobs: &Knobs) -> Self {
        let book = RegistryBook::new(&RegistryConfig::at(registry)).unwrap();
        let mut ids = Ids::new();
        for schema in written_schemas() {
            let id = book.register(&schema.subject, &schema.text).await.unwrap();
            ids.insert(schema.name, id);
        }
        let config = KafkaConfig { brokers: brokers.to_owned(), ..KafkaConfig::default() };
        let producer = Producer::new(&config).unwrap();
        let topics: Vec<String> = Table::ALL.iter().copied().map(topic).collect();
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        producer.ensure_topics(&names, PARTITIONS).await.unwrap();
        let load = (Arc::default(), Arc::default(), Arc::default());
        let (stop, taken, behind): (Arc<AtomicBool>, Arc<AtomicU64>, Arc<AtomicI64>) = load;
        let source = Source::new(knobs.clone()).unwrap();
        let rows = Rows { source, stop: Arc::clone(&stop), taken: Arc::clone(&taken) };
        let partitions = u32::try_from(PARTITIONS).unwrap();
        let relay = Relay::new(rows, knobs, partitions, &|name| ids.get(name).copied()).unwrap();
        let sent =
            Sent { points: Truth::new(&ids), deliveries: Truth::new(&ids), ends: BTreeMap::new() };
        let sending = tokio::spawn(send(relay, producer, sent, Arc::clone(&behind)));
        Self { stop, rows: taken, behind, sending }
    }

    /// Looks how far the groups are behind, so that the load can wait for them.
    pub fn watch(&self, groups: &[Group; 2]) {
        if let [Some(one), Some(other)] = groups.each_ref().map(Group::lag) {
            self.behind.store(one + other, Ordering::SeqCst);
        }
    }

    /// Ends it: how many rows were committed, and what was sent of them.
    pub async fn end(self) -> (u64, Sent) {
        self.stop.store(true, Ordering::SeqCst);
        // Whoever waits for the groups waits in vain now.
        self.behind.store(0, Ordering::SeqCst);
        let sent = self.sending.await.unwrap();
        (self.rows.load(Ordering::SeqCst), sent)
    }
}

async fn send(
    mut relay: Relay<Rows>,
    producer: Producer,
    mut sent: Sent,
    behind: Arc<AtomicI64>,
) -> Sent {
    loop {
        let began = Instant::now();
        let mut batch = Vec::with_capacity(SENT_TOGETHER);
        for emission in relay.by_ref().take(SENT_TOGETHER) {
            let topic = topic(emission.table);
            let partition = Partition::new(topic.as_str(), emission.partition);
            let end = sent.ends.entry(partition.clone()).or_default();
            let from = Position { partition, offset: Offset(*end) };
            *end += 1;
            sent.points.take(&from, &emission.value);
            sent.deliveries.take(&from, &emission.value);
            batch.push(Outgoing {
                topic,
                partition: Some(emission.partition),
                key: Some(emission.key),
                value: Some(emission.value),
                headers: Vec::new(),
            });
        }
        if batch.is_empty() {
            return sent;
        }
        let many = batch.len() as u64;
        producer.send(batch).await.expect("the log takes what is sent");
        let due = began + Duration::from_millis(1000 * many / RECORDS_PER_SECOND);
        tokio::time::sleep_until(due.into()).await;
        while behind.load(Ordering::SeqCst) > MOST_BEHIND {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
