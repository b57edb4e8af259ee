//! The keys of documents in order, for stores of which pages are asked: a sorted set beside them.
//!
//! A key is in it before its document is, and stays when the document expires: it has all keys, and
//! perhaps some more.

use std::collections::BTreeMap;
use std::ops::Bound;

use readmill_core::{Document, Key, ReadModel};
use readmill_engine::Fault;
use redis::Pipeline;

use super::connect::{PIPELINE_COMMANDS, Redis};
use super::faults::{damaged, of_error};
use super::rights::ORDER;
use super::store::RedisStore;

/// The sorted set of one generation.
#[derive(Debug, Clone)]
pub struct Order {
    place: String,
}

impl RedisStore {
    /// The same store, which keeps its keys in order from now on. All keys that there are are
    /// looked at once.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn in_order(mut self) -> Result<Self, Fault> {
        let order = Order { place: self.naming.order() };
        for (node, tag) in self.tides.tags(&*self.redis.map().await?) {
            self.redis.try_commands(&node, &self.tides.key(tag), &ORDER).await?;
        }
        let mut cursor = None;
        loop {
            let (next, stored) = self.redis.scan_page(cursor, &self.naming.pattern()).await?;
            let keys = stored.iter().filter_map(|stored| self.naming.key(stored));
            let keys: Vec<Key> = keys.collect();
            order.add(&self.redis, keys.iter()).await?;
            cursor = next;
            if cursor.is_none() {
                break;
            }
        }
        self.order = Some(order);
        Ok(self)
    }

    /// A page by the sorted set. Keys without a document are passed over.
    pub(super) async fn page_in_order<M: ReadModel>(
        &self,
        order: &Order,
        prefix: &str,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Document<M>)>, Fault> {
        let mut page = Vec::new();
        let mut after = after.cloned();
        while page.len() < limit {
            let keys = order.next(&self.redis, prefix, after.as_ref(), limit - page.len()).await?;
            let Some(last) = keys.last() else { break };
            after = Some(last.clone());
            page.extend(self.load_present(keys).await?);
        }
        Ok(page)
    }

    /// A page out of all keys, of which those that come next are kept.
    pub(super) async fn page_of_all<M: ReadModel>(
        &self,
        prefix: &str,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Document<M>)>, Fault> {
        let from = after.cloned().map_or(Bound::Unbounded, Bound::Excluded);
        let mut page: BTreeMap<Key, Document<M>> = BTreeMap::new();
        let mut cursor = None;
        loop {
            let pattern = self.naming.pattern_of(prefix);
            let (next, stored) = self.redis.scan_page(cursor, &pattern).await?;
            let keys = stored.iter().filter_map(|stored| self.naming.key(stored));
            let is_next = |key: &Key| {
                let full = page.len() >= limit;
                let beyond = full && page.last_key_value().is_none_or(|(last, _)| key >= last);
                let begins = key.as_str().starts_with(prefix);
                begins
                    && !beyond
                    && std::ops::RangeBounds::contains(&(from.clone(), Bound::Unbounded), key)
            };
            let keys: Vec<Key> = keys.filter(is_next).collect();
            page.extend(self.load_present(keys).await?);
            while page.len() > limit {
                page.pop_last();
            }
            cursor = next;
            if cursor.is_none() {
                return Ok(page.into_iter().collect());
            }
        }
    }
}

impl Order {
    /// Notes keys, before their documents are written.
    pub async fn add(
        &self,
        redis: &Redis,
        keys: impl Iterator<Item = &Key> + Send,
    ) -> Result<(), Fault> {
        self.change(redis, "ZADD", keys).await
    }

    /// Forgets keys, after their documents are erased.
    pub async fn remove(&self, redis: &Redis, keys: &[Key]) -> Result<(), Fault> {
        self.change(redis, "ZREM", keys.iter()).await
    }

    async fn change(
        &self,
        redis: &Redis,
        name: &str,
        keys: impl Iterator<Item = &Key> + Send,
    ) -> Result<(), Fault> {
        let keys: Vec<&Key> = keys.collect();
        let mut pipeline = Pipeline::new();
        pipeline.ignore_errors();
        for chunk in keys.chunks(PIPELINE_COMMANDS) {
            let command = pipeline.cmd(name).arg(&self.place);
            for key in chunk {
                if name == "ZADD" {
                    command.arg(0);
                }
                command.arg(key.as_str());
            }
        }
        for answer in redis.ask_each(&pipeline).await? {
            answer.map_err(|error| of_error(redis.place(), &error))?;
        }
        Ok(())
    }

    async fn next(
        &self,
        redis: &Redis,
        prefix: &str,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<Key>, Fault> {
        let mut command = redis::cmd("ZRANGEBYLEX");
        let from = match after {
            Some(after) if after.as_str() >= prefix => format!("({after}"),
            Some(_) | None => format!("[{prefix}"),
        };
        // No text has this byte: it comes after all that begin with the prefix.
        let mut to = format!("({prefix}").into_bytes();
        to.push(0xff);
        command.arg(&self.place).arg(from).arg(to).arg("LIMIT").arg(0).arg(limit);
        let answer = redis.ask(command).await?;
        let keys: Vec<String> = redis::from_redis_value(answer)
            .map_err(|_| damaged("the order of documents in Redis", "a key is not a text"))?;
        Ok(keys.into_iter().map(Key).collect())
    }
}
