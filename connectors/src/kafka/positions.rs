//! The positions of a consumer group in its topics, read and written from outside of it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use rdkafka::Offset as KafkaOffset;
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::TopicPartitionList;
use readmill_core::{Partition, ResumeAt};
use readmill_engine::{Bounds, Fault, Since, Until};

use super::begin::Asking;
use super::config::KafkaConfig;
use super::door::{Reader, reader};
use super::extent::{at_time, extent, partitions};

/// Places in partitions: in each, where reading would go on.
pub type Places = BTreeMap<Partition, ResumeAt>;

/// A group that is looked at, and none of whose members this is. All of its questions block.
pub struct GroupPositions {
    consumer: Reader,
    group: String,
    topics: Vec<String>,
    limit: Duration,
}

impl fmt::Debug for GroupPositions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupPositions").field("group", &self.group).finish_non_exhaustive()
    }
}

impl GroupPositions {
    /// Those of a group in some topics.
    ///
    /// # Errors
    /// When the client's configuration is refused, or the brokers refuse us.
    pub fn of(config: &KafkaConfig, group: &str, topics: &[String]) -> Result<Self, Fault> {
        let consumer = reader(config, &config.reader(group), format!("group {group}"))?;
        let (group, topics) = (group.to_owned(), topics.to_vec());
        Ok(Self { consumer, group, topics, limit: config.connect_timeout() })
    }

    /// The group.
    pub fn group(&self) -> &str {
        &self.group
    }

    /// From where to where each partition reaches now.
    ///
    /// # Errors
    /// When a topic does not exist, or nobody answers.
    pub fn bounds(&self) -> Result<BTreeMap<Partition, Bounds>, Fault> {
        extent(&self.consumer, &self.topics, &Since::Beginning, &Until::Now, self.limit)
    }

    /// The partitions that the topics have now.
    ///
    /// # Errors
    /// When a topic does not exist, or nobody answers.
    pub fn partitions(&self) -> Result<Vec<Partition>, Fault> {
        let each = self.topics.iter().map(|topic| partitions(&self.consumer, topic, self.limit));
        each.collect::<Result<Vec<_>, _>>().map(|all| all.into_iter().flatten().collect())
    }

    /// What the group has committed of some partitions, where it has committed anything.
    ///
    /// # Errors
    /// When nobody answers.
    pub fn committed(&self, partitions: &[Partition]) -> Result<Places, Fault> {
        let committed = Asking::within(self.limit).committed_or_why(&self.consumer, partitions);
        let committed = committed.map_err(|why| {
            let detail = format!("nobody says how far the group {} has come", self.group);
            let silent = Fault::Silent { service: "kafka", detail };
            why.map_or(silent, |error| self.refused(&error))
        })?;
        Ok(committed.into_iter().map(|(partition, (at, _))| (partition, at)).collect())
    }

    /// How far the group has settled each partition; the first record's place where it has
    /// committed nothing.
    ///
    /// # Errors
    /// When a topic does not exist, or nobody answers.
    pub fn settled(&self) -> Result<Places, Fault> {
        self.settled_within(&self.bounds()?)
    }

    /// The same of partitions that are known to reach from there to there.
    ///
    /// # Errors
    /// When nobody answers.
    pub fn settled_within(&self, bounds: &BTreeMap<Partition, Bounds>) -> Result<Places, Fault> {
        let partitions: Vec<Partition> = bounds.keys().cloned().collect();
        let committed = self.committed(&partitions)?;
        let place = |(partition, bounds): (&Partition, &Bounds)| {
            let at = committed.get(partition).copied().unwrap_or(bounds.from);
            (partition.clone(), at)
        };
        Ok(bounds.iter().map(place).collect())
    }

    /// The place of the first record of each log that was written at a time or later; the end of a
    /// log that has none.
    ///
    /// # Errors
    /// When nobody answers.
    pub fn at_time(
        &self,
        bounds: &BTreeMap<Partition, Bounds>,
        time_ms: i64,
    ) -> Result<Places, Fault> {
        let partitions: Vec<Partition> = bounds.keys().cloned().collect();
        let found = at_time(&self.consumer, &partitions, time_ms, self.limit)?;
        let place = |(partition, bounds): (&Partition, &Bounds)| {
            let at = found.get(partition).map_or(bounds.to, |at| *at.min(&bounds.to));
            (partition.clone(), at)
        };
        Ok(bounds.iter().map(place).collect())
    }

    /// The members that the group has now, by what they call themselves.
    ///
    /// # Errors
    /// When no broker answers.
    pub fn members(&self) -> Result<Vec<String>, Fault> {
        let groups = self.consumer.fetch_group_list(Some(&self.group), self.limit);
        let groups = groups.map_err(|error| self.refused(&error))?;
        let own = groups.groups().iter().filter(|group| group.name() == self.group);
        let members = own.flat_map(|group| group.members());
        Ok(members
            .map(|member| format!("{} at {}", member.client_id(), member.client_host()))
            .collect())
    }

    /// Commits places for the group, of which no member may be there.
    ///
    /// # Errors
    /// When the brokers refuse, or the group has members.
    pub fn commit(&self, places: &Places) -> Result<(), Fault> {
        let members = self.members()?;
        if let Some(first) = members.first() {
            return Err(Fault::Refused {
                service: "kafka",
                detail: format!("group {} has {} members: {first}", self.group, members.len()),
                hint: "stop them: positions are set for a group that nobody is in",
            });
        }
        let mut offsets = TopicPartitionList::new();
        for (partition, at) in places {
            let offset = KafkaOffset::Offset(at.value());
            let added = offsets.add_partition_offset(&partition.topic, partition.index, offset);
            added.map_err(|error| self.refused(&error))?;
        }
        self.consumer.commit(&offsets, CommitMode::Sync).map_err(|error| self.refused(&error))
    }

    fn refused(&self, error: &KafkaError) -> Fault {
        self.consumer.context().refused(error)
    }
}
