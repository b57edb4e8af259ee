//! Lanes on a real broker: an urgent one is not held up, a lesser one gives way and never starves,
//! and the order of a key whose changes come in both is kept.

use std::collections::BTreeMap;
use std::time::Duration;

use readmill_connectors::kafka::{KafkaLog, Membership};
use readmill_core::{Document, Finished, Key, ResumeAt};
use readmill_engine::{Feed, LaneRule, Lanes, Leave, Log, Store, VersionsOf};
use readmill_models::Points;
use readmill_workload::oracle::fold;
use readmill_workload::{Knobs, Source, SourceRow};
use tokio::time::timeout;

use super::group::{Group, values};

#[path = "../../benches/lab/mod.rs"]
#[allow(dead_code, reason = "shared with the benchmarks")]
mod lab;

use lab::Lab;

const SOON: Duration = Duration::from_secs(20);

fn lanes(batch: LaneRule) -> Lanes {
    let rules = [("online", LaneRule::default()), ("batch", batch)];
    Lanes::new(&rules.map(|(name, rule)| (name.to_owned(), rule)).into())
}

/// A member of two topics: the group's own in lane `batch`, and another in lane `online`.
async fn join(group: &Group, online: &Group, lanes: &Lanes) -> KafkaLog {
    join_with(group, online, lanes, Leave::always()).await
}

async fn join_with(group: &Group, online: &Group, lanes: &Lanes, leave: Leave) -> KafkaLog {
    let topics = vec![group.topic.clone(), online.topic.clone()];
    let lane_of = BTreeMap::from([
        (group.topic.clone(), "batch".to_owned()),
        (online.topic.clone(), "online".to_owned()),
    ]);
    let lanes = lanes.clone();
    let membership = Membership { topics, lane_of, lanes, leave, ..group.membership() };
    let config = group.config.clone();
    let join = move || KafkaLog::join(&config, membership);
    tokio::task::spawn_blocking(join).await.unwrap().unwrap()
}

