//! How many records the log has beyond what is settled, by what the client library tells aside.

use rdkafka::statistics;
use readmill_core::ResumeAt;

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

#[cfg(test)]
mod tests {
    use super::*;

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
