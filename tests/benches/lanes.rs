//! How soon online changes are durable while a flood of batch rows is folded: alone, with lanes,
//! and without them. On the real stack; run it by `tools/bench-lanes`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its figures")]

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use readmill_connectors::kafka::producer::Outgoing;
use readmill_connectors::kafka::{KafkaConfig, KafkaLog, Membership, Producer};
use readmill_connectors::mongo::{Mongo, MongoConfig};
use readmill_connectors::registry::{RegistryBook, RegistryConfig};
use readmill_engine::{
    Clock, Fault, LaneRule, Lanes, Limits, Metrics, Mirror, Outlet, Ports, Pulse, Said, Tally,
    View, Watch, run,
};
use readmill_models::Points;
use readmill_schemas::SchemaId;
use readmill_workload::{Knobs, Source, SourceRow, Table, Wire, written_schemas};
use tokio::sync::watch;

#[path = "../it/paths.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod paths;

use paths::stack;

const PARTITIONS: i32 = 8;
const MEMBERS: u32 = 20_000;
const SENT_TOGETHER: usize = 2_000;
const ARRIVAL_LIMIT: Duration = Duration::from_secs(60);

fn size(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

/// When each online change was sent, and how long it took until its document was durable.
#[derive(Debug, Default)]
struct Stopwatch(Mutex<(HashMap<String, Instant>, Vec<Duration>)>);

impl Stopwatch {
    /// False while an earlier change of the key is on its way.
    fn start(&self, key: &str) -> bool {
        let mut times = self.0.lock().unwrap();
        let idle = !times.0.contains_key(key);
        if idle {
            times.0.insert(key.to_owned(), Instant::now());
        }
        idle
    }

    fn under_way(&self) -> usize {
        self.0.lock().unwrap().0.len()
    }

    /// Percentiles of what was taken, in milliseconds.
    fn percentiles(&self) -> (usize, f64, f64) {
        let mut taken = self.0.lock().unwrap().1.clone();
        taken.sort();
        let at = |share: usize| {
            let last = taken.len().saturating_sub(1);
            taken.get(last * share / 100).map_or(0.0, |taken| taken.as_secs_f64() * 1000.0)
        };
        (taken.len(), at(50), at(99))
    }
}

/// Views are shown after their documents are durable.
#[async_trait]
impl Mirror for Stopwatch {
    async fn show(&self, views: &[View]) -> Result<(), Fault> {
        let mut times = self.0.lock().unwrap();
        for view in views {
            if let Some(sent) = times.0.remove(view.key.as_str()) {
                times.1.push(sent.elapsed());
            }
        }
        Ok(())
    }
}

#[derive(Debug)]
struct Wall;

impl Clock for Wall {
    fn now_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        i64::try_from(since.as_millis()).unwrap()
    }
}

#[derive(Debug)]
struct Nobody;

#[async_trait]
impl Outlet for Nobody {
    async fn send(&self, _: &[Said]) -> Result<(), Fault> {
        Ok(())
    }
}

/// What one phase runs on: topics, a group and a database of its own.
struct Phase {
    name: String,
    kafka: KafkaConfig,
    producer: Producer,
    registry: Arc<RegistryBook>,
    wire: Wire,
}

impl Phase {
    async fn new(name: &str) -> Self {
        let name = format!("lanes{name}{}", Wall.now_ms());
        let kafka = KafkaConfig { brokers: stack("KAFKA_BROKERS"), ..KafkaConfig::default() };
        let producer = Producer::new(&kafka).unwrap();
        let registry = RegistryBook::new(&RegistryConfig::at(stack("REGISTRY_URL"))).unwrap();
        let mut ids: BTreeMap<String, SchemaId> = BTreeMap::new();
        for schema in written_schemas() {
            let id = registry.register(&schema.subject, &schema.text).await.unwrap();
            ids.insert(schema.name, id);
        }
        let wire = Wire::new(&|name| ids.get(name).copied()).unwrap();
        let phase = Self { name, kafka, producer, registry: Arc::new(registry), wire };
        let topics = [phase.topic("online"), phase.topic("batch")];
        let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
        phase.producer.ensure_topics(&topics, PARTITIONS).await.unwrap();
        phase
    }

    fn topic(&self, lane: &str) -> String {
        format!("{}.{lane}_outbox", self.name)
    }

    fn outgoing(&self, lane: &str, row: &SourceRow) -> Outgoing {
        let (key, value) = self.wire.record(row);
        let (key, value) = (Some(key), Some(value));
        Outgoing { topic: self.topic(lane), partition: None, key, value, headers: Vec::new() }
    }

    async fn flood(&self, rows: &mut impl Iterator<Item = SourceRow>, many: usize) {
        let mut left = many;
        while left > 0 {
            let some = rows.by_ref().take(SENT_TOGETHER.min(left));
            let batch: Vec<Outgoing> = some.map(|row| self.outgoing("batch", &row)).collect();
            left -= batch.len();
            self.producer.send(batch).await.unwrap();
        }
    }

