//! What benchmarks on the real stack share: a place of their own, a steady load, and a stopwatch.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use readmill_connectors::kafka::producer::Outgoing;
use readmill_connectors::kafka::{KafkaConfig, KafkaLog, Membership, Producer};
use readmill_connectors::mongo::{Mongo, MongoConfig, MongoStore};
use readmill_connectors::registry::{RegistryBook, RegistryConfig};
use readmill_core::Counts;
use readmill_engine::{
    Changes, Clock, Fault, Forgetting, Lanes, Limits, Memory, Metrics, Mirror, Only, Outlet, Ports,
    Pulse, Said, Script, Side, Tally, VersionsOf, View, Watch, Word, run,
};
use readmill_models::Points;
use readmill_schemas::SchemaId;
use readmill_workload::{SourceRow, Wire, written_schemas};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::paths::stack;

pub const PARTITIONS: i32 = 8;
const SENT_TOGETHER: usize = 2_000;
const ARRIVAL_LIMIT: Duration = Duration::from_secs(60);

/// A size that the environment may change.
pub fn size(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

/// When each timed change was due, and how long it took until its document was durable.
#[derive(Debug, Default)]
pub struct Stopwatch(Mutex<(HashMap<String, Instant>, Vec<Duration>)>);

impl Stopwatch {
    fn start(&self, key: &str, due: Instant) {
        self.0.lock().unwrap().0.insert(key.to_owned(), due);
    }

    /// Whether a change of the key is on its way.
    fn waits_for(&self, key: &str) -> bool {
        self.0.lock().unwrap().0.contains_key(key)
    }

    /// How many changes have not arrived.
    pub fn under_way(&self) -> usize {
        self.0.lock().unwrap().0.len()
    }

    /// What was taken, and forgets it.
    pub fn take(&self) -> Vec<Duration> {
        std::mem::take(&mut self.0.lock().unwrap().1)
    }
}

/// Views are shown after their documents are durable.
#[async_trait]
impl Mirror for Stopwatch {
    async fn show(&self, views: &[View]) -> Result<(), Fault> {
        let mut times = self.0.lock().unwrap();
        for view in views {
            if let Some(due) = times.0.remove(view.key.as_str()) {
                times.1.push(due.elapsed());
            }
        }
        Ok(())
    }
}

/// Times of one kind, from all rounds.
#[derive(Debug, Default, Clone)]
pub struct Times(pub Vec<Duration>);

impl Times {
    /// A percentile in milliseconds.
    pub fn at(&self, per_cent: usize) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort();
        let place = (sorted.len() * per_cent).div_ceil(100);
        sorted.get(place.saturating_sub(1)).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
    }

    pub fn told(&self) -> String {
        let (p50, p90, p99) = (self.at(50), self.at(90), self.at(99));
        format!("{:6} changes  p50 {p50:7.1}  p90 {p90:7.1}  p99 {p99:7.1} ms", self.0.len())
    }
}

#[derive(Debug)]
pub struct Wall;

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

/// Topics, a group and a database that nobody else uses.
#[derive(Clone)]
pub struct Lab {
    pub name: String,
    kafka: KafkaConfig,
    producer: Producer,
    registry: Arc<RegistryBook>,
    pub wire: Arc<Wire>,
    /// Which topics share their versions.
    pub versions_of: VersionsOf,
}

/// A model at work in a lab.
pub struct Mill {
    pub stopwatch: Arc<Stopwatch>,
    pub tally: Tally,
    /// A key that is not timed.
    pub untimed: Option<String>,
    pub ports: Arc<Ports<Points>>,
    stop: watch::Sender<bool>,
    running: JoinHandle<Result<Counts, Fault>>,
}

impl Mill {
    pub async fn stop(self) {
        self.stop.send_replace(true);
        self.running.await.unwrap().unwrap();
    }
}

impl Lab {
    pub async fn new(name: &str) -> Self {
        let name = format!("{name}{}", Wall.now_ms());
        let mut kafka = KafkaConfig { brokers: stack("KAFKA_BROKERS"), ..KafkaConfig::default() };
        kafka.prefetch_kib = size("READMILL_BENCH_PREFETCH_KIB", kafka.prefetch_kib);
        let producer = Producer::new(&kafka).unwrap();
        let registry = RegistryBook::new(&RegistryConfig::at(stack("REGISTRY_URL"))).unwrap();
        let mut ids: BTreeMap<String, SchemaId> = BTreeMap::new();
        for schema in written_schemas() {
            let id = registry.register(&schema.subject, &schema.text).await.unwrap();
            ids.insert(schema.name, id);
        }
        let wire = Arc::new(Wire::new(&|name| ids.get(name).copied()).unwrap());
        Self {
            name,
            kafka,
            producer,
            registry: Arc::new(registry),
            wire,
            versions_of: VersionsOf::default(),
        }
    }

    /// The lab with other topics, another group and another database.
    pub fn again(&self, name: &str) -> Self {
        Self { name: format!("{}{name}", self.name), ..self.clone() }
    }

    pub fn topic(&self, lane: &str) -> String {
        format!("{}.{lane}_outbox", self.name)
    }

    pub async fn make(&self, topics: &[&str]) {
        self.producer.ensure_topics(topics, PARTITIONS).await.unwrap();
    }

