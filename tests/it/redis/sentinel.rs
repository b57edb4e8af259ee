//! A primary that sentinels name: found, lost, and found again elsewhere, in the middle of writes.

use std::time::{Duration, Instant};

use readmill_connectors::conformance::Pebbles;
use readmill_connectors::redis::{Mode, Redis, RedisConfig};
use readmill_core::Partition;
use readmill_engine::{Fault, Put, Store};

use super::server::{LIMIT, Server};
use super::{all_done, config, documents, put, revisions};
use crate::mill::wait;

fn behind(sentinel: &Server) -> RedisConfig {
    let mut config = config(&sentinel.uri());
    config.mode = Mode::Sentinel;
    config.primary = "docs".to_owned();
    config
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_go_on_at_the_new_primary_and_lose_nothing_that_its_replica_had() {
    let (mut primary, replica) = (Server::start(&[]), Server::start(&[]));
    replica.follow(&primary);
    let sentinel = Server::sentinel(primary.port);
    wait(LIMIT, "the sentinel to know the replica", || {
        sentinel.ask(&["SENTINEL", "REPLICAS", "docs"]).contains(&replica.port.to_string())
    });
    let mut config = behind(&sentinel);
    config.replicas = 1;
    let store = documents(&config).await;
    let partition = [Partition::new("t", 0)];
    Store::<Pebbles>::noted(&store, &partition).await.unwrap();
    all_done(put(&store, 0..50, 0).await);
    primary.kill();
    // The new primary has no replica: nothing is durable there until it has.
    let until = Instant::now() + LIMIT;
    let short = loop {
        match put(&store, 0..50, 1).await {
            Err(Fault::Silent { detail, .. }) if detail.contains("0 of 1 replicas") => break true,
            Err(Fault::Silent { .. }) if Instant::now() < until => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            other => panic!("{other:?}"),
        }
    };
    assert!(short && replica.info("role") == "master");
    assert_eq!(revisions(&store, 0..50).await, [2; 50], "made, and not durable yet");
    primary.revive();
    wait(LIMIT, "the old primary to follow", || primary.info("role") == "slave");
    wait(LIMIT, "the old primary to be in step", || primary.info("master_link_status") == "up");
    all_done(put(&store, 0..50, 2).await);
    assert_eq!(put(&store, 0..1, 2).await.unwrap(), [Put::Unsure]);
    let settled = [(partition[0].clone(), "50|".to_owned())];
    Store::<Pebbles>::note_settled(&store, &settled).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_no_sentinel_knows_is_refused_with_the_setting() {
    let server = Server::start(&[]);
    let sentinel = Server::sentinel(server.port);
    let mut config = behind(&sentinel);
    config.primary = "other".to_owned();
    let fault = Redis::connect(&config).await.unwrap_err().to_string();
    assert!(fault.contains("other is not known") && fault.contains("`primary`"), "{fault}");
}
