//! For how long records are in hand, from when they were polled until they are settled.
//!
//! Neither their own times nor those of their sources say so: what is replayed is as old as it is.

use std::time::{Duration, Instant};

use readmill_core::ResumeAt;

/// The time in hand, measured by one record at a time.
#[derive(Debug, Clone, Copy, Default)]
pub struct QueueTime {
    /// The place that is waited for, and since when.
    probe: Option<(ResumeAt, Instant)>,
    /// How long the one before took.
    last: Duration,
}

impl QueueTime {
    /// Looks how far things are: up to where was polled, as long as anything is in hand, and up to
    /// where is settled. Answers for how long what is in hand has been, as far as is known.
    pub fn look(
        &mut self,
        polled: Option<ResumeAt>,
        settled: Option<ResumeAt>,
        now: Instant,
    ) -> Duration {
        if let Some((upto, since)) = self.probe
            && settled.is_some_and(|settled| settled >= upto)
        {
            self.last = now.saturating_duration_since(since);
            self.probe = None;
        }
        let Some(polled) = polled else {
            *self = Self::default();
            return Duration::ZERO;
        };
        let (_, since) = *self.probe.get_or_insert((polled, now));
        self.last.max(now.saturating_duration_since(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn time_in_hand_is_that_of_the_oldest_and_ends_with_it() {
        let begin = Instant::now();
        let mut queue = QueueTime::default();
        let at = |n| Some(ResumeAt::stored(n));
        // when, polled, settled, in hand
        let table = [
            (0, at(10), None, 0),
            (40, at(20), at(5), 40),
            (90, at(30), at(9), 90),
            (100, at(30), at(10), 100),
            (120, at(40), at(12), 100),
            (250, at(40), at(29), 150),
            (260, at(50), at(30), 160),
            (270, at(50), at(50), 10),
            (290, None, at(50), 0),
            (900, at(60), at(50), 0),
            (930, at(60), at(50), 30),
        ];
        for (ms, polled, settled, wanted) in table {
            let found = queue.look(polled, settled, begin + ms * MS);
            assert_eq!(found, wanted * MS, "after {ms} ms");
        }
    }
}
