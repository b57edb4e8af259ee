//! A model is rebuilt beside the live one, swapped in and swapped back, under load, with readers on
//! every road to its documents: they see no error, no mixture, and nothing older than they have
//! seen.

mod drill;
mod intake;
mod readers;
mod snapshot;
mod throttle;

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use readmill_core::ReadModel;
use readmill_engine::Store;
use readmill_workload::Knobs;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use self::readers::Readers;
use crate::faults::shipment::Shipment;
use crate::faults::topics::{self, Group};
use crate::faults::truth::Truth;
use crate::faults::verdict::Verdict;
use crate::mill::{Mill, readmill, succeed, wait};
use crate::paths::{self, stack};
use crate::real::{Corner, contents};

const LIMIT: Duration = Duration::from_secs(120);
const PARTITIONS: i32 = 4;
const MODELS: [&str; 2] = ["points", "deliveries"];
/// Sent before anything is rebuilt.
const BEFORE: usize = 3_000;
const SENT_TOGETHER: usize = 2_000;
/// Sent at a time while it goes on.
const AT_A_TIME: usize = 15;
const PAUSE: Duration = Duration::from_millis(60);

fn knobs() -> Knobs {
    Knobs { events: 200_000, members: 600, deliveries_per_mille: 400, ..Knobs::default() }
}

/// Models that are folded, with all that was sent so far.
struct Begun {
    corner: Corner,
    file: String,
    shipment: Shipment,
    mills: Vec<Mill>,
}

/// Sends records, and lets so many instances fold them.
async fn begun(name: &str, records: usize, instances: usize) -> Begun {
    begun_with(name, &knobs(), records, instances).await
}

async fn begun_with(name: &str, knobs: &Knobs, records: usize, instances: usize) -> Begun {
    let corner = Corner::new(name);
    corner.make_topics_of(PARTITIONS).await;
    let file = corner.configuration_file().to_str().unwrap().to_owned();
    let mut shipment = Shipment::of(&corner, knobs, 4).await;
    for at in (0..records).step_by(SENT_TOGETHER) {
        shipment.send(SENT_TOGETHER.min(records - at), PARTITIONS).await;
    }
    let mills: Vec<Mill> = (0..instances).map(|_| corner.start()).collect();
    for mill in &mills {
        mill.wait_for("/readyz", LIMIT);
    }
    wait_for_all(&corner, &shipment, &[1]);
    Begun { corner, file, shipment, mills }
}

/// Readers of all documents that there are, while more is sent.
struct Busy {
    stop: Arc<AtomicBool>,
    sending: JoinHandle<Shipment>,
    readers: Readers,
}

impl Busy {
    async fn begin(corner: &Corner, mills: &[Mill], shipment: Shipment) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let keys = [
            shipment.points.documents.keys().cloned().collect(),
            shipment.deliveries.documents.keys().cloned().collect(),
        ];
        let sending = tokio::spawn(load(shipment, Arc::clone(&stop)));
        let readers = Readers::begin(corner, mills.iter().map(Mill::port).collect(), keys).await;
        Self { stop, sending, readers }
    }

    /// Ends, and checks what readers saw once both generations have folded everything.
    async fn end(self, corner: &Corner) -> Shipment {
        self.stop.store(true, Ordering::Relaxed);
        let shipment = self.sending.await.unwrap();
        wait_for_all(corner, &shipment, &[1, 2]);
        let found = self.readers.end().await;
        eprintln!("{found}");
        found.check();
        shipment
    }
}

/// Everything was told, and told once.
fn check_told_once(corner: &Corner, shipment: &Shipment, why: &str) {
    let said = topics::reactions(&stack("KAFKA_BROKERS"), &format!("{}.integrated", corner.name));
    assert_eq!(said.len(), shipment.deliveries.said.len(), "{why}");
}

/// Runs a command on a model that must succeed.
#[track_caller]
fn command(verb: &str, model: &str, file: &str, more: &[&str]) -> Value {
    let told = succeed(&[&[verb, model, "-c", file, "--json"], more].concat());
    serde_json::from_str(told.lines().last().unwrap_or("null")).unwrap()
}

/// Sends on and on, until it is told to stop.
async fn load(mut shipment: Shipment, stop: Arc<AtomicBool>) -> Shipment {
    while !stop.load(Ordering::Relaxed) && shipment.send(AT_A_TIME, PARTITIONS).await > 0 {
        sleep(PAUSE).await;
    }
    shipment
}

fn wait_for_all(corner: &Corner, shipment: &Shipment, generations: &[u32]) {
    for model in MODELS {
        for generation in generations {
            wait_for_all_of(model, corner, shipment, *generation);
        }
    }
}

#[track_caller]
fn wait_for_all_of(model: &str, corner: &Corner, shipment: &Shipment, generation: u32) {
    let table = if model == "points" { "points_" } else { "deliveries_" };
    let its = |partition: &readmill_core::Partition| partition.topic.contains(table);
    let name = format!("{}.{model}.g{generation}", corner.name);
    let partitions = shipment.partitions().into_iter().filter(its).collect();
    let group = Group::new(&stack("KAFKA_BROKERS"), &name, partitions);
    wait(LIMIT, &format!("{name} to commit all"), || group.lag() == Some(0));
}

