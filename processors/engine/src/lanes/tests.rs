//! What lanes grant, step by step, in a time of the tests' own.

use super::*;

const RATE: Option<NonZeroU64> = NonZeroU64::new(1000);
const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

/// Workers that do ten records in a millisecond, and have nothing in hand.
struct Ten;

impl Pace for Ten {
    fn room(&self, within: Duration) -> usize {
        self.slice(within)
    }

    fn slice(&self, within: Duration) -> usize {
        usize::try_from(within.as_micros()).unwrap() / 100
    }
}

fn lanes(batch: LaneRule) -> Lanes {
    let online = LaneRule::default();
    Lanes::new(&BTreeMap::from([("online".to_owned(), online), ("batch".to_owned(), batch)]))
}

fn note(lanes: &Lanes, model: &'static str, busy: bool, now: Instant) {
    wait(lanes, model, busy.then_some(Duration::ZERO), now);
}

/// Something urgent has been in hand for so long, or nothing is.
fn wait(lanes: &Lanes, model: &'static str, waited: Option<Duration>, now: Instant) {
    let busy = waited.map(|waited| ("online", waited)).into_iter().collect();
    lanes.note(model, &busy, now);
}

fn passed(lanes: &Lanes, lane: &str, begin: Instant, time: Duration) -> usize {
    let steps = u32::try_from(time.as_millis()).unwrap();
    let step = |n| lanes.grant(lane, 100, &Ten, begin + Duration::from_millis(1) * n);
    (0..steps).map(step).sum()
}

#[test]
fn a_lesser_lane_gives_way_but_keeps_its_least_share() {
    let table = [
        // busy, priority, percent, records in a second of 1000 steps of 100
        (false, 1, 1, 100_000),
        (true, 0, 1, 100_000),
        (true, 1, 100, 99 * 20),
        (true, 1, 10, 9 * 20),
        (true, 1, 5, 4 * 20),
        (true, 1, 1, 0),
    ];
    for (busy, priority, least_share_percent, wanted) in table {
        let lanes = lanes(LaneRule { priority, least_share_percent, ..LaneRule::default() });
        let now = Instant::now();
        note(&lanes, "m", busy, now);
        let found = passed(&lanes, "batch", now, SECOND);
        assert_eq!(found, wanted, "{busy} {priority} {least_share_percent}");
        assert_eq!(passed(&lanes, "online", now, SECOND), 100_000);
    }
}

#[test]
fn a_lane_never_starves() {
    let lanes = lanes(LaneRule { priority: 1, ..LaneRule::default() });
    let now = Instant::now();
    note(&lanes, "m", true, now);
    assert_eq!(passed(&lanes, "batch", now, SECOND * 60), 59 * 20);
    note(&lanes, "m", false, now);
    note(&lanes, "other", true, now);
    assert!(lanes.view().iter().any(|lane| lane.name == "batch" && lane.gives_way));
}

#[test]
fn work_in_hand_is_a_slice_or_a_tenth_of_the_quiet_before_it() {
    let lanes = lanes(LaneRule { priority: 1, ..LaneRule::default() });
    let now = Instant::now();
    assert_eq!(lanes.grant("batch", 5_000, &Ten, now), 1_000, "nothing urgent ever came");
    note(&lanes, "m", true, now);
    note(&lanes, "m", false, now);
    for (quiet_ms, wanted) in [(0, 20), (10, 20), (100, 100), (1_000, 1_000), (9_000, 1_000)] {
        let later = now + Duration::from_millis(quiet_ms);
        assert_eq!(lanes.grant("batch", 5_000, &Ten, later), wanted, "{quiet_ms} ms");
    }
    assert_eq!(lanes.grant("online", 5_000, &Ten, now), 5_000);
}

#[test]
fn a_rate_holds_over_time_and_saves_up_little() {
    let lanes = lanes(LaneRule { rate_records_per_s: RATE, ..LaneRule::default() });
    let begin = Instant::now();
    let found = passed(&lanes, "batch", begin, SECOND * 10);
    assert!((9_900..=10_200).contains(&found), "{found}");
    let later = begin + SECOND * 100;
    assert_eq!(lanes.grant("batch", 5_000, &Ten, later), 100);
}

