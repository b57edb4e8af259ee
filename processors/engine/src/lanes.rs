//! Lanes: which topics go first, how fast the others may go, and what share is always theirs.
//!
//! All logs of a process ask here before they hand records on, so that a flood in one model gives
//! way to the urgent topics of another: they share the machine and the stores.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// A lane that gives way is handed on in slices of at most so many records.
pub const SLICE_RECORDS: usize = 250;
/// The unit of a lane's least share: of a hundred of these, so many are its own.
const TURN: Duration = Duration::from_millis(10);
const MILLION: u64 = 1_000_000;
/// What a rate may save up.
const BURST: Duration = Duration::from_millis(100);

/// How a lane is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LaneRule {
    /// Lanes with a lower number go first; 0 is the most urgent.
    pub priority: u32,
    /// No more than so many records a second are handed on; without it, as many as there are.
    pub rate_records_per_s: Option<NonZeroU64>,
    /// While a more urgent lane has work, a slice of this one passes in so many of a hundred turns
    /// of ten milliseconds, so that it never starves; 1 to 100.
    pub least_share_percent: u32,
}

impl Default for LaneRule {
    fn default() -> Self {
        Self { priority: 0, rate_records_per_s: None, least_share_percent: 1 }
    }
}

impl LaneRule {
    /// Why the rule makes no sense.
    pub fn mistake(&self) -> Option<&'static str> {
        let sound = (1..=100).contains(&self.least_share_percent);
        (!sound).then_some("least_share_percent must be from 1 to 100")
    }

    fn turn_interval(&self) -> Duration {
        TURN * 100 / self.least_share_percent.clamp(1, 100)
    }
}

/// The lanes of a process; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Lanes {
    lanes: Arc<Mutex<BTreeMap<String, Lane>>>,
}

/// A lane as it stands.
#[derive(Debug)]
struct Lane {
    rule: LaneRule,
    /// The models whose logs have work in it.
    busy: BTreeSet<&'static str>,
    /// When it may pass although a more urgent lane has work.
    turn_at: Option<Instant>,
    /// What the rate allows at `filled_at`, in millionths of a record.
    allowance_millionths: u64,
    filled_at: Option<Instant>,
}

/// A lane as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LaneView {
    /// Its name.
    pub name: String,
    /// How it is treated.
    #[serde(flatten)]
    pub rule: LaneRule,
    /// Whether anything in it is fetched and not settled.
    pub busy: bool,
    /// Whether it gives way to a more urgent lane now.
    pub gives_way: bool,
}

impl Lanes {
    /// Lanes under these rules.
    pub fn new(rules: &BTreeMap<String, LaneRule>) -> Self {
        let lanes = rules.iter().map(|(name, rule)| (name.clone(), Lane::new(*rule)));
        Self { lanes: Arc::new(Mutex::new(lanes.collect())) }
    }

    /// Changes a lane's rule from now on. Answers false if there is no such lane.
    pub fn change(&self, name: &str, rule: LaneRule) -> bool {
        self.with(|lanes| {
            let lane = lanes.get_mut(name);
            lane.map(|lane| {
                *lane = Lane { busy: std::mem::take(&mut lane.busy), ..Lane::new(rule) }
            })
            .is_some()
        })
    }

    /// All lanes, as they stand.
    pub fn view(&self) -> Vec<LaneView> {
        self.with(|lanes| {
            let view = |(name, lane): (&String, &Lane)| LaneView {
                name: name.clone(),
                rule: lane.rule,
                busy: lane.is_busy(),
                gives_way: gives_way(lanes, lane.rule),
            };
            lanes.iter().map(view).collect()
        })
    }

    /// Notes in which lanes a model's log has anything that is not settled.
    pub fn note(&self, model: &'static str, busy: &BTreeSet<&str>) {
        self.with(|lanes| {
            for (name, lane) in lanes {
                if busy.contains(name.as_str()) {
                    lane.busy.insert(model);
                } else {
                    lane.busy.remove(model);
                }
            }
        });
    }

    /// How many of `wanted` records of a lane may be handed on now. A lane that nobody named is
    /// under no rule.
    pub fn grant(&self, name: &str, wanted: usize, now: Instant) -> usize {
        self.with(|lanes| {
            let Some(rule) = lanes.get(name).map(|lane| lane.rule) else { return wanted };
            let gives_way = gives_way(lanes, rule);
            lanes.get_mut(name).map_or(wanted, |lane| lane.grant(wanted, gives_way, now))
        })
    }

    /// Whether a lane is to give way whenever a more urgent one has work.
    pub fn is_lesser(&self, name: &str) -> bool {
        self.with(|lanes| {
            let own = lanes.get(name).map(|lane| lane.rule.priority);
            own.is_some_and(|own| lanes.values().any(|lane| lane.rule.priority < own))
        })
    }

