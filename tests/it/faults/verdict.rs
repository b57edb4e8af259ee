//! Afterwards: every document, held record, reaction and view, compared with the truth.

use std::collections::{BTreeMap, BTreeSet};

use readmill_connectors::mongo::{Mongo, MongoConfig};
use readmill_connectors::redis::{Redis, RedisConfig};
use readmill_core::{Document, Key, Position, ReadModel, Record, Waiting};
use readmill_engine::{Held, HeldStore, Store};

use super::load::Sent;
use super::stage::Stage;
use super::topics;
use super::truth::Truth;

/// How many differences are shown.
const SHOWN: usize = 20;

/// What was found.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Events, held records, reactions and views that are missing.
    pub lost: i64,
    /// Events folded twice, and records, reactions and documents that nobody knows of.
    pub doubled: i64,
    /// Documents that are otherwise not what they must be.
    pub wrong: i64,
    /// What was wrong.
    pub told: Vec<String>,
}

impl Verdict {
    /// Compares everything.
    pub async fn of(stage: &Stage, sent: &Sent) -> Self {
        let mut verdict = Self::default();
        let mut config = MongoConfig::at(stage.address("MONGO_URI"));
        "kills".clone_into(&mut config.database);
        let mongo = Mongo::connect(&config).await.unwrap();
        let mut config = RedisConfig::at(stage.address("REDIS_URL"));
        "kills:".clone_into(&mut config.prefix);
        let redis = Redis::connect(&config).await.unwrap();
        verdict.documents(&mongo.documents("points", 1).await.unwrap(), &sent.points).await;
        verdict.documents(&redis.documents("deliveries", 1).await.unwrap(), &sent.deliveries).await;
        verdict.held(&mongo.held().await.unwrap(), &sent.points).await;
        verdict.held(&redis.held(), &sent.deliveries).await;
        let brokers = stage.address("KAFKA_BROKERS");
        verdict.reactions(brokers, "kills.integrated", &sent.deliveries);
        verdict.views(&redis, &sent.points).await;
        verdict
    }

    /// Whether nothing is wrong.
    pub const fn is_clean(&self) -> bool {
        self.lost == 0 && self.doubled == 0 && self.wrong == 0
    }

    /// Nothing must be wrong.
    #[track_caller]
    pub fn check(&self) {
        let Self { lost, doubled, wrong, told } = self;
        let told = told.join("\n");
        assert!(self.is_clean(), "lost={lost} doubled={doubled} wrong={wrong}\n{told}");
    }

    fn tell(&mut self, what: String) {
        if self.told.len() < SHOWN {
            self.told.push(what);
        }
    }

    fn lose(&mut self, many: i64, what: impl FnOnce() -> String) {
        if many > 0 {
            self.lost += many;
            self.tell(format!("{many} lost: {}", what()));
        }
    }

    fn double(&mut self, many: i64, what: impl FnOnce() -> String) {
        if many > 0 {
            self.doubled += many;
            self.tell(format!("{many} too many: {}", what()));
        }
    }

    /// Compares all documents of a model.
    pub async fn documents<M: ReadModel>(&mut self, store: &impl Store<M>, truth: &Truth<M>) {
        let mut found: BTreeMap<Key, Document<M>> = BTreeMap::new();
        let mut twice = 0;
        let mut visit = |key, document| twice += i64::from(found.insert(key, document).is_some());
        store.scan(&mut visit).await.unwrap();
        self.double(twice, || format!("documents of {}", M::NAME));
        for (key, wanted) in &truth.documents {
            let Some(stood) = found.remove(key) else {
                self.lose(wanted.stamp.revision, || format!("all of {}/{key}", M::NAME));
                continue;
            };
            let (mut stood, mut wanted) = (stood, wanted.clone());
            self.told_in_full(&mut stood);
            wanted.stamp.waiting.iter_mut().for_each(Self::forget_record);
            if stood.stamp.is_held() && wanted.stamp.is_held() {
                // A record of its queue that is read again joins again, under the same place.
                stood.stamp.revision = 0;
                wanted.stamp.revision = 0;
            }
            let more = stood.stamp.revision - wanted.stamp.revision;
            self.lose(-more, || format!("events of {}/{key}", M::NAME));
            self.double(more, || format!("events of {}/{key}", M::NAME));
            if told(&stood) != told(&wanted) {
                self.wrong += 1;
                let (stood, wanted) = (told(&stood), told(&wanted));
                self.tell(format!("{}/{key} is\n  {stood:?}, not\n  {wanted:?}", M::NAME));
            }
        }
        self.double(count(found.len()), || format!("documents of {}", M::NAME));
    }

    /// What waits has the whole record that brought it, and its times; the truth has neither.
    fn told_in_full<M: ReadModel>(&mut self, document: &mut Document<M>) {
        for waiting in &mut document.stamp.waiting {
            let whole = waiting.record.value.is_some() && waiting.since_ms > 0;
            self.lose((!whole).into(), || format!("the record of {}", waiting.from));
            Self::forget_record(waiting);
        }
    }

    fn forget_record<E>(waiting: &mut Waiting<E>) {
        waiting.record = Record::at(waiting.record.position.clone());
        (waiting.committed_ms, waiting.since_ms) = (0, 0);
    }

    async fn held<M: ReadModel>(&mut self, store: &impl HeldStore, truth: &Truth<M>) {
        let held = store.list(M::NAME, &Held::All).await.unwrap();
        let many = held.len();
        let place = |key: Option<Key>| key.unwrap_or_else(|| Key::from("no key"));
        let found: BTreeSet<(Position, Key)> =
            held.into_iter().map(|held| (held.position().clone(), place(held.key))).collect();
        let missing = truth.held.difference(&found).count();
        let more = many - found.intersection(&truth.held).count();
        self.lose(count(missing), || format!("held records of {}", M::NAME));
        self.double(count(more), || format!("held records of {}", M::NAME));
    }

    /// Compares all reactions on a topic.
    pub fn reactions<M: ReadModel>(&mut self, brokers: &str, topic: &str, truth: &Truth<M>) {
        let said = topics::reactions(brokers, topic);
        let mut ids = BTreeSet::new();
        for (id, body) in said {
            if truth.said.get(&id) != Some(&body) {
                self.double(1, || format!("reaction {id}, or it says something else"));
            }
            ids.insert(id);
        }
        for id in truth.said.keys().filter(|id| !ids.contains(*id)) {
            self.lose(1, || format!("reaction {id}"));
        }
    }

    async fn views(&mut self, redis: &Redis, truth: &Truth<readmill_models::Points>) {
        let mirror = redis.mirror("points:available");
        for (key, document) in &truth.documents {
            let Some(member) = &document.state else { continue };
            let shown = mirror.get(key).await.unwrap();
            if shown.get("available") != Some(&member.available.to_string()) {
                self.lose(1, || format!("the view of points/{key}, which shows {shown:?}"));
            }
        }
    }
}

/// All that a document says, but for what it has said already and will forget.
fn told<M: ReadModel>(document: &Document<M>) -> (String, String) {
    let mut stamp = document.stamp.clone();
    stamp.unsent.clear();
    (serde_json::to_string(&document.state).unwrap(), serde_json::to_string(&stamp).unwrap())
}

fn count(many: usize) -> i64 {
    i64::try_from(many).unwrap()
}