    async fn ports(&self, stopwatch: &Arc<Stopwatch>, metrics: &Metrics) -> Ports<Points> {
        let mut config = MongoConfig::at(stack("MONGO_URI"));
        config.database.clone_from(&self.name);
        let mongo = Mongo::connect(&config).await.unwrap();
        Ports {
            schemas: Arc::clone(&self.registry) as _,
            store: Arc::new(mongo.documents("points", 1).await.unwrap()),
            held: Arc::new(mongo.held().await.unwrap()),
            outlet: Arc::new(Nobody),
            mirror: Some(Arc::clone(stopwatch) as _),
            clock: Arc::new(Wall),
            metrics: metrics.clone(),
        }
    }

    async fn log(&self, lanes: Option<Lanes>, tally: &Tally, metrics: &Metrics) -> KafkaLog {
        let topics = vec![self.topic("online"), self.topic("batch")];
        let mut membership =
            Membership::new("points", format!("{}.g", self.name), topics, metrics.clone());
        membership.tally = tally.clone();
        if let Some(lanes) = lanes {
            membership.lanes = lanes;
            let named = ["online", "batch"].map(|lane| (self.topic(lane), lane.to_owned()));
            membership.lane_of = named.into();
        }
        let config = self.kafka.clone();
        let join = move || KafkaLog::join(&config, membership);
        tokio::task::spawn_blocking(join).await.unwrap().unwrap()
    }

    /// Online changes at a steady rate, each timed, while the flood lasts.
    async fn online(
        &self,
        rows: impl Iterator<Item = SourceRow>,
        stopwatch: &Stopwatch,
        tally: &Tally,
        flood: u64,
    ) -> Duration {
        let per_s = size("READMILL_LANES_ONLINE_PER_S", 200);
        let limit = Duration::from_secs(size("READMILL_LANES_SECONDS", 60));
        let (began, mut sent) = (Instant::now(), 0);
        for row in rows {
            let flooded = flood == 0 || tally.counts().consumed < flood + sent;
            if began.elapsed() > limit || !flooded {
                break;
            }
            let due = Duration::from_secs_f64(sent as f64 / per_s as f64);
            tokio::time::sleep_until((began + due).into()).await;
            if stopwatch.start(&row.aggregate_id) {
                self.producer.send(vec![self.outgoing("online", &row)]).await.unwrap();
                sent += 1;
            }
        }
        let lasted = began.elapsed();
        let until = Instant::now() + ARRIVAL_LIMIT;
        while stopwatch.under_way() > 0 && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        lasted
    }
}

fn lanes() -> Lanes {
    let rate_records_per_s = std::num::NonZeroU64::new(size("READMILL_LANES_RATE", 0));
    let batch = LaneRule { priority: 1, rate_records_per_s, ..LaneRule::default() };
    let rules = [("online", LaneRule::default()), ("batch", batch)];
    Lanes::new(&rules.map(|(name, rule)| (name.to_owned(), rule)).into())
}

/// Members with even numbers are online, the others in the batch: keys are not shared, so that
/// nothing but the load of one is felt by the other.
fn rows(parity: u8) -> impl Iterator<Item = SourceRow> {
    let knobs = Knobs {
        events: 50_000_000,
        members: MEMBERS,
        deliveries_per_mille: 0,
        early_per_mille: 0,
        ..Knobs::default()
    };
    let is_its = move |row: &SourceRow| {
        row.table == Table::Points && row.aggregate_id.bytes().last().unwrap_or(0) % 2 == parity
    };
    Source::new(knobs).unwrap().filter(is_its)
}

async fn measure(name: &str, flood: u64, lanes: Option<Lanes>) -> f64 {
    let phase = Phase::new(name).await;
    phase.flood(&mut rows(1), usize::try_from(flood).unwrap()).await;
    let (stopwatch, metrics) = (Arc::new(Stopwatch::default()), Metrics::new().unwrap());
    let tally = Tally::new("points", metrics.clone());
    let ports = phase.ports(&stopwatch, &metrics).await;
    let log = phase.log(lanes, &tally, &metrics).await;
    let (stop, stopping) = watch::channel(false);
    let watch = Watch { tally: tally.clone(), pulse: Pulse::default(), stop: stopping };
    let running = tokio::spawn(run(Arc::new(ports), Box::new(log), Limits::default(), watch));
    let mut online = rows(0);
    // The first one waits for the group to have settled down, and is not counted.
    let first = online.next().unwrap();
    stopwatch.start(&first.aggregate_id);
    phase.producer.send(vec![phase.outgoing("online", &first)]).await.unwrap();
    while stopwatch.under_way() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stopwatch.0.lock().unwrap().1.clear();
    let before = tally.counts().consumed;
    let lasted = phase.online(online, &stopwatch, &tally, flood).await;
    let rate = (tally.counts().consumed - before) as f64 / lasted.as_secs_f64();
    stop.send_replace(true);
    running.await.unwrap().unwrap();
    let (changes, p50, p99) = stopwatch.percentiles();
    println!(
        "{name:8} {changes:6} online changes in {:5.1} s  p50 {p50:7.1} ms  p99 {p99:7.1} ms  \
         {rate:8.0} records/s in all",
        lasted.as_secs_f64()
    );
    p99
}

#[tokio::main]
async fn main() {
    let flood = size("READMILL_LANES_BATCH_ROWS", 1_000_000);
    let alone = measure("alone", 0, Some(lanes())).await;
    let with = measure("lanes", flood, Some(lanes())).await;
    let without = measure("without", flood, None).await;
    println!("online_p99_ratio={:.2} without_lanes={:.2}", with / alone, without / alone);
}
