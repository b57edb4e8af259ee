//! The contract of a mirror, on one Redis and on a cluster.

use readmill_connectors::conformance::mirror_conformance;
use readmill_connectors::redis::Redis;

use crate::real::Corner;
use crate::redis::cluster::Cluster;

#[tokio::test(flavor = "multi_thread")]
async fn redis_keeps_the_contract_of_a_mirror() {
    let redis = Corner::new("mirror").redis().await;
    let passed = mirror_conformance(&redis.mirror("pebbles")).await.unwrap();
    assert!(passed.len() >= 15, "{passed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_keeps_the_contract_of_a_mirror() {
    let cluster = Cluster::up(0);
    let redis = Redis::connect(&cluster.config()).await.unwrap();
    let passed = mirror_conformance(&redis.mirror("pebbles")).await.unwrap();
    assert!(passed.len() >= 15, "{passed:?}");
}
