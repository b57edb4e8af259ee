//! The brake of a lane: how much it has of what it would have, so that more urgent ones stay fresh,
//! and how much more while they are.

use std::time::{Duration, Instant};

use super::LONGEST_IN_HAND;

/// It is judged so often.
const JUDGED_EVERY: Duration = Duration::from_millis(250);
/// However stale others are, so much is left: what is to catch up does so in the end.
const FLOOR_PERCENT: u32 = 1;
/// What a lane is let go by, or drawn back by, at a time.
const STEP: u32 = 4;
/// While nothing more urgent waits for longer than this part of what it may, there is room for more
/// than slices; beyond twice that, for less.
const FRESH_PART: u32 = 16;
/// The least that is worth having in hand beyond slices.
const LEAST_IN_HAND: Duration = Duration::from_millis(1);

/// The brake of one lane.
#[derive(Debug, Clone, Copy)]
pub struct Brake {
    percent: u32,
    /// How long the work may take that the lane has in hand while more urgent work is there.
    in_hand: Duration,
    judged_at: Option<Instant>,
    /// For how long the oldest was in hand that was seen since.
    worst: Duration,
}

impl Brake {
    /// It has all of it.
    pub const OPEN: Self =
        Self { percent: 100, in_hand: Duration::ZERO, judged_at: None, worst: Duration::ZERO };

    /// How much it has.
    pub const fn percent(self) -> u32 {
        self.percent
    }

    /// How long its work in hand may take, of what may take so long without the brake.
    pub fn in_hand(self, in_hand: Duration) -> Duration {
        in_hand.max(self.in_hand) * self.percent / 100
    }

    /// Looks for how long more urgent work has been in hand, and judges if it is time to.
    pub fn judge(&mut self, waited: Duration, limit: Duration, now: Instant) {
        self.worst = self.worst.max(waited);
        let since = *self.judged_at.get_or_insert(now);
        if now.saturating_duration_since(since) >= JUDGED_EVERY {
            self.in_hand = next_in_hand(self.in_hand, self.worst, limit, self.percent);
            self.percent = next(self.percent, self.worst, limit);
            (self.judged_at, self.worst) = (Some(now), Duration::ZERO);
        }
    }
}

/// How much a lane has next: half of what it had while others wait for too long, more by a quarter
/// once they wait for less than half of what they may, and the same in between.
fn next(percent: u32, waited: Duration, limit: Duration) -> u32 {
    if waited > limit {
        (percent / 2).max(FLOOR_PERCENT)
    } else if waited <= limit / 2 {
        (percent + percent / STEP + 1).min(100)
    } else {
        percent
    }
}

/// What it may have in hand next: more while all others are fresh and it has its whole share, less
/// once they are not quite, nothing once they wait for too long.
fn next_in_hand(in_hand: Duration, waited: Duration, limit: Duration, percent: u32) -> Duration {
    let fresh = limit / FRESH_PART;
    if waited > limit || percent < 100 {
        Duration::ZERO
    } else if waited > fresh * 2 {
        in_hand - in_hand / STEP
    } else if waited <= fresh {
        (in_hand + in_hand / STEP).clamp(LEAST_IN_HAND, LONGEST_IN_HAND)
    } else {
        in_hand
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn it_is_halved_while_others_wait_and_let_go_by_quarters() {
        let table = [
            // percent, waited, next; the limit is 1000 ms
            (100, 0, 100),
            (100, 1_000, 100),
            (100, 1_001, 50),
            (50, 5_000, 25),
            (3, 5_000, 1),
            (1, 60_000, 1),
            (1, 501, 1),
            (1, 500, 2),
            (50, 700, 50),
            (50, 500, 63),
            (90, 0, 100),
        ];
        for (percent, waited, wanted) in table {
            assert_eq!(next(percent, waited * MS, 1_000 * MS), wanted, "{percent} {waited}");
        }
    }

    #[test]
    fn it_has_more_in_hand_while_others_are_fresh() {
        let table = [
            // in hand, waited, percent, next; the limit is 1600 ms
            (0, 0, 100, 1),
            (40, 100, 100, 50),
            (90, 0, 100, 100),
            (40, 101, 100, 40),
            (40, 200, 100, 40),
            (40, 201, 100, 30),
            (40, 1_601, 100, 0),
            (40, 0, 99, 0),
        ];
        for (in_hand, waited, percent, wanted) in table {
            let found = next_in_hand(in_hand * MS, waited * MS, 1_600 * MS, percent);
            assert_eq!(found, wanted * MS, "{in_hand} {waited} {percent}");
        }
    }

    #[test]
    fn what_was_seen_between_two_judgements_counts_and_nothing_is_judged_more_often() {
        let (mut brake, begin) = (Brake::OPEN, Instant::now());
        for step in 0..=250 {
            // Only once it waited for too long.
            let waited = if step == 100 { 2_000 * MS } else { Duration::ZERO };
            brake.judge(waited, 1_000 * MS, begin + step * MS);
            let wanted = if step < 250 { 100 } else { 50 };
            assert_eq!(brake.percent(), wanted, "{step} ms");
        }
        for step in 250..10_000 {
            brake.judge(Duration::ZERO, 1_000 * MS, begin + step * MS);
        }
        assert_eq!(brake.percent(), 100);
    }
}
