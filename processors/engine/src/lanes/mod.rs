//! Lanes: which topics go first, how fast the others may go, and what share is always theirs.
//!
//! All logs of a process ask here before they hand records on, so that a flood in one model gives
//! way to the urgent topics of another: they share the machine and the stores.

mod brake;

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use brake::Brake;

/// A slice of a lane that gives way is what its workers do in this time, as far as that is known.
/// With 5 ms, the 99th percentile of an urgent lane was 2.3 to 3.8 times the one without a flood;
/// with 2 ms it is the same (docs/benchmarks/lanes.md).
const SLICE: Duration = Duration::from_millis(2);
/// The unit of a lane's least share: of a hundred of these, so many are its own.
const TURN: Duration = Duration::from_millis(10);
/// While nothing urgent is in work, a lesser lane has a slice in hand, or work for one part in so
/// many of the time since, if that is more: whatever comes then finds little before it, relative to
/// how rarely it comes.
const QUIET_PARTS: u32 = 10;
/// However long nothing urgent has come, work in hand takes no longer.
const LONGEST_IN_HAND: Duration = Duration::from_millis(100);
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
    /// While a more urgent lane has work, a small slice of this one passes in so many of a hundred
    /// turns of ten milliseconds, so that it never starves; 1 to 100.
    pub least_share_percent: u32,
    /// How long more urgent work may have been in hand here; while some has been for longer, this
    /// lane has less and less of what it would have, to a hundredth of it; while none has been for
    /// a sixteenth of that, more and more. Without it, that is nobody's concern.
    pub freshness_limit_ms: Option<NonZeroU64>,
}

impl Default for LaneRule {
    fn default() -> Self {
        Self {
            priority: 0,
            rate_records_per_s: None,
            least_share_percent: 1,
            freshness_limit_ms: None,
        }
    }
}

