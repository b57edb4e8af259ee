//! A log that is read between two places, without a group: on the real brokers.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};
use readmill_connectors::kafka::producer::Outgoing;
use readmill_connectors::kafka::{KafkaConfig, KafkaExcerpt, Passage, Producer};
use readmill_core::{Finished, Partition, ResumeAt};
use readmill_engine::{Feed, Log, Record, Since, Until};

use crate::paths::stack;
use crate::real::Corner;

const LIMIT: Duration = Duration::from_secs(60);

struct Topics {
    name: String,
    config: KafkaConfig,
    producer: Producer,
}

impl Topics {
    async fn new(name: &str, partitions: i32) -> Self {
        let name = Corner::new(name).name;
        let config = KafkaConfig { brokers: stack("KAFKA_BROKERS"), ..KafkaConfig::default() };
        let producer = Producer::new(&config).unwrap();
        let topics = Self { name, config, producer };
        let names = topics.names();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        topics.producer.ensure_topics(&names, partitions).await.unwrap();
        topics
    }

    fn names(&self) -> Vec<String> {
        ["a", "b"].map(|topic| format!("{}.{topic}", self.name)).to_vec()
    }

    fn partition(&self, topic: usize, index: i32) -> Partition {
        Partition::new(self.names()[topic].as_str(), index)
    }

    async fn append(&self, topic: usize, index: i32, values: std::ops::Range<i32>) {
        let outgoing = |n: i32| Outgoing {
            topic: self.names()[topic].clone(),
            partition: Some(index),
            key: None,
            value: Some(n.to_string().repeat(100).into_bytes()),
            headers: Vec::new(),
        };
        self.producer.send(values.map(outgoing).collect()).await.unwrap();
    }

    /// A transaction, which may be given up.
    fn transact(&self, topic: usize, index: i32, records: i32, is_kept: bool) {
        let id = format!("{}-{topic}-{index}", self.name);
        let producer: BaseProducer =
            self.config.producer().set("transactional.id", id).create().unwrap();
        producer.init_transactions(LIMIT).unwrap();
        producer.begin_transaction().unwrap();
        let names = self.names();
        for n in 0..records {
            let value = n.to_string();
            let record = BaseRecord::<(), str>::to(&names[topic]).partition(index).payload(&value);
            producer.send(record).unwrap();
        }
        producer.flush(LIMIT).unwrap();
        let end = if is_kept {
            producer.commit_transaction(LIMIT)
        } else {
            producer.abort_transaction(LIMIT)
        };
        end.unwrap();
    }

    async fn open(&self, since: Since) -> KafkaExcerpt {
        self.open_between(since, Until::Now).await
    }

    async fn open_between(&self, since: Since, until: Until) -> KafkaExcerpt {
        let config = self.config.clone();
        let passage = Passage { group: self.name.clone(), topics: self.names(), since, until };
        let open = move || KafkaExcerpt::open(&config, &passage);
        tokio::task::spawn_blocking(open).await.unwrap().unwrap()
    }

    /// Where the group stands, if it was ever heard of.
    fn committed(&self) -> Vec<KafkaOffset> {
        let client: BaseConsumer =
            self.config.client().set("group.id", &self.name).create().unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition(&self.names()[0], 0);
        let found = client.committed_offsets(list, LIMIT).unwrap();
        assert!(
            client
                .fetch_group_list(Some(&self.name), LIMIT)
                .unwrap()
                .groups()
                .iter()
                .all(|group| group.members().is_empty()
                    && matches!(group.state(), "" | "Dead" | "Empty"))
        );
        found.elements().iter().map(|element| element.offset()).collect()
    }
}

/// Deletes what is before offsets, as retention does.
pub async fn truncate(topic: &str, before: &[(i32, i64)]) {
    let config = KafkaConfig { brokers: stack("KAFKA_BROKERS"), ..KafkaConfig::default() };
    let admin: AdminClient<DefaultClientContext> = config.client().create().unwrap();
    let mut list = TopicPartitionList::new();
    for (partition, before) in before {
        list.add_partition_offset(topic, *partition, KafkaOffset::Offset(*before)).unwrap();
    }
    let done = admin.delete_records(&list, &AdminOptions::new()).await.unwrap();
    done.elements().iter().for_each(|element| element.error().unwrap());
}

type Seen = BTreeMap<Partition, Vec<i64>>;

