//! Verification on the real stack: faults are planted while load runs, every one of them is found
//! and named, and nothing else is. `tools/verify-drill` does it at length.

mod against;
mod part;
mod planted;
mod small;
mod witness;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use readmill_core::rollup::Partials;
use readmill_core::{Document, Key, ReadModel};
use readmill_engine::Store;
use readmill_models::{Deliveries, Points};
use readmill_workload::{Knobs, Source, SourceEvent};

use crate::mill::{Mill, readmill, wait};
use crate::paths;
use crate::real::{Corner, wait_until_quiet};
use crate::said::Said;

use self::planted::{Planted, mirror_view, partial_group, plant, plant_among_ended};

const LIMIT: Duration = Duration::from_secs(180);
const MEMBERS: u32 = 1_500;

fn events() -> u64 {
    std::env::var("READMILL_DRILL_EVENTS").ok().and_then(|n| n.parse().ok()).unwrap_or(9_000)
}

/// A model's keys, and the place in the load of the last event of each.
type Last = BTreeMap<Key, u64>;

/// An instance under load.
struct Drill {
    corner: Corner,
    file: PathBuf,
    mill: Mill,
    load: Child,
    members: Last,
    deliveries: Last,
    events: u64,
}

/// Runs `verify` with its report.
fn verify(model: &str, file: &Path, dir: &Path, more: &[&str]) -> Said {
    let args = ["verify", model, "-c", file.to_str().unwrap(), "--dir", dir.to_str().unwrap()];
    Said::of(&[&args[..], more].concat(), dir)
}

impl Drill {
    async fn begin(name: &str, rate: u64) -> Self {
        let corner = Corner::new(name);
        corner.make_topics().await;
        let file = corner.configuration_file();
        let mill = corner.start();
        mill.wait_for("/readyz", LIMIT);
        let events = events();
        let knobs = Knobs { seed: 11, events, members: MEMBERS, ..Knobs::default() };
        let (mut members, mut deliveries) = (Last::new(), Last::new());
        for (row, at) in Source::new(knobs).unwrap().zip(0..) {
            if let SourceEvent::Points(event) = &row.event {
                members.extend(Points::keys(event).into_vec().into_iter().map(|key| (key, at)));
            }
            if let SourceEvent::Deliveries(event) = &row.event {
                let keys = Deliveries::keys(event).into_vec();
                deliveries.extend(keys.into_iter().map(|key| (key, at)));
            }
        }
        let load = Command::new(paths::readmill())
            .args(["produce", "--kafka", "-c", file.to_str().unwrap(), "--seed", "11"])
            .args(["--events", &events.to_string(), "--keys", &MEMBERS.to_string()])
            .args(["--rate", &rate.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { corner, file, mill, load, members, deliveries, events }
    }

    #[track_caller]
    fn wait_for_share(&self, percent: u64) {
        let wanted = self.events * percent / 100;
        wait(LIMIT, "the load to go on", || {
            self.mill.metric("readmill_consumed_total").is_some_and(|many| many >= wanted as f64)
        });
    }

    fn verify(&self, model: &str, more: &[&str]) -> Said {
        verify(model, &self.file, self.corner.dir(), more)
    }

    fn is_loading(&mut self) -> bool {
        self.load.try_wait().unwrap().is_none()
    }

    async fn members(&self) -> impl Store<Points> + use<> {
        self.corner.mongo().await.documents("points", 1).await.unwrap()
    }

    async fn deliveries(&self) -> impl Store<Deliveries> + use<> {
        self.corner.redis().await.documents("deliveries", 1).await.unwrap()
    }

    async fn partials(&self) -> impl Store<Partials> + use<> {
        self.corner.mongo().await.documents("points.partials", 1).await.unwrap()
    }
}

impl Drop for Drill {
    fn drop(&mut self) {
        // Both fail when it has ended already, which is as good.
        let _ = self.load.kill();
        let _ = self.load.wait();
    }
}

async fn all<M: ReadModel>(store: &impl Store<M>) -> BTreeMap<Key, Document<M>> {
    let mut all = BTreeMap::new();
    let mut visit = |key, document| drop(all.insert(key, document));
    store.scan(&mut visit).await.unwrap();
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn planted_faults_are_found_under_load_and_lag_is_none() {
    let mut drill = Drill::begin("drill", 120).await;
    drill.wait_for_share(12);
    let (members, deliveries) = (drill.members().await, drill.deliveries().await);
    let before = (all(&members).await, all(&deliveries).await);
    for model in ["points", "deliveries"] {
        drill.verify(model, &[]).is_clean();
    }
    drill.wait_for_share(35);
    let rested = drill.events * 27 / 100;
    let mut planted = Planted::default();
    let changed = |member: &mut readmill_models::points::Member| member.available += 1;
    plant(&mut planted, &members, &before.0, (&drill.members, rested), changed).await;
    let resting = (&drill.deliveries, rested);
    plant_among_ended(&mut planted, &deliveries, &before.1, resting).await;
    partial_group(&mut planted, &drill.partials().await).await;
    mirror_view(&mut planted, &drill.corner, (&drill.members, rested)).await;
    let said = ["points", "deliveries"].map(|model| drill.verify(model, &["--values"]));
    assert!(drill.is_loading(), "the load was to go on: give more events");
    let found: BTreeSet<_> = said.iter().flat_map(Said::findings).collect();
    let (hits, missed) = planted.compare(&found);
    let false_alarms = found.len() - hits;
    assert!(missed.is_empty() && false_alarms == 0, "{missed:?}\n{found:#?}\n{planted:#?}");
    assert_eq!(said[0].code, Some(7));
    // Repaired by compare-and-set, while the load goes on.
    for model in ["points", "deliveries"] {
        let said = drill.verify(model, &["--repair"]);
        let views = said.findings().iter().filter(|(sort, ..)| sort == "view").count() as u64;
        assert_eq!(said.number("mended") + views, said.number("findings"), "{said:#?}");
    }
    drill.mill.signal("STOP");
    std::thread::sleep(Duration::from_secs(3));
    let lagging = ["points", "deliveries"].map(|model| drill.verify(model, &["--rest-limit", "3"]));
    drill.mill.signal("CONT");
    for said in &lagging {
        let views = said.findings().iter().filter(|(sort, ..)| sort == "view").count() as u64;
        assert_eq!(said.number("findings"), views, "{said:#?}");
    }
    println!("planted={} found={hits} false_alarms={false_alarms}", planted.all.len());
    wait(LIMIT, "the load to end", || drill.load.try_wait().unwrap().is_some());
    wait_until_quiet(&[&drill.mill], LIMIT);
    let heal = ["heal", "points", "-c", drill.file.to_str().unwrap()];
    assert!(readmill(&heal).status.success());
    for model in ["points", "deliveries"] {
        let said = drill.verify(model, &[]);
        said.is_clean();
        assert_eq!(said.number("open"), 0, "all is decided at rest: {said:#?}");
    }
}
