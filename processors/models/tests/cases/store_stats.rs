//! The traps of statistics: averages, days, ranks and deviations.

use std::collections::BTreeMap;

use proptest::prelude::*;
use readmill_core::rollup::{Difference, Totals};
use readmill_core::{Beside, Contribution, GroupName};
use readmill_models::StoreStats;
use readmill_models::store_stats::ranks::{Bucket, rank_of, top_percent};
use readmill_models::store_stats::{API, Day, SHOWN_DAYS, date_of};
use readmill_schemas::Timestamp;
use readmill_schemas::store_stats::{
    ApiCalled, CookingFinished, OrderAccepted, OrderDeclined, OrderOffered, StoreStatsEvent,
};

use crate::kit::{Line, Run, line};

const DAY_MS: i64 = 86_400_000;
const MINUTE_MS: i64 = 60_000;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn offered(store_id: &str, occurred_at: Timestamp) -> StoreStatsEvent {
    let (order_no, store_id) = ("o".to_owned(), store_id.to_owned());
    OrderOffered { order_no, store_id, occurred_at }.into()
}

fn accepted(store_id: &str, offered_at: Timestamp, took_ms: i64) -> StoreStatsEvent {
    let (order_no, store_id) = ("o".to_owned(), store_id.to_owned());
    let occurred_at = offered_at.plus_millis(took_ms);
    OrderAccepted { order_no, store_id, occurred_at, offered_at }.into()
}

fn declined(store_id: &str, offered_at: Timestamp) -> StoreStatsEvent {
    let (order_no, store_id) = ("o".to_owned(), store_id.to_owned());
    let (occurred_at, reason) = (offered_at.plus_millis(MINUTE_MS), "closed".to_owned());
    OrderDeclined { order_no, store_id, occurred_at, offered_at, reason }.into()
}

fn cooked(offered_at: Timestamp, took_ms: i64, promised_ms: Option<i64>) -> StoreStatsEvent {
    let (order_no, store_id) = ("o".to_owned(), "s-1".to_owned());
    let accepted_at = offered_at.plus_millis(MINUTE_MS);
    let occurred_at = accepted_at.plus_millis(took_ms);
    let promised_at = promised_ms.map(|promised_ms| accepted_at.plus_millis(promised_ms));
    CookingFinished { order_no, store_id, occurred_at, offered_at, accepted_at, promised_at }.into()
}

fn store_of(event: &StoreStatsEvent) -> &str {
    match event {
        StoreStatsEvent::OrderOffered(e) => &e.store_id,
        StoreStatsEvent::OrderAccepted(e) => &e.store_id,
        StoreStatsEvent::OrderDeclined(e) => &e.store_id,
        StoreStatsEvent::CookingFinished(e) => &e.store_id,
        StoreStatsEvent::ApiCalled(e) => &e.organisation_id,
    }
}

/// In the order in which the stores' services commit them.
fn committed(events: impl IntoIterator<Item = StoreStatsEvent>) -> Vec<Line<StoreStatsEvent>> {
    let mut versions: BTreeMap<String, i64> = BTreeMap::new();
    let versioned = events.into_iter().map(|event| {
        let store = store_of(&event).to_owned();
        let version = versions.entry(store.clone()).or_default();
        *version += 1;
        line(&store, *version, event)
    });
    versioned.collect()
}

fn days(events: impl IntoIterator<Item = StoreStatsEvent>) -> Vec<Day> {
    Run::<StoreStats>::of(&committed(events)).state("store/s-1").unwrap().days.clone()
}

#[test]
fn trap_an_average_of_averages_is_not_the_average() {
    let (monday, tuesday) = (at("2026-11-16T12:00:00Z"), at("2026-11-17T12:00:00Z"));
    let one = accepted("s-1", monday, 10 * MINUTE_MS);
    let many = (0..99).map(|_| accepted("s-1", tuesday, MINUTE_MS));
    let days = days([one].into_iter().chain(many));
    let means: Vec<i64> = days.iter().map(|day| day.acceptance_sum_ms / day.accepted).collect();
    let naive = means.iter().sum::<i64>() / 2;
    assert_eq!(naive, 330_000, "five and a half minutes");
    let sum_ms: i64 = days.iter().map(|day| day.acceptance_sum_ms).sum();
    let count: i64 = days.iter().map(|day| day.accepted).sum();
    assert_eq!(sum_ms / count, 65_400);
}

