//! The ledger of finished positions: the only place that makes an offset to resume at.

use std::collections::VecDeque;

use crate::position::{Offset, ResumeAt};

/// One partition's open records, in the order in which they were taken in.
///
/// Offsets that never existed (compaction, aborted transactions) are simply never taken.
#[derive(Debug)]
pub struct Ledger {
    resume_at: ResumeAt,
    open: VecDeque<Entry>,
}

#[derive(Debug)]
struct Entry {
    offset: Offset,
    finished: bool,
}

impl Ledger {
    /// A ledger for a partition that is read from `resume_at` on.
    pub const fn starting_at(resume_at: ResumeAt) -> Self {
        Self { resume_at, open: VecDeque::new() }
    }

    /// Notes a record that was taken in. Answers false for one that is not behind all before it:
    /// the log delivered it again, and its first delivery settles it.
    pub fn take(&mut self, offset: Offset) -> bool {
        let after_all =
            self.open.back().map_or(!self.resume_at.covers(offset), |last| last.offset < offset);
        if after_all {
            self.open.push_back(Entry { offset, finished: false });
        }
        after_all
    }

    /// Notes that a record has its outcome and everything that follows from it is durable.
    pub fn finish(&mut self, offset: Offset) {
        if let Ok(at) = self.open.binary_search_by_key(&offset, |entry| entry.offset)
            && let Some(entry) = self.open.get_mut(at)
        {
            entry.finished = true;
        }
        while let Some(first) = self.open.front().filter(|entry| entry.finished) {
            self.resume_at = ResumeAt::past(first.offset);
            self.open.pop_front();
        }
    }

    /// Where reading would go on: right behind the last record of the contiguous finished ones.
    pub const fn resume_at(&self) -> ResumeAt {
        self.resume_at
    }

    /// How many records are taken in and not yet settled.
    pub fn unsettled(&self) -> usize {
        self.open.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(taken: &[i64], finished: &[i64], resume_at: i64) {
        let mut ledger = Ledger::starting_at(ResumeAt::stored(10));
        for &offset in taken {
            assert!(ledger.take(Offset(offset)));
        }
        for &offset in finished {
            ledger.finish(Offset(offset));
        }
        assert_eq!(ledger.resume_at().value(), resume_at);
    }

    #[test]
    fn only_contiguous_work_is_settled() {
        check(&[], &[], 10);
        check(&[10, 11, 12], &[], 10);
        check(&[10, 11, 12], &[10], 11);
        check(&[10, 11, 12], &[11, 12], 10);
        check(&[10, 11, 12], &[12, 11, 10], 13);
        check(&[12, 15, 19], &[12, 15], 16); // 10, 11, 13, 14 never existed
        check(&[12, 15, 19], &[15, 12, 12, 99], 16);
    }

    #[test]
    fn what_was_delivered_before_is_not_taken_twice() {
        let mut ledger = Ledger::starting_at(ResumeAt::stored(10));
        assert!(!ledger.take(Offset(9)));
        assert!(ledger.take(Offset(10)));
        assert!(!ledger.take(Offset(10)));
        assert_eq!(ledger.unsettled(), 1);
    }
}
