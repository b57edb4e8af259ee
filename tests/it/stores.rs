//! Every store passes the same checks, on the real servers.

use readmill_connectors::conformance::{Pebbles, conformance};
use readmill_connectors::mongo::{Mongo, MongoConfig};
use readmill_connectors::redis::{Redis, RedisConfig};
use readmill_engine::Store;

use crate::paths::stack;

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
