//! Waiting inside the document: who came early, whose time has come, and who has waited too long.

use super::{Document, Incoming, Taken};
use crate::guard::{Guard, stands};
use crate::identity::{Identity, Place};
use crate::marks::Verdict;
use crate::model::{Admit, ReadModel};
use crate::outcome::Outcome;
use crate::position::Position;
use crate::record::Record;
use crate::stamp::{Waiting, Wants};

/// How many events may wait in one document; one more is held.
pub const MAX_WAITING_EVENTS: usize = 256;

/// How many bytes they and their records may have, events written as JSON; more are held.
pub const MAX_WAITING_BYTES: usize = 1 << 20;

/// Why an event is held that has nothing wrong with itself.
pub(super) const BEHIND: &str = "an earlier record of this key is held";

impl<M: ReadModel> Document<M> {
    pub(super) fn let_wait(&mut self, incoming: &Incoming<'_, M::Event>, wants: Wants) -> Taken {
        if self.is_full(incoming) {
            return Taken::because(Outcome::Held, "too many events wait in this document");
        }
        match wants {
            Wants::EarlierVersions => self.stamp.revision += 1,
            Wants::Event(_) => self.stamp.mark(incoming.identity),
        }
        let why = wants.words().to_owned();
        self.stamp.waiting.push(Waiting {
            identity: incoming.identity.clone(),
            from: incoming.from.clone(),
            wants,
            held: false,
            committed_ms: incoming.committed_ms,
            since_ms: incoming.now_ms,
            event: incoming.event.clone(),
            record: incoming.record.clone(),
        });
        Taken { why: Some(why), ..Taken::as_outcome(Outcome::Waiting) }
    }

    /// Whether one more would be too many. Only rarely does one wait, so they are measured anew.
    fn is_full(&self, incoming: &Incoming<'_, M::Event>) -> bool {
        let waiting = &self.stamp.waiting;
        let all = waiting.iter().map(|waiting| (&waiting.event, &waiting.record));
        let bytes = |(event, record): (&M::Event, &Record)| {
            record.bytes() + serde_json::to_vec(event).map_or(0, |text| text.len())
        };
        let bytes: usize = all.chain([(incoming.event, incoming.record)]).map(bytes).sum();
        waiting.len() >= MAX_WAITING_EVENTS || bytes > MAX_WAITING_BYTES
    }

    /// The place of a change among those that wait.
    pub(super) fn waiting_as(&self, identity: &Identity) -> Option<usize> {
        self.stamp.waiting.iter().position(|waiting| waiting.identity == *identity)
    }

    /// Folds what has waited until nothing more can be folded, as if all had come in the order of
    /// their versions: what waited for an event before what waited for a version, and each of these
    /// in the order in which they came. Outputs are owed to the record that released them: it is
    /// not settled before they are sent. One that is refused now is held, and with it the key.
    pub(super) fn release(&mut self, by: &Position, taken: &mut Taken) {
        while let Some((at, ready)) = self.next_ready() {
            match ready {
                Ready::ToWaitFor(why) => {
                    let waiting = self.stamp.waiting.remove(at);
                    self.wait_on(waiting, why);
                }
                Ready::Done(outcome) => {
                    let waiting = self.stamp.waiting.remove(at);
                    self.finish_waiting(&waiting, outcome, by);
                    taken.released.push((waiting.from, outcome));
                }
                Ready::Refused(why) => return self.hold_waiting(at, why, taken),
            }
        }
    }

    fn next_ready(&self) -> Option<(usize, Ready)> {
        let find = |in_gap: bool| {
            let all = self.stamp.waiting.iter().enumerate().filter(|(_, waiting)| !waiting.held);
            let mut all = all.filter(|(_, w)| (w.wants == Wants::EarlierVersions) == in_gap);
            all.find_map(|(at, waiting)| Some((at, self.ready(waiting)?)))
        };
        let order = stands(Guard::WaitingOrder);
        find(!order).or_else(|| find(order))
    }

    fn ready(&self, waiting: &Waiting<M::Event>) -> Option<Ready> {
        let in_gap = waiting.wants == Wants::EarlierVersions;
        if in_gap && self.stamp.judge(&waiting.identity) == Verdict::Early {
            return None;
        }
        match M::admit(self.standing(), &waiting.event) {
            Admit::Fold => Some(Ready::Done(Outcome::Applied)),
            Admit::Stale => Some(Ready::Done(Outcome::Stale)),
            Admit::Wait(why) => in_gap.then_some(Ready::ToWaitFor(why)),
            Admit::Refuse(why) => Some(Ready::Refused(why)),
        }
    }

    fn finish_waiting(&mut self, waiting: &Waiting<M::Event>, outcome: Outcome, by: &Position) {
        self.end_waiting(waiting);
        if outcome == Outcome::Applied {
            self.fold_marked(by, &waiting.event);
        }
    }

    /// From now on it counts as taken in.
    pub(super) fn end_waiting(&mut self, waiting: &Waiting<M::Event>) {
        match waiting.wants {
            Wants::EarlierVersions => self.stamp.mark(&waiting.identity),
            Wants::Event(_) => self.stamp.revision += 1,
        }
    }

    /// Its versions are complete: it counts as taken in now, behind all that waits for events.
    fn wait_on(&mut self, waiting: Waiting<M::Event>, why: &str) {
        self.stamp.mark(&waiting.identity);
        self.stamp.waiting.push(Waiting { wants: Wants::Event(why.to_owned()), ..waiting });
    }

