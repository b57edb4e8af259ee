//! The documents of one generation of a read model in Redis.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use readmill_core::{Document, Key, Partition, ReadModel};
use readmill_engine::{Fault, Lists, Put, Store, Write};
use redis::{Pipeline, RedisResult, Value};
use xxhash_rust::xxh3::xxh3_128;

use super::connect::{PIPELINE_COMMANDS, Redis};
use super::faults::{damaged, of_error};
use super::order::Order;
use super::plan::{self, Naming, Planned};
use super::tide::Tides;

/// The largest document, in bytes of its fields.
const DOCUMENT_LIMIT_BYTES: usize = 64 << 20;

/// One hash a document.
#[derive(Debug, Clone)]
pub struct RedisStore {
    pub(super) redis: Redis,
    pub(super) naming: Naming,
    pub(super) tides: Arc<Tides>,
    pub(super) order: Option<Order>,
}

impl RedisStore {
    pub(super) async fn open(redis: Redis, naming: Naming) -> Result<Self, Fault> {
        let tides = Arc::new(Tides::new(naming.generation()));
        let store = Self { redis, naming, tides, order: None };
        for (node, tag) in store.tides.tags(&*store.redis.map().await?) {
            store.redis.try_rights(&node, &store.tides.key(tag)).await?;
        }
        store.begin_tides().await?;
        store.redis.try_transaction(&store.tides).await?;
        Ok(store)
    }

    async fn load_each<M: ReadModel>(
        &self,
        keys: &[Key],
    ) -> Result<Vec<Option<Document<M>>>, Fault> {
        let mut documents = Vec::with_capacity(keys.len());
        for chunk in keys.chunks(PIPELINE_COMMANDS) {
            let mut pipeline = Pipeline::with_capacity(chunk.len());
            pipeline.ignore_errors();
            for key in chunk {
                pipeline.cmd("HGETALL").arg(self.naming.stored(key));
            }
            for answer in self.redis.ask_each(&pipeline).await? {
                documents.push(plan::document(self.hash(answer)?)?);
            }
        }
        Ok(documents)
    }

    /// Loads those that there are.
    pub(super) async fn load_present<M: ReadModel>(
        &self,
        keys: Vec<Key>,
    ) -> Result<Vec<(Key, Document<M>)>, Fault> {
        let documents = self.load_each(&keys).await?;
        let found = keys.into_iter().zip(documents);
        Ok(found.filter_map(|(key, document)| Some((key, document?))).collect())
    }

    fn hash(&self, answer: RedisResult<Value>) -> Result<Vec<(String, String)>, Fault> {
        let value = answer.map_err(|error| of_error(self.redis.place(), &error))?;
        redis::from_redis_value(value)
            .map_err(|_| damaged("a document in Redis", "a field is not a text"))
    }

    /// Keys of Redis go without holding it up, a few at a time.
    async fn unlink(&self, stored: &[String]) -> Result<(), Fault> {
        for chunk in stored.chunks(PIPELINE_COMMANDS) {
            let mut pipeline = Pipeline::with_capacity(chunk.len());
            pipeline.ignore_errors();
            for key in chunk {
                pipeline.cmd("UNLINK").arg(key);
            }
            for answer in self.redis.ask_each(&pipeline).await? {
                answer.map_err(|error| of_error(self.redis.place(), &error))?;
            }
        }
        Ok(())
    }

    /// Writes those that are not too large, and answers for all.
    async fn write(&self, plan: Vec<Planned>) -> Result<Vec<Put>, Fault> {
        let too_large = |planned: &Planned| planned.bytes() > DOCUMENT_LIMIT_BYTES;
        if !plan.iter().any(too_large) {
            return self.redis.write(&self.tides, &plan).await;
        }
        let large: Vec<bool> = plan.iter().map(too_large).collect();
        let fit: Vec<Planned> = plan.into_iter().filter(|planned| !too_large(planned)).collect();
        let mut puts = self.redis.write(&self.tides, &fit).await?.into_iter();
        let verdict = |large| if large { Some(Put::TooLarge) } else { puts.next() };
        Ok(large.into_iter().map(verdict).map(|put| put.unwrap_or(Put::Unsure)).collect())
    }
}

#[async_trait]
impl<M: ReadModel> Store<M> for RedisStore {
    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Document<M>>>, Fault> {
        self.load_each(keys).await
    }

    async fn put(&self, writes: &[Write<'_, M>]) -> Result<Vec<Put>, Fault> {
        let life_ms = self.redis.tombstone_life_ms();
        let plan = writes.iter().map(|write| plan::replace(&self.naming, write, life_ms));
        let plan: Vec<Planned> = plan.collect::<Result<_, _>>()?;
        if let Some(order) = &self.order {
            let new = writes.iter().filter(|write| write.expected == 0);
            order.add(&self.redis, new.map(|write| write.key)).await?;
        }
        self.write(plan).await
    }

    async fn scan(&self, visit: &mut (dyn FnMut(Key, Document<M>) + Send)) -> Result<(), Fault> {
        // A scan of Redis may name a key twice while its table grows. 16 bytes a key remember it.
        let mut seen: HashSet<u128> = HashSet::new();
        let mut cursor = None;
        loop {
            let (next, stored) = self.redis.scan_page(cursor, &self.naming.pattern()).await?;
            let keys = stored.iter().filter_map(|stored| self.naming.key(stored));
            let keys: Vec<Key> =
                keys.filter(|key| seen.insert(xxh3_128(key.as_str().as_bytes()))).collect();
            for (key, document) in self.load_present(keys).await? {
                visit(key, document);
            }
            cursor = next;
            if cursor.is_none() {
                return Ok(());
            }
        }
    }

    async fn scan_range(
        &self,
        prefix: &str,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Document<M>)>, Fault> {
        match &self.order {
            Some(order) => self.page_in_order(order, prefix, after, limit).await,
            None => self.page_of_all(prefix, after, limit).await,
        }
    }

    fn lists(&self) -> Lists {
        Lists { by_key: self.order.is_some(), by_index: false }
    }

    async fn erase(&self, keys: &[Key]) -> Result<(), Fault> {
        let stored: Vec<String> = keys.iter().map(|key| self.naming.stored(key)).collect();
        self.unlink(&stored).await?;
        match &self.order {
            Some(order) => order.remove(&self.redis, keys).await,
            None => Ok(()),
        }
    }

    async fn drop_all(&self) -> Result<(), Fault> {
        let mut cursor = None;
        loop {
            let everything = self.naming.everything();
            let (next, stored) = self.redis.scan_page(cursor, &everything).await?;
            self.unlink(&stored).await?;
            cursor = next;
            if cursor.is_none() {
                return Ok(());
            }
        }
    }

    async fn note_settled(&self, settled: &[(Partition, String)]) -> Result<(), Fault> {
        self.note(settled).await
    }

    async fn noted(&self, partitions: &[Partition]) -> Result<Option<Vec<Option<String>>>, Fault> {
        self.positions(partitions).await.map(Some)
    }

    fn document_limit_bytes(&self) -> usize {
        DOCUMENT_LIMIT_BYTES
    }
}
