//! Finished positions beyond the one to resume at: what a restart need not do again.
//!
//! Doing it again would be harmless, since stamps know it. This saves the work, and the repeats of
//! reactions. So whatever cannot be read, or does not fit, is left out.

use std::fmt::Write as _;

use crate::position::{Offset, ResumeAt};

/// What the text begins with; another version begins otherwise.
const VERSION: &str = "rm1;";

/// Runs of finished offsets, ascending, each from its first up to but without its end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Finished {
    runs: Vec<(i64, i64)>,
}

impl Finished {
    /// The finished ones of open records. Offsets between two records never existed, so that a run
    /// goes on over them.
    pub fn beyond(open: impl Iterator<Item = (Offset, bool)>) -> Self {
        let mut runs: Vec<(i64, i64)> = Vec::new();
        let mut in_run = false;
        for (Offset(offset), finished) in open {
            match runs.last_mut().filter(|_| in_run) {
                Some((_, end)) if finished => *end = offset + 1,
                Some(_) | None if finished => runs.push((offset, offset + 1)),
                Some(_) | None => {}
            }
            in_run = finished;
        }
        Self { runs }
    }

    /// Whether nothing is known.
    pub const fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Whether the record at `offset` is finished.
    pub fn covers(&self, Offset(offset): Offset) -> bool {
        let after = self.runs.partition_point(|(first, _)| *first <= offset);
        let run = after.checked_sub(1).and_then(|at| self.runs.get(at));
        run.is_some_and(|(_, end)| offset < *end)
    }

    /// As a text of at most `max_bytes`, for a log that keeps one beside the position.
    pub fn to_text(&self, resume_at: ResumeAt, max_bytes: usize) -> String {
        let mut text = VERSION.to_owned();
        let mut from = resume_at.value();
        for (first, end) in &self.runs {
            let before = text.len();
            // A text takes what is written to it.
            let _ = write!(text, "{:x}+{:x},", first - from, end - first);
            if text.len() > max_bytes {
                text.truncate(before);
                break;
            }
            from = *end;
        }
        if text.len() == VERSION.len() { String::new() } else { text }
    }

    /// Reads what [`Self::to_text`] wrote; nothing of what it did not.
    pub fn from_text(text: &str, resume_at: ResumeAt) -> Self {
        let Some(runs) = text.strip_prefix(VERSION) else { return Self::default() };
        let mut from = resume_at.value();
        let mut read = Vec::new();
        for run in runs.split_terminator(',') {
            let Some((first, end)) = read_run(run, from) else { return Self::default() };
            read.push((first, end));
            from = end;
        }
        Self { runs: read }
    }

    #[cfg(test)]
    pub(crate) fn from_runs(runs: &[(i64, i64)]) -> Self {
        Self { runs: runs.to_vec() }
    }
}

fn read_run(text: &str, from: i64) -> Option<(i64, i64)> {
    let (ahead, length) = text.split_once('+')?;
    let number = |digits| i64::from_str_radix(digits, 16).ok().filter(|number| *number >= 0);
    let first = from.checked_add(number(ahead)?)?;
    let length = number(length).filter(|length| *length > 0)?;
    Some((first, first.checked_add(length)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_is_bounded_and_what_does_not_fit_is_left_out() {
        let finished = Finished::from_runs(&[(12, 14), (20, 60), (70, 71)]);
        let at = ResumeAt::stored(10);
        assert_eq!(finished.to_text(at, 100), "rm1;2+2,6+28,a+1,");
        assert_eq!(finished.to_text(at, 14), "rm1;2+2,6+28,");
        assert_eq!(finished.to_text(at, 5), "");
        assert_eq!(Finished::default().to_text(at, 100), "");
    }

    #[test]
    fn what_is_not_ours_says_nothing() {
        for text in ["", "rm2;2+2,", "rm1;2+0,", "rm1;-1+2,", "rm1;x", "rm1;7fffffffffffffff+1,"] {
            assert_eq!(Finished::from_text(text, ResumeAt::stored(10)), Finished::default());
        }
    }

    proptest! {
        #[test]
        fn a_text_reads_back(open in prop::collection::vec((1..9_i64, any::<bool>()), 0..60)) {
            let mut at = 9;
            let open: Vec<(Offset, bool)> = open
                .into_iter()
                .map(|(gap, finished)| { at += gap; (Offset(at), finished) })
                .collect();
            let finished = Finished::beyond(open.iter().copied());
            let text = finished.to_text(ResumeAt::stored(10), 4096);
            prop_assert_eq!(&Finished::from_text(&text, ResumeAt::stored(10)), &finished);
            for (offset, is_finished) in open {
                prop_assert_eq!(finished.covers(offset), is_finished);
            }
        }

        #[test]
        fn any_text_is_read_without_harm(text in "(rm1;)?[0-9a-f+,-]{0,40}") {
            let _ = Finished::from_text(&text, ResumeAt::stored(i64::MAX - 3));
        }
    }
}
