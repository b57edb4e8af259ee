//! The documents of one generation of a read model in Redis.

use std::collections::HashSet;

use async_trait::async_trait;
use readmill_core::{Document, Key, ReadModel};
use readmill_engine::{Fault, Put, Store, Write};
use redis::{Pipeline, RedisResult, Value};
use xxhash_rust::xxh3::xxh3_128;

use super::connect::{PIPELINE_COMMANDS, Redis};
use super::faults::{damaged, of_error, silent};
use super::plan::{self, Naming, Replacement};

/// One hash a document.
#[derive(Debug, Clone)]
pub struct RedisStore {
    redis: Redis,
    naming: Naming,
}

impl RedisStore {
    pub(super) const fn new(redis: Redis, naming: Naming) -> Self {
        Self { redis, naming }
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

    fn hash(&self, answer: RedisResult<Value>) -> Result<Vec<(String, String)>, Fault> {
        let value = answer.map_err(|error| of_error(self.redis.place(), &error))?;
        redis::from_redis_value(value)
            .map_err(|_| damaged("a document in Redis", "a field is not a text"))
    }

    async fn scan_some(&self, cursor: u64) -> Result<(u64, Vec<String>), Fault> {
        let mut command = redis::cmd("SCAN");
        command.arg(cursor).arg("MATCH").arg(self.naming.pattern());
        command.arg("COUNT").arg(PIPELINE_COMMANDS);
        let answer = self.redis.ask(command).await?;
        let place = self.redis.place();
        redis::from_redis_value(answer)
            .map_err(|_| silent(format!("{place}: the answer to a scan cannot be read")))
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
        let plan: Vec<Replacement> = plan.collect::<Result<_, _>>()?;
        self.redis.replace(&plan).await
    }

    async fn scan(&self, visit: &mut (dyn FnMut(Key, Document<M>) + Send)) -> Result<(), Fault> {
        // A scan of Redis may name a key twice while its table grows. 16 bytes a key remember it.
        let mut seen: HashSet<u128> = HashSet::new();
        let mut cursor = 0;
        loop {
            let (next, stored) = self.scan_some(cursor).await?;
            let keys = stored.iter().filter_map(|stored| self.naming.key(stored));
            let keys: Vec<Key> =
                keys.filter(|key| seen.insert(xxh3_128(key.as_str().as_bytes()))).collect();
            let documents = self.load_each(&keys).await?;
            for (key, document) in keys.into_iter().zip(documents) {
                if let Some(document) = document {
                    visit(key, document);
                }
            }
            if next == 0 {
                return Ok(());
            }
            cursor = next;
        }
    }
}
