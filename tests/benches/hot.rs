//! What one key that is far hotter than the rest costs the others: the same load, on one key and
//! spread over many. On the real stack; run it by `tools/bench-hot`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its figures")]

#[allow(dead_code, reason = "shared among benchmarks")]
mod lab;
#[path = "../it/paths.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod paths;

use std::time::{Duration, Instant};

use lab::{Lab, Times, size};
use readmill_workload::{Knobs, Source, SourceRow};

const MEMBERS: u32 = 10_000;
const WARM_UP_CHANGES: u64 = 100;
const TICK: Duration = Duration::from_millis(20);
const LIMIT: Duration = Duration::from_secs(60);

/// The member that has all changes where there is only one.
const HOT: &str = "m-000000";

fn rows(seed: u64, members: u32) -> Source {
    let knobs = Knobs {
        seed,
        events: 1_000_000_000,
        members,
        skew_per_mille: 0,
        deliveries_per_mille: 0,
        early_per_mille: 0,
        ..Knobs::default()
    };
    Source::new(knobs).unwrap()
}

/// Changes of those with odd numbers, which are timed, or of those with even ones.
fn spread(seed: u64, odd: u8) -> impl Iterator<Item = SourceRow> {
    let digit = |row: &SourceRow| row.aggregate_id.bytes().last().unwrap_or(0);
    rows(seed, MEMBERS).filter(move |row| digit(row) % 2 == odd && row.aggregate_id != HOT)
}

/// Sends at a rate, until told to stop.
async fn press(
    lab: &Lab,
    topic: &str,
    per_s: u64,
    rows: &mut impl Iterator<Item = SourceRow>,
    stop: &std::cell::Cell<bool>,
) -> u64 {
    let (began, mut sent) = (Instant::now(), 0);
    while !stop.get() {
        let due = u64::try_from(began.elapsed().as_millis()).unwrap() * per_s / 1000;
        let some = rows.by_ref().take(usize::try_from(due - sent).unwrap());
        lab.flood(topic, some).await;
        sent = due;
        tokio::time::sleep(TICK).await;
    }
    sent
}

/// Changes of cold keys, timed, beside a load on one key or on as many others.
async fn measure(lab: &Lab, name: &str, round: u64, is_hot: bool) -> Times {
    let lab = lab.again(&format!("{name}{round}"));
    let topic = &lab.topic("points");
    lab.make(&[topic]).await;
    let (per_s, seconds) = (size("READMILL_HOT_COLD_PER_S", 200), size("READMILL_HOT_SECONDS", 15));
    let hot_per_s = size("READMILL_HOT_PER_S", 2_000);
    let mill = lab.start(&[(topic.as_str(), "points")], None).await;
    let mut cold = spread(1, 1);
    lab.warm_up(topic, &mut cold, &mill, WARM_UP_CHANGES).await;
    let stop = std::cell::Cell::new(false);
    let timed = async {
        let many = per_s * seconds;
        lab.steady(topic, per_s, &mut cold, &mill, |sent, _| sent < many).await;
        stop.set(true);
        many
    };
    let pressed = async {
        if is_hot {
            press(&lab, topic, hot_per_s, &mut rows(2, 1), &stop).await
        } else {
            press(&lab, topic, hot_per_s, &mut spread(3, 0), &stop).await
        }
    };
    let (many, pressed) = tokio::join!(timed, pressed);
    let times = Times(mill.stopwatch.take());
    let until = Instant::now() + LIMIT;
    while mill.tally.counts().consumed < many + pressed && Instant::now() < until {
        tokio::time::sleep(TICK).await;
    }
    let counts = mill.tally.counts();
    assert_eq!((counts.held, counts.waiting), (0, 0), "{counts:?}");
    mill.stop().await;
    println!("  round {round} {name:8} {}  beside {pressed} changes", times.told());
    times
}

#[tokio::main]
async fn main() {
    let lab = Lab::new("hot").await;
    let (mut one, mut spread) = (Times::default(), Times::default());
    for round in 1..=size("READMILL_HOT_ROUNDS", 3) {
        spread.0.extend(measure(&lab, "spread", round, false).await.0);
        one.0.extend(measure(&lab, "one", round, true).await.0);
    }
    println!("spread over many keys  {}", spread.told());
    println!("on one key             {}", one.told());
    let ratio = |per_cent| one.at(per_cent) / spread.at(per_cent);
    println!("cold_p50_ratio={:.2} cold_p99_ratio={:.2}", ratio(50), ratio(99));
}
