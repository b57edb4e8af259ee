//! A cluster of three: the contracts, keys that move while they are written, and a node that falls.

use std::collections::BTreeSet;

use readmill_connectors::conformance::{Pebbles, conformance, held_conformance};
use readmill_connectors::redis::{Mode, Redis, RedisConfig};
use readmill_core::Partition;
use readmill_engine::{Fault, HeldStore, Put, Store};

use super::server::{LIMIT, Server};
use super::{all_done, config, documents, key, patiently, put, revisions};
use crate::mill::{free_port, wait};

/// Primaries that share all slots, and a replica of the first.
pub struct Cluster {
    nodes: Vec<Server>,
}

const PRIMARIES: usize = 3;
const SLOTS: usize = 16_384;

impl Cluster {
    pub fn up(replicas: usize) -> Self {
        let node = |_| {
            let bus = free_port().to_string();
            let settings = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1500"];
            // A replica that was down for long is elected all the same.
            let more = ["--cluster-port", &bus, "--cluster-replica-validity-factor", "0"];
            Server::start(&[&settings[..], &more].concat())
        };
        let cluster = Self { nodes: (0..PRIMARIES + replicas).map(node).collect() };
        for (at, node) in cluster.nodes.iter().enumerate().take(PRIMARIES) {
            let (first, last) = (at * SLOTS / PRIMARIES, (at + 1) * SLOTS / PRIMARIES - 1);
            let range = (first.to_string(), last.to_string());
            assert_eq!(node.ask(&["CLUSTER", "ADDSLOTSRANGE", &range.0, &range.1]), "OK");
            node.ask(&["CLUSTER", "SET-CONFIG-EPOCH", &(at + 1).to_string()]);
        }
        for node in &cluster.nodes[1..] {
            let bus = node.ask(&["CONFIG", "GET", "cluster-port"]);
            let bus = bus.lines().last().unwrap();
            let port = node.port.to_string();
            cluster.nodes[0].ask(&["CLUSTER", "MEET", "127.0.0.1", &port, bus]);
        }
        let count = cluster.nodes.len().to_string();
        for node in &cluster.nodes {
            wait(LIMIT, "the nodes to meet", || {
                let info = node.ask(&["CLUSTER", "INFO"]);
                info.contains(&format!("cluster_known_nodes:{count}"))
            });
        }
        for replica in &cluster.nodes[PRIMARIES..] {
            let primary = cluster.nodes[0].ask(&["CLUSTER", "MYID"]);
            wait(LIMIT, "the replica to follow", || {
                replica.ask(&["CLUSTER", "REPLICATE", &primary]) == "OK"
            });
        }
        for node in &cluster.nodes {
            wait(LIMIT, "the cluster to be well", || {
                node.ask(&["CLUSTER", "INFO"]).contains("cluster_state:ok")
            });
        }
        cluster
    }

