//! How far a group has settled its topics, asked without being a member of it.

use std::collections::BTreeMap;
use std::fmt;

use rdkafka::consumer::BaseConsumer;
use readmill_core::{Partition, ResumeAt};
use readmill_engine::{Bounds, Fault, Since, Until};

use super::begin::Asking;
use super::config::KafkaConfig;
use super::excerpt::Passage;
use super::extent::extent;
use super::log::refused;

/// A group, and the topics that it reads.
pub struct Standing {
    config: KafkaConfig,
    consumer: BaseConsumer,
    passage: Passage,
}

impl fmt::Debug for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Standing").field("passage", &self.passage).finish_non_exhaustive()
    }
}

impl Standing {
    /// Of a group that is not joined.
    ///
    /// # Errors
    /// When the client's configuration is refused.
    pub fn of(config: &KafkaConfig, group: &str, topics: &[String]) -> Result<Self, Fault> {
        let consumer = config.reader(group).create().map_err(|error| refused(&error))?;
        let (group, topics) = (group.to_owned(), topics.to_vec());
        let passage = Passage { group, topics, since: Since::Beginning, until: Until::Now };
        Ok(Self { config: config.clone(), consumer, passage })
    }

    /// From where to where each partition reaches now. It blocks while the brokers are asked.
    ///
    /// # Errors
    /// When a topic does not exist, or nobody answers.
    pub fn bounds(&self) -> Result<BTreeMap<Partition, Bounds>, Fault> {
        let limit = self.config.connect_timeout();
        extent(&self.consumer, &self.passage, limit)
    }

    /// How far the group has settled each partition; the first record's place where it has
    /// committed nothing. It blocks while the brokers are asked.
    ///
    /// # Errors
    /// When a topic does not exist, or nobody answers.
    pub fn settled(&self) -> Result<BTreeMap<Partition, ResumeAt>, Fault> {
        let bounds = self.bounds()?;
        let partitions: Vec<Partition> = bounds.keys().cloned().collect();
        let asking = Asking::within(self.config.connect_timeout());
        let committed = asking.committed(&self.consumer, &partitions).ok_or_else(|| {
            let detail = "nobody says what the group has committed".to_owned();
            Fault::Silent { service: "kafka", detail }
        })?;
        let place = |(partition, bounds): (Partition, Bounds)| {
            let at = committed.get(&partition).map_or(bounds.from, |(at, _)| *at);
            (partition, at)
        };
        Ok(bounds.into_iter().map(place).collect())
    }
}
