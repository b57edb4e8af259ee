//! How many records the log has beyond what is settled, by what the client library tells aside, and
//! for how long the oldest of those in hand has been there.

use std::collections::VecDeque;
use std::time::{SystemTime, UNIX_EPOCH};

use rdkafka::statistics;
use readmill_core::ResumeAt;
use readmill_engine::Record;

/// What the client library knows of a partition.
#[derive(Debug, Clone, Copy)]
pub struct Sight {
    /// One past the last record that is committed; negative while unknown.
    end: i64,
    /// The first one that is kept; negative while unknown.
    begin: i64,
    /// Where it fetches next, beyond the ends of transactions that no poll brings.
    fetches: i64,
    /// What the group has committed; negative if nothing.
    committed: i64,
    /// Records that it has fetched and nobody has polled.
    unpolled: i64,
}

impl From<&statistics::Partition> for Sight {
    fn from(told: &statistics::Partition) -> Self {
        Self {
            end: told.ls_offset,
            begin: told.lo_offset,
            fetches: told.next_offset,
            committed: told.committed_offset,
            unpolled: told.fetchq_cnt,
        }
    }
}

impl Sight {
    /// How many records lie beyond what is settled, if that is known. What is left when all records
    /// were read and nothing is in hand are ends of transactions.
    pub fn lag(self, settled: Option<ResumeAt>, is_busy: bool) -> Option<i64> {
        let Self { end, begin, fetches, committed, unpolled } = self;
        if end < 0 {
            return None;
        }
        if !is_busy && unpolled == 0 && fetches >= end {
            return Some(0);
        }
        let known = |at: i64| (at >= 0).then_some(at);
        let at = settled.map(ResumeAt::value).or(known(committed)).or(known(begin))?;
        Some((end - at).max(0))
    }
}

/// When batches came to the log that were handed on and are not settled.
#[derive(Debug, Default)]
pub struct Ages(VecDeque<Batch>);

#[derive(Debug, Clone, Copy)]
struct Batch {
    /// One past its last record.
    end: i64,
    /// When its first record came to the log.
    since_ms: i64,
}

/// So many are remembered; the last of them stands for those behind it, too: none is to look
/// younger than it is.
const REMEMBERED: usize = 1_000;

impl Ages {
    /// A batch was handed on.
    pub fn handed_on(&mut self, first: &Record, last: &Record, settled: Option<ResumeAt>) {
        self.forget(settled);
        let batch = Batch { end: last.position.offset.0 + 1, since_ms: first.timestamp_ms };
        let is_full = self.0.len() >= REMEMBERED;
        match self.0.back_mut() {
            Some(before) if is_full => before.end = batch.end,
            Some(_) | None => self.0.push_back(batch),
        }
    }

    /// When the oldest record came that is not settled, to the batch: of those that were handed on,
    /// and then of those that wait; none if there is none.
    pub fn oldest_ms(
        &mut self,
        settled: Option<ResumeAt>,
        pending: Option<&Record>,
    ) -> Option<i64> {
        self.forget(settled);
        let handed = self.0.front().map(|batch| batch.since_ms);
        handed.or_else(|| pending.map(|record| record.timestamp_ms))
    }

    fn forget(&mut self, settled: Option<ResumeAt>) {
        let is_settled = |batch: &Batch| settled.is_some_and(|at| at.value() >= batch.end);
        while self.0.front().is_some_and(is_settled) {
            self.0.pop_front();
        }
    }
}

/// So many seconds ago; 0 without a time, or with one to come.
pub fn age(since_ms: Option<i64>, now: SystemTime) -> f64 {
    let now_ms = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1000.0;
    since_ms.map_or(0.0, |since_ms| (now_ms - since_ms as f64).max(0.0) / 1000.0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use readmill_core::{Offset, Partition, Position};

    use super::*;

    fn record(offset: i64) -> Record {
        let partition = Partition::new("t", 0);
        Record {
            position: Position { partition, offset: Offset(offset) },
            timestamp_ms: 1_000 + offset,
            key: None,
            value: None,
            headers: Vec::new(),
        }
    }

    #[test]
    fn the_oldest_is_the_first_of_the_first_batch_that_is_not_settled() {
        let mut ages = Ages::default();
        let settled = |at| Some(ResumeAt::stored(at));
        assert_eq!(ages.oldest_ms(None, None), None);
        assert_eq!(ages.oldest_ms(None, Some(&record(7))), Some(1_007));
        ages.handed_on(&record(0), &record(9), None);
        ages.handed_on(&record(10), &record(19), settled(4));
        assert_eq!(ages.oldest_ms(settled(9), Some(&record(20))), Some(1_000));
        assert_eq!(ages.oldest_ms(settled(10), Some(&record(20))), Some(1_010));
        assert_eq!(ages.oldest_ms(settled(20), Some(&record(20))), Some(1_020));
        assert_eq!(ages.oldest_ms(settled(20), None), None);
    }

    #[test]
    fn batches_beyond_those_that_are_remembered_look_no_younger_than_they_are() {
        let mut ages = Ages::default();
        let many = i64::try_from(REMEMBERED).unwrap() + 5;
        for at in 0..many {
            ages.handed_on(&record(at), &record(at), None);
        }
        assert_eq!(ages.0.len(), REMEMBERED);
        let all_but_one = Some(ResumeAt::stored(many - 1));
        let last = i64::try_from(REMEMBERED).unwrap() - 1;
        assert_eq!(ages.oldest_ms(all_but_one, None), Some(1_000 + last));
    }

    #[test]
    fn an_age_is_in_seconds_and_never_below_none() {
        let now = UNIX_EPOCH + Duration::from_millis(10_500);
        let table = [(Some(8_000), 2.5), (Some(20_000), 0.0), (None, 0.0)];
        for (since_ms, wanted) in table {
            assert!((age(since_ms, now) - wanted).abs() < 1e-9, "{since_ms:?}");
        }
    }

    #[test]
    fn what_lies_beyond_is_counted_and_ends_of_transactions_are_none() {
        let sight = |end, fetches, committed, unpolled| Sight {
            end,
            begin: 10,
            fetches,
            committed,
            unpolled,
        };
        // what is seen, settled, busy, lag
        let table = [
            (sight(-1001, 0, -1001, 0), None, false, None),
            (sight(100, 40, 30, 5), Some(35), true, Some(65)),
            // Nothing was settled since it was assigned: the group says, or the log's beginning.
            (sight(100, 40, 30, 5), None, true, Some(70)),
            (sight(100, 40, -1001, 5), None, true, Some(90)),
            // All is read and settled; the last offset is the end of a transaction.
            (sight(100, 100, 99, 0), Some(99), false, Some(0)),
            (sight(100, 100, 99, 0), Some(99), true, Some(1)),
            (sight(100, 100, 99, 1), Some(99), false, Some(1)),
            // The log was cut off, or has not been asked for its end lately.
            (sight(50, 40, 60, 1), Some(60), true, Some(0)),
        ];
        for (sight, settled, is_busy, wanted) in table {
            let settled = settled.map(ResumeAt::stored);
            assert_eq!(sight.lag(settled, is_busy), wanted, "{sight:?}");
        }
    }
}
