//! Held records in Redis: one hash a model, and for each key the set of those that hold it.

use std::collections::HashSet;

use async_trait::async_trait;
use readmill_core::Key;
use readmill_engine::{Fault, Held, HeldRecord, HeldStore};
use redis::{FromRedisValue, Pipeline, Script, Value};

use super::connect::{PIPELINE_BYTES, PIPELINE_COMMANDS, Redis};
use super::faults::{damaged, of_error, refused, silent};
use super::plan;
use super::script::{HOLD, RELEASE, REWRITE};
use crate::held;

/// Few, since each may be as large as a record can be.
const LIST_CHUNK_RECORDS: usize = 64;

/// The held records of all models under one prefix.
#[derive(Debug, Clone)]
pub struct RedisHeld(Redis);

impl Redis {
    /// Held records.
    pub fn held(&self) -> RedisHeld {
        RedisHeld(self.clone())
    }
}

impl RedisHeld {
    fn hash(&self, model: &str) -> String {
        plan::held(&self.0.config().prefix, model)
    }

    fn set(&self, model: &str, key: Option<&Key>) -> String {
        plan::held_by(&self.0.config().prefix, model, key)
    }

    /// Runs a script for each record, so many of them together as a pipeline takes.
    async fn each(
        &self,
        script: &Script,
        records: &[HeldRecord],
        with_row: bool,
    ) -> Result<(), Fault> {
        let mut pipeline = Pipeline::new();
        let mut bytes = 0;
        for record in records {
            if pipeline.is_empty() {
                pipeline.ignore_errors();
            }
            let id = held::id(record);
            bytes += id.len();
            let row = if with_row { Some(row(record)?) } else { None };
            bytes += row.as_ref().map_or(0, String::len);
            let (hash, set) =
                (self.hash(record.model), self.set(record.model, record.key.as_ref()));
            pipeline.cmd("EVALSHA").arg(script.get_hash()).arg(2).arg(hash).arg(set).arg(id);
            pipeline.arg(row);
            if pipeline.len() >= PIPELINE_COMMANDS || bytes > PIPELINE_BYTES {
                self.run(&std::mem::take(&mut pipeline)).await?;
                bytes = 0;
            }
        }
        self.run(&pipeline).await
    }

    async fn run(&self, pipeline: &Pipeline) -> Result<(), Fault> {
        if pipeline.is_empty() {
            return Ok(());
        }
        for answer in self.0.ask_each(pipeline).await? {
            answer.map_err(|error| of_error(self.0.place(), &error))?;
        }
        Ok(())
    }

    async fn ask<T: FromRedisValue>(&self, command: redis::Cmd) -> Result<T, Fault> {
        let answer: Value = self.0.ask(command).await?;
        redis::from_redis_value(answer).map_err(|_| unreadable())
    }

    /// Visits the records of a whole model. The scan may name one twice while the table grows.
    async fn visit_all(
        &self,
        model: &'static str,
        visit: &mut (dyn FnMut(HeldRecord) + Send),
    ) -> Result<(), Fault> {
        let mut seen = HashSet::new();
        let mut cursor: u64 = 0;
        loop {
            let mut command = redis::cmd("HSCAN");
            command.arg(self.hash(model)).arg(cursor).arg("COUNT").arg(LIST_CHUNK_RECORDS);
            let (next, rows): (u64, Vec<(String, String)>) = self.ask(command).await?;
            for (id, row) in rows {
                if seen.insert(id) {
                    visit(read(&row, model)?);
                }
            }
            if next == 0 {
                return Ok(());
            }
            cursor = next;
        }
    }

    /// Visits the records that hold one key, or none.
    async fn visit_those(
        &self,
        model: &'static str,
        key: Option<&Key>,
        visit: &mut (dyn FnMut(HeldRecord) + Send),
    ) -> Result<(), Fault> {
        let mut command = redis::cmd("SMEMBERS");
        command.arg(self.set(model, key));
        let ids: Vec<String> = self.ask(command).await?;
        for chunk in ids.chunks(LIST_CHUNK_RECORDS) {
            let mut command = redis::cmd("HMGET");
            command.arg(self.hash(model)).arg(chunk);
            let rows: Vec<Option<String>> = self.ask(command).await?;
            // One that has no row was released in between.
            for row in rows.into_iter().flatten() {
                visit(read(&row, model)?);
            }
        }
        Ok(())
    }
}

#[async_trait]
impl HeldStore for RedisHeld {
    async fn hold(&self, records: &[HeldRecord]) -> Result<(), Fault> {
        self.each(&HOLD, records, true).await
    }

    async fn visit(
        &self,
        model: &'static str,
        which: &Held,
        visit: &mut (dyn FnMut(HeldRecord) + Send),
    ) -> Result<(), Fault> {
        match which {
            Held::All => self.visit_all(model, visit).await,
            Held::Keyless => self.visit_those(model, None, visit).await,
            Held::Key(key) => self.visit_those(model, Some(key), visit).await,
            Held::Unread(_) => {
                let mut visit = |held: HeldRecord| {
                    if which.means(&held) {
                        visit(held)
                    }
                };
                self.visit_all(model, &mut visit).await
            }
        }
    }

    async fn replace(&self, records: &[HeldRecord]) -> Result<(), Fault> {
        self.each(&REWRITE, records, true).await
    }

    async fn release(&self, records: &[HeldRecord]) -> Result<(), Fault> {
        self.each(&RELEASE, records, false).await
    }

    async fn count(&self, model: &str) -> Result<u64, Fault> {
        let answer = self.0.ask(redis::cmd("HLEN").arg(self.hash(model)).clone()).await?;
        redis::from_redis_value(answer)
            .map_err(|_| silent(format!("{}: a count cannot be read", self.0.place())))
    }
}

fn row(record: &HeldRecord) -> Result<String, Fault> {
    serde_json::to_string(&held::Row::of(record))
        .map_err(|error| refused(format!("a held record is no JSON: {error}"), "report this"))
}

fn read(row: &str, model: &'static str) -> Result<HeldRecord, Fault> {
    let row: held::Row = serde_json::from_str(row).map_err(|_| unreadable())?;
    Ok(row.into_held(model))
}

fn unreadable() -> Fault {
    damaged("a held record in Redis", "it is not as it was written")
}
