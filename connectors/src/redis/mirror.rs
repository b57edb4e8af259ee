//! Views in Redis: a hash for each document, for readers in a hurry.

use async_trait::async_trait;
use readmill_engine::{Fault, Mirror, View};

use super::connect::Redis;
use super::plan::{self, Replacement};

/// The views of one mirror, under `{name}:{key}`: the fields, and `_revision`.
#[derive(Debug, Clone)]
pub struct RedisMirror {
    redis: Redis,
    name: String,
}

impl RedisMirror {
    pub(super) const fn new(redis: Redis, name: String) -> Self {
        Self { redis, name }
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