    /// Whether a record waits here, and is not held.
    pub fn lets_wait(&self, record: &Position) -> bool {
        let mut waiting = self.stamp.waiting.iter();
        waiting.any(|waiting| !waiting.held && waiting.record.position == *record)
    }

    /// Holds one that waits, and its key with it. What waits behind it queues behind it.
    fn hold_waiting(&mut self, at: usize, why: &str, taken: &mut Taken) {
        let many = if stands(Guard::WaitingHeld) { usize::MAX } else { 1 };
        let mut why = why.to_owned();
        let mut waiting = std::mem::take(&mut self.stamp.waiting);
        let first = waiting.get(at).map(|waiting| waiting.identity.clone());
        let is_before = |waiting: &Waiting<M::Event>| {
            first.as_ref().is_some_and(|first| waiting.identity.is_earlier_version_than(first))
        };
        let behind = waiting.iter_mut().skip(at).filter(|other| !other.held && !is_before(other));
        for waiting in behind.take(many) {
            waiting.held = true;
            taken.released.push((waiting.from.clone(), Outcome::Held));
            self.stamp.queue(&waiting.record.position);
            let why = std::mem::replace(&mut why, BEHIND.to_owned());
            taken.late.push((waiting.record.clone(), why));
        }
        self.stamp.waiting = waiting;
    }

    /// Holds what began to wait before `before_ms`.
    pub fn hold_overdue(&mut self, before_ms: i64) -> Taken {
        let mut taken = Taken::as_outcome(Outcome::Skipped);
        let mut waiting = self.stamp.waiting.iter().enumerate();
        if let Some((at, overdue)) = waiting.find(|(_, waiting)| waiting.is_overdue(before_ms)) {
            let why = format!("waited too long: {}", overdue.wants.words());
            self.hold_waiting(at, &why, &mut taken);
        }
        taken
    }

    /// Whether one that waits, and is not held, was brought by another record than this one.
    pub(super) fn waits_for_another_record(
        &self,
        at: usize,
        incoming: &Incoming<'_, M::Event>,
    ) -> bool {
        let waiting = self.stamp.waiting.get(at);
        waiting.is_some_and(|waiting| {
            !waiting.held && waiting.record.position != incoming.record.position
        })
    }

    /// Tries one that waits again, as it is brought back: mended perhaps. Whatever comes of it
    /// changes the revision, so that nobody holds it meanwhile without noticing.
    pub(super) fn retry_waiting(&mut self, at: usize, incoming: &Incoming<'_, M::Event>) -> Taken {
        if let Some(waiting) = self.stamp.waiting.get_mut(at) {
            waiting.from = incoming.from.clone();
            waiting.event = incoming.event.clone();
            waiting.record = incoming.record.clone();
            waiting.since_ms = incoming.now_ms;
            waiting.held = false;
        }
        self.stamp.revision += 1;
        let mut taken = Taken::as_outcome(Outcome::Waiting);
        self.release(incoming.from, &mut taken);
        taken
    }

    /// Whether an event that was taken in before a record is held: of its line by the version, or,
    /// where neither has one, of its partition by the offset. What is in a gap is not taken in.
    pub(super) fn is_behind_held(&self, identity: &Identity, place: &Position) -> bool {
        let unversioned = |identity: &Identity| identity.as_version().is_none();
        let earlier = |other: &Waiting<M::Event>| {
            let theirs = &other.record.position;
            let by_offset = theirs.partition == place.partition && theirs.offset < place.offset;
            other.identity.is_earlier_version_than(identity)
                || (by_offset && unversioned(&other.identity) && unversioned(identity))
        };
        let taken_in = |other: &&Waiting<M::Event>| other.wants != Wants::EarlierVersions;
        let mut held = self.stamp.waiting.iter().filter(|other| other.held).filter(taken_in);
        held.any(earlier)
    }

    /// Lets versions before a change that never came count as taken in, one gap after the other, so
    /// that those that wait between them are folded in their order; not past one that is held.
    pub(super) fn close_gaps(&mut self, identity: &Identity, by: &Position, taken: &mut Taken) {
        while self.stamp.judge(identity) == Verdict::Early {
            let waiting = self.stamp.waiting.iter().map(|waiting| &waiting.identity);
            let same_line = waiting.chain([identity]).filter(|other| other.line == identity.line);
            let open = same_line.filter(|other| self.stamp.judge(other) != Verdict::Repeat);
            let Some(lowest) = open.min_by_key(|other| other.as_version()) else { return };
            let Some(version) = lowest.as_version() else { return };
            if self.stamp.judge(lowest) != Verdict::Early {
                return;
            }
            let line = lowest.line.clone();
            self.stamp.mark(&Identity { line, place: Place::Version(version - 1) });
            self.release(by, taken);
        }
    }
}

impl Wants {
    /// What it is, for people.
    pub fn words(&self) -> &str {
        match self {
            Self::EarlierVersions => "earlier versions of its aggregate are missing",
            Self::Event(why) => why,
        }
    }
}

impl<E> Waiting<E> {
    /// Whether it has waited since before `before_ms`, and is not held yet.
    pub const fn is_overdue(&self, before_ms: i64) -> bool {
        !self.held && self.since_ms < before_ms
    }
}

/// What a waiting event's time has come for.
enum Ready {
    /// Its versions are complete, and now it waits for another event.
    ToWaitFor(&'static str),
    /// It comes to its end.
    Done(Outcome),
    /// It is refused.
    Refused(&'static str),
}
