//! The brokers: topics and how they are set, and the groups of the models.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use readmill_connectors::kafka::groups::{behind, groups};
use readmill_connectors::kafka::{Cluster, GroupProtocol, KafkaConfig};
use readmill_core::Partition;
use readmill_engine::{Clock as _, Fault};
use tokio::time::timeout;

use super::{Room, Seen, Visitor, late, unanswered};
use crate::config::{HeldTopic, Model, Reactions, Source, Store};
use crate::doctor::finding::{Findings, Report};
use crate::doctor::rules::groups::{Seen as SeenGroup, judge, judge_left};
use crate::doctor::rules::topics::{self, Role, Used, retention};
use crate::ports::SystemClock;
use crate::services::ROSTERS;

const ROOM: &str = "the brokers";
const HOUR_MS: i64 = 3_600_000;

impl Visitor {
    fn kafka(&self) -> Option<&Arc<KafkaConfig>> {
        match &self.config.source {
            Source::Kafka { kafka, .. } => Some(kafka),
            Source::Archive { .. } => None,
        }
    }

    /// The cluster that the models read from, if it answers.
    pub(super) async fn cluster(&self, report: &mut Report) -> Option<Cluster> {
        let kafka = self.kafka()?;
        let used = self.used();
        let topics: Vec<String> = used.iter().map(|used| used.topic.clone()).collect();
        report.rooms.push(ROOM.to_owned());
        match timeout(self.limit, Cluster::look(kafka, &topics)).await {
            Ok(Ok(cluster)) => {
                topics::judge(&cluster, &used, &mut report.findings);
                Some(cluster)
            }
            Ok(Err(fault)) => {
                unanswered(ROOM, &fault, &mut report.findings);
                None
            }
            Err(_) => {
                late(ROOM, self.limit, &mut report.findings);
                None
            }
        }
    }

    /// How the configuration uses topics of its source's brokers, each topic and use once.
    fn used(&self) -> Vec<Used> {
        let mut all: BTreeMap<(String, u8), Used> = BTreeMap::new();
        for model in &self.config.models {
            let name = model.row.name;
            let mut add = |topic: &str, role: Role| {
                let used = all.entry((topic.to_owned(), role as u8)).or_insert_with(|| Used {
                    topic: topic.to_owned(),
                    role,
                    models: Vec::new(),
                    is_replicated: true,
                    tombstone_life_ms: None,
                });
                used.models.push(name);
                used.is_replicated &= model.row.replicates && role == Role::Read;
                let lives = [used.tombstone_life_ms, tombstone_life_ms(model)];
                used.tombstone_life_ms = lives.into_iter().flatten().min();
            };
            model.topics.iter().for_each(|topic| add(topic, Role::Read));
            if let Reactions::Topic { topic, .. } = &model.reactions {
                add(topic, Role::Reactions);
            }
            if let Some(HeldTopic { topic, .. }) = &model.held.topic {
                add(topic, Role::Held);
            }
        }
        all.into_values().collect()
    }

    /// A room for the group of each model.
    pub(super) fn groups(&self, cluster: &Arc<Cluster>) -> Vec<Room> {
        let Some(kafka) = self.kafka() else { return Vec::new() };
        let room = |model: &Model| {
            let (visitor, kafka, model) = (self.clone(), Arc::clone(kafka), model.clone());
            let cluster = Arc::clone(cluster);
            let name = format!("the group of {}", model.row.name);
            Room::new(name, async move { visitor.group(kafka, model, &cluster).await })
        };
        self.config.models.iter().map(room).collect()
    }

    async fn group(&self, kafka: Arc<KafkaConfig>, model: Model, cluster: &Cluster) -> Seen {
        let generations = self.generations(&model).await;
        let live = generations.as_ref().map_or(model.generation, |(live, _)| *live);
        let model = Model { generation: live, ..model };
        let group = model.group(&kafka);
        let of = cluster.topics.iter().filter(|(topic, _)| model.topics.contains(topic));
        let kept_ms = of.clone().filter_map(|(_, topic)| retention(&topic.settings)).min();
        let mut logs = BTreeMap::new();
        for (topic, found) in of {
            let partitions = (0..).zip(&found.partitions);
            logs.extend(partitions.filter_map(|(index, kept)| {
                Some((Partition::new(topic.as_str(), index), kept.log?))
            }));
        }
        let prefix = format!("{}.{}.g", kafka.group_prefix, model.row.name);
        let asked = (Arc::clone(&kafka), group.clone(), prefix.clone());
        let asking = tokio::task::spawn_blocking(move || {
            let (kafka, group, prefix) = asked;
            Ok::<_, Fault>((groups(&kafka, &prefix)?, behind(&kafka, &group, &logs)?))
        });
        let asked = asking.await.map_err(|error| Fault::defect("asking the brokers", &error))?;
        let (listed, behind) = asked?;
        let found = listed.iter().find(|known| known.name == group);
        let members = found.map_or(0, |known| known.members);
        // Brokers tell of the members of their own protocol by another question.
        let members = (kafka.group_protocol == GroupProtocol::Classic).then_some(members);
        let mut findings = Findings::default();
        let seen = SeenGroup { model: model.row.name, group, members, behind, kept_ms };
        judge(&seen, SystemClock.now_ms(), &mut findings);
        let numbers = generations.map(|(_, numbers)| numbers);
        judge_left(&prefix, &kafka.brokers, &listed, numbers.as_ref(), &mut findings);
        Ok((findings, 0))
    }

    /// The live generation of a model and all that stand, as far as it can be known without
    /// making anything. What its store says of itself is told by the room of the store.
    pub(super) async fn generations(&self, model: &Model) -> Option<(u32, BTreeSet<u32>)> {
        let is_there = match &model.store {
            Store::Mongo(mongo) => {
                let mongo = self.services.mongo(mongo).await.ok()?;
                mongo.has(&format!("{ROSTERS}.g1")).await.ok()?
            }
            Store::Redis(redis) => {
                let redis = self.services.redis(redis).await.ok()?;
                redis.has(ROSTERS, 1, model.row.name).await.ok()?
            }
            // It may be open in an instance, which has it to itself.
            Store::Embedded(_) => false,
        };
        if !is_there {
            return None;
        }
        let roster = self.services.registrar(model).await.ok()?.read().await.ok()??.roster;
        let numbers = roster.generations.iter().map(|known| known.number).collect();
        Some((roster.live, numbers))
    }
}

/// How long the tombstones of a model stand; none for ever.
fn tombstone_life_ms(model: &Model) -> Option<i64> {
    let hours = match &model.store {
        Store::Mongo(mongo) => mongo.tombstone_life_hours,
        Store::Redis(redis) => redis.tombstone_life_hours,
        Store::Embedded(_) => 0,
    };
    (hours > 0).then(|| i64::from(hours) * HOUR_MS)
}
