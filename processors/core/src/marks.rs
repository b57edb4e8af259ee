//! What one line of changes has folded, and the judgement of a change against it.

use std::cmp::Ordering;
use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::identity::{EventTag, Place, SourcePosition};
use crate::position::Offset;

/// How many events of one line a document remembers by id.
pub const REMEMBERED_EVENTS: usize = 32;

/// How many, if the oldest of them were committed under one position.
pub const MAX_REMEMBERED_EVENTS: usize = 1024;

/// What a line has folded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Marks {
    /// All versions up to this one.
    #[serde(rename = "version")]
    Version(i64),
    /// The last events by id, and the highest position that was forgotten.
    #[serde(rename = "events")]
    Events {
        /// Everything at or below is older than memory reaches.
        forgotten: Option<SourcePosition>,
        /// The last events, oldest first.
        recent: VecDeque<(Option<SourcePosition>, EventTag)>,
    },
    /// All offsets up to this one.
    #[serde(rename = "offset")]
    Log(Offset),
}

/// The answer to both questions about a change: have I folded it, and is it too old to tell?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// New: fold it.
    Fold,
    /// Not remembered, and its position cannot be compared with what was forgotten: folded, since
    /// dropping it could lose data, and counted.
    FoldUndecided,
    /// This very change is folded.
    Repeat,
    /// Older than memory reaches: its source has moved on, so it is a repeat or hopelessly late.
    Stale,
    /// Versions before it are missing.
    Early,
}

impl Marks {
    /// Judges a change against a line; `None` is a line that has folded nothing.
    pub fn judge(marks: Option<&Self>, place: Place) -> Verdict {
        match (place, marks) {
            (Place::Version(version), Some(Self::Version(floor))) => judge_version(*floor, version),
            (Place::Version(version), _) => judge_version(0, version),
            (Place::Event { position, tag }, Some(Self::Events { forgotten, recent })) => {
                if recent.iter().any(|(_, remembered)| *remembered == tag) {
                    Verdict::Repeat
                } else {
                    judge_unremembered(*forgotten, position)
                }
            }
            (Place::Row { position, snapshot, tag }, Some(Self::Events { forgotten, recent })) => {
                if recent.iter().any(|(_, remembered)| *remembered == tag) {
                    return Verdict::Repeat;
                }
                let streamed = recent.iter().filter_map(|(position, _)| *position);
                let streamed = streamed.chain(*forgotten);
                if snapshot {
                    judge_read(streamed, position)
                } else {
                    judge_row(streamed, position)
                }
            }
            (Place::Log(offset), Some(Self::Log(high))) if offset <= *high => Verdict::Repeat,
            (Place::Event { .. } | Place::Row { .. } | Place::Log(_), _) => Verdict::Fold,
        }
    }

    /// The marks of a line whose first change is `place`.
    pub fn first(place: Place) -> Self {
        match place {
            Place::Version(version) => Self::Version(version),
            Place::Log(offset) => Self::Log(offset),
            Place::Event { position, tag } | Place::Row { position, snapshot: false, tag } => {
                Self::Events { forgotten: None, recent: VecDeque::from([(position, tag)]) }
            }
            // No change is older for having come after a snapshot.
            Place::Row { snapshot: true, tag, .. } => {
                Self::Events { forgotten: None, recent: VecDeque::from([(None, tag)]) }
            }
        }
    }

    /// Notes one more change.
    pub fn advance(&mut self, place: Place) {
        match (self, place) {
            (Self::Events { forgotten, recent }, Place::Event { .. } | Place::Row { .. }) => {
                if let Self::Events { recent: first, .. } = Self::first(place) {
                    recent.extend(first);
                }
                forget(forgotten, recent);
            }
            (marks, place) => *marks = Self::first(place),
        }
    }
}

