//! The stanzas of the read models: what each is folded from and where it goes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use readmill_connectors::registry::SubjectStrategy;
use readmill_engine::mirror::Care;
use readmill_engine::{Gauged, LaneRule, Limits};
use readmill_models::{ALL, Row};
use toml_edit::Table;

use super::nearest::question;
use super::origin;
use super::rooms::{ModelStanza, SourceKind, StoreKind};
use super::services::{Service, Services, topic_like};
use super::stanza::{Reading, Stanza};
use super::{HeldTopic, Holding, Mirror, Model, Reactions, Store};

/// Reads every `[models.<name>]`; those without mistakes are answered.
pub fn read(
    reading: &mut Reading<'_>,
    root: &Table,
    services: &Services,
    source: Option<SourceKind>,
    lanes: &BTreeMap<String, LaneRule>,
) -> Vec<Model> {
    let names: Vec<&str> = ALL.iter().map(|row| row.name).collect();
    if !root.contains_key("models") {
        let what = "there are none: name one, such as [models.points]; `readmill models` lists all";
        reading.note(None, "models".to_owned(), what.to_owned());
        return Vec::new();
    }
    let Some(stanza) = reading.stanza(root, "", "models") else { return Vec::new() };
    let Some(table) = root.get("models").and_then(|item| item.clone().into_table().ok()) else {
        return Vec::new();
    };
    if table.is_empty() {
        reading.blame_stanza(&stanza, format!("names none; known: {}", names.join(", ")));
    }
    let mut models = Vec::new();
    for (name, _) in &table {
        let Some(mut stanza) = reading.stanza(&table, "models.", name) else { continue };
        let row = ALL.iter().find(|row| row.name == name);
        if row.is_none() {
            let what = format!("there is no read model \"{name}\"; {}", question(name, &names));
            reading.blame_stanza(&stanza, what);
        }
        let raw = reading.read::<ModelStanza>(&mut stanza);
        if let (Some(row), Some(raw)) = (row, raw) {
            let mut checking =
                Checking { reading, services, source, lanes, stanza: &stanza, row: *row };
            models.extend(checking.model(raw));
        }
    }
    models
}

/// One stanza that is being checked.
struct Checking<'r, 'a> {
    reading: &'r mut Reading<'a>,
    services: &'r Services,
    source: Option<SourceKind>,
    lanes: &'r BTreeMap<String, LaneRule>,
    stanza: &'r Stanza,
    row: Row,
}

impl Checking<'_, '_> {
    fn model(&mut self, raw: ModelStanza) -> Option<Model> {
        self.topics(&raw);
        self.lanes(&raw);
        self.versions(&raw);
        let gauged = self.gauged(&raw);
        let limits = Limits {
            batch_records: raw.batch_records,
            shards_per_partition: raw.shards_per_partition,
            cached_documents_per_partition: raw.cached_documents_per_partition,
            open_records_per_partition: raw.open_records_per_partition,
            open_bytes_per_partition: raw.open_bytes_per_partition,
            waiting_limit_ms: raw.waiting_limit_ms,
        };
        let store = self.store(raw.store);
        let mirror = self.mirror(raw.mirror);
        let care = Care {
            required: raw.mirror_required,
            heal_limit_per_second: raw.mirror_heal_limit_per_second,
        };
        let verify_every =
            raw.verify_every_seconds.map(|seconds| Duration::from_secs(seconds.get()));
        let (mut origin, wrong) = origin::read(&raw, self.row.replicates);
        if let Some(origin) = &mut origin {
            origin.written = self.stanza.written().of("origin_url", "url");
        }
        wrong.into_iter().for_each(|(key, what)| self.blame(key, what));
        let reactions = self.reactions(&raw);
        let held = self.holding(&raw);
        let ModelStanza { topics, lanes: lane_of, versions_of, .. } = raw;
        let subjects = raw.subject_strategy;
        let (row, store, reactions) = (self.row, store?, reactions?);
        Some(Model {
            row,
            topics,
            lane_of,
            versions_of,
            subjects,
            store,
            mirror,
            care,
            gauged,
            verify_every,
            origin,
            generation: 1,
            reactions,
            held,
            limits,
        })
    }

