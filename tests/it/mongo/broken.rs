//! Commands of which a part was done: by a primary that nobody follows, and by one that dies.

use std::time::Duration;

use bson::{Document, doc};
use mongodb::Client;
use readmill_connectors::conformance::Pebbles;
use readmill_connectors::mongo::{Mongo, MongoConfig, MongoStore};
use readmill_engine::{Fault, Put, Store};

use super::server::{Node, found, until, wait_for_primary};
use super::{Place, keys, pebbles, put, revisions};

async fn run(client: &Client, command: Document) {
    client.database("admin").run_command(command).await.unwrap();
}

fn uri(nodes: &[Node]) -> String {
    let hosts: Vec<&str> = nodes.iter().map(|node| node.address.as_str()).collect();
    format!("mongodb://{}/?replicaSet=own", hosts.join(","))
}

async fn store(config: &MongoConfig) -> MongoStore {
    Mongo::connect(config).await.unwrap().documents("pebbles", 1).await.unwrap()
}

/// Writes that only their primary has are unsure; what a majority has is loaded until then. Once
/// the others follow, they are found as they were meant, and nobody makes them twice.
#[tokio::test(flavor = "multi_thread")]
async fn writes_that_no_majority_has_yet_are_unsure_and_found_later() {
    let dir = tempfile::tempdir().unwrap();
    let nodes = [0, 1, 2].map(|at| Node::start(&dir.path().join(at.to_string()), &[]));
    let primary = found(&nodes, "").await;
    let mut place = Place::at(&uri(&nodes), "lonely");
    let patient = store(&place.config).await;
    place.config.command_limit_ms = 700;
    let hasty = store(&place.config).await;
    let keys = keys("k", 50);
    put(&patient, &keys, &pebbles(50, 5, 1), |_| 0).await.unwrap();

    // Nobody copies what the primary writes.
    let follow = async |copy: bool| {
        let mode = if copy { "off" } else { "alwaysOn" };
        for node in &nodes[1..] {
            let node = node.alone("").await;
            run(&node, doc! {"configureFailPoint": "stopReplProducer", "mode": mode}).await;
        }
    };
    follow(false).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let next = pebbles(50, 5, 2);
    let fault = put(&hasty, &keys, &next, |_| 1).await.unwrap_err();
    assert!(matches!(fault, Fault::Silent { .. }), "{fault}");
    let rows = primary.database(&place.config.database).collection::<Document>("pebbles.g1");
    let written = rows.count_documents(doc! {"_readmill.revision": 2}).await.unwrap();
    assert_eq!(written, 50, "the primary has them");
    assert_eq!(revisions(&hasty, &keys).await, [1; 50], "and nobody folds on them yet");
    // Whoever tries again in the meantime is refused, and waits for the same majority.
    let again = put(&hasty, &keys, &next, |_| 1).await;
    assert!(matches!(again, Err(Fault::Silent { .. })), "{again:?}");

    follow(true).await;
    until("the majority to have them", async || revisions(&patient, &keys).await == [2; 50]).await;
    // Their stamps are those that were meant, so that the answer is sure even now.
    assert_eq!(put(&patient, &keys, &next, |_| 1).await.unwrap(), [Put::Unsure; 50]);
    let found: Vec<_> = Store::<Pebbles>::load(&patient, &keys).await.unwrap();
    for (found, meant) in found.into_iter().zip(next) {
        assert_eq!(found.unwrap().stamp, meant.stamp);
    }
}

/// A primary that dies in the middle of a command has made a part of its writes. All are unsure;
/// each stands as it was before or as it was meant, and the rest is made by the next try.
#[tokio::test(flavor = "multi_thread")]
async fn a_command_of_which_a_part_was_made_is_finished_by_the_next_try() {
    const MADE: i64 = 70;
    const ALL: i64 = 200;
    let dir = tempfile::tempdir().unwrap();
    let mut nodes = [Node::start(&dir.path().join("data"), &[])];
    let primary = found(&nodes, "").await;
    let place = Place::at(&uri(&nodes), "half");
    let store = store(&place.config).await;
    let keys = keys("k", ALL);
    put(&store, &keys, &pebbles(ALL, 5, 1), |_| 0).await.unwrap();

    let stop = doc! {"configureFailPoint": "hangDuringBatchUpdate", "mode": {"skip": MADE}};
    run(&primary, stop).await;
    let next = pebbles(ALL, 5, 2);
    let writing = put(&store, &keys, &next, |_| 1);
    let killing = async {
        let rows = primary.database(&place.config.database).collection::<Document>("pebbles.g1");
        until("a part of the command", async || {
            rows.count_documents(doc! {"_readmill.revision": 2}).await.unwrap_or(0) >= 1
        })
        .await;
        // Long enough for its journal.
        tokio::time::sleep(Duration::from_millis(500)).await;
        nodes[0].kill();
    };
    let (told, ()) = tokio::join!(writing, killing);
    assert!(matches!(told, Err(Fault::Silent { .. })), "{told:?}");

    nodes[0].revive();
    wait_for_primary(&nodes[0].alone("").await).await;
    let now = revisions(&store, &keys).await;
    let made = now.iter().filter(|revision| **revision == 2).count();
    assert!(made > 0 && made < keys.len(), "{made} were made");
    assert!(now.iter().all(|revision| (1..=2).contains(revision)));
    let told = put(&store, &keys, &next, |_| 1).await.unwrap();
    for (before, verdict) in now.iter().zip(told) {
        assert_eq!(verdict == Put::Done, *before == 1, "each by itself, and none twice");
    }
    assert_eq!(revisions(&store, &keys).await, vec![2; keys.len()]);
}
