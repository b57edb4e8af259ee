//! A mirror in a Redis that need not be there yet.

use std::sync::Arc;

use async_trait::async_trait;
use readmill_engine::mirror::{Difference, Heals, Sight, Stray, Trace};
use readmill_engine::{Fault, Mirror, View};
use tokio::sync::OnceCell;

use super::{RedisMirror, user};
use crate::redis::config::RedisConfig;
use crate::redis::connect::Redis;

/// A mirror that is connected to when it is first asked something, on a connection of its own.
#[derive(Debug)]
pub struct LateRedisMirror {
    config: RedisConfig,
    name: String,
    user: Arc<str>,
    mirror: OnceCell<RedisMirror>,
}

impl LateRedisMirror {
    /// The mirror of this name.
    pub fn at(config: &RedisConfig, name: &str) -> Self {
        let (config, name) = (config.clone(), name.to_owned());
        Self { config, name, user: user(), mirror: OnceCell::new() }
    }

    async fn there(&self) -> Result<&RedisMirror, Fault> {
        let connect = async || {
            let redis = Redis::connect(&self.config).await?;
            Ok(RedisMirror { user: Arc::clone(&self.user), ..redis.mirror(&self.name) })
        };
        self.mirror.get_or_try_init(connect).await
    }
}

#[async_trait]
impl Mirror for LateRedisMirror {
    async fn show(&self, views: &[View]) -> Result<(), Fault> {
        self.there().await?.show(views).await
    }
}

#[async_trait]
impl Heals for LateRedisMirror {
    async fn compare(&self, views: &[View]) -> Result<Vec<Difference>, Fault> {
        self.there().await?.compare(views).await
    }

    async fn traces(&self, visit: &mut (dyn FnMut(Trace) + Send)) -> Result<(), Fault> {
        self.there().await?.traces(visit).await
    }

    async fn take_out(&self, strays: &[Stray]) -> Result<(), Fault> {
        self.there().await?.take_out(strays).await
    }

    async fn sight(&self) -> Result<Sight, Fault> {
        self.there().await?.sight().await
    }

    async fn mark(&self, seen: Option<&str>, next: &str) -> Result<bool, Fault> {
        self.there().await?.mark(seen, next).await
    }

    fn user(&self) -> &str {
        &self.user
    }
}
