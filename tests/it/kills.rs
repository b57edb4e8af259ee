//! Faults of every kind, drawn by a seed, befall a fleet of instances and its services under load;
//! afterwards every document, held record, reaction and view is what the log says.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use readmill_models::{Deliveries, Points};
use readmill_workload::{Knobs, Rng, Source, oracle};

use crate::faults::fault::{Deck, Fault};
use crate::faults::fleet::{Fleet, SESSION_TIMEOUT_MS};
use crate::faults::load::{Load, Sent, partitions};
use crate::faults::stage::{KafkaLink, Service, Stage};
use crate::faults::topics::Group;
use crate::faults::verdict::Verdict;
use crate::proxy::Weather;
use crate::real::consumed;

const LIMIT: Duration = Duration::from_secs(180);
const STEP: Duration = Duration::from_millis(100);
const FEWEST_INSTANCES: usize = 2;
/// In a short run every kind of fault comes once, and services fall that come back soon.
const SHORT: u64 = 10;
const SHORT_SEED: u64 = 5;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|n| n.parse().ok())
}

/// The stage with everything on it.
struct Play {
    dir: PathBuf,
    seed: u64,
    rng: Rng,
    stage: Stage,
    fleet: Fleet,
    groups: [Group; 2],
    load: Option<Load>,
    faults: BTreeMap<Fault, u64>,
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_befalls_the_instances_and_services_the_documents_are_those_of_the_log() {
    let kills = number("READMILL_KILLS");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos();
    let default = if kills.is_some() { u64::from(now) } else { SHORT_SEED };
    let (kills, seed) = (kills.unwrap_or(SHORT), number("READMILL_SEED").unwrap_or(default));
    println!("READMILL_KILLS={kills} READMILL_SEED={seed}");
    let began = Instant::now();
    let members = u32::try_from(2000 + 200 * kills).unwrap();
    let knobs = Knobs {
        seed,
        events: 100_000_000,
        members,
        duplicates_per_mille: 30,
        swaps_per_mille: 20,
        poison_per_mille: 1,
        ..Knobs::default()
    };
    let mut play = Play::begin(seed, &knobs).await;
    play.disturb(kills).await;
    let (rows, sent) = play.rest().await;
    check_truth(&knobs, rows, &sent);
    let verdict = Verdict::of(&play.stage, &sent).await;
    play.stop();
    let faults: Vec<String> = play.faults.iter().map(|(kind, n)| format!("{kind}={n}")).collect();
    println!("faults={} {}", play.faults.values().sum::<u64>(), faults.join(" "));
    println!(
        "rows={rows} records={} folded={} held={} reactions={} ended_by_themselves={} seconds={}",
        sent.ends.values().sum::<i64>(),
        sent.points.revisions() + sent.deliveries.revisions(),
        sent.points.held.len() + sent.deliveries.held.len(),
        sent.deliveries.said.len(),
        play.fleet.ended,
        began.elapsed().as_secs()
    );
    let kills: u64 = play.kills();
    println!("kills={kills} lost={} doubled={}", verdict.lost, verdict.doubled);
    assert!(verdict.is_clean(), "{} wrong\n{}", verdict.wrong, verdict.told.join("\n"));
}

impl Play {
    async fn begin(seed: u64, knobs: &Knobs) -> Self {
        let dir = tempfile::Builder::new().prefix("readmill-kills-").tempdir().unwrap().keep();
        let links = std::array::from_fn(|_| KafkaLink::new());
        let stage = Stage::up(&dir, &Service::ALL, "--appendfsync always", &links);
        let fleet = Fleet::new(&dir, &stage, links);
        let brokers = stage.address("KAFKA_BROKERS");
        let load = Load::begin(brokers, stage.address("REGISTRY_URL"), knobs).await;
        let groups = [
            Group::new(brokers, "kills.points.g1", partitions("points")),
            Group::new(brokers, "kills.deliveries.g1", partitions("deliveries")),
        ];
        let (rng, load, faults) = (Rng::new(seed, 40), Some(load), BTreeMap::new());
        Self { dir, seed, rng, stage, fleet, groups, load, faults }
    }

    fn kills(&self) -> u64 {
        let counted = self.faults.iter().filter(|(fault, _)| fault.is_kill_or_freeze());
        counted.map(|(_, n)| n).sum()
    }

    /// Fault after fault, each once the instances have got further, so that it meets work in hand.
    async fn disturb(&mut self, kills: u64) {
        let mut deck = Deck::new(kills > SHORT);
        for _ in 0..FEWEST_INSTANCES {
            self.fleet.add();
        }
        while self.kills() < kills {
            let further = 1 + self.rng.below(1500);
            self.get_further(further as f64).await;
            let fault = deck.deal(&mut self.rng);
            let happened = self.befall(fault);
            *self.faults.entry(happened).or_default() += 1;
        }
    }

    async fn get_further(&mut self, records: f64) {
        let before = consumed(&self.fleet.mills());
        let until = Instant::now() + LIMIT;
        while consumed(&self.fleet.mills()) < before + records {
            assert!(Instant::now() < until, "the instances do not get further in {LIMIT:?}");
            self.fleet.tick();
            if let Some(load) = &self.load {
                load.watch(&self.groups);
            }
            tokio::time::sleep(STEP).await;
        }
    }