    fn topics(&mut self, raw: &ModelStanza) {
        if raw.topics.is_empty() {
            self.blame("topics", "is empty: the model would be folded from nothing");
        }
        let mut seen = BTreeSet::new();
        for topic in &raw.topics {
            if !topic_like(topic) {
                self.blame("topics", format!("\"{topic}\" cannot be the name of a topic"));
            }
            if !seen.insert(topic) {
                self.blame("topics", format!("\"{topic}\" is named twice"));
            }
        }
    }

    fn lanes(&mut self, raw: &ModelStanza) {
        for (topic, lane) in &raw.lanes {
            self.one_of_its_topics("lanes", topic, &raw.topics);
            if !self.lanes.contains_key(lane) {
                let known: Vec<&str> = self.lanes.keys().map(String::as_str).collect();
                let meant = question(lane, &known);
                self.blame("lanes", format!("there is no [lanes.{lane}]; {meant}"));
            }
        }
        if !raw.lanes.is_empty() && self.source == Some(SourceKind::Archive) {
            self.blame("lanes", "are only for a source of kind \"kafka\"");
        }
    }

    fn one_of_its_topics(&mut self, setting: &str, topic: &str, topics: &[String]) {
        if !topics.iter().any(|known| known == topic) {
            let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
            let what = format!("\"{topic}\" is none of its topics; {}", question(topic, &topics));
            self.blame(setting, what);
        }
    }

    fn versions(&mut self, raw: &ModelStanza) {
        for (topic, first) in &raw.versions_of {
            self.one_of_its_topics("versions_of", topic, &raw.topics);
            self.one_of_its_topics("versions_of", first, &raw.topics);
            if raw.versions_of.contains_key(first) {
                let what = format!("\"{first}\" has no versions of its own: name the first topic");
                self.blame("versions_of", what);
            }
        }
    }

    fn gauged(&mut self, raw: &ModelStanza) -> Vec<Gauged> {
        let mut gauged = Vec::new();
        for (name, dimensions) in &raw.rollup_gauges {
            match self.row.rollups.iter().find(|rollup| rollup.name == name) {
                Some(rollup) => gauged.push(Gauged { rollup, dimensions: *dimensions }),
                None => {
                    let known: Vec<&str> = self.row.rollups.iter().map(|r| r.name).collect();
                    let what =
                        format!("there is no roll-up \"{name}\"; {}", question(name, &known));
                    self.blame("rollup_gauges", what);
                }
            }
        }
        gauged
    }

    fn store(&mut self, kind: Option<StoreKind>) -> Option<Store> {
        let Some(kind) = kind else {
            self.blame("store", "is missing: \"mongo\", \"redis\" or \"embedded\"");
            return None;
        };
        let services = self.services;
        match kind {
            StoreKind::Mongo => self.given("store", kind, &services.mongo).map(Store::Mongo),
            StoreKind::Redis => self.given("store", kind, &services.redis).map(Store::Redis),
            StoreKind::Embedded => {
                self.given("store", kind, &services.embedded).map(Store::Embedded)
            }
        }
    }

    fn mirror(&mut self, kind: Option<StoreKind>) -> Option<Mirror> {
        let kind = kind?;
        if self.row.mirror.is_none() {
            self.blame("mirror", format!("{} has no view to mirror", self.row.name));
            return None;
        }
        let services = self.services;
        match kind {
            StoreKind::Mongo => {
                self.blame("mirror", "views are kept in \"redis\" or \"embedded\"");
                None
            }
            StoreKind::Redis => self.given("mirror", kind, &services.redis).map(Mirror::Redis),
            StoreKind::Embedded => {
                self.given("mirror", kind, &services.embedded).map(Mirror::Embedded)
            }
        }
    }

