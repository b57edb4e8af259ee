//! What one failing key costs the others under load, and whether its queue is folded in order once
//! it is mended. On the real stack; run it by `tools/bench-held`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its figures")]
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "its figures")]
#![allow(clippy::cast_possible_wrap, reason = "its figures")]

#[allow(dead_code, reason = "shared among benchmarks")]
mod lab;
#[path = "../it/paths.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod paths;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use lab::{Lab, Mill, Times, size};
use readmill_core::{Document, Key, Outcome};
use readmill_engine::{Desk, Held, Store};
use readmill_models::Points;
use readmill_workload::{Knobs, Source, SourceRow};
use tokio::sync::watch;

const MEMBERS: u32 = 10_000;
const WARM_UP_CHANGES: u64 = 100;
const LIMIT: Duration = Duration::from_secs(60);

/// What a round left behind.
struct Round {
    times: Times,
    states: BTreeMap<Key, String>,
}

/// How the queue of the failing key was dealt with.
#[derive(Debug, Default)]
struct Mended {
    queued: usize,
    applied: usize,
    others: usize,
}

fn rows(many: u64) -> impl Iterator<Item = SourceRow> {
    let events = many + WARM_UP_CHANGES + 1;
    let knobs = Knobs {
        events,
        members: MEMBERS,
        deliveries_per_mille: 0,
        early_per_mille: 0,
        ..Knobs::default()
    };
    Source::new(knobs).unwrap()
}

/// The key with the most changes, and the first of them that is not part of the warming up.
fn victim(many: u64) -> (String, String) {
    let mut counts: BTreeMap<String, (usize, String)> = BTreeMap::new();
    for row in rows(many).skip(WARM_UP_CHANGES as usize + 1) {
        counts.entry(row.aggregate_id).or_insert((0, row.event_id)).0 += 1;
    }
    let most = counts.into_iter().max_by_key(|(_, (count, _))| *count).unwrap();
    (most.0, most.1.1)
}

/// Mends the record that fails, and tries its queue again while the load goes on.
async fn mend(lab: &Lab, mill: &Mill, key: Key, sound: SourceRow) -> Mended {
    let (_open, closing) = watch::channel(false);
    let mut desk = Desk::<Points>::new(&mill.ports, closing);
    let mut queue = desk.queue(Some(&key)).await.unwrap();
    let mut mended = Mended { queued: queue.len(), ..Mended::default() };
    let Some(first) = queue.first_mut() else { return mended };
    let (_, value) = lab.wire.record(&sound);
    first.edit(Some(value), first.record.headers.clone());
    mill.ports.held.replace(std::slice::from_ref(first)).await.unwrap();
    let dealt = desk.retry(Some(&key)).await.unwrap();
    assert_eq!(dealt.stuck, None);
    mended.applied = dealt.ended.iter().filter(|end| **end == Outcome::Applied).count();
    mended.others = dealt.ended.len() - mended.applied;
    mended
}

async fn states(lab: &Lab) -> BTreeMap<Key, String> {
    let (_mongo, store) = lab.store().await;
    let mut states = BTreeMap::new();
    let mut visit = |key: Key, document: Document<Points>| {
        let state = serde_json::to_string(&document.state).unwrap();
        states.insert(key, format!("{state} {} waiting", document.stamp.waiting.len()));
    };
    store.scan(&mut visit).await.unwrap();
    states
}

/// The same rows, with a record that cannot be read among them, or without.
async fn measure(lab: &Lab, name: &str, round: u64, fails: bool) -> (Round, Mended) {
    let lab = lab.again(&format!("{name}{round}"));
    let topic = &lab.topic("online");
    lab.make(&[topic]).await;
    let (per_s, seconds) = (size("READMILL_HELD_PER_S", 300), size("READMILL_HELD_SECONDS", 20));
    let many = per_s * seconds;
    let (member, event_id) = victim(many);
    let sound = rows(many).find(|row| row.event_id == event_id).unwrap();
    let mut changes = rows(many).map(|row| {
        let poisoned = fails && row.event_id == event_id;
        SourceRow { poisoned, ..row }
    });
    let mut mill = lab.start(&[(topic.as_str(), "online")], None).await;
    mill.untimed = Some(member.clone());
    lab.warm_up(topic, &mut changes, &mill, WARM_UP_CHANGES).await;
    lab.steady(topic, per_s, &mut changes, &mill, |sent, _| sent < many * 3 / 4).await;
    let key = Key::from(member.as_str());
    let mending =
        async { if fails { mend(&lab, &mill, key, sound).await } else { Mended::default() } };
    let rest = lab.steady(topic, per_s, &mut changes, &mill, |sent, _| sent < many / 4);
    let (mended, _) = tokio::join!(mending, rest);
    let times = Times(mill.stopwatch.take());
    let until = Instant::now() + LIMIT;
    while mill.tally.counts().consumed < many && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let left = mill.ports.held.list("points", &Held::All).await.unwrap().len();
    assert_eq!(left, 0, "records are still held");
    mill.stop().await;
    println!("  round {round} {name:8} {}  {mended:?}", times.told());
    (Round { times, states: states(&lab).await }, mended)
}

#[tokio::main]
async fn main() {
    let lab = Lab::new("held").await;
    let (mut with, mut without) = (Times::default(), Times::default());
    let (mut in_order, mut least_queued) = (true, usize::MAX);
    for round in 1..=size("READMILL_HELD_ROUNDS", 3) {
        let (sound, _) = measure(&lab, "without", round, false).await;
        let (failing, mended) = measure(&lab, "with", round, true).await;
        in_order &= sound.states == failing.states && mended.others == 0;
        in_order &= mended.applied >= mended.queued;
        least_queued = least_queued.min(mended.queued);
        without.0.extend(sound.times.0);
        with.0.extend(failing.times.0);
    }
    println!("without  {}", without.told());
    println!("with     {}", with.told());
    let ratio = with.at(99) / without.at(99);
    let in_order = if in_order && least_queued > 1 { "yes" } else { "no" };
    println!("others_p99_ratio={ratio:.2} queue_in_order={in_order}");
}
