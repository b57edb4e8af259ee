//! Every store passes the same checks, on the real servers; `tools/conformance` adds them up.

use std::time::{SystemTime, UNIX_EPOCH};

use readmill_connectors::conformance::{Pebbles, Report, held_report, report, report_of_two};
use readmill_connectors::embedded::{Embedded, EmbeddedConfig};
use readmill_connectors::mongo::{Mongo, MongoConfig};
use readmill_connectors::redis::{Redis, RedisConfig};
use readmill_engine::{HeldStore, Store};
use tempfile::TempDir;

use crate::paths::stack;
use crate::real::Corner;

/// The checks of one store's documents and of two of its generations.
const CHECKS: usize = 32;
const HELD_CHECKS: usize = 17;

/// Generations that nobody used before, so that their stores are empty.
fn fresh() -> [u32; 3] {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let first = u32::try_from(since.as_millis() % u128::from(u32::MAX / 4)).unwrap() * 4;
    [first, first + 1, first + 2]
}

/// Tells what came of a store's checks in the words of `tools/conformance`, and fails if any did.
#[track_caller]
pub fn told(name: &str, report: &Report, at_least: usize) {
    let Report { passed, failed } = report;
    println!("store={name} checks={} failed={}", passed.len() + failed.len(), failed.len());
    assert!(failed.is_empty(), "{name}:\n{}", failed.join("\n"));
    assert!(passed.len() >= at_least, "only {} checks of {name} ran", passed.len());
}

/// Checks a store by three empty generations of it.
pub async fn check<S: Store<Pebbles>>(name: &str, stores: &[S; 3]) {
    let [store, one, other] = stores;
    let mut all = report(store).await;
    let of_two = report_of_two(one, other).await;
    all.passed.extend(of_two.passed);
    all.failed.extend(of_two.failed);
    told(name, &all, CHECKS);
}

/// The same on a server that others use too: nothing of it is left.
async fn check_and_drop<S: Store<Pebbles>>(name: &str, stores: [S; 3]) {
    check(name, &stores).await;
    for store in &stores {
        store.drop_all().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mongodb_keeps_the_contract_of_a_store() {
    let config = MongoConfig::at(stack("MONGO_URI"));
    let mongo = Mongo::connect(&config).await.unwrap();
    let [a, b, c] = fresh().map(|generation| mongo.documents("conformance", generation));
    check_and_drop("mongodb", [a.await.unwrap(), b.await.unwrap(), c.await.unwrap()]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_keeps_the_contract_of_a_store() {
    let config = RedisConfig::at(stack("REDIS_URL"));
    let redis = Redis::connect(&config).await.unwrap();
    let [a, b, c] = fresh().map(|generation| redis.documents("conformance", generation));
    check_and_drop("redis", [a.await.unwrap(), b.await.unwrap(), c.await.unwrap()]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_store_keeps_the_contract_of_a_store() {
    let directory = TempDir::new().unwrap();
    let embedded = Embedded::open(&EmbeddedConfig::at(directory.path())).unwrap();
    let stores = [1, 2, 3].map(|generation| embedded.documents("pebbles", generation).unwrap());
    check("embedded", &stores).await;
}

async fn check_held(name: &str, store: &dyn HeldStore) {
    told(name, &held_report(store, "pebbles", "pebbles2").await, HELD_CHECKS);
}

#[tokio::test(flavor = "multi_thread")]
async fn mongodb_keeps_the_contract_of_held_records() {
    let mongo = Corner::new("heldconf").mongo().await;
    check_held("mongodb-held", &mongo.held().await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_keeps_the_contract_of_held_records() {
    check_held("redis-held", &Corner::new("heldconf").redis().await.held()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_store_keeps_the_contract_of_held_records() {
    let directory = TempDir::new().unwrap();
    let embedded = Embedded::open(&EmbeddedConfig::at(directory.path())).unwrap();
    check_held("embedded-held", &embedded).await;
}
