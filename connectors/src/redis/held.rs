//! Held records in Redis: one hash a model, a field for each record.

use async_trait::async_trait;
use readmill_engine::{Fault, HeldRecord, HeldStore};
use redis::Pipeline;

use super::connect::{PIPELINE_COMMANDS, Redis};
use super::faults::{of_error, refused, silent};
use super::plan;
use crate::held;

#[async_trait]
impl HeldStore for Redis {
    async fn hold(&self, records: &[HeldRecord]) -> Result<(), Fault> {
        for chunk in records.chunks(PIPELINE_COMMANDS) {
            let mut pipeline = Pipeline::with_capacity(chunk.len());
            pipeline.ignore_errors();
            for record in chunk {
                let row = serde_json::to_string(&held::Row::of(record)).map_err(|error| {
                    refused(format!("a held record is no JSON: {error}"), "report this")
                })?;
                let key = plan::held(&self.config().prefix, record.model);
                pipeline.cmd("HSETNX").arg(key).arg(held::id(record)).arg(row);
            }
            for answer in self.ask_each(&pipeline).await? {
                answer.map_err(|error| of_error(self.place(), &error))?;
            }
        }
        Ok(())
    }

    async fn count(&self, model: &str) -> Result<u64, Fault> {
        let key = plan::held(&self.config().prefix, model);
        let answer = self.ask(redis::cmd("HLEN").arg(key).clone()).await?;
        redis::from_redis_value(answer)
            .map_err(|_| silent(format!("{}: a count cannot be read", self.place())))
    }
}