#[test]
fn trap_an_event_after_midnight_counts_on_the_day_of_its_order() {
    // One minute before midnight in Seoul, and accepted two minutes later.
    let late = at("2026-11-20T14:59:00Z");
    let events = [offered("s-1", late), accepted("s-1", late, 2 * MINUTE_MS)];
    let mut naive: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    for event in &events {
        match event {
            StoreStatsEvent::OrderOffered(e) => {
                naive.entry(date_of(e.occurred_at)).or_default().0 += 1;
            }
            StoreStatsEvent::OrderAccepted(e) => {
                naive.entry(date_of(e.occurred_at)).or_default().1 += 1;
            }
            _ => {}
        }
    }
    let rates: Vec<_> = naive.into_values().collect();
    assert_eq!(rates, [(1, 0), (0, 1)], "nothing of one, and one of nothing");
    // Told a day late, when the store has had orders of the next day already.
    let next = offered("s-1", at("2026-11-21T03:00:00Z"));
    let days = days([events[0].clone(), next, events[1].clone()]);
    let found: Vec<_> = days.iter().map(|day| (&*day.date, day.offered, day.accepted)).collect();
    assert_eq!(found, [("2026-11-20", 1, 1), ("2026-11-21", 1, 0)]);
}

#[test]
fn trap_a_day_is_the_stores_and_not_the_clocks_of_the_server() {
    // Half past eight in the morning in Seoul.
    let breakfast = at("2026-11-20T23:30:00Z");
    assert_eq!(breakfast.to_string().split('T').next(), Some("2026-11-20"), "by UTC: yesterday");
    let day = days([offered("s-1", breakfast)]).remove(0);
    assert_eq!(day.date, "2026-11-21");
}

/// The stores that have a rate on a day, as a reader finds them in the roll-up.
fn buckets(run: &Run<StoreStats>, date: &str) -> Vec<Bucket> {
    let prefix = format!("acceptance/{date}/");
    let groups = run.rollups().into_iter();
    let of_day = groups
        .filter_map(|(group, totals)| Bucket::read(group.strip_prefix(&prefix)?, totals.count));
    of_day.collect()
}

#[test]
fn trap_equal_rates_have_equal_ranks() {
    let noon = at("2026-11-20T03:00:00Z");
    let mut events = Vec::new();
    for (store, taken) in [("s-1", 9), ("s-2", 8), ("s-3", 8), ("s-4", 5)] {
        events.extend((0..10).map(|_| offered(store, noon)));
        events.extend((0..taken).map(|_| accepted(store, noon, MINUTE_MS)));
    }
    let run = Run::<StoreStats>::of(&committed(events));
    let all = buckets(&run, "2026-11-20");
    let rates = [900, 800, 800, 500];
    // By their places in a list, sorted by rate and then by name.
    let mut list = [(-800, "s-3"), (-500, "s-4"), (-900, "s-1"), (-800, "s-2")];
    list.sort_unstable();
    let naive = |store| list.iter().position(|(_, other)| *other == store).unwrap() + 1;
    assert_eq!((naive("s-2"), naive("s-3")), (2, 3), "one of the equals is worse");
    assert_eq!(rates.map(|rate| rank_of(&all, rate)), [1, 2, 2, 4]);
    assert_eq!(rates.map(|rate| top_percent(&all, rate)), [25, 50, 50, 100].map(Some));
}

#[test]
fn trap_an_event_that_is_published_again_is_not_counted_again() {
    let noon = at("2026-11-20T03:00:00Z");
    let log = committed([offered("s-1", noon), accepted("s-1", noon, 5), declined("s-1", noon)]);
    let order = [0, 1, 1, 2, 0, 1];
    let naive = order.iter().filter(|at| **at == 1).count();
    assert_eq!(naive, 3, "three accepted of one");
    let run = Run::<StoreStats>::in_order(&log, order);
    let day = &run.state("store/s-1").unwrap().days[0];
    assert_eq!((day.offered, day.accepted, day.declined), (1, 1, 1));
}

fn called(took_ms: i64, failed: bool, occurred_at: Timestamp) -> Line<StoreStatsEvent> {
    let (organisation_id, api) = ("org-1".to_owned(), "orders.list".to_owned());
    let event = ApiCalled { organisation_id, api, occurred_at, took_ms, failed }.into();
    Line { aggregate: "org-1".to_owned(), version: None, event }
}

