//! Readers of the query API on the real stack, under load: who reads what it wrote, who lists page
//! by page, and who listens.

mod at_least;
mod feed;
mod list;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdkafka::producer::{FutureProducer, FutureRecord};
use readmill_connectors::kafka::KafkaConfig;
use readmill_connectors::registry::{RegistryBook, RegistryConfig};
use readmill_workload::{Knobs, Source, SourceRow, Wire, written_schemas};
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::mill::Mill;
use crate::paths::stack;
use crate::real::Corner;

const LIMIT: Duration = Duration::from_secs(120);
/// The load has this pause between two bursts.
const TICK: Duration = Duration::from_millis(20);

/// Where a record stands, and which revision its document has at least once it is folded.
struct Sent {
    key: String,
    position: String,
    revision: i64,
}

/// Writes changes of members, and is told where each stands.
#[derive(Clone)]
struct Writer {
    topic: String,
    producer: FutureProducer,
    wire: Arc<Wire>,
}

impl Writer {
    async fn of(corner: &Corner) -> Self {
        let config = KafkaConfig { brokers: stack("KAFKA_BROKERS"), ..KafkaConfig::default() };
        let book = RegistryBook::new(&RegistryConfig::at(stack("REGISTRY_URL"))).unwrap();
        let mut ids = BTreeMap::new();
        for schema in written_schemas() {
            let id = book.register(&schema.subject, &schema.text).await.unwrap();
            ids.insert(schema.name, id);
        }
        let wire = Arc::new(Wire::new(&|name| ids.get(name).copied()).unwrap());
        let topic = corner.topics("points").trim_matches('"').to_owned();
        Self { topic, producer: config.producer().create().unwrap(), wire }
    }

    async fn send(&self, row: &SourceRow) -> Sent {
        let (key, value) = self.wire.record(row);
        let record = FutureRecord::to(&self.topic).key(&key).payload(&value);
        let told = self.producer.send(record, LIMIT).await.unwrap();
        Sent {
            key: row.aggregate_id.clone(),
            position: format!("{}/{}@{}", self.topic, told.partition, told.offset),
            revision: row.version.unwrap(),
        }
    }

    /// Writes so many changes after each tick, until it is told to stop.
    fn press(
        &self,
        mut rows: impl Iterator<Item = SourceRow> + Send + 'static,
        many: usize,
    ) -> Load {
        let (writer, stop) = (self.clone(), Arc::<AtomicBool>::default());
        let told = Arc::clone(&stop);
        let sending = tokio::spawn(async move {
            let mut sent = 0;
            while !told.load(Ordering::SeqCst) {
                let burst: Vec<SourceRow> = rows.by_ref().take(many).collect();
                // Their order is that in which they are handed to the client.
                let sends = burst.iter().map(|row| writer.send(row));
                sent += futures::future::join_all(sends).await.len();
                tokio::time::sleep(TICK).await;
            }
            sent
        });
        Load { stop, sending }
    }
}

/// Changes that are being written.
struct Load {
    stop: Arc<AtomicBool>,
    sending: JoinHandle<usize>,
}

impl Load {
    /// Ends it: how many were written.
    async fn end(self) -> usize {
        self.stop.store(true, Ordering::SeqCst);
        self.sending.await.unwrap()
    }
}

/// Changes of those members whose numbers are odd or even, each member's in order.
fn rows(odd: bool, members: u32) -> impl Iterator<Item = SourceRow> + Send + 'static {
    let knobs = Knobs {
        seed: 11,
        events: 1_000_000_000,
        members,
        skew_per_mille: 0,
        deliveries_per_mille: 0,
        early_per_mille: 0,
        ..Knobs::default()
    };
    let digit = |row: &SourceRow| row.aggregate_id.bytes().last().unwrap_or(0);
    let of_members =
        |row: &SourceRow| row.version.is_some() && row.table.topic().contains("points");
    Source::new(knobs).unwrap().filter(move |row| of_members(row) && (digit(row) % 2 == 1) == odd)
}

/// An answer that must be well, as JSON.
#[track_caller]
fn json(mill: &Mill, path: &str) -> Value {
    let (status, body) = mill.ask(path).unwrap();
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

/// The revisions of all living documents, page by page.
#[track_caller]
fn revisions(mill: &Mill, query: &str) -> BTreeMap<String, i64> {
    let (mut all, mut after) = (BTreeMap::new(), String::new());
    loop {
        let page = json(mill, &format!("/models/points?{query}{after}"));
        for one in page["documents"].as_array().unwrap() {
            let key = one["key"].as_str().unwrap().to_owned();
            let is_behind = all.last_key_value().is_none_or(|(last, _)| *last < key);
            assert!(is_behind, "{key} comes again, or too late");
            all.insert(key, one["revision"].as_i64().unwrap());
        }
        let Some(more) = page["more_after"].as_str() else { return all };
        after = format!("&after={more}");
    }
}
