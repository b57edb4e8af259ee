//! What a stamp has taken in, held against another one: equal knowledge must mean an equal state.

use crate::identity::{Identity, Place};
use crate::marks::{Marks, REMEMBERED_EVENTS, Verdict};
use crate::stamp::{Stamp, Wants};

impl<E> Stamp<E> {
    /// Whether it has taken in a change, or lets one wait, that another one knows nothing of.
    pub fn knows_beyond(&self, other: &Self) -> bool {
        let line = |line: &str| other.find(line).ok().and_then(|at| other.marks.get(at));
        let marked =
            |(name, marks): &(String, Marks)| marks.know_beyond(line(name).map(|(_, marks)| marks));
        let in_gaps = self.waiting.iter().filter(|waits| waits.wants == Wants::EarlierVersions);
        self.marks.iter().any(marked) || in_gaps.map(|w| &w.identity).any(|id| !other.knows(id))
    }

    /// Whether a change was taken in, or waits.
    pub fn knows(&self, identity: &Identity) -> bool {
        is_known(self.judge(identity)) || self.waiting.iter().any(|w| w.identity == *identity)
    }

    /// Whether it tells every change that was ever taken in, so that none of them can be missing
    /// from another one that knows the same.
    pub fn knows_all(&self) -> bool {
        self.marks.iter().all(|(_, marks)| marks.know_all())
    }
}

impl Marks {
    fn know_beyond(&self, other: Option<&Self>) -> bool {
        let is_new = |place| !is_known(Self::judge(other, place));
        match self {
            Self::Version(version) => *version > 0 && is_new(Place::Version(*version)),
            Self::Log(offset) => is_new(Place::Log(*offset)),
            Self::Events { recent, .. } => recent
                .iter()
                .any(|(position, tag)| is_new(Place::Event { position: *position, tag: *tag })),
        }
    }

    fn know_all(&self) -> bool {
        match self {
            Self::Version(_) => true,
            Self::Events { forgotten, recent } => {
                forgotten.is_none() && recent.len() < REMEMBERED_EVENTS
            }
            Self::Log(_) => false,
        }
    }
}

const fn is_known(verdict: Verdict) -> bool {
    match verdict {
        Verdict::Repeat | Verdict::Stale => true,
        Verdict::Fold | Verdict::FoldUndecided | Verdict::Early => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::SourcePosition;
    use crate::position::{Offset, Partition};

    fn stamp(changes: &[Identity]) -> Stamp<()> {
        let mut stamp = Stamp::default();
        changes.iter().for_each(|change| stamp.mark(change));
        stamp
    }

    fn version(n: i64) -> Identity {
        Identity::version("t", "a", true, n)
    }

    fn event(lsn: i64) -> Identity {
        let position = Some(SourcePosition::Postgres { commit: Some(lsn), lsn });
        Identity::event("t", position, &lsn.to_string())
    }

    #[test]
    fn what_one_knows_beyond_another() {
        let offset = |n| Identity::log(&Partition::new("t", 0), Offset(n));
        let table = [
            // one, another, what each knows beyond the other
            (vec![], vec![], (false, false)),
            (vec![version(1)], vec![], (true, false)),
            (vec![version(1), version(2)], vec![version(1)], (true, false)),
            (vec![version(1)], vec![event(1)], (true, true)),
            (vec![event(1), event(2)], vec![event(2), event(1)], (false, false)),
            (vec![event(1), event(2)], vec![event(1), event(3)], (true, true)),
            (vec![offset(3)], vec![offset(5)], (false, true)),
        ];
        for (one, another, wanted) in table {
            let (left, right) = (stamp(&one), stamp(&another));
            let found = (left.knows_beyond(&right), right.knows_beyond(&left));
            assert_eq!(found, wanted, "{one:?} and {another:?}");
        }
    }

    #[test]
    fn a_line_that_has_forgotten_does_not_know_all() {
        let few: Vec<Identity> = (1..10).map(event).collect();
        let many: Vec<Identity> = (1..100).map(event).collect();
        assert!(stamp(&few).knows_all() && stamp(&[version(1)]).knows_all());
        assert!(!stamp(&many).knows_all());
        // What was forgotten is known by its position.
        assert!(!stamp(&few).knows_beyond(&stamp(&many)));
    }
}
