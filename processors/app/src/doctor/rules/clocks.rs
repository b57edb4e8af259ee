//! Rules about clocks: each machine's against this one's.

use crate::doctor::finding::Findings;
use crate::doctor::table;

/// Clocks that differ by more are told.
const MOST_MS: i64 = 1_000;

/// When a question was asked and answered, in this machine's milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Before it was asked.
    pub from_ms: i64,
    /// After it was answered.
    pub to_ms: i64,
}

/// Judges another clock by what it said between two readings of this one.
pub fn judge(whose: &str, theirs_ms: i64, asked: Asked, found: &mut Findings) {
    let ahead = theirs_ms - asked.to_ms;
    let behind = asked.from_ms - theirs_ms;
    let (ms, how) = if ahead > behind { (ahead, "ahead of") } else { (behind, "behind") };
    if ms > MOST_MS {
        let what = format!("its clock is {} {how} this machine's", super::span(ms));
        let mend = "let a time service keep both clocks: chronyc tracking, or timedatectl";
        found.note(&table::CLOCK_DIFFERS, whose, what, mend);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_differs_by_more_than_a_second_is_told() {
        let asked = Asked { from_ms: 10_000, to_ms: 10_500 };
        let table = [
            (10_200, None),
            (9_000, None),
            (11_500, None),
            (8_999, Some("1 s behind")),
            (12_501, Some("2 s ahead of")),
        ];
        for (theirs, wanted) in table {
            let mut found = Findings::default();
            judge("MongoDB", theirs, asked, &mut found);
            let what = found.0.first().map(|finding| finding.what.clone());
            match wanted {
                None => assert_eq!(what, None, "{theirs}"),
                Some(word) => assert!(what.unwrap().contains(word), "{theirs}"),
            }
        }
    }
}
