//! A consumer group on a topic of its own, and what the brokers say of both.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use readmill_connectors::kafka::producer::Outgoing;
use readmill_connectors::kafka::{KafkaConfig, KafkaLog, Membership, Producer};
use readmill_core::{Finished, Partition, ResumeAt};
use readmill_engine::{Fault, Feed, Log, Metrics, Record};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::paths::stack;
use crate::real::Corner;

pub const LIMIT: Duration = Duration::from_secs(60);

/// A group, and its topic.
pub struct Group {
    pub config: KafkaConfig,
    pub name: String,
    pub topic: String,
    pub producer: Producer,
}

impl Group {
    /// A group without offsets, and a topic without records.
    pub async fn new(name: &str, partitions: i32) -> Self {
        let name = Corner::new(name).name;
        let config = KafkaConfig {
            brokers: stack("KAFKA_BROKERS"),
            session_timeout_ms: 6000,
            commit_interval_ms: 50,
            drain_limit_ms: 500,
            ..KafkaConfig::default()
        };
        let producer = Producer::new(&config).unwrap();
        let group = Self { config, topic: format!("{name}.rows"), name, producer };
        group.make(partitions).await;
        group
    }

    pub async fn make(&self, partitions: i32) {
        self.producer.ensure_topics(&[&self.topic], partitions).await.unwrap();
    }

    pub fn partition(&self, index: i32) -> Partition {
        Partition::new(self.topic.as_str(), index)
    }

    /// Appends records to a partition.
    pub async fn append(&self, partition: i32, values: &[String]) {
        let outgoing = |value: &String| Outgoing {
            topic: self.topic.clone(),
            partition: Some(partition),
            key: None,
            value: Some(value.clone().into_bytes()),
            headers: Vec::new(),
        };
        self.producer.send(values.iter().map(outgoing).collect()).await.unwrap();
    }

    pub async fn join(&self) -> KafkaLog {
        let (config, membership) = (self.config.clone(), self.membership());
        let join = move || KafkaLog::join(&config, membership);
        tokio::task::spawn_blocking(join).await.unwrap().unwrap()
    }

    pub fn membership(&self) -> Membership {
        let metrics = Metrics::new().unwrap();
        Membership::new("rows", self.name.clone(), vec![self.topic.clone()], metrics)
    }

    pub fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.config.client().create().unwrap()
    }

    /// A client of the group that is no member.
    pub fn client(&self) -> BaseConsumer {
        self.config.client().set("group.id", &self.name).create().unwrap()
    }

    /// Where the group stands in a partition, and the note beside it.
    pub fn committed(&self, partition: i32) -> Option<(i64, String)> {
        let mut list = TopicPartitionList::new();
        list.add_partition(&self.topic, partition);
        let found = self.client().committed_offsets(list, LIMIT).unwrap();
        let elements = found.elements();
        let element = elements.first().unwrap();
        let Offset::Offset(offset) = element.offset() else { return None };
        Some((offset, element.metadata().to_owned()))
    }

    /// Commits what another program would.
    pub fn commit(&self, partition: i32, offset: i64, note: &str) {
        let mut list = TopicPartitionList::new();
        let mut place = list.add_partition(&self.topic, partition);
        place.set_offset(Offset::Offset(offset)).unwrap();
        place.set_metadata(note);
        self.client().commit(&list, CommitMode::Sync).unwrap();
    }

    /// Deletes what is before an offset, as retention does.
    pub async fn truncate(&self, partition: i32, before: i64) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.topic, partition, Offset::Offset(before)).unwrap();
        let done = self.admin().delete_records(&list, &AdminOptions::new()).await.unwrap();
        done.elements().iter().for_each(|element| element.error().unwrap());
    }

    /// Deletes the topic and makes it anew.
    pub async fn recreate(&self, partitions: i32) {
        let options = AdminOptions::new();
        self.admin().delete_topics(&[&self.topic], &options).await.unwrap();
        let gone = || {
            let metadata = self.client().fetch_metadata(Some(&self.topic), LIMIT).unwrap();
            metadata.topics().iter().all(|topic| topic.partitions().is_empty())
        };
        until("the topic to be gone", gone).await;
        self.make(partitions).await;
    }

    /// Grows the topic.
    pub async fn grow(&mut self, partitions: usize) {
        let grown = [NewPartitions::new(&self.topic, partitions)];
        let done = self.admin().create_partitions(&grown, &AdminOptions::new()).await.unwrap();
        done.into_iter().for_each(|topic| drop(topic.unwrap()));
        // Another producer, which asks at once.
        self.producer = Producer::new(&self.config).unwrap();
    }
}

/// Waits for a condition of the brokers.
pub async fn until(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < end, "waited {LIMIT:?} for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What workers have seen of each partition, in the order in which it came.
pub type Seen = Arc<Mutex<BTreeMap<Partition, Vec<Record>>>>;

/// A member whose workers settle all that they are given.
pub struct Seat {
    stop: watch::Sender<bool>,
    running: JoinHandle<Result<(), Fault>>,
}

impl Seat {
    /// Takes its seat in a group.
    pub async fn take(group: &Group, seen: &Seen) -> Self {
        let (stop, stopping) = watch::channel(false);
        let running = tokio::spawn(attend(group.join().await, Arc::clone(seen), stopping));
        Self { stop, running }
    }

    /// Leaves; answers what went wrong.
    pub async fn leave(self) -> Result<(), Fault> {
        self.stop.send_replace(true);
        self.running.await.unwrap()
    }

    /// Waits until it ends by itself.
    pub async fn end(self) -> Fault {
        tokio::time::timeout(LIMIT, self.running).await.expect("an end").unwrap().unwrap_err()
    }
}

async fn attend(
    mut log: KafkaLog,
    seen: Seen,
    mut stopping: watch::Receiver<bool>,
) -> Result<(), Fault> {
    let ended = loop {
        tokio::select! {
            feed = log.assigned() => match feed {
                Ok(Some(feed)) => drop(tokio::spawn(settle(feed, Arc::clone(&seen)))),
                Ok(None) => break Ok(()),
                Err(fault) => break Err(fault),
            },
            _ = stopping.wait_for(|stop| *stop) => break Ok(()),
        }
    };
    ended.and(log.stop().await)
}

async fn settle(mut feed: Feed, seen: Seen) {
    while let Some(records) = feed.next(500).await {
        let last = records.last().map(|last| last.position.offset.0 + 1);
        let partition = feed.partition.clone();
        seen.lock().unwrap().entry(partition).or_default().extend(records);
        if let Some(last) = last {
            feed.settle(ResumeAt::stored(last), Finished::default());
        }
    }
}

/// How many records of all partitions were seen.
pub fn count(seen: &Seen) -> usize {
    seen.lock().unwrap().values().map(Vec::len).sum()
}

/// Values that can be told apart.
pub fn values(from: usize, to: usize) -> Vec<String> {
    (from..to).map(|n| format!("value {n}")).collect()
}