    fn outgoing(&self, topic: &str, row: &SourceRow) -> Outgoing {
        let (key, value) = self.wire.record(row);
        let (key, value, topic) = (Some(key), Some(value), topic.to_owned());
        Outgoing { topic, partition: None, key, value, headers: Vec::new() }
    }

    pub async fn send(&self, topic: &str, row: &SourceRow) {
        self.producer.send(vec![self.outgoing(topic, row)]).await.unwrap();
    }

    /// As many rows as there are, as fast as the broker takes them.
    pub async fn flood(&self, topic: &str, rows: impl Iterator<Item = SourceRow>) {
        let mut rows = rows.peekable();
        while rows.peek().is_some() {
            let some = rows.by_ref().take(SENT_TOGETHER);
            let batch = some.map(|row| self.outgoing(topic, &row)).collect();
            self.producer.send(batch).await.unwrap();
        }
    }

    pub async fn store(&self) -> (Mongo, MongoStore) {
        let mut config = MongoConfig::at(stack("MONGO_URI"));
        config.database.clone_from(&self.name);
        let mongo = Mongo::connect(&config).await.unwrap();
        let store = mongo.documents("points", 1).await.unwrap();
        (mongo, store)
    }

    /// Starts the model over topics, each in the lane that is named with it.
    pub async fn start(&self, topics: &[(&str, &str)], lanes: Option<&Lanes>) -> Mill {
        let metrics = Metrics::new().unwrap();
        let stopwatch = Arc::new(Stopwatch::default());
        let tally = Tally::new("points", metrics.clone());
        let (mongo, store) = self.store().await;
        let partials = mongo.documents("points.partials", 1).await.unwrap();
        let ports = Arc::new(Ports {
            memory: Memory::default(),
            changes: Changes::default(),
            side: Side { partials: Some(Arc::new(partials)), edges: None },
            script: Script {
                schemas: Arc::clone(&self.registry) as _,
                versions_of: self.versions_of.clone(),
                forgotten: Forgetting::nobody(),
                only: Only::default(),
            },
            store: Arc::new(store),
            held: Arc::new(mongo.held().await.unwrap()),
            outlet: Arc::new(Nobody),
            word: Word::alone(),
            mirror: Some(Arc::clone(&stopwatch) as _),
            clock: Arc::new(Wall),
            metrics: metrics.clone(),
        });
        let names = topics.iter().map(|(topic, _)| (*topic).to_owned()).collect();
        let mut membership =
            Membership::new("points", format!("{}.g", self.name), names, metrics.clone());
        membership.tally = tally.clone();
        if let Some(lanes) = lanes {
            membership.lanes = lanes.clone();
            let lane_of = topics.iter().map(|(topic, lane)| (topic.to_string(), lane.to_string()));
            membership.lane_of = lane_of.collect();
        }
        let config = self.kafka.clone();
        let join = move || KafkaLog::join(&config, membership);
        let log = tokio::task::spawn_blocking(join).await.unwrap().unwrap();
        let (stop, stopping) = watch::channel(false);
        let watch = Watch::new(tally.clone(), Pulse::default(), stopping);
        let running =
            tokio::spawn(run(Arc::clone(&ports), Box::new(log), Limits::default(), watch));
        Mill { stopwatch, tally, untimed: None, ports, stop, running }
    }

    /// Changes at a steady rate, each timed from the moment that it is due, until `goes_on` says
    /// otherwise; then waits until all have arrived. Answers how many were sent, and in what time.
    pub async fn steady(
        &self,
        topic: &str,
        per_s: u64,
        rows: &mut impl Iterator<Item = SourceRow>,
        mill: &Mill,
        mut goes_on: impl FnMut(u64, Duration) -> bool,
    ) -> (u64, Duration) {
        let (began, mut sent, mut sending) = (Instant::now(), 0, JoinSet::new());
        while goes_on(sent, began.elapsed())
            && let Some(row) = rows.next()
        {
            let due = began + Duration::from_secs_f64(sent as f64 / per_s as f64);
            tokio::time::sleep_until(due.into()).await;
            sent += 1;
            if mill.untimed.as_ref() == Some(&row.aggregate_id) {
                self.send(topic, &row).await;
                continue;
            }
            // One change of a key at a time, so that each is told from the next.
            while mill.stopwatch.waits_for(&row.aggregate_id) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            mill.stopwatch.start(&row.aggregate_id, due);
            let (lab, topic) = (self.clone(), topic.to_owned());
            sending.spawn(async move { lab.send(&topic, &row).await });
            while sending.try_join_next().is_some() {}
        }
        let lasted = began.elapsed();
        while sending.join_next().await.is_some() {}
        let until = Instant::now() + ARRIVAL_LIMIT;
        while mill.stopwatch.under_way() > 0 && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        (sent, lasted)
    }

    /// Sends one change after the other for a while, until the group has settled down and nothing
    /// is cold any more. What they took is not counted.
    pub async fn warm_up(
        &self,
        topic: &str,
        rows: &mut impl Iterator<Item = SourceRow>,
        mill: &Mill,
        changes: u64,
    ) {
        self.steady(topic, 100, rows, mill, |sent, _| sent < 1).await;
        self.steady(topic, 100, rows, mill, |sent, _| sent < changes).await;
        mill.stopwatch.take();
    }
}
