//! A document and station 6: one event taken in, with all that follows from it inside the document.

mod holding;

use serde::{Deserialize, Serialize};

use crate::guard::{Guard, stands};
use crate::identity::Identity;
use crate::marks::Verdict;
use crate::model::{Admit, Folded, ReadModel, Standing};
use crate::outcome::Outcome;
use crate::position::{Offset, Position};
use crate::stamp::{Output, Stamp, Waiting, Wants};

/// How many events may wait in one document; one more is held.
pub const MAX_WAITING_EVENTS: usize = 256;

/// How many bytes they may have, written as JSON; more are held.
pub const MAX_WAITING_BYTES: usize = 1 << 20;

/// The state that readers see, and the stamp that makes every write of it exact.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Document<M: ReadModel> {
    /// The state; `None` before the first fold and after the end.
    pub state: Option<M::State>,
    /// The stamp.
    pub stamp: Stamp<M::Event>,
}

// By hand, because derives would ask the same of `M`, which is never made.
impl<M: ReadModel> Clone for Document<M> {
    fn clone(&self) -> Self {
        Self { state: self.state.clone(), stamp: self.stamp.clone() }
    }
}

impl<M: ReadModel> PartialEq for Document<M> {
    fn eq(&self, other: &Self) -> bool {
        self.state == other.state && self.stamp == other.stamp
    }
}

impl<M: ReadModel> Default for Document<M> {
    fn default() -> Self {
        Self { state: None, stamp: Stamp::default() }
    }
}

/// One event at the door of a document.
#[derive(Debug, Clone, Copy)]
pub struct Incoming<'a, E> {
    /// How it is known.
    pub identity: &'a Identity,
    /// The record that brings it.
    pub from: &'a Position,
    /// When its source committed it, in milliseconds since 1970.
    pub committed_ms: i64,
    /// Everything of its partition below this offset is written, and its outputs are sent.
    pub sent_below: Offset,
    /// The event.
    pub event: &'a E,
}

/// What became of an event, and of those that had waited for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The event's own end.
    pub outcome: Outcome,
    /// Why it waits or is held, without any of its data; none if it waited before.
    pub why: Option<String>,
    /// Records that had waited and have now come to their end.
    pub released: Vec<(Position, Outcome)>,
    /// Whether nothing proved that the event is new.
    pub undecided: bool,
}

impl Taken {
    const fn as_outcome(outcome: Outcome) -> Self {
        Self { outcome, why: None, released: Vec::new(), undecided: false }
    }

    fn because(outcome: Outcome, why: &str) -> Self {
        Self { why: Some(why.to_owned()), ..Self::as_outcome(outcome) }
    }
}