    fn with<T>(&self, look: impl FnOnce(&mut BTreeMap<String, Lane>) -> T) -> T {
        look(&mut self.lanes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn gives_way(lanes: &BTreeMap<String, Lane>, rule: LaneRule) -> bool {
    lanes.values().any(|lane| lane.rule.priority < rule.priority && lane.is_busy())
}

impl Lane {
    const fn new(rule: LaneRule) -> Self {
        Self {
            rule,
            busy: BTreeSet::new(),
            turn_at: None,
            allowance_millionths: 0,
            filled_at: None,
        }
    }

    fn is_busy(&self) -> bool {
        !self.busy.is_empty()
    }

    fn grant(&mut self, wanted: usize, gives_way: bool, now: Instant) -> usize {
        let mut granted = wanted;
        if gives_way {
            let turn_at = *self.turn_at.get_or_insert_with(|| now + self.rule.turn_interval());
            if now < turn_at {
                return 0;
            }
            granted = granted.min(SLICE_RECORDS);
        }
        if let Some(rate) = self.rule.rate_records_per_s {
            self.fill(rate.get(), now);
            let whole = usize::try_from(self.allowance_millionths / MILLION).unwrap_or(usize::MAX);
            granted = granted.min(whole);
            self.allowance_millionths -= granted as u64 * MILLION;
        }
        if granted > 0 {
            self.turn_at = gives_way.then(|| now + self.rule.turn_interval());
        }
        granted
    }

    /// A rate of records a second is one of millionths of a record a microsecond.
    fn fill(&mut self, rate: u64, now: Instant) {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let since = self.filled_at.map_or(BURST, |at| now.saturating_duration_since(at));
        let earned = rate.saturating_mul(micros(since));
        let most = rate.saturating_mul(micros(BURST)).max(MILLION);
        self.allowance_millionths = self.allowance_millionths.saturating_add(earned).min(most);
        self.filled_at = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Option<NonZeroU64> = NonZeroU64::new(1000);

    fn lanes(batch: LaneRule) -> Lanes {
        let online = LaneRule::default();
        Lanes::new(&BTreeMap::from([("online".to_owned(), online), ("batch".to_owned(), batch)]))
    }

    fn note(lanes: &Lanes, model: &'static str, busy: bool) {
        let busy = busy.then_some("online").into_iter().collect();
        lanes.note(model, &busy);
    }

    fn passed(lanes: &Lanes, lane: &str, begin: Instant, time: Duration) -> usize {
        let steps = u32::try_from(time.as_millis()).unwrap();
        let step = |n| lanes.grant(lane, 100, begin + Duration::from_millis(1) * n);
        (0..steps).map(step).sum()
    }

    #[test]
    fn a_lesser_lane_gives_way_but_keeps_its_least_share() {
        let second = Duration::from_secs(1);
        let table = [
            // busy, priority, percent, records in a second of 1000 steps of 100
            (false, 1, 1, 100_000),
            (true, 0, 1, 100_000),
            (true, 1, 100, 9_900),
            (true, 1, 10, 900),
            (true, 1, 5, 400),
            (true, 1, 1, 0),
        ];
        for (busy, priority, least_share_percent, wanted) in table {
            let lanes = lanes(LaneRule { priority, least_share_percent, ..LaneRule::default() });
            note(&lanes, "m", busy);
            let found = passed(&lanes, "batch", Instant::now(), second);
            assert_eq!(found, wanted, "{busy} {priority} {least_share_percent}");
            assert_eq!(passed(&lanes, "online", Instant::now(), second), 100_000);
        }
    }

    #[test]
    fn a_lane_never_starves() {
        let lanes = lanes(LaneRule { priority: 1, ..LaneRule::default() });
        note(&lanes, "m", true);
        assert_eq!(passed(&lanes, "batch", Instant::now(), Duration::from_secs(60)), 5_900);
        note(&lanes, "m", false);
        note(&lanes, "other", true);
        assert!(lanes.view().iter().any(|lane| lane.name == "batch" && lane.gives_way));
    }

    #[test]
    fn a_rate_holds_over_time_and_saves_up_little() {
        let lanes = lanes(LaneRule { rate_records_per_s: RATE, ..LaneRule::default() });
        let begin = Instant::now();
        let found = passed(&lanes, "batch", begin, Duration::from_secs(10));
        assert!((9_900..=10_200).contains(&found), "{found}");
        let later = begin + Duration::from_secs(100);
        assert_eq!(lanes.grant("batch", 5_000, later), 100);
    }

    #[test]
    fn rules_change_at_run_time_and_unknown_lanes_are_free() {
        let lanes = lanes(LaneRule { priority: 1, ..LaneRule::default() });
        note(&lanes, "m", true);
        let now = Instant::now();
        assert_eq!(lanes.grant("batch", 10, now), 0);
        assert!(lanes.change("batch", LaneRule::default()));
        assert_eq!(lanes.grant("batch", 10, now), 10);
        assert!(!lanes.change("nowhere", LaneRule::default()));
        assert_eq!(lanes.grant("nowhere", 7, now), 7);
        assert!(!lanes.is_lesser("batch") && !lanes.is_lesser("nowhere"));
    }
}
