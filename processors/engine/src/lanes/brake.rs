//! The brake of a lane: how much it has of what it would have, so that more urgent ones stay fresh.

use std::time::{Duration, Instant};

/// It is judged so often.
const JUDGED_EVERY: Duration = Duration::from_millis(250);
/// However stale others are, so much is left: what is to catch up does so in the end.
const FLOOR_PERCENT: u32 = 1;

/// The brake of one lane.
#[derive(Debug, Clone, Copy)]
pub struct Brake {
    percent: u32,
    judged_at: Option<Instant>,
    /// For how long the oldest was in hand that was seen since.
    worst: Duration,
}

impl Brake {
    /// It has all of it.
    pub const OPEN: Self = Self { percent: 100, judged_at: None, worst: Duration::ZERO };

    /// How much it has.
    pub const fn percent(self) -> u32 {
        self.percent
    }

    /// Looks for how long more urgent work has been in hand, and judges if it is time to.
    pub fn judge(&mut self, waited: Duration, limit: Duration, now: Instant) {
        self.worst = self.worst.max(waited);
        let since = *self.judged_at.get_or_insert(now);
        if now.saturating_duration_since(since) >= JUDGED_EVERY {
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
        (percent + percent / 4 + 1).min(100)
    } else {
        percent
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