#[test]
fn trap_a_deviation_of_partial_deviations_is_wrong() {
    let (one, other) = ([10_i64, 10, 10], [90_i64, 90, 90]);
    let naive = (deviation(&one) + deviation(&other)) / 2.0;
    assert!(naive.abs() < 1e-9, "each part varies by nothing");
    let noon = at("2026-11-20T03:00:00Z");
    let log: Vec<_> = one.iter().chain(&other).map(|took| called(*took, false, noon)).collect();
    let totals = Run::<StoreStats>::of(&log).rollups()["api/2026-11-20/org-1/orders.list"].clone();
    assert!((totals.deviation().unwrap() - 40.0).abs() < 1e-9);
    assert_eq!((totals.count, totals.mean()), (6, Some(50.0)));
}

#[test]
fn trap_the_deviation_of_large_close_values_does_not_drown() {
    let values = [3_000_000_000_000_001_i64, 3_000_000_000_000_003, 3_000_000_000_000_005];
    let floats = values.map(|value| value as f64);
    let mean = floats.iter().sum::<f64>() / 3.0;
    let squares = floats.iter().map(|value| value * value).sum::<f64>() / 3.0;
    let naive = (squares - mean * mean).max(0.0).sqrt();
    let direct = deviation(&values);
    assert!((naive - direct).abs() > 0.5, "{naive} instead of {direct}");
    let merged = merged(&[&values[..1], &values[1..]]);
    assert!((merged.deviation().unwrap() - direct).abs() < 1e-9);
}

#[test]
fn rule_failures_are_counted_beside_all_calls_on_the_day_of_the_call() {
    let noon = at("2026-11-20T03:00:00Z");
    let log = [
        called(10, false, noon),
        called(900, true, noon.plus_millis(DAY_MS)),
        called(30, true, noon),
    ];
    let run = Run::<StoreStats>::of(&log);
    let groups = run.rollups();
    let count = |group: &str| groups.get(group).map(|totals| (totals.count, totals.sum.0));
    assert_eq!(count("api/2026-11-20/org-1/orders.list"), Some((2, 40)), "also what came late");
    assert_eq!(count("api/2026-11-21/org-1/orders.list"), Some((1, 900)));
    assert_eq!(count("api_failures/2026-11-20/org-1/orders.list"), Some((1, 30)));
    let calls = run.state("organisation/org-1").unwrap().calls.clone().unwrap();
    assert_eq!((calls.count, calls.failed, calls.latest_at), (3, 2, noon.plus_millis(DAY_MS)));
}

#[test]
fn rule_a_promise_is_kept_until_its_time_and_none_is_no_broken_one() {
    let noon = at("2026-11-20T03:00:00Z");
    let promised = Some(20 * MINUTE_MS);
    let events = [
        cooked(noon, 20 * MINUTE_MS, promised),
        cooked(noon, 20 * MINUTE_MS + 1, promised),
        cooked(noon, 40 * MINUTE_MS, None),
    ];
    let day = days(events).remove(0);
    assert_eq!((day.cooked, day.promised, day.kept), (3, 2, 1));
    assert_eq!(day.cooking_sum_ms, 80 * MINUTE_MS + 1);
}

#[test]
fn rule_times_that_no_order_has_are_held() {
    for millis in [i64::MIN, 0, i64::MAX] {
        let event = offered("s-1", Timestamp::from_millis(millis));
        let run = Run::<StoreStats>::of(&committed([event]));
        assert!(run.is_held("store/s-1"), "{millis}");
    }
}

fn merged(parts: &[&[i64]]) -> Totals {
    let mut merged = Totals::default();
    for part in parts {
        let mut totals = Totals::default();
        for value in *part {
            let group = GroupName::of(&["g"]);
            totals.add(&Difference::added(Contribution::of(&API, group, *value)), API.beside);
        }
        merged.merge(totals, Beside::default());
    }
    merged
}

/// Directly: around the mean, which is taken off exactly as far as whole numbers go.
fn deviation(values: &[i64]) -> f64 {
    let count = values.len() as f64;
    let whole = values.iter().map(|value| i128::from(*value)).sum::<i128>() / values.len() as i128;
    let off: Vec<f64> = values.iter().map(|value| (i128::from(*value) - whole) as f64).collect();
    let mean = off.iter().sum::<f64>() / count;
    (off.iter().map(|off| (off - mean).powi(2)).sum::<f64>() / count).sqrt()
}

