//! How far one stamp reaches beside another: which of two documents has taken in more of the log.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use crate::identity::{EventTag, Identity, Place, SourcePosition};
use crate::marks::{Marks, REMEMBERED_EVENTS};
use crate::position::Position;
use crate::stamp::{Stamp, Waiting, Wants};

/// How far a stamp reaches beside another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Both have taken in the same.
    Same,
    /// It lacks something that the other has taken in.
    Behind,
    /// It has taken in something that the other lacks.
    Ahead,
    /// Each lacks something that the other has taken in.
    Apart,
}

impl<E> Stamp<E> {
    /// Whether it may have taken a change in and does not remember it: nothing tells by then.
    pub fn may_have_forgotten(&self, identity: &Identity) -> bool {
        let (Place::Event { position, tag } | Place::Row { position, tag, .. }) = identity.place
        else {
            return false;
        };
        self.marks.iter().filter(|(line, _)| *line == identity.line).any(|(_, marks)| match marks {
            Marks::Events { forgotten, recent } => {
                recent.len() >= REMEMBERED_EVENTS && may_have_forgotten(*forgotten, (position, tag))
            }
            Marks::Version(_) | Marks::Log(_) => false,
        })
    }

    /// Whether every line is known by versions: what they say is contiguous from the first.
    pub fn is_whole(&self) -> bool {
        self.waiting.is_empty()
            && self.marks.iter().all(|(_, marks)| matches!(marks, Marks::Version(_)))
    }

    /// Whether some line has as many events as it remembers: what comes too late is stale by then.
    pub fn has_forgotten(&self) -> bool {
        self.marks.iter().any(|(_, marks)| match marks {
            Marks::Events { recent, .. } => recent.len() >= REMEMBERED_EVENTS,
            Marks::Version(_) | Marks::Log(_) => false,
        })
    }

    /// Whether both remember the very same: then what they stamp must be the same, too. Two that
    /// have taken in the same may remember it otherwise, where lines come in several partitions.
    pub fn remembers_as(&self, other: &Self) -> bool {
        self.marks.len() == other.marks.len()
            && self
                .marks
                .iter()
                .zip(&other.marks)
                .all(|((line, mine), (other, theirs))| line == other && remembers_as(mine, theirs))
            && self.waiting_names() == other.waiting_names()
            && same_places(&self.held, &other.held)
    }

    /// How far it reaches beside another, as far as both remember.
    pub fn reach(&self, other: &Self) -> Reach {
        match (self.covers(other), other.covers(self)) {
            (true, true) => Reach::Same,
            (false, true) => Reach::Behind,
            (true, false) => Reach::Ahead,
            (false, false) => Reach::Apart,
        }
    }

    /// Whether nothing has been taken in, nor is held.
    pub const fn is_blank(&self) -> bool {
        self.marks.is_empty() && self.waiting.is_empty() && self.held.is_empty() && !self.gone
    }

    /// The events that wait, by their names.
    pub fn waiting_names(&self) -> BTreeSet<String> {
        self.waiting.iter().map(name).collect()
    }

    fn covers(&self, other: &Self) -> bool {
        let theirs = other.marks.iter().all(|(line, theirs)| {
            let mine = self.marks.binary_search_by(|(mine, _)| mine.cmp(line));
            mine.ok()
                .and_then(|at| self.marks.get(at))
                .is_some_and(|(_, mine)| covers(mine, theirs))
        });
        // What waits for an event is marked as taken in.
        let in_gaps = other.waiting.iter().filter(|other| other.wants == Wants::EarlierVersions);
        theirs && in_gaps.map(|waiting| &waiting.identity).all(|identity| self.knows(identity))
    }
}

fn name<E>(waiting: &Waiting<E>) -> String {
    format!("{} {:?}", waiting.identity.line, waiting.identity.place)
}

fn same_places(mine: &[Position], theirs: &[Position]) -> bool {
    let set = |places: &[Position]| places.iter().cloned().collect::<BTreeSet<_>>();
    mine == theirs || set(mine) == set(theirs)
}

type Remembered = (Option<SourcePosition>, EventTag);

fn remembers_as(mine: &Marks, theirs: &Marks) -> bool {
    match (mine, theirs) {
        (Marks::Events { recent: mine, .. }, Marks::Events { recent: theirs, .. }) => {
            // In which order they came is told by nobody where they came in several partitions.
            mine.len() == theirs.len()
                && mine.iter().all(|(_, tag)| theirs.iter().any(|(_, other)| other == tag))
        }
        (mine, theirs) => mine == theirs,
    }
}

