//! The positions of a consumer group, read and written from outside of it.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::Offset as KafkaOffset;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::topic_partition_list::TopicPartitionList;
use readmill_core::Partition;
use readmill_engine::Fault;

use super::config::KafkaConfig;
use super::log::refused;

/// Places in partitions: in each, the offset at which reading would go on.
pub type Places = BTreeMap<Partition, i64>;

/// A group that is looked at, and none of whose members this is.
pub struct GroupPositions {
    consumer: BaseConsumer,
    group: String,
    limit: Duration,
}

impl std::fmt::Debug for GroupPositions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GroupPositions").field("group", &self.group).finish_non_exhaustive()
    }
}

impl GroupPositions {
    /// The positions of `group`. All of its questions block.
    ///
    /// # Errors
    /// When the client's configuration is refused.
    pub fn of(config: &KafkaConfig, group: &str) -> Result<Self, Fault> {
        let mut client = config.client();
        client
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            // Ends are those of committed transactions.
            .set("isolation.level", "read_committed");
        let consumer = client.create().map_err(|error| refused(&error))?;
        Ok(Self { consumer, group: group.to_owned(), limit: config.connect_timeout() })
    }

    /// All partitions of topics.
    ///
    /// # Errors
    /// When no broker answers, or a topic does not exist.
    pub fn partitions(&self, topics: &[String]) -> Result<Vec<Partition>, Fault> {
        let mut partitions = Vec::new();
        for topic in topics {
            let found = self.consumer.fetch_metadata(Some(topic), self.limit);
            let metadata = found.map_err(|error| refused(&error))?;
            let count = metadata.topics().iter().find(|found| found.name() == topic);
            let count = count.map_or(0, |found| found.partitions().len());
            if count == 0 {
                return Err(Fault::Refused {
                    service: "kafka",
                    detail: format!("topic {topic} does not exist"),
                    hint: "check the model's topics, or apply the connector that fills them",
                });
            }
            let indexes = (0..count).filter_map(|index| i32::try_from(index).ok());
            partitions.extend(indexes.map(|index| Partition::new(topic.as_str(), index)));
        }
        Ok(partitions)
    }

    /// What the group has committed, where it has.
    ///
    /// # Errors
    /// When no broker answers.
    pub fn committed(&self, partitions: &[Partition]) -> Result<Places, Fault> {
        let found = self.consumer.committed_offsets(list(partitions), self.limit);
        Ok(places(&found.map_err(|error| refused(&error))?))
    }

    /// The first offset that each log still has, and the one after its last.
    ///
    /// # Errors
    /// When no broker answers.
    pub fn logs(&self, partitions: &[Partition]) -> Result<BTreeMap<Partition, (i64, i64)>, Fault> {
        let log = |partition: &Partition| {
            let found =
                self.consumer.fetch_watermarks(&partition.topic, partition.index, self.limit);
            found.map(|log| (partition.clone(), log)).map_err(|error| refused(&error))
        };
        partitions.iter().map(log).collect()
    }

    /// The place of the first record of each log that was written at a time or later; the end of a
    /// log that has none.
    ///
    /// # Errors
    /// When no broker answers.
    pub fn at_time(&self, partitions: &[Partition], time_ms: i64) -> Result<Places, Fault> {
        let mut asked = list(partitions);
        for partition in partitions {
            let set = asked.set_partition_offset(
                &partition.topic,
                partition.index,
                KafkaOffset::Offset(time_ms),
            );
            set.map_err(|error| refused(&error))?;
        }
        let found = self.consumer.offsets_for_times(asked, self.limit);
        let mut found = places(&found.map_err(|error| refused(&error))?);
        let ends = self.logs(partitions)?;
        for (partition, (_, end)) in ends {
            found.entry(partition).or_insert(end);
        }
        Ok(found)
    }

    /// How many members the group has now, and what they call themselves.
    ///
    /// # Errors
    /// When no broker answers.
    pub fn members(&self) -> Result<Vec<String>, Fault> {
        let groups = self.consumer.fetch_group_list(Some(&self.group), self.limit);
        let groups = groups.map_err(|error| refused(&error))?;
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
        for (partition, offset) in places {
            let offset = KafkaOffset::Offset(*offset);
            let added = offsets.add_partition_offset(&partition.topic, partition.index, offset);
            added.map_err(|error| refused(&error))?;
        }
        self.consumer.commit(&offsets, CommitMode::Sync).map_err(|error| refused(&error))
    }
}

fn list(partitions: &[Partition]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        list.add_partition(&partition.topic, partition.index);
    }
    list
}

fn places(list: &TopicPartitionList) -> Places {
    let mut places = Places::new();
    for element in list.elements() {
        if let KafkaOffset::Offset(offset) = element.offset() {
            places.insert(Partition::new(element.topic(), element.partition()), offset);
        }
    }
    places
}