/// What a day's events come to, added up without a model.
fn added_up(events: &[StoreStatsEvent]) -> Vec<(String, i64, i64, i64)> {
    let mut all: BTreeMap<String, (i64, i64, i64)> = BTreeMap::new();
    for event in events {
        match event {
            StoreStatsEvent::OrderOffered(e) => {
                all.entry(date_of(e.occurred_at)).or_default().0 += 1;
            }
            StoreStatsEvent::OrderAccepted(e) => {
                all.entry(date_of(e.offered_at)).or_default().1 += 1;
            }
            StoreStatsEvent::OrderDeclined(e) => {
                all.entry(date_of(e.offered_at)).or_default().2 += 1;
            }
            _ => {}
        }
    }
    let last = all.keys().next_back().cloned().unwrap();
    let first = at(&format!("{last}T00:00:00+09:00")).plus_millis((1 - SHOWN_DAYS) * DAY_MS);
    let shown = all.into_iter().filter(|(date, _)| *date >= date_of(first));
    shown.map(|(date, (o, a, d))| (date, o, a, d)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Merged partial groups have the deviation of all values, however these are cut.
    #[test]
    fn rule_merged_deviations_are_the_direct_one(
        base in prop::sample::select(vec![0, 1_000, 1_700_000_000_000, 4_000_000_000_000_000]),
        off in prop::collection::vec(0_i64..2_000, 1..60),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let values: Vec<i64> = off.iter().map(|off| base + off).collect();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(values.len())).collect();
        cuts.extend([0, values.len()]);
        cuts.sort_unstable();
        let parts: Vec<&[i64]> = cuts.windows(2).map(|pair| &values[pair[0]..pair[1]]).collect();
        let (found, wanted) = (merged(&parts).deviation().unwrap(), deviation(&values));
        prop_assert!((found - wanted).abs() <= wanted * 1e-9 + 1e-6, "{found} for {wanted}");
    }

    /// In whatever order a store's events are committed, its document has the last 14 days as they
    /// are, and its groups follow.
    #[test]
    fn rule_days_are_the_events_own_however_late_they_come(
        wishes in prop::collection::vec((0_i64..30, 0_i64..24, 0_u8..3), 1..80),
    ) {
        let start = at("2026-10-31T15:00:00Z");
        let events: Vec<StoreStatsEvent> = wishes
            .iter()
            .map(|(day, hour, kind)| {
                let at = start.plus_millis(day * DAY_MS + hour * 60 * MINUTE_MS);
                match kind {
                    0 => offered("s-1", at),
                    1 => accepted("s-1", at, 3 * 60 * MINUTE_MS),
                    _ => declined("s-1", at),
                }
            })
            .collect();
        let run = Run::<StoreStats>::of(&committed(events.clone()));
        run.seen();
        let document = run.state("store/s-1").unwrap();
        prop_assert!(document.days.len() as i64 <= SHOWN_DAYS);
        let found = document.days.iter();
        let found: Vec<_> =
            found.map(|day| (day.date.clone(), day.offered, day.accepted, day.declined)).collect();
        prop_assert_eq!(found, added_up(&events));
        let mut sorted = events;
        sorted.sort_by_key(|event| format!("{event:?}"));
        let again = Run::<StoreStats>::of(&committed(sorted));
        prop_assert_eq!(again.state("store/s-1"), Some(document));
    }

    /// The rank from the roll-up is the rank among all stores, one by one.
    #[test]
    fn rule_ranks_are_those_of_a_list_of_all_stores(
        taken in prop::collection::vec(0_usize..8, 1..20),
    ) {
        let noon = at("2026-11-20T03:00:00Z");
        let mut events = Vec::new();
        for (store, taken) in taken.iter().enumerate() {
            let store = format!("s-{store}");
            events.extend((0..7).map(|_| offered(&store, noon)));
            events.extend((0..*taken).map(|_| accepted(&store, noon, MINUTE_MS)));
        }
        let run = Run::<StoreStats>::of(&committed(events));
        let all = buckets(&run, "2026-11-20");
        for of in &taken {
            let better = taken.iter().filter(|other| *other > of).count();
            let rate = i64::try_from(of * 1_000 / 7).unwrap();
            prop_assert_eq!(rank_of(&all, rate), i64::try_from(better + 1).unwrap());
        }
    }
}
