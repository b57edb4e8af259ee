//! Views in Redis: hashes, JSON texts, and collections that documents share.
//!
//! A document that is in collections is shown in three steps, since each collection is in a slot
//! of its own. First its hash, guarded by the revision: it names the collections that it is in from
//! now on, and still those that it is to leave. Then each collection, where every member has its
//! revision as a guard of its own. Then, if something was left, the hash again, without it. Whoever
//! is shown again after a crash finds in the hash what is still to be left.

mod heal;
mod late;
mod names;
mod plan;
mod script;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use readmill_core::{Collection, Key};
use readmill_engine::mirror::Spot;
use readmill_engine::{Fault, Mirror, View};
use redis::{Pipeline, Value};

use super::connect::{PARALLEL_PIPELINES, Redis, split};
use super::faults::{damaged, of_error};
use names::Names;
use plan::Call;

pub use late::LateRedisMirror;
pub use script::ALL as SCRIPTS;

/// The views of one mirror.
#[derive(Debug, Clone)]
pub struct RedisMirror {
    redis: Redis,
    names: Names,
    user: Arc<str>,
}

/// Views whose first step is done.
#[derive(Debug)]
#[must_use = "collections are not up to date until it is finished"]
pub struct Begun<'m> {
    mirror: &'m RedisMirror,
    elsewhere: Vec<Call>,
    settle: Vec<Call>,
}

impl RedisMirror {
    pub(super) fn new(redis: Redis, head: String) -> Self {
        Self { redis, names: Names::new(head), user: user() }
    }

    /// The fields of a document's hash, as any reader gets them; none when nothing was ever shown.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn get(&self, key: &Key) -> Result<BTreeMap<String, String>, Fault> {
        let place = self.names.own(key);
        let answer = self.redis.ask(redis::cmd("HGETALL").arg(&place).clone()).await?;
        read(answer, &place)
    }

    /// The JSON text of a document, as any reader gets it.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn json(&self, key: &Key) -> Result<Option<String>, Fault> {
        let place = self.names.json(key);
        read(self.redis.ask(redis::cmd("GET").arg(&place).clone()).await?, &place)
    }

    /// The members of a collection with their scores, in their order; those of a set have none.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn members(&self, collection: &Collection) -> Result<Vec<(Key, f64)>, Fault> {
        let place = self.names.collection(collection).members;
        let members: Vec<(String, f64)> = match collection {
            Collection::Set(_) => {
                let answer = self.redis.ask(redis::cmd("SMEMBERS").arg(&place).clone()).await?;
                let mut members: Vec<String> = read(answer, &place)?;
                members.sort();
                members.into_iter().map(|member| (member, 0.0)).collect()
            }
            Collection::Sorted(_) => {
                let mut command = redis::cmd("ZRANGE");
                command.arg(&place).arg(0).arg(-1).arg("WITHSCORES");
                read(self.redis.ask(command).await?, &place)?
            }
        };
        Ok(members.into_iter().map(|(member, score)| (Key(member), score)).collect())
    }

    /// The first step of showing views.
    ///
    /// # Errors
    /// When Redis does not answer or refuses.
    pub async fn begin(&self, views: &[View]) -> Result<Begun<'_>, Fault> {
        let life_ms = self.redis.tombstone_life_ms();
        let calls: Vec<Call> =
            views.iter().map(|view| plan::own(&self.names, view, life_ms)).collect();
        let answers = self.call(&calls).await?;
        let mut begun = Begun { mirror: self, elsewhere: Vec::new(), settle: Vec::new() };
        for (view, answer) in views.iter().zip(answers) {
            // What is refused is older than what stands there, whose writer sees to the rest.
            let left = if let Value::Int(written) = answer {
                if written == 0 {
                    continue;
                }
                Vec::new()
            } else {
                spots(answer, &self.names.own(&view.key))?
            };
            begun.elsewhere.extend(plan::elsewhere(&self.names, view, &left, life_ms));
            if !left.is_empty() {
                begun.settle.push(plan::settle(&self.names, view, life_ms));
            }
        }
        Ok(begun)
    }

    /// Calls scripts, and answers for each.
    async fn call(&self, calls: &[Call]) -> Result<Vec<Value>, Fault> {
        let chunks = split(calls, Call::bytes).into_iter().map(|chunk| self.call_chunk(chunk));
        let chunks: Vec<_> = chunks.collect();
        let answers: Vec<Vec<Value>> =
            stream::iter(chunks).buffered(PARALLEL_PIPELINES).try_collect().await?;
        Ok(answers.into_iter().flatten().collect())
    }

    async fn call_chunk(&self, calls: &[Call]) -> Result<Vec<Value>, Fault> {
        let mut pipeline = Pipeline::with_capacity(calls.len());
        for Call { script, keys, arguments } in calls {
            let command = pipeline.cmd("EVALSHA").arg(script.get_hash()).arg(keys.len());
            command.arg(keys).arg(arguments);
        }
        self.each(&pipeline).await
    }

    /// Asks many things, all of which must be answered.
    async fn each(&self, pipeline: &Pipeline) -> Result<Vec<Value>, Fault> {
        if pipeline.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = pipeline.clone();
        pipeline.ignore_errors();
        let answers = self.redis.ask_each(&pipeline).await?.into_iter();
        let whole =
            answers.map(|answer| answer.map_err(|error| of_error(self.redis.place(), &error)));
        whole.collect()
    }
}

impl Begun<'_> {
    /// The other steps.
    ///
    /// # Errors
    /// When Redis does not answer or refuses.
    pub async fn finish(self) -> Result<(), Fault> {
        self.mirror.call(&self.elsewhere).await?;
        self.mirror.call(&self.settle).await.map(drop)
    }
}

#[async_trait]
impl Mirror for RedisMirror {
    async fn show(&self, views: &[View]) -> Result<(), Fault> {
        self.begin(views).await?.finish().await
    }
}

/// A name like no other's, by the one source of chance in the standard library.
fn user() -> Arc<str> {
    format!("{:016x}", RandomState::new().hash_one(std::process::id())).into()
}

fn spots(answer: Value, place: &str) -> Result<Vec<Spot>, Fault> {
    let written: Vec<String> = read(answer, place)?;
    // One that cannot be read is of a kind that this version does not know.
    Ok(written.iter().filter_map(|written| names::read(written)).collect())
}

fn read<T: redis::FromRedisValue>(answer: Value, place: &str) -> Result<T, Fault> {
    redis::from_redis_value(answer).map_err(|_| damaged(place, "it is not what was written there"))
}