    pub fn config(&self) -> RedisConfig {
        let nodes = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port));
        let mut config = config(&format!("redis://{}", nodes.collect::<Vec<_>>().join(",")));
        config.mode = Mode::Cluster;
        config
    }

    /// Moves a slot with all of its keys, one after the other.
    fn move_slot(&self, slot: &str, from: usize, to: usize, in_between: impl FnOnce()) {
        let id = |at: usize| self.nodes[at].ask(&["CLUSTER", "MYID"]);
        let (from_id, to_id) = (id(from), id(to));
        self.nodes[to].ask(&["CLUSTER", "SETSLOT", slot, "IMPORTING", &from_id]);
        self.nodes[from].ask(&["CLUSTER", "SETSLOT", slot, "MIGRATING", &to_id]);
        let keys = self.nodes[from].ask(&["CLUSTER", "GETKEYSINSLOT", slot, "100"]);
        let port = self.nodes[to].port.to_string();
        for key in keys.lines() {
            let moved = self.nodes[from].ask(&["MIGRATE", "127.0.0.1", &port, key, "0", "5000"]);
            assert_eq!(moved, "OK");
        }
        in_between();
        for at in [to, from] {
            self.nodes[at].ask(&["CLUSTER", "SETSLOT", slot, "NODE", &to_id]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_keeps_the_contracts_of_stores_and_of_held_records() {
    let cluster = Cluster::up(0);
    let redis = Redis::connect(&cluster.config()).await.unwrap();
    let store = redis.documents("pebbles", 1).await.unwrap();
    conformance::<_>(&store).await.unwrap();
    let on_nodes = cluster.nodes.iter().filter(|node| node.ask(&["DBSIZE"]) != ":0");
    assert_eq!(on_nodes.count(), PRIMARIES);
    held_conformance(&redis.held(), "pebbles", "pebbles2").await.unwrap();
    Store::<Pebbles>::drop_all(&store).await.unwrap();
    let left: Vec<String> =
        cluster.nodes.iter().map(|node| node.ask(&["KEYS", "rm:pebbles:1:*"])).collect();
    assert!(left.concat().is_empty(), "{left:?}");
    assert_eq!(redis.held().count("pebbles").await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_on_their_way_to_another_node_are_read_and_written() {
    let cluster = Cluster::up(0);
    let store = documents(&cluster.config()).await;
    all_done(put(&store, 0..200, 0).await);
    let slot = cluster.nodes[0].ask(&["CLUSTER", "KEYSLOT", "p-1"]);
    let slot = slot.trim_start_matches(':').to_owned();
    let has = |node: &Server| node.ask(&["CLUSTER", "COUNTKEYSINSLOT", &slot]) != ":0";
    let from = cluster.nodes.iter().position(has).unwrap();
    let to = (from + 1) % PRIMARIES;
    let handle = tokio::runtime::Handle::current();
    let moving = || {
        // The slot is half-way: its old node sends on what it does not have any more.
        handle.block_on(async {
            assert_eq!(revisions(&store, 0..200).await, [1; 200]);
            all_done(put(&store, 0..200, 1).await);
        });
    };
    tokio::task::block_in_place(|| cluster.move_slot(&slot, from, to, moving));
    assert_eq!(revisions(&store, 0..200).await, [2; 200]);
    all_done(put(&store, 0..200, 2).await);
    assert_eq!(put(&store, 0..3, 2).await.unwrap(), [Put::Unsure; 3]);
    let mut seen = BTreeSet::new();
    let mut visit = |key, _| assert!(seen.insert(key), "seen twice");
    Store::<Pebbles>::scan(&store, &mut visit).await.unwrap();
    assert_eq!(seen.len(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_falls_is_replaced_and_what_its_replica_did_not_have_is_noticed() {
    let mut cluster = Cluster::up(1);
    let store = documents(&cluster.config()).await;
    let partition = [Partition::new("t", 0)];
    Store::<Pebbles>::noted(&store, &partition).await.unwrap();
    all_done(put(&store, 0..300, 0).await);
    let note = |text: &str| [(partition[0].clone(), text.to_owned())];
    Store::<Pebbles>::note_settled(&store, &note("300|")).await.unwrap();
    wait(LIMIT, "the replica to be in step", || {
        let offset = cluster.nodes[0].info("master_repl_offset");
        cluster.nodes[PRIMARIES].info("slave_repl_offset") == offset
    });
    // The replica is down while more is acknowledged, and is elected afterwards.
    cluster.nodes[PRIMARIES].ask(&["SAVE"]);
    cluster.nodes[PRIMARIES].kill();
    all_done(put(&store, 0..300, 1).await);
    Store::<Pebbles>::note_settled(&store, &note("600|")).await.unwrap();
    cluster.nodes[0].kill();
    cluster.nodes[PRIMARIES].revive();
    let met = patiently(async || match put(&store, 0..300, 2).await {
        Err(Fault::RolledBack { .. }) => Ok(true),
        Err(fault) => Err(fault),
        Ok(_) => Ok(false),
    });
    assert!(met.await, "documents were built on a loss");
    let refused = Store::<Pebbles>::note_settled(&store, &note("900|")).await;
    assert!(matches!(refused, Err(Fault::RolledBack { .. })), "{refused:?}");
    let known = Store::<Pebbles>::noted(&store, &partition).await.unwrap().unwrap();
    assert_eq!(known, [Some("300|".to_owned())]);
    let found = revisions(&store, 0..300).await;
    let (kept, lost) = (found.contains(&2), found.contains(&1));
    assert!(kept && lost, "the nodes that stayed kept theirs, the other lost some");
    // Folding again from there heals.
    for number in 0..300 {
        if revisions(&store, number..number + 1).await == [1] {
            all_done(put(&store, number..number + 1, 1).await);
        }
    }
    Store::<Pebbles>::note_settled(&store, &note("600|")).await.unwrap();
    assert_eq!(key(1).as_str(), "p-1");
}