/// Forgets the oldest events, all of one position together: below what is forgotten everything is
/// stale, so none of that position may be remembered or still come. A transaction that writes
/// more than fits leaves that line open: its forgotten rows would be folded again.
fn forget(
    forgotten: &mut Option<SourcePosition>,
    recent: &mut VecDeque<(Option<SourcePosition>, EventTag)>,
) {
    while recent.len() > REMEMBERED_EVENTS {
        let oldest = recent.front().and_then(|(position, _)| *position);
        let together = recent.iter().take_while(|(at, _)| oldest.is_some() && *at == oldest);
        let together = together.count().max(1);
        if recent.len() - together >= REMEMBERED_EVENTS {
            recent.drain(..together);
            let is_newer = |known: &SourcePosition| {
                oldest.is_some_and(|at| !at.partial_cmp(known).is_some_and(Ordering::is_le))
            };
            if forgotten.as_ref().is_none_or(is_newer) {
                *forgotten = oldest.or(*forgotten);
            }
        } else if recent.len() > MAX_REMEMBERED_EVENTS {
            recent.pop_front();
        } else {
            return;
        }
    }
}

const fn judge_version(floor: i64, version: i64) -> Verdict {
    if version <= floor {
        Verdict::Repeat
    } else if version == floor + 1 {
        Verdict::Fold
    } else {
        Verdict::Early
    }
}

fn judge_unremembered(
    forgotten: Option<SourcePosition>,
    position: Option<SourcePosition>,
) -> Verdict {
    let (Some(forgotten), Some(position)) = (forgotten, position) else {
        return Verdict::Fold;
    };
    match position.partial_cmp(&forgotten) {
        Some(order) if order.is_gt() => Verdict::Fold,
        Some(_) => Verdict::Stale,
        None => Verdict::FoldUndecided,
    }
}

/// A row's image that is older than one of those folded is stale.
fn judge_row(
    folded: impl Iterator<Item = SourcePosition>,
    position: Option<SourcePosition>,
) -> Verdict {
    let (mut newer, mut unknown) = (false, false);
    for known in folded {
        match position.and_then(|position| position.partial_cmp(&known)) {
            Some(Ordering::Less) => return Verdict::Stale,
            Some(Ordering::Equal | Ordering::Greater) => newer = true,
            None => unknown = true,
        }
    }
    if unknown && !newer { Verdict::FoldUndecided } else { Verdict::Fold }
}

/// A row as a snapshot read it is stale once a change was folded that the snapshot did not see.
fn judge_read(
    folded: impl Iterator<Item = SourcePosition>,
    stood: Option<SourcePosition>,
) -> Verdict {
    let mut verdict = Verdict::Fold;
    for known in folded {
        match stood.map(|stood| known.is_in_snapshot(&stood)) {
            Some(Some(true)) => {}
            Some(None) => verdict = Verdict::FoldUndecided,
            Some(Some(false)) | None => return Verdict::Stale,
        }
    }
    verdict
}

#[cfg(test)]
mod tests {
    use readmill_schemas::row::RowOp;

    use super::*;
    use crate::identity::Identity;

    fn event(lsn: i64) -> Place {
        let position = Some(SourcePosition::Postgres { commit: Some(lsn), lsn });
        Place::Event { position, tag: EventTag::of(&lsn.to_string()) }
    }

    #[test]
    fn a_version_line_is_contiguous() {
        use Verdict::{Early, Fold, Repeat};
        let table = [(None, 1, Fold), (None, 2, Early), (Some(4), 4, Repeat), (Some(4), 1, Repeat)];
        for (floor, version, verdict) in table {
            let marks = floor.map(Marks::Version);
            assert_eq!(Marks::judge(marks.as_ref(), Place::Version(version)), verdict);
        }
        assert_eq!(Marks::judge(Some(&Marks::Version(4)), Place::Version(5)), Fold);
        assert_eq!(Marks::judge(Some(&Marks::Version(4)), Place::Version(6)), Early);
    }

    #[test]
    fn an_event_line_decides_by_id_first_and_by_position_only_beyond_memory() {
        let mut marks = Marks::first(event(1000));
        for n in 1..REMEMBERED_EVENTS {
            marks.advance(event(1000 + i64::try_from(n).unwrap() * 10));
        }
        let judge = |marks: &Marks, place| Marks::judge(Some(marks), place);
        assert_eq!(judge(&marks, event(1000)), Verdict::Repeat);
        assert_eq!(judge(&marks, event(990)), Verdict::Fold, "late, but nothing is forgotten");
        marks.advance(event(5000));
        assert_eq!(judge(&marks, event(1000)), Verdict::Stale, "forgotten: republished");
        assert_eq!(judge(&marks, event(1005)), Verdict::Fold, "swapped, within memory");
        assert_eq!(judge(&marks, event(5001)), Verdict::Fold);
        let unknown = Some(SourcePosition::Postgres { commit: None, lsn: 7 });
        let place = Place::Event { position: unknown, tag: EventTag::of("new") };
        assert_eq!(judge(&marks, place), Verdict::FoldUndecided);
    }

