//! A corner of the real stack that belongs to one test: names of its own everywhere.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use readmill_connectors::kafka::{KafkaConfig, Producer};
use readmill_connectors::mongo::{Mongo, MongoConfig};
use readmill_connectors::redis::{Redis, RedisConfig};
use readmill_core::ReadModel;
use readmill_core::digest::Digest;
use readmill_engine::Store;
use tempfile::TempDir;

use crate::mill::{Mill, wait};
use crate::paths::stack;

/// Names that no other test, and no earlier run, uses.
#[derive(Debug)]
pub struct Corner {
    /// The prefix of its topics, groups, databases and keys.
    pub name: String,
    dir: TempDir,
}

/// What a model's store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contents {
    /// How many living documents.
    pub living: usize,
    /// Their digest.
    pub digest: Digest,
    /// Events that still wait.
    pub waiting: usize,
    /// Reactions that are noted in documents.
    pub said: usize,
}

impl Corner {
    /// A corner for the test `name`.
    pub fn new(name: &str) -> Self {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        Self { name: format!("{name}{}", since.as_millis()), dir: tempfile::tempdir().unwrap() }
    }

    /// A directory of its own.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The topics of a model, as the workload's tables name them.
    pub fn topics(&self, model: &str) -> String {
        let tables: &[&str] = match model {
            "points" => &["points_outbox"],
            _ => &["deliveries_outbox_a", "deliveries_outbox_b", "deliveries_outbox_c"],
        };
        let topic = |table: &&str| format!("\"{}.public.{table}\"", self.name);
        tables.iter().map(topic).collect::<Vec<_>>().join(", ")
    }

    /// The configuration of an instance: points in MongoDB with a mirror, deliveries in Redis.
    pub fn configuration(&self) -> String {
        format!(
            r#"
[source]
kind = "kafka"

[kafka]
brokers = "{brokers}"
group_prefix = "{name}"
session_timeout_ms = 6000

[registry]
urls = ["{registry}"]

[mongo]
uri = "{mongo}"
database = "{name}"

[redis]
uri = "{redis}"
prefix = "{name}:"

[models.points]
topics = [{points}]
store = "mongo"
mirror = "redis"

[models.deliveries]
topics = [{deliveries}]
store = "redis"
reactions_topic = "{name}.integrated"
rollup_gauges = {{ under_way = 2, inflow = 1 }}
"#,
            name = self.name,
            brokers = stack("KAFKA_BROKERS"),
            registry = stack("REGISTRY_URL"),
            mongo = stack("MONGO_URI"),
            redis = stack("REDIS_URL"),
            points = self.topics("points"),
            deliveries = self.topics("deliveries"),
        )
    }

    /// Makes the topics of the models: an instance does not start without its topics, and a
    /// connector makes each with its first record.
    pub async fn make_topics(&self) {
        self.make_topics_of(8).await;
    }

    /// The same, with so many partitions each.
    pub async fn make_topics_of(&self, partitions: i32) {
        let brokers = stack("KAFKA_BROKERS");
        let producer = Producer::new(&KafkaConfig { brokers, ..KafkaConfig::default() }).unwrap();
        let all = format!("{}, {}", self.topics("points"), self.topics("deliveries"));
        let topics: Vec<&str> = all.split(", ").map(|topic| topic.trim_matches('"')).collect();
        producer.ensure_topics(&topics, partitions).await.unwrap();
    }

    /// Writes the configuration for a one-off command.
    pub fn configuration_file(&self) -> PathBuf {
        let file = self.dir().join("readmill.toml");
        std::fs::write(&file, self.configuration()).unwrap();
        file
    }

    /// Starts an instance.
    pub fn start(&self) -> Mill {
        Mill::start(self.dir(), &self.configuration())
    }

    /// MongoDB, as the instances use it.
    pub async fn mongo(&self) -> Mongo {
        let mut config = MongoConfig::at(stack("MONGO_URI"));
        config.database.clone_from(&self.name);
        Mongo::connect(&config).await.unwrap()
    }

    /// Redis, as the instances use it.
    pub async fn redis(&self) -> Redis {
        let mut config = RedisConfig::at(stack("REDIS_URL"));
        config.prefix = format!("{}:", self.name);
        Redis::connect(&config).await.unwrap()
    }
}

/// Reads a store through.
pub async fn contents<M: ReadModel>(store: &impl Store<M>) -> Contents {
    let mut contents = Contents { living: 0, digest: Digest::default(), waiting: 0, said: 0 };
    let mut visit = |key, document: readmill_core::Document<M>| {
        contents.waiting += document.stamp.waiting.len();
        contents.said += document.stamp.unsent.len();
        if let Some(state) = &document.state {
            contents.living += 1;
            contents.digest.add(&key, state).unwrap();
        }
    };
    store.scan(&mut visit).await.unwrap();
    contents
}

/// Reads a store until it holds what is expected, or the time is up; answers what it holds then.
/// A busy machine may pause an instance for long; a wrong document never becomes right.
pub async fn settled<M: ReadModel>(
    store: &impl Store<M>,
    living: usize,
    digest: Digest,
    limit: Duration,
) -> Contents {
    let until = Instant::now() + limit;
    loop {
        let found = contents::<M>(store).await;
        let as_expected = (found.living, found.digest, found.waiting) == (living, digest, 0);
        if as_expected || Instant::now() >= until {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// How many records the instances have consumed together.
pub fn consumed(mills: &[&Mill]) -> f64 {
    mills.iter().filter_map(|mill| mill.metric("readmill_consumed_total")).sum()
}

/// Waits until the instances have settled everything that there is: nothing consumed for a while.
pub fn wait_until_quiet(mills: &[&Mill], limit: Duration) {
    let mut last = (consumed(mills), 0);
    wait(limit, "the instances to be quiet", || {
        std::thread::sleep(Duration::from_millis(200));
        let now = consumed(mills);
        last = if now > last.0 { (now, 0) } else { (now, last.1 + 1) };
        last.1 >= 20
    });
}