async fn compare<M: ReadModel>(
    verdict: &mut Verdict,
    store: &impl Store<M>,
    truth: &Truth<M>,
    generation: u32,
) {
    let before = verdict.told.len();
    verdict.documents(store, truth).await;
    for told in verdict.told.iter_mut().skip(before) {
        *told = format!("generation {generation}: {told}");
    }
}

async fn verdict(corner: &Corner, shipment: &Shipment, generations: &[u32]) -> Verdict {
    let (mongo, redis) = (corner.mongo().await, corner.redis().await);
    let mut verdict = Verdict::default();
    for generation in generations {
        let points = mongo.documents("points", *generation).await.unwrap();
        compare(&mut verdict, &points, &shipment.points, *generation).await;
        let deliveries = redis.documents("deliveries", *generation).await.unwrap();
        compare(&mut verdict, &deliveries, &shipment.deliveries, *generation).await;
    }
    let told = format!("{}.integrated", corner.name);
    verdict.reactions(&stack("KAFKA_BROKERS"), &told, &shipment.deliveries);
    verdict
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_notice_nothing_of_a_rebuild_a_swap_and_a_rollback() {
    let Begun { corner, file, shipment, mills } = begun("rebuild", BEFORE, 2).await;
    let file = &file;
    let busy = Busy::begin(&corner, &mills, shipment).await;
    for model in MODELS {
        let rebuilt = command("rebuild", model, file, &[]);
        assert_eq!((&rebuilt["generation"], &rebuilt["caught_up"]), (&2.into(), &true.into()));
        let refused = readmill(&["swap", model, "-c", file]);
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(said.contains("generation 2 is not verified"), "{said}");
        let verified = command("verify", model, file, &["--generation", "2"]);
        eprintln!("{verified}");
    }
    for (verb, more, live) in
        [("swap", vec![], 2), ("rollback", vec![], 1), ("swap", vec!["--to", "2"], 2)]
    {
        for model in MODELS {
            let swapped = command(verb, model, file, &more);
            eprintln!("{verb} {model}: {swapped}");
            assert_eq!(swapped["live"], live);
            busy.readers.seen_on_every_road().await;
        }
    }
    let shipment = busy.end(&corner).await;
    for model in MODELS {
        let listed = command("generations", model, file, &[]);
        assert_eq!((&listed["live"], &listed["before"]), (&2.into(), &1.into()), "{listed}");
    }
    // The old one is as warm as the new one, and everything was told by one of the two.
    verdict(&corner, &shipment, &[1, 2]).await.check();
    check_told_once(&corner, &shipment, "told twice, although nobody died");
    for mill in mills {
        assert_eq!(mill.stop(), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_rebuilds_or_swaps_may_die_at_any_moment() {
    let Begun { corner, file, shipment, mut mills } = begun("rebuilddies", BEFORE, 1).await;
    let file = &file;
    for model in MODELS {
        command("rebuild", model, file, &["--detach"]);
    }
    for _ in 0..4 {
        sleep(Duration::from_millis(1_200)).await;
        mills.pop().unwrap().kill();
        mills.push(corner.start());
        mills[0].wait_for("/readyz", LIMIT);
    }
    for model in MODELS {
        assert_eq!(command("rebuild", model, file, &[])["caught_up"], true);
    }
    wait_for_all(&corner, &shipment, &[1, 2]);
    verdict(&corner, &shipment, &[1, 2]).await.check();
    let busy = Busy::begin(&corner, &mills, shipment).await;
    let over = |listed: &Value| listed["swapping_to"].is_null();
    for (model, after_ms) in [("points", 300), ("points", 1_200), ("deliveries", 700)] {
        let args = ["swap", model, "-c", file, "--unverified", "--json"];
        let mut swapping = Command::new(paths::readmill()).args(args).spawn().unwrap();
        sleep(Duration::from_millis(after_ms)).await;
        swapping.kill().unwrap();
        swapping.wait().unwrap();
        wait(LIMIT, "the swap to be given up or ended", || {
            over(&command("generations", model, file, &[]))
        });
        busy.readers.seen_on_every_road().await;
        let live = command("generations", model, file, &[])["live"].as_i64().unwrap();
        eprintln!("{model}: killed after {after_ms} ms, {live} is live");
        if live == 2 {
            command("rollback", model, file, &[]);
        }
    }
    for model in MODELS {
        assert_eq!(command("swap", model, file, &["--to", "2", "--unverified"])["live"], 2);
        busy.readers.seen_on_every_road().await;
    }
    let shipment = busy.end(&corner).await;
    verdict(&corner, &shipment, &[1, 2]).await.check();
    assert_eq!(mills.pop().unwrap().stop(), Some(0));
}
