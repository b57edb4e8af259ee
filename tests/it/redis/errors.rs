//! What servers say when they cannot: memory that is full, replicas, forgotten scripts, loading,
//! and settings that would lose documents.

use std::time::Duration;

use readmill_connectors::conformance::Pebbles;
use readmill_connectors::redis::{Mode, Redis};
use readmill_engine::{Fault, Remedy, Store};

use super::server::Server;
use super::{all_done, config, documents, key, patiently, put, revisions};

/// So many documents that they go together, and so few that each goes by itself.
const MANY: i64 = 60;

#[track_caller]
fn silent_with<T: std::fmt::Debug>(answer: Result<T, Fault>, code: &str) {
    let Err(Fault::Silent { detail, .. }) = answer else { panic!("{answer:?}") };
    assert!(detail.contains(code), "{detail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn full_memory_refuses_whole_batches_and_loses_nothing() {
    let server = Server::start(&["--maxmemory-policy", "noeviction"]);
    let store = documents(&config(&server.uri())).await;
    all_done(put(&store, 0..MANY, 0).await);
    server.ask(&["CONFIG", "SET", "maxmemory", "1mb"]);
    silent_with(put(&store, 0..MANY, 1).await, "OOM");
    silent_with(put(&store, MANY..MANY + 50, 0).await, "OOM");
    assert_eq!(revisions(&store, 0..MANY).await, [1; 60]);
    assert_eq!(revisions(&store, MANY..MANY + 50).await, [0; 50]);
    server.ask(&["CONFIG", "SET", "maxmemory", "0"]);
    all_done(put(&store, 0..MANY, 1).await);
    assert_eq!(revisions(&store, 0..MANY).await, [2; 60]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_document_leaves_no_trace_and_does_not_touch_the_others() {
    let server = Server::start(&[]);
    let store = documents(&config(&server.uri())).await;
    all_done(put(&store, 0..3, 0).await);
    all_done(put(&store, 1..2, 1).await);
    let before = server.ask(&["DUMP", "rm:pebbles:1:{p-1}"]);
    let puts = put(&store, 0..5, 1).await.unwrap();
    assert_eq!(puts.iter().filter(|put| **put == readmill_engine::Put::Unsure).count(), 3);
    assert_eq!(server.ask(&["DUMP", "rm:pebbles:1:{p-1}"]), before);
    assert_eq!(revisions(&store, 0..5).await, [2, 2, 2, 0, 0]);
    let strange = server.ask(&["KEYS", "*aside*"]);
    assert!(strange.is_empty(), "{strange}");
    server.ask(&["DEL", "rm:pebbles:1:{p-0}"]);
    server.ask(&["SET", "rm:pebbles:1:{p-0}", "a text"]);
    let damaged = put(&store, 0..3, 2).await.unwrap_err();
    assert_eq!(damaged.remedy(), Remedy::Stop);
    assert_eq!(server.ask(&["GET", "rm:pebbles:1:{p-0}"]), "a text");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_at_the_address_is_waited_for() {
    let (primary, replica) = (Server::start(&[]), Server::start(&[]));
    let store = documents(&config(&replica.uri())).await;
    all_done(put(&store, 0..MANY, 0).await);
    replica.follow(&primary);
    silent_with(put(&store, 0..MANY, 0).await, "READONLY");
    replica.ask(&["REPLICAOF", "NO", "ONE"]);
    // It has become another: what was here is gone, and that is told.
    let gone = put(&store, 0..MANY, 0).await;
    assert!(matches!(gone, Err(Fault::RolledBack { .. })), "{gone:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn too_few_replicas_and_forgotten_scripts_pass() {
    let server = Server::start(&["--min-replicas-to-write", "1"]);
    server.ask(&["CONFIG", "SET", "min-replicas-to-write", "0"]);
    let config = config(&server.uri());
    let redis = Redis::connect(&config).await.unwrap();
    let store = redis.documents("pebbles", 1).await.unwrap();
    server.ask(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    silent_with(put(&store, 0..MANY, 0).await, "NOREPLICAS");
    server.ask(&["CONFIG", "SET", "min-replicas-to-write", "0"]);
    server.ask(&["SCRIPT", "FLUSH"]);
    all_done(put(&store, 0..MANY, 0).await);
    server.ask(&["SCRIPT", "FLUSH"]);
    let settled = [(readmill_core::Partition::new("t", 0), "1|".to_owned())];
    Store::<Pebbles>::note_settled(&store, &settled).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_without_its_primary_and_a_busy_server_pass() {
    let mut primary = Server::start(&[]);
    let replica = Server::start(&["--replica-serve-stale-data", "no"]);
    let store = documents(&config(&replica.uri())).await;
    primary.kill();
    replica.ask(&["REPLICAOF", "127.0.0.1", &primary.port.to_string()]);
    let keys = [key(0)];
    silent_with(Store::<Pebbles>::load(&store, &keys).await, "MASTERDOWN");
    replica.ask(&["REPLICAOF", "NO", "ONE"]);
    replica.ask(&["CONFIG", "SET", "busy-reply-threshold", "50"]);
    let port = replica.port;
    let busy = std::thread::spawn(move || {
        let words = ["eval", "while true do end", "0"];
        std::process::Command::new("redis-cli").args(["-p", &port.to_string()]).args(words).output()
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    silent_with(Store::<Pebbles>::load(&store, &keys).await, "BUSY");
    replica.ask(&["SCRIPT", "KILL"]);
    busy.join().unwrap().unwrap();
    patiently(async || Store::<Pebbles>::load(&store, &keys).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_loads_its_file_passes() {
    let mut server = Server::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let store = documents(&config(&server.uri())).await;
    all_done(put(&store, 0..MANY, 0).await);
    for n in 0..20 {
        let script = "for i = 1, 5000 do redis.call('HSET', KEYS[1] .. i, 'a', i) end";
        server.ask(&["EVAL", script, "1", &format!("filler{n}:")]);
    }
    server.kill();
    server.revive();
    let again = patiently(async || put(&store, 0..MANY, 1).await).await;
    all_done(Ok(again));
    assert_eq!(revisions(&store, 0..MANY).await, [2; 60]);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_would_lose_documents_are_refused_with_a_remedy() {
    let server = Server::start(&["--maxmemory-policy", "allkeys-lru"]);
    let mut config = config(&server.uri());
    let redis = Redis::connect(&config).await.unwrap();
    let fault = redis.documents("pebbles", 1).await.unwrap_err();
    assert_eq!(fault.remedy(), Remedy::Stop);
    assert!(fault.to_string().contains("noeviction"), "{fault}");
    config.mode = Mode::Cluster;
    let fault = Redis::connect(&config).await.unwrap_err();
    assert!(fault.to_string().contains("mode"), "{fault}");
}