impl LaneRule {
    /// Why the rule makes no sense.
    pub fn mistake(&self) -> Option<&'static str> {
        let sound = (1..=100).contains(&self.least_share_percent);
        (!sound).then_some("least_share_percent must be from 1 to 100")
    }

    /// How long a lane waits for its turn that has so much of what it would have.
    fn turn_interval(&self, percent: u32) -> Duration {
        TURN * 100 * 100 / (self.least_share_percent.clamp(1, 100) * percent.clamp(1, 100))
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
    /// The models whose logs have work in it, and for how long they have had what is oldest.
    busy: BTreeMap<&'static str, Duration>,
    /// When it last had work.
    busy_at: Option<Instant>,
    /// When it may pass although a more urgent lane has work.
    turn_at: Option<Instant>,
    /// What the rate allows at `filled_at`, in millionths of a record.
    allowance_millionths: u64,
    filled_at: Option<Instant>,
    /// How much it has of what it would have, so that others stay fresh.
    brake: Brake,
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
    /// How much it has of what it would have if all that is more urgent were fresh.
    pub share_percent: u32,
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
                let (busy, busy_at) = (std::mem::take(&mut lane.busy), lane.busy_at);
                *lane = Lane { busy, busy_at, ..Lane::new(rule) }
            })
            .is_some()
        })
    }

    /// Makes a lane, unless there is one of that name.
    pub fn ensure(&self, name: &str, rule: LaneRule) {
        self.with(|lanes| {
            lanes.entry(name.to_owned()).or_insert_with(|| Lane::new(rule));
        });
    }

    /// The priority of those that give way to all others.
    pub fn last_priority(&self) -> u32 {
        self.with(|lanes| lanes.values().map(|lane| lane.rule.priority).max().unwrap_or(0))
    }

    /// All lanes, as they stand.
    pub fn view(&self) -> Vec<LaneView> {
        self.with(|lanes| {
            let view = |(name, lane): (&String, &Lane)| LaneView {
                name: name.clone(),
                rule: lane.rule,
                busy: lane.is_busy(),
                gives_way: gives_way(lanes, lane.rule),
                share_percent: lane.brake.percent(),
            };
            lanes.iter().map(view).collect()
        })
    }

    /// Notes in which lanes a model's log has anything that is not settled, and for how long it has
    /// had that.
    pub fn note(&self, model: &'static str, busy: &BTreeMap<&str, Duration>, now: Instant) {
        self.with(|lanes| {
            for (name, lane) in lanes.iter_mut() {
                let Some(waited) = busy.get(name.as_str()) else {
                    lane.busy.remove(model);
                    continue;
                };
                lane.busy.insert(model, *waited);
                lane.busy_at = Some(now);
            }
            brake(lanes, now);
        });
    }

    /// How many of `wanted` records of a lane may be handed on now, where `pace` knows how many
    /// more its workers do within a time. A lane that nobody named is under no rule.
    pub fn grant(&self, name: &str, wanted: usize, pace: &impl Pace, now: Instant) -> usize {
        self.with(|lanes| {
            let Some(rule) = lanes.get(name).map(|lane| lane.rule) else { return wanted };
            let in_hand = in_hand(lanes, rule, now);
            brake(lanes, now);
            lanes.get_mut(name).map_or(wanted, |lane| lane.grant(wanted, in_hand, pace, now))
        })
    }

    /// How much a lane has of what it would have if all that is more urgent were fresh; none if
    /// there is no such lane.
    pub fn share_percent(&self, name: &str) -> Option<u32> {
        self.with(|lanes| lanes.get(name).map(|lane| lane.brake.percent()))
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

/// Judges of each lane whether what is more urgent has been in hand for too long.
fn brake(lanes: &mut BTreeMap<String, Lane>, now: Instant) {
    if lanes.values().all(|lane| lane.rule.freshness_limit_ms.is_none()) {
        return;
    }
    let waited: Vec<(u32, Duration)> = lanes
        .values()
        .map(|lane| (lane.rule.priority, lane.busy.values().max().copied().unwrap_or_default()))
        .collect();
    for lane in lanes.values_mut() {
        let Some(limit_ms) = lane.rule.freshness_limit_ms else { continue };
        let own = lane.rule.priority;
        let urgent = waited.iter().filter(|(priority, _)| *priority < own);
        let oldest = urgent.map(|(_, waited)| *waited).max().unwrap_or_default();
        lane.brake.judge(oldest, Duration::from_millis(limit_ms.get()), now);
    }
}

/// How long the work may take that a lane has in hand; none if nothing is more urgent.
fn in_hand(lanes: &BTreeMap<String, Lane>, rule: LaneRule, now: Instant) -> Option<Duration> {
    let urgent = || lanes.values().filter(|lane| lane.rule.priority < rule.priority);
    urgent().next()?;
    if urgent().any(Lane::is_busy) {
        return Some(Duration::ZERO);
    }
    let last = urgent().filter_map(|lane| lane.busy_at).max();
    let quiet = last.map(|at| now.saturating_duration_since(at));
    let in_hand = |quiet: Duration| (quiet / QUIET_PARTS).clamp(SLICE, LONGEST_IN_HAND);
    Some(quiet.map_or(LONGEST_IN_HAND, in_hand))
}

/// How fast the workers of a log are.
pub trait Pace {
    /// How many more records its lesser lanes may have in work, for all of it to be done within a
    /// time; 0 if that is less than what is worth a write.
    fn room(&self, within: Duration) -> usize;
    /// The same where something is to pass: at least what is worth a write, unless work is in hand.
    fn slice(&self, within: Duration) -> usize;
}

impl Lane {
    const fn new(rule: LaneRule) -> Self {
        Self {
            rule,
            busy: BTreeMap::new(),
            busy_at: None,
            turn_at: None,
            allowance_millionths: 0,
            filled_at: None,
            brake: Brake::OPEN,
        }
    }

    fn is_busy(&self) -> bool {
        !self.busy.is_empty()
    }

    fn grant(
        &mut self,
        wanted: usize,
        in_hand: Option<Duration>,
        pace: &impl Pace,
        now: Instant,
    ) -> usize {
        let percent = self.brake.percent();
        let room = in_hand.map_or(usize::MAX, |in_hand| pace.room(self.brake.in_hand(in_hand)));
        let by_turn = room == 0;
        let mut granted = wanted.min(room);
        if by_turn {
            let interval = self.rule.turn_interval(percent);
            let turn_at = *self.turn_at.get_or_insert_with(|| now + interval);
            if now < turn_at {
                return 0;
            }
            granted = wanted.min(pace.slice(SLICE));
        }
        if let Some(rate) = self.rule.rate_records_per_s {
            self.fill(rate.get(), now);
            let whole = usize::try_from(self.allowance_millionths / MILLION).unwrap_or(usize::MAX);
            granted = granted.min(whole);
            self.allowance_millionths -= granted as u64 * MILLION;
        }
        if granted > 0 {
            self.turn_at = by_turn.then(|| now + self.rule.turn_interval(percent));
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
mod tests;
