//! Every store passes the same checks, on the real servers.

use readmill_connectors::conformance::{Pebbles, conformance, held_conformance};
use readmill_connectors::mongo::{Mongo, MongoConfig};
use readmill_connectors::redis::{Redis, RedisConfig};
use readmill_engine::{HeldStore, Store};

use crate::paths::stack;
use crate::real::Corner;

/// A generation that nobody used before, so that its store is empty.
fn fresh() -> u32 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u32::try_from(since.as_millis() % u128::from(u32::MAX)).unwrap()
}

async fn check(store: &impl Store<Pebbles>) {
    match conformance(store).await {
        Ok(passed) => assert!(passed.len() >= 17, "only {} checks ran", passed.len()),
        Err(problem) => panic!("{problem}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mongodb_keeps_the_contract_of_a_store() {
    let config = MongoConfig::at(stack("MONGO_URI"));
    let mongo = Mongo::connect(&config).await.unwrap();
    check(&mongo.documents("conformance", fresh()).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_keeps_the_contract_of_a_store() {
    let config = RedisConfig::at(stack("REDIS_URL"));
    let redis = Redis::connect(&config).await.unwrap();
    check(&redis.documents("conformance", fresh()).await.unwrap()).await;
}

async fn check_held(store: &dyn HeldStore) {
    match held_conformance(store, "pebbles", "pebbles2").await {
        Ok(passed) => assert!(passed.len() >= 16, "only {} checks ran", passed.len()),
        Err(problem) => panic!("{problem}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mongodb_keeps_the_contract_of_held_records() {
    let mongo = Corner::new("heldconf").mongo().await;
    check_held(&mongo.held().await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_keeps_the_contract_of_held_records() {
    check_held(&Corner::new("heldconf").redis().await.held()).await;
}