    fn reactions(&mut self, raw: &ModelStanza) -> Option<Reactions> {
        let says = self.row.says.len();
        let strategy = raw.reactions_subject_strategy;
        if strategy.is_some() && raw.reactions_topic.is_none() {
            self.blame("reactions_subject_strategy", "is of no use without a reactions_topic");
        }
        let subjects = strategy.unwrap_or(SubjectStrategy::TopicRecordName);
        if subjects == SubjectStrategy::TopicName && says > 1 {
            let what = format!("would put the {says} contracts of its reactions under one subject");
            self.blame("reactions_subject_strategy", what);
        }
        match (&raw.reactions_topic, says > 0) {
            (None, false) => Some(Reactions::None),
            (Some(_), false) => {
                self.blame("reactions_topic", format!("{} says nothing", self.row.name));
                None
            }
            (Some(topic), true) => self.told(topic, &raw.topics, subjects),
            (None, true) if self.source == Some(SourceKind::Archive) => self.kept(),
            (None, true) => {
                let what = format!("is missing: {} tells others what it did", self.row.name);
                self.blame("reactions_topic", what);
                None
            }
        }
    }

    fn told(
        &mut self,
        topic: &str,
        topics: &[String],
        subjects: SubjectStrategy,
    ) -> Option<Reactions> {
        if !topic_like(topic) {
            let what = format!("\"{topic}\" cannot be the name of a topic");
            self.blame("reactions_topic", what);
        } else if topics.iter().any(|other| other == topic) {
            self.blame("reactions_topic", "the model would read what it says itself");
        }
        // A source of kind kafka has complained about missing stanzas already.
        if self.source == Some(SourceKind::Archive) {
            let services = self.services;
            let missing = [
                ("kafka", services.kafka.is_missing()),
                ("registry", services.registry.is_missing()),
            ];
            for (name, _) in missing.into_iter().filter(|(_, missing)| *missing) {
                self.blame("reactions_topic", format!("a topic needs a [{name}] stanza"));
            }
        }
        let (kafka, registry) = (self.services.kafka.get()?, self.services.registry.get()?);
        Some(Reactions::Topic { topic: topic.to_owned(), kafka, registry, subjects })
    }

    fn holding(&mut self, raw: &ModelStanza) -> Holding {
        let mut holding = Holding { limit_records: raw.held_limit_records, topic: None };
        let Some(topic) = &raw.held_topic else { return holding };
        if !topic_like(topic) {
            self.blame("held_topic", format!("\"{topic}\" cannot be the name of a topic"));
        } else if raw.topics.contains(topic) {
            self.blame("held_topic", "the model would read its own held records");
        } else if raw.reactions_topic.as_ref() == Some(topic) {
            self.blame("held_topic", "is the reactions_topic: their readers could not tell them");
        } else if self.source == Some(SourceKind::Archive) {
            self.blame("held_topic", "is only for a source of kind \"kafka\"");
        }
        let kafka = self.services.kafka.get();
        holding.topic = kafka.map(|kafka| HeldTopic { topic: topic.clone(), kafka });
        holding
    }

    fn kept(&mut self) -> Option<Reactions> {
        if self.services.embedded.is_missing() {
            let what = "is missing: name a topic, or add [embedded] to keep reactions there";
            self.blame("reactions_topic", what);
        }
        self.services.embedded.get().map(Reactions::Embedded)
    }

    /// The stanza that a setting refers to.
    fn given<T>(
        &mut self,
        key: &str,
        kind: StoreKind,
        service: &Service<T>,
    ) -> Option<std::sync::Arc<T>> {
        if service.is_missing() {
            let name = kind.stanza();
            self.blame(key, format!("\"{name}\" needs a [{name}] stanza, and there is none"));
        }
        service.get()
    }

    fn blame(&mut self, key: &str, what: impl Into<String>) {
        self.reading.blame(self.stanza, key, what);
    }
}
