//! Views in Redis: a hash for each document, for readers in a hurry.

use std::collections::BTreeMap;

use async_trait::async_trait;
use readmill_core::Key;
use readmill_engine::{Fault, Mirror, View};

use super::connect::Redis;
use super::faults;
use super::plan::{self, Replacement};

/// The views of one mirror, under `{prefix}{name}:{key}`: the fields, and `_revision`.
#[derive(Debug, Clone)]
pub struct RedisMirror {
    redis: Redis,
    name: String,
}

impl RedisMirror {
    pub(super) const fn new(redis: Redis, name: String) -> Self {
        Self { redis, name }
    }

    /// The fields of a view, as any reader gets them; none when nothing was ever shown.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn get(&self, key: &Key) -> Result<BTreeMap<String, String>, Fault> {
        let place = plan::view_key(&self.name, key);
        let answer = self.redis.ask(redis::cmd("HGETALL").arg(&place).clone()).await?;
        redis::from_redis_value(answer)
            .map_err(|_| faults::damaged(place, "it is not a hash of texts"))
    }
}

#[async_trait]
impl Mirror for RedisMirror {
    async fn show(&self, views: &[View]) -> Result<(), Fault> {
        let life_ms = self.redis.tombstone_life_ms();
        let plan = views.iter().map(|view| plan::show(&self.name, view, life_ms));
        let plan: Vec<Replacement> = plan.collect();
        // A view that was refused is older than what stands there: all is well.
        self.redis.replace(&plan).await.map(drop)
    }
}