/// Reads to the end, slowly where asked to, and settles everything.
async fn read(mut log: KafkaExcerpt, pause: Duration) -> Seen {
    let mut workers = tokio::task::JoinSet::new();
    let reading = async {
        while let Some(feed) = log.assigned().await.unwrap() {
            workers.spawn(settle(feed, pause));
        }
    };
    tokio::time::timeout(LIMIT, reading).await.expect("the excerpt to end");
    log.stop().await.unwrap();
    workers.join_all().await.into_iter().collect()
}

async fn settle(mut feed: Feed, pause: Duration) -> (Partition, Vec<i64>) {
    let mut seen = Vec::new();
    while let Some(records) = feed.next(500).await {
        tokio::time::sleep(pause).await;
        seen.extend(records.iter().map(|Record { position, .. }| position.offset.0));
        feed.settle(ResumeAt::stored(seen.last().unwrap() + 1), Finished::default());
    }
    (feed.partition.clone(), seen)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_excerpt_ends_where_its_topics_ended_whatever_stands_there() {
    let topics = Topics::new("excerpt", 4).await;
    topics.append(0, 0, 0..3000).await;
    topics.transact(0, 1, 5, true);
    topics.transact(0, 2, 5, false);
    topics.transact(1, 2, 5, false);
    topics.append(1, 0, 0..7).await;
    topics.transact(1, 1, 3, true);
    topics.transact(1, 1, 4, false);
    let log = topics.open(Since::Beginning).await;
    let ends: Vec<i64> = log.bounds().values().map(|bounds| bounds.to.value()).collect();
    assert_eq!(ends, [3000, 6, 6, 0, 7, 9, 6, 0]);
    // What comes later is not of the excerpt, also where nothing stands at its end.
    topics.append(0, 0, 0..50).await;
    topics.append(1, 1, 0..50).await;
    let seen = read(log, Duration::from_millis(20)).await;
    let wanted = Seen::from([
        (topics.partition(0, 0), (0..3000).collect()),
        (topics.partition(0, 1), (0..5).collect()),
        (topics.partition(0, 2), Vec::new()),
        (topics.partition(1, 0), (0..7).collect()),
        (topics.partition(1, 1), (0..3).collect()),
        (topics.partition(1, 2), Vec::new()),
    ]);
    assert_eq!(seen, wanted);
    assert_eq!(topics.committed(), [KafkaOffset::Invalid]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_excerpt_begins_at_places_or_at_a_time() {
    let topics = Topics::new("since", 2).await;
    topics.append(0, 0, 0..10).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    topics.append(0, 0, 10..15).await;
    topics.append(1, 1, 0..4).await;
    let (first, other) = (topics.partition(0, 0), topics.partition(1, 1));
    let log = topics.open(Since::Time(now.as_millis().try_into().unwrap())).await;
    assert_eq!(log.bounds()[&first].from, ResumeAt::stored(10));
    let young = read(log, Duration::ZERO).await;
    let wanted = [(first.clone(), (10..15).collect()), (other.clone(), (0..4).collect())];
    assert_eq!(young, Seen::from(wanted));
    let places = [(first.clone(), 12), (other.clone(), 99)];
    let places = places.map(|(partition, at)| (partition, ResumeAt::stored(at)));
    let log = topics.open(Since::Places(places.clone().into())).await;
    let wanted = [(first.clone(), (12..15).collect())];
    assert_eq!(read(log, Duration::ZERO).await, Seen::from(wanted));
    let log = topics.open_between(Since::Beginning, Until::Places(places.into())).await;
    let wanted = [(first, (0..12).collect()), (other, (0..4).collect())];
    assert_eq!(read(log, Duration::ZERO).await, Seen::from(wanted));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_excerpt_can_be_stopped_midway_and_of_no_topic_there_is_none() {
    let topics = Topics::new("midway", 1).await;
    topics.append(0, 0, 0..20_000).await;
    let mut log = topics.open(Since::Beginning).await;
    let mut feed = log.assigned().await.unwrap().unwrap();
    assert!(!feed.next(10).await.unwrap().is_empty());
    let worker = tokio::spawn(async move {
        while feed.next(10).await.is_some() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    tokio::time::timeout(Duration::from_secs(10), log.stop()).await.unwrap().unwrap();
    worker.await.unwrap();
    let passage = Passage {
        group: topics.name.clone(),
        topics: vec!["no.such.topic".to_owned()],
        since: Since::Beginning,
        until: Until::Now,
    };
    let config = topics.config.clone();
    let open = move || KafkaExcerpt::open(&config, &passage);
    let fault = tokio::task::spawn_blocking(open).await.unwrap().unwrap_err().to_string();
    assert!(fault.contains("no.such.topic does not exist"), "{fault}");
}
