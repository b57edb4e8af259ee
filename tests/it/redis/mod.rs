//! Redis as a store, on servers of the tests' own: clusters, sentinels, TLS, users, fail-overs that
//! lose writes, memory that is full.

pub mod cluster;
mod errors;
mod order;
mod rollback;
mod security;
mod sentinel;
pub mod server;

use readmill_connectors::conformance::{Pebble, Pebbles};
use readmill_connectors::redis::{Redis, RedisConfig, RedisStore};
use readmill_core::{Document, Key};
use readmill_engine::{Fault, Put, Store, Write};

/// A configuration with short patience.
pub fn config(uri: &str) -> RedisConfig {
    let mut config = RedisConfig::at(uri);
    config.connect_limit_ms = 2_000;
    config.response_limit_ms = 2_000;
    config
}

/// The documents of a generation.
pub async fn documents(config: &RedisConfig) -> RedisStore {
    Redis::connect(config).await.unwrap().documents("pebbles", 1).await.unwrap()
}

/// The key of a numbered document.
pub fn key(number: i64) -> Key {
    Key(format!("p-{number}"))
}

/// Writes documents of these numbers from one revision to the next.
pub async fn put(
    store: &RedisStore,
    numbers: impl Iterator<Item = i64>,
    expected: i64,
) -> Result<Vec<Put>, Fault> {
    let documents: Vec<(Key, Document<Pebbles>)> = numbers
        .map(|number| (key(number), Pebble::number(number).at_revision(expected + 1)))
        .collect();
    let writes: Vec<Write<'_, Pebbles>> =
        documents.iter().map(|(key, document)| Write { key, expected, document }).collect();
    store.put(&writes).await
}

/// The same, where nothing stands in the way.
#[track_caller]
pub fn all_done(puts: Result<Vec<Put>, Fault>) {
    let puts = puts.unwrap();
    assert!(puts.iter().all(|put| *put == Put::Done), "{puts:?}");
}

/// The revisions that stand under these numbers; 0 is nothing.
pub async fn revisions(store: &RedisStore, numbers: impl Iterator<Item = i64>) -> Vec<i64> {
    let keys: Vec<Key> = numbers.map(key).collect();
    let found: Vec<Option<Document<Pebbles>>> = store.load(&keys).await.unwrap();
    found.into_iter().map(|found| found.map_or(0, |document| document.stamp.revision)).collect()
}

/// Tries until it succeeds, as the engine does, or the time is up.
pub async fn patiently<T>(mut call: impl AsyncFnMut() -> Result<T, Fault>) -> T {
    let until = std::time::Instant::now() + server::LIMIT;
    loop {
        match call().await {
            Ok(answer) => return answer,
            Err(Fault::Silent { .. }) if std::time::Instant::now() < until => {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
            Err(fault) => panic!("{fault}"),
        }
    }
}