    #[test]
    fn a_row_takes_no_older_image() {
        use RowOp::{Delete, Read, Update};
        let at = |commit, lsn| Some(SourcePosition::Postgres { commit, lsn });
        let place = |op, position| Identity::row("t", "7", true, op, position).place;
        let mut marks = Marks::first(place(Read, at(None, 5)));
        let judge = |marks: &Marks, op, position| Marks::judge(Some(marks), place(op, position));
        assert_eq!(judge(&marks, Read, at(None, 5)), Verdict::Repeat);
        assert_eq!(judge(&marks, Read, at(None, 9)), Verdict::Fold, "another snapshot");
        assert_eq!(judge(&marks, Update, at(Some(3), 4)), Verdict::Fold, "begun before it");
        marks.advance(place(Update, at(Some(5), 6)));
        let table = [
            (Update, at(Some(5), 6), Verdict::Repeat),
            (Update, at(None, 6), Verdict::Repeat),
            (Delete, at(Some(5), 6), Verdict::Fold),
            (Update, at(Some(4), 3), Verdict::Stale),
            (Update, at(Some(7), 2), Verdict::Fold),
            (Update, at(None, 9), Verdict::FoldUndecided),
            (Read, at(None, 4), Verdict::Stale),
            (Read, at(None, 6), Verdict::Fold),
            (Read, None, Verdict::Stale),
        ];
        for (op, position, verdict) in table {
            assert_eq!(judge(&marks, op, position), verdict, "{op:?} at {position:?}");
        }
    }

    #[test]
    fn several_rows_under_one_position_are_several_changes() {
        let position = Some(SourcePosition::Postgres { commit: Some(7), lsn: 7 });
        let place = |id: &str| Place::Event { position, tag: EventTag::of(id) };
        let mut marks = Marks::first(place("delete"));
        assert_eq!(Marks::judge(Some(&marks), place("create")), Verdict::Fold);
        marks.advance(place("create"));
        assert_eq!(Marks::judge(Some(&marks), place("create")), Verdict::Repeat);
    }

    #[test]
    fn many_rows_under_one_position_are_all_told_apart() {
        let at = |lsn| Some(SourcePosition::Postgres { commit: Some(lsn), lsn });
        let row = |n: u32| Place::Event { position: at(7), tag: EventTag::of(&format!("row-{n}")) };
        let mut marks = Marks::first(row(0));
        for n in 1..200 {
            assert_eq!(Marks::judge(Some(&marks), row(n)), Verdict::Fold, "row {n}");
            marks.advance(row(n));
        }
        assert!((0..200).all(|n| Marks::judge(Some(&marks), row(n)) == Verdict::Repeat));
        for lsn in 8..8 + i64::try_from(REMEMBERED_EVENTS).unwrap() {
            marks.advance(event(lsn));
        }
        assert!((0..200).all(|n| Marks::judge(Some(&marks), row(n)) == Verdict::Stale));
        let Marks::Events { recent, .. } = marks else { unreachable!() };
        assert_eq!(recent.len(), REMEMBERED_EVENTS, "forgotten together");
    }

    #[test]
    fn memory_is_bounded() {
        let mut marks = Marks::first(event(0));
        for lsn in 1..10_000 {
            marks.advance(event(lsn));
        }
        let Marks::Events { recent, .. } = marks else { unreachable!() };
        assert_eq!(recent.len(), REMEMBERED_EVENTS);
        let position = Some(SourcePosition::Postgres { commit: Some(9), lsn: 9 });
        let row = |n: i32| Place::Event { position, tag: EventTag::of(&n.to_string()) };
        let mut marks = Marks::first(row(0));
        (1..5_000).for_each(|n| marks.advance(row(n)));
        assert_eq!(Marks::judge(Some(&marks), row(5_000)), Verdict::Fold, "none is dropped");
        let Marks::Events { recent, .. } = marks else { unreachable!() };
        assert_eq!(recent.len(), MAX_REMEMBERED_EVENTS);
    }
}
