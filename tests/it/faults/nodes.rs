//! A replica set of three under load: its primary steps down, falls with writes that no other node
//! has, and freezes. Every document is what the log says, to the last revision.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bson::{Document, doc};
use mongodb::Client;
use mongodb::options::ClientOptions;
use readmill_connectors::mongo::{Mongo, MongoConfig};
use readmill_workload::Knobs;

use super::shipment::Shipment;
use super::stage::{Service, Stage};
use super::topics::Group;
use super::verdict::Verdict;
use crate::mill::{Mill, free_port, wait};
use crate::paths::stack;
use crate::real::{Corner, consumed};

const LIMIT: Duration = Duration::from_secs(90);
const SENT_TOGETHER: usize = 100;
const PAUSE: Duration = Duration::from_millis(80);
/// Longer than an election takes.
const FROZEN: Duration = Duration::from_secs(4);
/// So long the primary takes writes that nobody else gets.
const ALONE: Duration = Duration::from_secs(1);

struct Nodes {
    addresses: Vec<SocketAddr>,
    stages: Vec<Stage>,
}

impl Nodes {
    fn up(dir: &Path) -> Self {
        let addresses: Vec<SocketAddr> =
            (0..3).map(|_| SocketAddr::from(([127, 0, 0, 1], free_port()))).collect();
        let stages = std::thread::scope(|scope| {
            let starting = (0..addresses.len()).map(|node| {
                let (dir, addresses) = (dir.join(format!("node{node}")), &addresses);
                scope.spawn(move || Stage::mongo_node(&dir, addresses, node))
            });
            let starting: Vec<_> = starting.collect();
            starting.into_iter().map(|node| node.join().unwrap()).collect()
        });
        Self { addresses, stages }
    }

    fn uri(&self) -> &str {
        self.stages[0].address("MONGO_URI")
    }

    /// Runs a command on one node.
    async fn run(&self, node: usize, command: Document) -> mongodb::error::Result<Document> {
        let uri = format!("mongodb://{}/?directConnection=true", self.addresses[node]);
        let mut options = ClientOptions::parse(&uri).await?;
        options.server_selection_timeout = Some(Duration::from_secs(2));
        Client::with_options(options)?.database("admin").run_command(command).await
    }

    /// The node that takes writes.
    async fn primary(&self) -> usize {
        let until = Instant::now() + LIMIT;
        loop {
            for node in 0..self.stages.len() {
                let hello = self.run(node, doc! {"hello": 1}).await;
                if hello.is_ok_and(|hello| hello.get_bool("isWritablePrimary").unwrap_or(false)) {
                    return node;
                }
            }
            assert!(Instant::now() < until, "no primary in {LIMIT:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Whether the nodes other than `primary` copy what it has.
    async fn copy(&self, primary: usize, copying: bool) {
        let mode = if copying { "off" } else { "alwaysOn" };
        for node in (0..self.stages.len()).filter(|node| *node != primary) {
            let switch = doc! {"configureFailPoint": "stopReplProducer", "mode": mode};
            self.run(node, switch).await.unwrap();
        }
    }

    async fn step_down(&self) {
        let primary = self.primary().await;
        let command = doc! {"replSetStepDown": 10, "secondaryCatchUpPeriodSecs": 5};
        self.run(primary, command).await.unwrap();
    }

    /// SIGKILL of a primary that was alone with its latest writes, and its return.
    async fn fall(&self) {
        let primary = self.primary().await;
        self.copy(primary, false).await;
        tokio::time::sleep(ALONE).await;
        self.stages[primary].kill(Service::Mongo);
        self.copy(primary, true).await;
        assert_ne!(self.primary().await, primary);
        self.stages[primary].revive(Service::Mongo);
    }

    /// SIGSTOP of a primary, which goes on after another one was elected.
    async fn freeze(&self) {
        let primary = self.primary().await;
        self.stages[primary].signal(Service::Mongo, "STOP");
        tokio::time::sleep(FROZEN).await;
        self.stages[primary].signal(Service::Mongo, "CONT");
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        // In good order they would wait for one another. After a failure one may be down already.
        if !std::thread::panicking() {
            self.stages.iter().for_each(|stage| stage.signal(Service::Mongo, "KILL"));
        }
    }
}

/// Sends until it is told that all faults have been.
async fn load(mut shipment: Shipment, over: Arc<AtomicBool>) -> Shipment {
    while !over.load(Ordering::SeqCst) {
        shipment.send(SENT_TOGETHER, 8).await;
        tokio::time::sleep(PAUSE).await;
    }
    shipment
}

fn further(mills: &[Mill; 2], records: f64) {
    let mills: Vec<&Mill> = mills.iter().collect();
    let before = consumed(&mills);
    wait(LIMIT, "the instances to get further", || consumed(&mills) >= before + records);
}

#[tokio::test(flavor = "multi_thread")]
async fn primaries_that_step_down_fall_or_freeze_lose_and_double_nothing() {
    let dir = tempfile::Builder::new().prefix("readmill-nodes-").tempdir().unwrap().keep();
    let nodes = Nodes::up(&dir);
    let corner = Corner::new("nodes");
    corner.make_topics().await;
    let configuration = corner.configuration().replace(&stack("MONGO_URI"), nodes.uri());
    let configuration = configuration.split("[models.deliveries]").next().unwrap();
    let mills = [(); 2].map(|()| Mill::start(corner.dir(), configuration));
    mills.iter().for_each(|mill| mill.wait_for("/readyz", LIMIT));
    let knobs =
        Knobs { events: 100_000_000, members: 1500, deliveries_per_mille: 0, ..Knobs::default() };
    let over = Arc::<AtomicBool>::default();
    let shipment = Shipment::of(&corner, &knobs, 8).await;
    let loading = tokio::spawn(load(shipment, Arc::clone(&over)));
    further(&mills, 1000.0);
    nodes.step_down().await;
    further(&mills, 1000.0);
    nodes.fall().await;
    further(&mills, 1000.0);
    nodes.freeze().await;
    further(&mills, 500.0);
    nodes.step_down().await;
    over.store(true, Ordering::SeqCst);
    let shipment = loading.await.unwrap();
    let name = format!("{}.points.g1", corner.name);
    let group = Group::new(&stack("KAFKA_BROKERS"), &name, shipment.partitions());
    wait(LIMIT, "all to be committed", || group.lag() == Some(0));
    let unsure: f64 = mills.iter().filter_map(|m| m.metric("readmill_conflicts_total")).sum();
    assert!(unsure > 0.0, "the faults met no write");
    let mut config = MongoConfig::at(nodes.uri());
    config.database.clone_from(&corner.name);
    let store = Mongo::connect(&config).await.unwrap().documents("points", 1).await.unwrap();
    let mut verdict = Verdict::default();
    verdict.documents(&store, &shipment.points).await;
    verdict.check();
    for mill in mills {
        assert_eq!(mill.stop(), Some(0));
    }
    drop(nodes);
    // Whoever looks into a failure wants the servers' logs.
    let _ = std::fs::remove_dir_all(dir);
}
