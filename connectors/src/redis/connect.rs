//! The connection to Redis, pipelines of commands, and the question how durable it is.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use readmill_engine::{Fault, Put};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, Pipeline, RedisResult, Value};

use super::config::RedisConfig;
use super::faults::{of_code, of_error, silent};
use super::mirror::RedisMirror;
use super::plan::{Naming, Replacement};
use super::script::{REPLACE, TEXT};
use super::store::RedisStore;
use crate::{address, life};

/// How many commands are sent before their answers are read.
pub const PIPELINE_COMMANDS: usize = 500;
pub const PIPELINE_BYTES: usize = 4 << 20;

/// How many pipelines of one batch may be under way.
const PARALLEL_PIPELINES: usize = 2;

/// A connected Redis. It is cheap to clone.
#[derive(Clone)]
pub struct Redis(Arc<Shared>);

struct Shared {
    connection: ConnectionManager,
    place: String,
    config: RedisConfig,
}

impl Redis {
    /// Connects and says hello.
    pub async fn connect(config: &RedisConfig) -> Result<Self, Fault> {
        let place = address::told(&config.uri);
        let client = Client::open(config.uri.as_str()).map_err(|error| of_error(&place, &error))?;
        let limits = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(Duration::from_millis(config.connect_limit_ms)))
            .set_response_timeout(Some(Duration::from_millis(config.response_limit_ms)))
            // The engine has a patience of its own, with back-off.
            .set_number_of_retries(1);
        let connection = ConnectionManager::new_with_config(client, limits).await;
        let connection = connection.map_err(|error| of_error(&place, &error))?;
        let redis = Self(Arc::new(Shared { connection, place, config: config.clone() }));
        redis.ask(redis::cmd("PING")).await?;
        Ok(redis)
    }

    /// The documents of one generation of a read model.
    pub async fn documents(&self, model: &str, generation: u32) -> Result<RedisStore, Fault> {
        self.warn_of_forgetting(model).await;
        let naming = Naming::new(&self.config().prefix, model, generation);
        Ok(RedisStore::new(self.clone(), naming))
    }

    /// The mirror of this name; its keys begin with the prefix and it.
    pub fn mirror(&self, name: &str) -> RedisMirror {
        RedisMirror::new(self.clone(), format!("{}{name}", self.config().prefix))
    }

    /// Redis is as durable as it is told to be. Where it may say how, it is asked.
    async fn warn_of_forgetting(&self, model: &str) {
        let place = self.place();
        let asked = ["appendonly", "maxmemory-policy"];
        let Ok(answer) = self.ask(redis::cmd("CONFIG").arg("GET").arg(&asked).clone()).await else {
            tracing::info!(place, model, "redis does not tell how durable it is");
            return;
        };
        let settings: HashMap<String, String> = redis::from_redis_value(answer).unwrap_or_default();
        let setting = |name: &str| settings.get(name).map_or("unknown", String::as_str);
        if setting("appendonly") != "yes" {
            tracing::warn!(place, model, "appendonly is off: a restart of redis loses documents");
        }
        if setting("maxmemory-policy") != "noeviction" {
            let policy = setting("maxmemory-policy");
            tracing::warn!(place, model, policy, "redis may evict documents: set noeviction");
        }
    }

    pub(super) fn config(&self) -> &RedisConfig {
        &self.0.config
    }

    pub(super) fn place(&self) -> &str {
        &self.0.place
    }

    pub(super) fn tombstone_life_ms(&self) -> Option<i64> {
        life::millis(self.0.config.tombstone_life_hours)
    }

    pub(super) async fn ask(&self, command: redis::Cmd) -> Result<Value, Fault> {
        let mut connection = self.0.connection.clone();
        let answer = command.query_async(&mut connection).await;
        answer.map_err(|error| of_error(self.place(), &error))
    }

    /// Sends commands together; each has an answer or an error of its own.
    pub(super) async fn ask_each(
        &self,
        pipeline: &Pipeline,
    ) -> Result<Vec<RedisResult<Value>>, Fault> {
        let mut connection = self.0.connection.clone();
        let answers: Vec<RedisResult<Value>> = pipeline
            .query_async(&mut connection)
            .await
            .map_err(|error| of_error(self.place(), &error))?;
        if answers.len() == pipeline.len() {
            return Ok(answers);
        }
        Err(silent(format!("{}: some answers are missing", self.place())))
    }

    /// Makes guarded replacements, and answers for each.
    pub(super) async fn replace(&self, all: &[Replacement]) -> Result<Vec<Put>, Fault> {
        let chunks = split(all).into_iter().map(|chunk| self.replace_chunk(chunk));
        let chunks: Vec<_> = chunks.collect();
        let answers = stream::iter(chunks).buffered(PARALLEL_PIPELINES);
        let answers: Vec<Vec<Put>> = answers.try_collect().await?;
        Ok(answers.into_iter().flatten().collect())
    }

    async fn replace_chunk(&self, chunk: &[Replacement]) -> Result<Vec<Put>, Fault> {
        let mut answers = self.ask_each(&pipeline(chunk)).await?;
        if answers.iter().any(is_unknown_script) {
            // A restart or a flush: the guard makes it safe to send all of them again, but those
            // that had run would answer as refused, so only the others go.
            self.ask(redis::cmd("SCRIPT").arg("LOAD").arg(TEXT).clone()).await?;
            let again: Vec<usize> = (0..)
                .zip(&answers)
                .filter(|(_, answer)| is_unknown_script(answer))
                .map(|(at, _)| at)
                .collect();
            let chunk: Vec<Replacement> =
                again.iter().filter_map(|at| chunk.get(*at)).cloned().collect();
            let second = self.ask_each(&pipeline(&chunk)).await?;
            for (at, answer) in again.into_iter().zip(second) {
                if let Some(place) = answers.get_mut(at) {
                    *place = answer;
                }
            }
        }
        answers.into_iter().map(|answer| self.verdict(answer)).collect()
    }

    fn verdict(&self, answer: RedisResult<Value>) -> Result<Put, Fault> {
        match answer {
            Ok(Value::Int(1)) => Ok(Put::Done),
            Ok(Value::Int(0)) => Ok(Put::Unsure),
            Ok(_) => Err(of_code(self.place(), "ERR")),
            Err(error) => Err(of_error(self.place(), &error)),
        }
    }
}

fn is_unknown_script(answer: &RedisResult<Value>) -> bool {
    matches!(answer, Err(error) if error.code() == Some("NOSCRIPT"))
}

/// Cuts a batch into pipelines, by number and by weight.
fn split(all: &[Replacement]) -> Vec<&[Replacement]> {
    let mut bytes = 0;
    let mut count = 0;
    let fits = |_: &Replacement, next: &Replacement| {
        bytes += next.bytes();
        count += 1;
        let fits = count < PIPELINE_COMMANDS && bytes < PIPELINE_BYTES;
        if !fits {
            (bytes, count) = (next.bytes(), 0);
        }
        fits
    };
    all.chunk_by(fits).collect()
}

fn pipeline(chunk: &[Replacement]) -> Pipeline {
    let mut pipeline = Pipeline::with_capacity(chunk.len());
    pipeline.ignore_errors();
    for Replacement { key, arguments } in chunk {
        pipeline.cmd("EVALSHA").arg(REPLACE.get_hash()).arg(1).arg(key).arg(arguments);
    }
    pipeline
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").field("config", &self.0.config).finish_non_exhaustive()
    }
}
