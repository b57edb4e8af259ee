//! A look at brokers and topics from outside: how they are set, and who keeps copies of what.

use std::collections::BTreeMap;

use rdkafka::admin::{AdminOptions, ConfigResource, ResourceSpecifier};
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use readmill_core::Partition;
use readmill_engine::Fault;

use super::begin::Asking;
use super::config::KafkaConfig;
use super::door::{administrator, reader, why};
use super::ear::Ear;

/// What a cluster says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cluster {
    /// How many brokers there are.
    pub brokers: usize,
    /// How one of them is set; empty where that may not be read.
    pub settings: Settings,
    /// The topics that were asked for and are there.
    pub topics: BTreeMap<String, Topic>,
}

/// Settings by their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings(pub BTreeMap<String, String>);

/// A topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Topic {
    /// Its partitions, by number.
    pub partitions: Vec<Kept>,
    /// How it is set; empty where that may not be read.
    pub settings: Settings,
}

/// How a partition is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// How many brokers are to have it.
    pub replicas: usize,
    /// How many have all of it.
    pub in_sync: usize,
    /// Whether a broker leads it.
    pub is_led: bool,
    /// The first offset that it still has, and the one after its last; none if nobody says.
    pub log: Option<(i64, i64)>,
}

impl Settings {
    /// A setting's text.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A setting's number.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.get(name)?.parse().ok()
    }

    fn of(resource: &ConfigResource) -> Self {
        let entries = resource.entries.iter();
        let told = entries.filter(|entry| !entry.is_sensitive);
        let told = told.filter_map(|entry| Some((entry.name.clone(), entry.value.clone()?)));
        Self(told.collect())
    }
}

impl Cluster {
    /// Looks at a cluster and some of its topics; those that are not there are left out.
    ///
    /// # Errors
    /// When no broker answers.
    pub async fn look(config: &KafkaConfig, topics: &[String]) -> Result<Self, Fault> {
        let (asked, wanted) = (config.clone(), topics.to_vec());
        let asking = tokio::task::spawn_blocking(move || Self::metadata(&asked, &wanted));
        let asked = asking.await.map_err(|error| Fault::defect("asking the brokers", &error))?;
        let (mut cluster, broker) = asked?;
        cluster.read_settings(config, broker).await?;
        Ok(cluster)
    }

    /// What is there, and the number of one broker.
    fn metadata(config: &KafkaConfig, topics: &[String]) -> Result<(Self, Option<i32>), Fault> {
        let group = format!("{}.doctor", config.group_prefix);
        let consumer = reader(config, &config.reader(&group), format!("group {group}"))?;
        let limit = config.connect_timeout();
        let mut cluster = Self::default();
        let mut broker = None;
        for topic in topics {
            let metadata = consumer.fetch_metadata(Some(topic), limit).map_err(|error| {
                why(&consumer, consumer.context()).unwrap_or_else(|| silent(&error))
            })?;
            cluster.brokers = metadata.brokers().len();
            broker = metadata.brokers().first().map(|broker| broker.id());
            let found = metadata.topics().iter().find(|found| found.name() == topic);
            let mut partitions: Vec<(i32, Kept)> = Vec::new();
            for partition in found.map(|found| found.partitions()).unwrap_or_default() {
                let asking = Asking::within(limit);
                let is_led = partition.leader() >= 0;
                let place = Partition::new(topic.as_str(), partition.id());
                let log = if is_led { asking.log(&consumer, &place) } else { None };
                let (replicas, in_sync) = (partition.replicas().len(), partition.isr().len());
                partitions.push((partition.id(), Kept { replicas, in_sync, is_led, log }));
            }
            partitions.sort_by_key(|(index, _)| *index);
            let partitions: Vec<Kept> = partitions.into_iter().map(|(_, kept)| kept).collect();
            if !partitions.is_empty() {
                let settings = Settings::default();
                cluster.topics.insert(topic.clone(), Topic { partitions, settings });
            }
        }
        Ok((cluster, broker))
    }

    /// A cluster may keep its settings to itself: then nothing is known of them.
    async fn read_settings(
        &mut self,
        config: &KafkaConfig,
        broker: Option<i32>,
    ) -> Result<(), Fault> {
        let Some(admin) = administrator(config, &Ear::new(config, "settings"))? else {
            return Ok(());
        };
        let options = AdminOptions::new().request_timeout(Some(config.connect_timeout()));
        let ask = async |resource: ResourceSpecifier<'_>| {
            let answer = admin.describe_configs(&[resource], &options).await;
            let answer = answer.map_err(|error| silent(&error))?;
            let found = answer.into_iter().filter_map(Result::ok).next();
            Ok::<Settings, Fault>(found.as_ref().map(Settings::of).unwrap_or_default())
        };
        for (name, topic) in &mut self.topics {
            topic.settings = ask(ResourceSpecifier::Topic(name)).await?;
        }
        if let Some(broker) = broker {
            self.settings = ask(ResourceSpecifier::Broker(broker)).await?;
        }
        Ok(())
    }
}

fn silent(error: &KafkaError) -> Fault {
    Fault::Silent { service: "kafka", detail: error.to_string() }
}