    /// Lets a fault happen, or another one where it cannot; answers which.
    fn befall(&mut self, fault: Fault) -> Fault {
        let taken = self.fleet.taken().len();
        let fault = if fault == Fault::Add && self.fleet.add().is_none() {
            Fault::Remove
        } else if fault == Fault::Remove && taken <= FEWEST_INSTANCES {
            self.fleet.add();
            Fault::Add
        } else {
            fault
        };
        self.fleet.note(&format!("{fault}, with {taken} instances"));
        match fault {
            Fault::Add => {}
            Fault::Fall(service) => {
                self.stage.kill(service);
                self.stage.revive(service);
            }
            Fault::Stun(service) => {
                self.stage.signal(service, "STOP");
                std::thread::sleep(Duration::from_millis(500 + self.rng.below(3000)));
                self.stage.signal(service, "CONT");
            }
            Fault::Kill
            | Fault::Freeze
            | Fault::Terminate
            | Fault::Remove
            | Fault::Close
            | Fault::Cut
            | Fault::Deaf
            | Fault::Slow => {
                let seat = self.fleet.any(&mut self.rng);
                // All are frozen: nothing more can befall them.
                seat.into_iter().for_each(|seat| self.befall_instance(fault, seat));
            }
        }
        fault
    }

    fn befall_instance(&mut self, fault: Fault, seat: usize) {
        let way = Service::ALL[self.rng.index(Service::ALL.len())];
        let long = Duration::from_millis(300 + self.rng.below(4000));
        let fleet = &mut self.fleet;
        fleet.note(&format!("  seat {seat}, {}, {long:?}", way.name()));
        match fault {
            Fault::Kill => fleet.kill(seat),
            Fault::Freeze => fleet.freeze(seat, long + Duration::from_millis(SESSION_TIMEOUT_MS)),
            Fault::Terminate => assert_eq!(fleet.replace(seat), Some(0)),
            Fault::Remove => assert_eq!(fleet.stop(seat), Some(0)),
            Fault::Close => fleet.close(seat, way),
            Fault::Cut => fleet.cloud(seat, way, Weather::Cut, long),
            Fault::Deaf => fleet.cloud(seat, way, Weather::Deaf, long),
            Fault::Slow => fleet.cloud(seat, way, Weather::Slow(20 + self.rng.below(200)), long),
            Fault::Add | Fault::Fall(_) | Fault::Stun(_) => {}
        }
    }

    /// Everything heals, the load ends, and all of it is folded and committed.
    async fn rest(&mut self) -> (u64, Sent) {
        self.fleet.note("everything heals");
        self.fleet.heal();
        let (rows, sent) = self.load.take().unwrap().end().await;
        let ends: BTreeMap<_, _> = self.groups.iter().flat_map(Group::ends).collect();
        for (partition, end) in &sent.ends {
            assert_eq!(ends[partition], *end, "{partition} does not end where the load did");
        }
        let until = Instant::now() + LIMIT;
        while self.groups.iter().any(|group| group.lag() != Some(0)) {
            let lag = self.groups.each_ref().map(Group::lag);
            assert!(Instant::now() < until, "not all is committed in {LIMIT:?}: {lag:?}");
            self.fleet.tick();
            tokio::time::sleep(STEP).await;
        }
        self.fleet.note("all is committed");
        for mill in self.fleet.mills() {
            let [all, ended, waiting] =
                ["readmill_consumed_total", "readmill_ended_total", "readmill_waiting"]
                    .map(|name| mill.metric(name));
            let outcomes = ended.zip(waiting).map(|(ended, waiting)| ended + waiting);
            assert_eq!(all, outcomes, "the outcomes do not add up");
        }
        (rows, sent)
    }

    /// Nobody has anything left to do: instances end in order, and commit nothing more.
    fn stop(&mut self) {
        for seat in self.fleet.taken() {
            assert_eq!(self.fleet.stop(seat), Some(0));
        }
        assert_eq!(self.groups.each_ref().map(Group::lag), [Some(0), Some(0)]);
    }
}

impl Drop for Play {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.fleet.ask_all();
            println!("READMILL_SEED={} failed:\n{}", self.seed, self.fleet.history.join("\n"));
            for group in &self.groups {
                let behind = group.lags().into_iter().flatten().filter(|(_, lag)| *lag > 0);
                behind.for_each(|(partition, lag)| println!("{partition} is {lag} behind"));
            }
            println!("logs of instances and services are in {}", self.dir.display());
        } else {
            let instances = self.dir.join("instances");
            // The services end after this, with all that is theirs.
            let _ = std::fs::remove_dir_all(instances);
        }
    }
}

/// The log's truth is also that of the shop, which knows nothing of repeats and swaps.
fn check_truth(knobs: &Knobs, rows: u64, sent: &Sent) {
    let rows = || Source::new(knobs.clone()).unwrap().take(usize::try_from(rows).unwrap());
    let points = oracle::fold::<Points>(rows());
    let deliveries = oracle::fold::<Deliveries>(rows());
    for (key, document) in &sent.points.documents {
        if !document.stamp.is_held() {
            assert_eq!(document.state.as_ref(), points.states.get(key), "points/{key}");
        }
    }
    for (key, document) in &sent.deliveries.documents {
        if !document.stamp.is_held() {
            assert_eq!(document.state.as_ref(), deliveries.states.get(key), "deliveries/{key}");
        }
    }
}
