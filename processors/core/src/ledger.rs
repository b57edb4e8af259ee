//! The ledger of finished positions: the only place that makes an offset to resume at.

use std::collections::VecDeque;

use crate::finished::Finished;
use crate::guard::{Guard, stands};
use crate::position::{Offset, ResumeAt};

/// One partition's open records, in the order in which they were taken in.
///
/// Offsets that never existed (compaction, aborted transactions) are simply never taken.
#[derive(Debug)]
pub struct Ledger {
    resume_at: ResumeAt,
    open: VecDeque<Entry>,
    /// What had been finished beyond `resume_at` when the partition was last given back.
    known: Finished,
}

#[derive(Debug)]
struct Entry {
    offset: Offset,
    finished: bool,
}

/// What the ledger says of a record that comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entered {
    /// It is new here: it is open until it is finished.
    Open,
    /// Whoever had the partition before finished it.
    FinishedBefore,
    /// The log delivers it again; its first delivery settles it.
    Again,
}

impl Ledger {
    /// A ledger for a partition that is read from `resume_at` on, but for what is `known`.
    pub const fn starting_at(resume_at: ResumeAt, known: Finished) -> Self {
        Self { resume_at, open: VecDeque::new(), known }
    }

    /// Enters a record that was taken in.
    pub fn enter(&mut self, offset: Offset) -> Entered {
        if self.has_met(offset) {
            return Entered::Again;
        }
        let finished = self.known.covers(offset);
        self.open.push_back(Entry { offset, finished });
        if finished {
            self.advance();
            return Entered::FinishedBefore;
        }
        Entered::Open
    }

    /// Whether the record at `offset`, or one behind it, was entered before.
    pub fn has_met(&self, offset: Offset) -> bool {
        self.open.back().map_or(self.resume_at.covers(offset), |last| offset <= last.offset)
    }

    /// Notes that a record has its outcome and everything that follows from it is durable.
    pub fn finish(&mut self, offset: Offset) {
        if let Ok(at) = self.open.binary_search_by_key(&offset, |entry| entry.offset)
            && let Some(entry) = self.open.get_mut(at)
        {
            entry.finished = true;
        }
        if !stands(Guard::Contiguity) {
            self.resume_at = self.resume_at.max(ResumeAt::past(offset));
        }
        self.advance();
    }

    fn advance(&mut self) {
        while let Some(first) = self.open.front().filter(|entry| entry.finished) {
            self.resume_at = ResumeAt::past(first.offset);
            self.open.pop_front();
        }
    }

    /// Where reading would go on: right behind the last record of the contiguous finished ones.
    pub const fn resume_at(&self) -> ResumeAt {
        self.resume_at
    }

    /// What is finished beyond that.
    pub fn finished(&self) -> Finished {
        let open = self.open.iter().map(|entry| (entry.offset, entry.finished));
        Finished::beyond(open)
    }

    /// How many records are taken in and not yet settled.
    pub fn unsettled(&self) -> usize {
        self.open.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger() -> Ledger {
        Ledger::starting_at(ResumeAt::stored(10), Finished::default())
    }

    #[track_caller]
    fn check(taken: &[i64], finished: &[i64], resume_at: i64, beyond: &[(i64, i64)]) {
        let mut ledger = ledger();
        for &offset in taken {
            assert_eq!(ledger.enter(Offset(offset)), Entered::Open);
        }
        for &offset in finished {
            ledger.finish(Offset(offset));
        }
        assert_eq!(ledger.resume_at().value(), resume_at);
        assert_eq!(ledger.finished(), Finished::from_runs(beyond));
    }

    #[test]
    fn only_contiguous_work_is_settled_and_the_rest_is_remembered() {
        check(&[], &[], 10, &[]);
        check(&[10, 11, 12], &[], 10, &[]);
        check(&[10, 11, 12], &[10], 11, &[]);
        check(&[10, 11, 12], &[11, 12], 10, &[(11, 13)]);
        check(&[10, 11, 12], &[12, 11, 10], 13, &[]);
        check(&[12, 15, 19], &[12, 15], 16, &[]); // 10, 11, 13, 14 never existed
        check(&[12, 15, 19], &[15, 12, 12, 99], 16, &[]);
        check(&[12, 15, 19, 20, 25], &[15, 19, 25], 10, &[(15, 20), (25, 26)]);
    }

    #[test]
    fn what_was_delivered_before_is_not_taken_twice() {
        let mut ledger = ledger();
        assert_eq!(ledger.enter(Offset(9)), Entered::Again);
        assert_eq!(ledger.enter(Offset(10)), Entered::Open);
        assert_eq!(ledger.enter(Offset(10)), Entered::Again);
        assert_eq!(ledger.unsettled(), 1);
    }

    #[test]
    fn what_was_finished_before_is_not_open_again() {
        let known = Finished::from_runs(&[(10, 12), (13, 14)]);
        let mut ledger = Ledger::starting_at(ResumeAt::stored(9), known);
        let entered: Vec<Entered> = (9..15).map(|offset| ledger.enter(Offset(offset))).collect();
        use Entered::{FinishedBefore, Open};
        assert_eq!(entered, [Open, FinishedBefore, FinishedBefore, Open, FinishedBefore, Open]);
        ledger.finish(Offset(9));
        assert_eq!(ledger.resume_at().value(), 12);
        assert_eq!(ledger.finished(), Finished::from_runs(&[(13, 14)]));
    }
}