#[test]
fn rules_change_at_run_time_and_unknown_lanes_are_free() {
    let lanes = lanes(LaneRule { priority: 1, ..LaneRule::default() });
    let now = Instant::now();
    note(&lanes, "m", true, now);
    assert_eq!(lanes.grant("batch", 10, &Ten, now), 0);
    assert!(lanes.change("batch", LaneRule::default()));
    assert_eq!(lanes.grant("batch", 10, &Ten, now), 10);
    assert!(!lanes.change("nowhere", LaneRule::default()));
    assert_eq!(lanes.grant("nowhere", 7, &Ten, now), 7);
    assert!(!lanes.is_lesser("batch") && !lanes.is_lesser("nowhere"));
}

#[test]
fn a_lane_has_more_and_more_while_what_is_urgent_never_rests_and_is_fresh() {
    let rule = LaneRule {
        priority: 1,
        least_share_percent: 100,
        freshness_limit_ms: NonZeroU64::new(1_600),
        ..LaneRule::default()
    };
    let (lanes, begin) = (lanes(rule), Instant::now());
    let granted = |from_ms: u32, waited_ms| {
        for ms in from_ms..from_ms + 8_000 {
            wait(&lanes, "m", Some(waited_ms * MS), begin + ms * MS);
        }
        lanes.grant("batch", 5_000, &Ten, begin + (from_ms + 8_000) * MS)
    };
    assert_eq!(granted(0, 100), 1_000, "a hundred milliseconds' work");
    assert_eq!(granted(10_000, 150), 1_000, "it stays so");
    assert!(granted(20_000, 300) < 100, "it is drawn back");
    assert_eq!(granted(30_000, 100), 1_000);
    assert!(granted(40_000, 1_700) <= 20, "at most a slice is left");
}

#[test]
fn a_lane_is_cut_down_while_what_is_urgent_waits_for_too_long_and_never_to_nothing() {
    let limit = NonZeroU64::new(1_000);
    let rule = LaneRule { priority: 1, least_share_percent: 100, ..LaneRule::default() };
    // Records of the lesser lane in each second, while something urgent has waited for so long.
    let table: [(Option<NonZeroU64>, u64, [usize; 3]); 4] = [
        (None, 60_000, [1_980, 2_000, 2_000]),
        (limit, 900, [1_980, 2_000, 2_000]),
        (limit, 1_100, [1_080, 80, 20]),
        (limit, 60_000, [1_080, 80, 20]),
    ];
    for (freshness_limit_ms, waited_ms, wanted) in table {
        let lanes = lanes(LaneRule { freshness_limit_ms, ..rule });
        let begin = Instant::now();
        let mut found = [0; 3];
        for ms in 0..3_000_u32 {
            let now = begin + Duration::from_millis(ms.into());
            wait(&lanes, "m", Some(Duration::from_millis(waited_ms)), now);
            found[(ms / 1_000) as usize] += lanes.grant("batch", 100, &Ten, now);
        }
        let near = |(found, wanted): (&usize, &usize)| found.abs_diff(*wanted) <= wanted / 4;
        assert!(found.iter().zip(&wanted).all(near), "{waited_ms} ms: {found:?} {wanted:?}");
        let share = lanes.view().into_iter().find(|lane| lane.name == "batch").unwrap();
        assert_eq!(share.share_percent, if wanted[2] < 100 { 1 } else { 100 });
        let fresh = begin + SECOND * 3;
        for ms in 0..6_000 {
            wait(&lanes, "m", Some(Duration::ZERO), fresh + Duration::from_millis(ms));
        }
        let share = lanes.view().into_iter().find(|lane| lane.name == "batch").unwrap();
        assert_eq!(share.share_percent, 100, "it has all of it again");
    }
}
