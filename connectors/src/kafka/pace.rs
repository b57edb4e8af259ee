//! How fast the workers of lesser lanes are, as their work comes back.

use std::time::{Duration, Instant};

use readmill_engine::Pace;

/// Fewer records are not worth a write of their own.
const LEAST_RECORDS: usize = 16;
/// Work that goes on without a break is measured so often.
const SPELL: Duration = Duration::from_millis(100);
/// A measure counts for one part in so many, so that one slow write is no verdict.
const PARTS: f64 = 4.0;
/// What is believed before anything is measured.
const FIRST_RECORDS_PER_MS: f64 = 5.0;

/// The pace of a log's lesser lanes.
#[derive(Debug)]
pub struct LesserPace {
    records_per_ms: f64,
    /// How many records are in work.
    open: usize,
    /// When the present spell of work began, and how much was settled then.
    spell: Option<(Instant, u64)>,
}

impl LesserPace {
    /// Nothing is known yet.
    pub const fn new() -> Self {
        Self { records_per_ms: FIRST_RECORDS_PER_MS, open: 0, spell: None }
    }

    /// Looks how much is in work, and how much was ever settled.
    pub fn look(&mut self, open: usize, settled: u64, now: Instant) {
        self.open = open;
        let Some((began, before)) = self.spell else {
            self.spell = (open > 0).then_some((now, settled));
            return;
        };
        let lasted = now.saturating_duration_since(began);
        if open > 0 && lasted < SPELL {
            return;
        }
        let millis = lasted.as_secs_f64() * 1000.0;
        if millis > 0.0 && settled > before {
            let found = (settled - before) as f64 / millis;
            self.records_per_ms += (found - self.records_per_ms) / PARTS;
        }
        self.spell = (open > 0).then_some((now, settled));
    }

    /// More was handed on.
    pub const fn hand_on(&mut self, records: usize) {
        self.open += records;
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
    fn within(&self, time: Duration) -> usize {
        (self.records_per_ms * time.as_secs_f64() * 1000.0) as usize
    }
}

impl Pace for LesserPace {
    fn room(&self, within: Duration) -> usize {
        let most = self.within(within);
        if most < LEAST_RECORDS { 0 } else { most.saturating_sub(self.open) }
    }

    fn slice(&self, within: Duration) -> usize {
        if self.open > 0 { 0 } else { self.within(within).max(LEAST_RECORDS) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn work_that_comes_back_tells_how_much_is_done_in_a_time() {
        let mut pace = LesserPace::new();
        assert_eq!(pace.room(100 * MS), 500);
        let begin = Instant::now();
        let mut settled = 0;
        for step in 0..50 {
            let at = begin + 10 * MS * step;
            pace.look(0, settled, at);
            pace.look(40, settled, at);
            settled += 40;
            pace.look(0, settled, at + 2 * MS);
        }
        // 40 records in two milliseconds, again and again.
        assert!((1_990..=2_010).contains(&pace.room(100 * MS)), "{}", pace.room(100 * MS));
        pace.hand_on(1_500);
        assert!((490..=510).contains(&pace.room(100 * MS)), "{}", pace.room(100 * MS));
    }

    #[test]
    fn little_is_not_worth_a_write_unless_it_is_a_turn() {
        let mut pace = LesserPace::new();
        assert_eq!((pace.room(3 * MS), pace.slice(MS)), (0, LEAST_RECORDS));
        pace.hand_on(1);
        assert_eq!(pace.slice(100 * MS), 0, "a turn waits until the one before is done");
    }

    #[test]
    fn work_without_a_break_is_measured_too() {
        let mut pace = LesserPace::new();
        let begin = Instant::now();
        for step in 0..100 {
            pace.look(1_000, u64::from(step) * 3_000, begin + SPELL * step);
        }
        assert!((2_990..=3_010).contains(&(pace.room(SPELL) + 1_000)), "{}", pace.room(SPELL));
    }
}