impl<M: ReadModel> Document<M> {
    /// What stands here, for admission.
    pub const fn standing(&self) -> Standing<'_, M::State> {
        match &self.state {
            Some(state) => Standing::Live(state),
            None if self.stamp.gone => Standing::Gone,
            None => Standing::Never,
        }
    }

    /// Takes one event in: folds it, lets it wait, queues it, or says why nothing of it.
    pub fn take(&mut self, incoming: Incoming<'_, M::Event>) -> Taken {
        match self.judge(&incoming) {
            Judged::Ended(outcome) => Taken::as_outcome(outcome),
            Judged::New(verdict) => {
                let taken = if self.stamp.is_held() && stands(Guard::HeldQueue) {
                    Taken::because(Outcome::Held, "an earlier record of this key is held")
                } else {
                    self.take_new(&incoming, verdict)
                };
                let is_held = taken.outcome == Outcome::Held;
                if is_held { self.queue(incoming.from, taken) } else { taken }
            }
        }
    }

    fn judge(&mut self, incoming: &Incoming<'_, M::Event>) -> Judged {
        let is_it = |waiting: &Waiting<M::Event>| {
            waiting.from == *incoming.from && waiting.identity == *incoming.identity
        };
        if self.waits(is_it) {
            return Judged::Ended(Outcome::Waiting);
        }
        self.stamp.forget_sent(&incoming.from.partition, incoming.sent_below);
        match self.stamp.judge(incoming.identity) {
            Verdict::Repeat => Judged::Ended(Outcome::Duplicate),
            Verdict::Stale => Judged::Ended(Outcome::Stale),
            verdict @ (Verdict::Fold | Verdict::FoldUndecided | Verdict::Early) => {
                Judged::New(verdict)
            }
        }
    }

    fn take_new(&mut self, incoming: &Incoming<'_, M::Event>, verdict: Verdict) -> Taken {
        if verdict != Verdict::Early {
            let undecided = verdict == Verdict::FoldUndecided;
            return Taken { undecided, ..self.admit(incoming) };
        }
        if self.waits(|waiting| waiting.identity == *incoming.identity) {
            return Taken::as_outcome(Outcome::Duplicate);
        }
        self.let_wait(incoming, Wants::EarlierVersions)
    }

    fn waits(&self, is_it: impl FnMut(&Waiting<M::Event>) -> bool) -> bool {
        self.stamp.waiting.iter().any(is_it)
    }

    fn admit(&mut self, incoming: &Incoming<'_, M::Event>) -> Taken {
        let mut taken = match M::admit(self.standing(), incoming.event) {
            Admit::Fold => {
                self.fold(incoming.identity, incoming.from, incoming.event);
                Taken::as_outcome(Outcome::Applied)
            }
            Admit::Stale => {
                self.stamp.mark(incoming.identity);
                Taken::as_outcome(Outcome::Stale)
            }
            Admit::Wait(why) => self.let_wait(incoming, Wants::Event(why.to_owned())),
            Admit::Refuse(why) => Taken::because(Outcome::Held, why),
        };
        if taken.outcome != Outcome::Held {
            taken.released = self.release(incoming.from);
        }
        taken
    }

    fn let_wait(&mut self, incoming: &Incoming<'_, M::Event>, wants: Wants) -> Taken {
        if self.is_full(incoming.event) {
            return Taken::because(Outcome::Held, "too many events wait in this document");
        }
        let why = match &wants {
            Wants::EarlierVersions => {
                self.stamp.revision += 1;
                "earlier versions of its aggregate are missing".to_owned()
            }
            Wants::Event(why) => {
                self.stamp.mark(incoming.identity);
                why.clone()
            }
        };
        self.stamp.waiting.push(Waiting {
            identity: incoming.identity.clone(),
            from: incoming.from.clone(),
            wants,
            committed_ms: incoming.committed_ms,
            event: incoming.event.clone(),
        });
        Taken { why: Some(why), ..Taken::as_outcome(Outcome::Waiting) }
    }

    /// Whether one more would be too many. Only rarely does one wait, so they are measured anew.
    fn is_full(&self, event: &M::Event) -> bool {
        let waiting = &self.stamp.waiting;
        let events = waiting.iter().map(|waiting| &waiting.event).chain([event]);
        let bytes: usize =
            events.map(|event| serde_json::to_vec(event).map_or(0, |text| text.len())).sum();
        waiting.len() >= MAX_WAITING_EVENTS || bytes > MAX_WAITING_BYTES
    }

    fn fold(&mut self, identity: &Identity, from: &Position, event: &M::Event) {
        self.stamp.mark(identity);
        self.fold_marked(from, event);
    }

    fn fold_marked(&mut self, from: &Position, event: &M::Event) {
        let Folded { state, says } = M::fold(self.state.take(), event);
        self.stamp.gone = state.is_none();
        if self.stamp.gone && !stands(Guard::Tombstone) {
            self.stamp.marks.clear();
        }
        self.state = state;
        let revision = self.stamp.revision;
        self.stamp.unsent.extend((0..).zip(says).map(|(n, reaction)| Output {
            revision,
            n,
            from: from.clone(),
            reaction,
        }));
    }

    /// Folds what has waited until nothing more can be folded, as if all had come in the order of
    /// their versions: what waited for an event before what waited for a version, and each of these
    /// in the order in which they came. Outputs are owed to the record that released them: it is
    /// not settled before they are sent.
    fn release(&mut self, by: &Position) -> Vec<(Position, Outcome)> {
        let mut released = Vec::new();
        while let Some((at, ready)) = self.next_ready() {
            let waiting = self.stamp.waiting.remove(at);
            match ready {
                Ready::ToWaitFor(why) => self.wait_on(waiting, why),
                Ready::Done(outcome) => {
                    self.finish_waiting(&waiting, outcome, by);
                    released.push((waiting.from, outcome));
                }
            }
        }
        released
    }

    fn next_ready(&self) -> Option<(usize, Ready)> {
        let find = |in_gap: bool| {
            let all = self.stamp.waiting.iter().enumerate();
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
            Admit::Wait(why) | Admit::Refuse(why) if in_gap => Some(Ready::ToWaitFor(why)),
            Admit::Wait(_) | Admit::Refuse(_) => None,
        }
    }

    fn finish_waiting(&mut self, waiting: &Waiting<M::Event>, outcome: Outcome, by: &Position) {
        match waiting.wants {
            Wants::EarlierVersions => self.stamp.mark(&waiting.identity),
            Wants::Event(_) => self.stamp.revision += 1,
        }
        if outcome == Outcome::Applied {
            self.fold_marked(by, &waiting.event);
        }
    }

    /// Its versions are complete: it counts as taken in now, behind all that waits for events.
    fn wait_on(&mut self, waiting: Waiting<M::Event>, why: &str) {
        self.stamp.mark(&waiting.identity);
        self.stamp.waiting.push(Waiting { wants: Wants::Event(why.to_owned()), ..waiting });
    }
}

/// Whether an event has its end already.
enum Judged {
    /// It has: nothing is to be done.
    Ended(Outcome),
    /// It is new, as far as can be told.
    New(Verdict),
}

/// What a waiting event's time has come for.
enum Ready {
    /// Its versions are complete, and now it waits for another event.
    ToWaitFor(&'static str),
    /// It comes to its end.
    Done(Outcome),
}

#[cfg(test)]
mod tests;