async fn feeds(log: &mut KafkaLog, batch: &Group) -> (Feed, Feed) {
    let one = timeout(SOON, log.assigned()).await.unwrap().unwrap().unwrap();
    let two = timeout(SOON, log.assigned()).await.unwrap().unwrap().unwrap();
    if *one.partition.topic == *batch.topic { (one, two) } else { (two, one) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lesser_lane_gives_way_while_an_urgent_one_has_work() {
    let (batch, online) = (Group::new("bulk", 1).await, Group::new("urgent", 1).await);
    online.append(0, &values(0, 1)).await;
    let lanes = lanes(LaneRule { priority: 1, ..LaneRule::default() });
    let mut log = join(&batch, &online, &lanes).await;
    let (mut bulk, mut urgent) = feeds(&mut log, &batch).await;
    assert_eq!(timeout(SOON, urgent.next(10)).await.unwrap().unwrap().len(), 1);
    batch.append(0, &values(0, 2_000)).await;
    // The urgent record is not settled yet: the other lane has its least share, a slice a second.
    let mut slices = Vec::new();
    let _ = timeout(Duration::from_millis(3_500), async {
        while let Some(records) = bulk.next(1).await {
            slices.push(records.len());
            let end = records.last().unwrap().position.offset.0 + 1;
            bulk.settle(ResumeAt::stored(end), Finished::default());
        }
    })
    .await;
    assert!((2..=4).contains(&slices.len()), "{slices:?}");
    assert!(slices.iter().all(|records| *records <= 250), "{slices:?}");
    let mut taken: usize = slices.iter().sum();
    assert!(lanes.view().iter().any(|lane| lane.name == "batch" && lane.gives_way));
    urgent.settle(ResumeAt::stored(1), Finished::default());
    let began = std::time::Instant::now();
    while taken < 2_000 {
        taken += timeout(SOON, bulk.next(1)).await.unwrap().unwrap().len();
        let settled = ResumeAt::stored(i64::try_from(taken).unwrap());
        bulk.settle(settled, Finished::default());
    }
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    drop((bulk, urgent));
    log.stop().await.unwrap();
}

/// How often records are handed on in this time.
async fn slices(feed: &mut Feed, time: Duration) -> usize {
    let mut slices = 0;
    let _ = timeout(time, async {
        while let Some(records) = feed.next(1).await {
            slices += 1;
            let end = records.last().unwrap().position.offset.0 + 1;
            feed.settle(ResumeAt::stored(end), Finished::default());
        }
    })
    .await;
    slices
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lesser_lane_is_cut_down_while_an_urgent_record_is_not_settled_in_time() {
    let mut passed = Vec::new();
    // A member that rests has nothing that is late.
    let (_giver, rests) = Leave::given_by_another();
    let cases = [(0, Leave::always()), (500, Leave::always()), (500, rests)];
    for (case, (limit_ms, leave)) in cases.into_iter().enumerate() {
        let name = |of: &str| format!("{of}{case}");
        let (batch, online) =
            (Group::new(&name("cut"), 1).await, Group::new(&name("late"), 1).await);
        online.append(0, &values(0, 1)).await;
        let freshness_limit_ms = std::num::NonZeroU64::new(limit_ms);
        let rule = LaneRule { priority: 1, least_share_percent: 100, ..LaneRule::default() };
        let lanes = lanes(LaneRule { freshness_limit_ms, ..rule });
        let mut log = join_with(&batch, &online, &lanes, leave).await;
        let (mut bulk, mut urgent) = feeds(&mut log, &batch).await;
        assert_eq!(timeout(SOON, urgent.next(10)).await.unwrap().unwrap().len(), 1);
        batch.append(0, &values(0, 20_000)).await;
        // The urgent record is never settled. By now it has waited for much longer than it may.
        slices(&mut bulk, Duration::from_secs(3)).await;
        passed.push(slices(&mut bulk, Duration::from_secs(3)).await);
        drop((bulk, urgent));
        log.stop().await.unwrap();
    }
    let [free, cut, resting] = passed[..] else { panic!("{passed:?}") };
    assert!((1..=5).contains(&cut) && free > 10 * cut, "{passed:?} slices");
    assert!(resting > 10 * cut, "{passed:?} slices");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_holds_and_changes_at_run_time() {
    let (batch, online) = (Group::new("slow", 1).await, Group::new("none", 1).await);
    let rate =
        |n| LaneRule { rate_records_per_s: std::num::NonZeroU64::new(n), ..LaneRule::default() };
    let lanes = lanes(rate(200));
    batch.append(0, &values(0, 3_000)).await;
    let mut log = join(&batch, &online, &lanes).await;
    let (mut bulk, _urgent) = feeds(&mut log, &batch).await;
    let mut taken = 0;
    let _ = timeout(Duration::from_secs(3), async {
        while let Some(records) = bulk.next(1).await {
            taken += records.len();
        }
    })
    .await;
    assert!((300..=700).contains(&taken), "{taken} in three seconds");
    assert!(lanes.change("batch", rate(0)));
    while taken < 3_000 {
        taken += timeout(SOON, bulk.next(1)).await.unwrap().unwrap().len();
    }
    drop(bulk);
    log.stop().await.unwrap();
}

const LANES: [&str; 2] = ["online", "batch"];

/// Rows of which each one of a key goes by the other table of an outbox than the one before it.
fn by_two_tables() -> Vec<(usize, SourceRow)> {
    let knobs = Knobs { events: 1_200, members: 40, deliveries_per_mille: 0, ..Knobs::default() };
    let mut turns: BTreeMap<String, usize> = BTreeMap::new();
    let rows = Source::new(knobs).unwrap().map(|row| {
        let turn = turns.entry(row.aggregate_id.clone()).or_default();
        *turn += 1;
        (*turn % 2, row)
    });
    rows.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_in_two_lanes_is_folded_in_the_order_of_its_versions() {
    let rows = by_two_tables();
    let mut lab = Lab::new("twolanes").await;
    let topics = LANES.map(|lane| lab.topic(lane));
    lab.versions_of = VersionsOf::new([(topics[1].clone(), topics[0].clone())]);
    lab.make(&topics.each_ref().map(String::as_str)).await;
    let send = async |lane: usize| {
        let own = rows.iter().filter(|(its, _)| *its == lane);
        lab.flood(&topics[lane], own.map(|(_, row)| row.clone())).await;
    };
    // What is urgent comes first, and waits in its documents for what the other lane brings.
    send(0).await;
    let lanes = lanes(LaneRule { priority: 1, least_share_percent: 20, ..LaneRule::default() });
    let named = [(topics[0].as_str(), LANES[0]), (topics[1].as_str(), LANES[1])];
    let mill = lab.start(&named, Some(&lanes)).await;
    send(1).await;
    let until = std::time::Instant::now() + SOON * 3;
    while mill.tally.counts().consumed < rows.len() as u64 {
        assert!(std::time::Instant::now() < until, "{:?}", mill.tally.counts());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    mill.stop().await;
    let expected = fold::<Points>(rows.into_iter().map(|(_, row)| row));
    let (_mongo, store) = lab.store().await;
    let (mut found, mut waiting) = (BTreeMap::new(), 0);
    let mut visit = |key: Key, document: Document<Points>| {
        waiting += document.stamp.waiting.len() as u64;
        found.extend(document.state.map(|state| (key, state)));
    };
    Store::<Points>::scan(&store, &mut visit).await.unwrap();
    assert_eq!((found, waiting), (expected.states, expected.waiting));
}
