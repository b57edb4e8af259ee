//! How soon online changes are durable while a flood of batch rows is folded: alone, with lanes,
//! and without them. On the real stack; run it by `tools/bench-lanes`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its figures")]
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "its figures")]

#[allow(dead_code, reason = "shared among benchmarks")]
mod lab;
#[path = "../it/paths.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod paths;

use std::time::{Duration, Instant};

use lab::{Lab, Times, size};
use readmill_engine::{LaneRule, Lanes};
use readmill_workload::{Knobs, Source, SourceRow, Table};

const MEMBERS: u32 = 20_000;
const WARM_UP_CHANGES: u64 = 100;

/// What is measured, and what it found in all rounds.
struct Case {
    name: &'static str,
    flooded: bool,
    lanes: bool,
    times: Times,
    /// Batch rows folded beside the online changes, and in how many seconds.
    beside: (u64, f64),
    /// The same with nothing online.
    quiet: (u64, f64),
}

impl Case {
    const fn new(name: &'static str, flooded: bool, lanes: bool) -> Self {
        let times = Times(Vec::new());
        Self { name, flooded, lanes, times, beside: (0, 0.0), quiet: (0, 0.0) }
    }

    fn told(&self) -> String {
        let rate =
            |(rows, seconds): (u64, f64)| if rows == 0 { 0.0 } else { rows as f64 / seconds };
        format!(
            "{:8} {}  batch rows/s: {:6.0} beside, {:6.0} with nothing online",
            self.name,
            self.times.told(),
            rate(self.beside),
            rate(self.quiet)
        )
    }
}

fn lanes() -> Lanes {
    let rate_records_per_s = std::num::NonZeroU64::new(size("READMILL_LANES_RATE", 0));
    let share = size("READMILL_LANES_SHARE_PERCENT", 1) as u32;
    let shared = LaneRule { priority: 1, least_share_percent: share, ..LaneRule::default() };
    let batch = LaneRule { rate_records_per_s, ..shared };
    let rules = [("online", LaneRule::default()), ("batch", batch)];
    Lanes::new(&rules.map(|(name, rule)| (name.to_owned(), rule)).into())
}

/// Members with even numbers are online, the others in the batch: keys are not shared, so that
/// nothing but the load of one is felt by the other.
fn rows(parity: u8) -> impl Iterator<Item = SourceRow> {
    let knobs = Knobs {
        events: 50_000_000,
        members: MEMBERS,
        deliveries_per_mille: 0,
        early_per_mille: 0,
        ..Knobs::default()
    };
    let is_its = move |row: &SourceRow| {
        row.table == Table::Points && row.aggregate_id.bytes().last().unwrap_or(0) % 2 == parity
    };
    Source::new(knobs).unwrap().filter(is_its)
}

/// One round of a case, in a group and a database of its own. The flood is the same for all.
async fn measure(lab: &Lab, flood: u64, round: u64, case: &mut Case) {
    let lab = &lab.again(&format!("{}{round}", case.name));
    let online = &lab.topic("online");
    let (batch, empty) = (flood_topic(lab), lab.topic("batch"));
    let batch = if case.flooded { batch } else { empty };
    lab.make(&[online, &batch]).await;
    let topics = [(online.as_str(), "online"), (batch.as_str(), "batch")];
    let mill = lab.start(&topics, case.lanes.then(lanes).as_ref()).await;
    let mut changes = rows(0);
    // Without lanes, the flood would be over before that was.
    let warm_up = if case.lanes { WARM_UP_CHANGES } else { 0 };
    lab.warm_up(online, &mut changes, &mill, warm_up).await;
    let (per_s, limit) = (
        size("READMILL_LANES_ONLINE_PER_S", 200),
        Duration::from_secs(size("READMILL_LANES_SECONDS", 20)),
    );
    let before = mill.tally.counts().consumed;
    let goes_on = |sent, lasted| {
        let flooded = !case.flooded || mill.tally.counts().consumed < flood + sent;
        lasted < limit && flooded
    };
    let (sent, lasted) = lab.steady(online, per_s, &mut changes, &mill, goes_on).await;
    let times = Times(mill.stopwatch.take());
    let after = mill.tally.counts().consumed;
    case.beside.0 += (after - before).saturating_sub(sent);
    case.beside.1 += lasted.as_secs_f64();
    if case.flooded {
        // What a lesser lane does once nothing urgent comes.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let (before, began) = (mill.tally.counts().consumed, Instant::now());
        tokio::time::sleep(Duration::from_secs(3)).await;
        let after = mill.tally.counts().consumed;
        if after < flood {
            case.quiet.0 += after - before;
            case.quiet.1 += began.elapsed().as_secs_f64();
        }
    }
    println!("  round {round} {:8} {}", case.name, times.told());
    case.times.0.extend(times.0);
    mill.stop().await;
}

fn flood_topic(lab: &Lab) -> String {
    let name = lab.name.split('_').next().unwrap_or_default();
    format!("{name}.flood_outbox")
}

#[tokio::main]
async fn main() {
    let flood = size("READMILL_LANES_BATCH_ROWS", 1_000_000);
    let rounds = size("READMILL_LANES_ROUNDS", 3);
    let lab = Lab::new("lanes").await;
    let topic = flood_topic(&lab);
    lab.make(&[&topic]).await;
    lab.flood(&topic, rows(1).take(flood as usize)).await;
    let mut cases = [
        Case::new("_alone", false, true),
        Case::new("_lanes", true, true),
        Case::new("_without", true, false),
    ];
    for round in 1..=rounds {
        for case in &mut cases {
            measure(&lab, flood, round, case).await;
        }
    }
    for case in &cases {
        println!("{}", case.told());
    }
    let [alone, with, without] = cases.map(|case| case.times.at(99));
    println!("online_p99_ratio={:.2} without_lanes={:.2}", with / alone, without / alone);
}