/// Whether all that a line tells of was folded in another. What may have been forgotten counts.
fn covers(mine: &Marks, theirs: &Marks) -> bool {
    match (mine, theirs) {
        (Marks::Version(mine), Marks::Version(theirs)) => mine >= theirs,
        (Marks::Log(mine), Marks::Log(theirs)) => mine >= theirs,
        (Marks::Events { forgotten, recent }, Marks::Events { recent: theirs, .. }) => {
            let is_full = recent.len() >= REMEMBERED_EVENTS;
            theirs.iter().all(|(position, tag)| {
                recent.iter().any(|(_, known)| known == tag)
                    || (is_full && may_have_forgotten(*forgotten, (*position, *tag)))
            })
        }
        (Marks::Version(_) | Marks::Log(_) | Marks::Events { .. }, _) => false,
    }
}

fn may_have_forgotten(forgotten: Option<SourcePosition>, (position, _): Remembered) -> bool {
    match (forgotten, position) {
        (Some(forgotten), Some(position)) => {
            position.partial_cmp(&forgotten).is_none_or(Ordering::is_le)
        }
        (None, Some(_)) => false,
        (_, None) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::{Offset, Partition};

    type Bare = Stamp<()>;

    fn versions(line: &str, version: i64) -> Bare {
        let mut stamp = Bare::default();
        (1..=version).for_each(|version| stamp.mark(&Identity::version(line, "a", true, version)));
        stamp
    }

    fn events(ids: impl IntoIterator<Item = i64>, placed: bool) -> Bare {
        let mut stamp = Bare::default();
        for id in ids {
            let position = SourcePosition::Postgres { commit: Some(id), lsn: id };
            let identity = Identity::event("t", placed.then_some(position), &id.to_string());
            stamp.mark(&identity);
        }
        stamp
    }

    #[test]
    fn versions_reach_as_far_as_they_say() {
        let table = [(3, 3, Reach::Same), (2, 3, Reach::Behind), (4, 3, Reach::Ahead)];
        for (mine, theirs, reach) in table {
            assert_eq!(versions("t", mine).reach(&versions("t", theirs)), reach);
            assert_eq!(versions("t", mine).remembers_as(&versions("t", theirs)), mine == theirs);
        }
        assert_eq!(versions("t", 3).reach(&versions("u", 3)), Reach::Apart);
        assert_eq!(Bare::default().reach(&versions("u", 3)), Reach::Behind);
        assert!(Bare::default().is_blank() && !versions("t", 1).is_blank());
    }

    #[test]
    fn events_reach_as_far_as_they_are_remembered_in_any_order() {
        for placed in [true, false] {
            assert!(events([1, 2, 3], placed).remembers_as(&events([2, 3, 1], placed)));
            assert_eq!(events([1, 2], placed).reach(&events([2, 1, 3], placed)), Reach::Behind);
            assert_eq!(events([1, 2], placed).reach(&events([2, 3], placed)), Reach::Apart);
        }
        let (older, newer) = (events(1..=40, true), events(1..=50, true));
        assert_eq!(older.reach(&newer), Reach::Behind);
        assert_eq!(newer.reach(&older), Reach::Ahead, "what it forgot, it has folded");
        // Without positions nobody knows, but that they remember something else is seen.
        let (older, newer) = (events(1..=40, false), events(1..=50, false));
        assert!(!older.remembers_as(&newer));
    }

    #[test]
    fn a_change_is_known_once_it_is_taken_in_or_waits() {
        let mut stamp = versions("t", 2);
        let early = Identity::version("t", "a", true, 5);
        assert!(stamp.knows(&Identity::version("t", "a", true, 1)));
        assert!(!stamp.knows(&Identity::version("t", "a", true, 3)) && !stamp.knows(&early));
        let from = Position { partition: Partition::new("t", 0), offset: Offset(9) };
        stamp.waiting.push(Waiting {
            identity: early.clone(),
            from: from.clone(),
            wants: Wants::EarlierVersions,
            held: false,
            committed_ms: 0,
            since_ms: 0,
            event: (),
            record: crate::record::Record::at(from),
        });
        assert!(stamp.knows(&early));
        assert_eq!(versions("t", 2).reach(&stamp), Reach::Behind);
        assert!(!versions("t", 2).remembers_as(&stamp));
        assert_eq!(versions("t", 5).reach(&stamp), Reach::Ahead);
    }
}
