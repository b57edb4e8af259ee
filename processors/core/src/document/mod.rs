//! A document and station 6: one event taken in, with all that follows from it inside the document.

mod following;
#[cfg(test)]
mod following_tests;
mod forgetting;
mod holding;
mod waiting;

use serde::{Deserialize, Serialize};

use crate::guard::{Guard, stands};
use crate::identity::Identity;
use crate::marks::Verdict;
use crate::model::{Admit, ReadModel, Standing};
use crate::outcome::Outcome;
use crate::position::Position;
use crate::record::Record;
use crate::stamp::{Sent, Stamp, Wants};

pub use forgetting::Loss;
pub use waiting::{MAX_WAITING_BYTES, MAX_WAITING_EVENTS};

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
    pub record: &'a Record,
    /// Where it comes from: the record's place in the log, or among held records.
    pub from: &'a Position,
    /// When its source committed it, in milliseconds since 1970.
    pub committed_ms: i64,
    /// The time now: how long it waits counts from here, should it wait.
    pub now_ms: i64,
    /// What of its partition is written, and its reactions sent.
    pub sent: Sent<'a>,
    /// The event.
    pub event: &'a E,
}

impl<'a, E> Incoming<'a, E> {
    /// An event straight from its log, for a fold that no clock and no partition has a part in.
    pub const fn straight(identity: &'a Identity, record: &'a Record, event: &'a E) -> Self {
        let (from, sent) = (&record.position, Sent::EVERYTHING);
        Self { identity, record, from, committed_ms: 0, now_ms: 0, sent, event }
    }
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
    /// Those of them that are to be held, with the reasons.
    pub late: Vec<(Record, String)>,
    /// Whether nothing proved that the event is new.
    pub undecided: bool,
}

impl Taken {
    const fn as_outcome(outcome: Outcome) -> Self {
        Self { outcome, why: None, released: Vec::new(), late: Vec::new(), undecided: false }
    }

    /// A record from the key's queue stays there.
    pub fn stuck(why: &str) -> Self {
        Self::because(Outcome::Held, why)
    }

    /// Nothing was done.
    pub const fn nothing() -> Self {
        Self::as_outcome(Outcome::Skipped)
    }

    fn because(outcome: Outcome, why: &str) -> Self {
        Self { why: Some(why.to_owned()), ..Self::as_outcome(outcome) }
    }

    /// As what the record itself came to, if it was released or held at once where it had begun to
    /// wait.
    fn of(mut self, from: &Position, record: &Position) -> Self {
        if let Some(own) = self.released.iter().position(|(released, _)| released == from) {
            self.outcome = self.released.remove(own).1;
        }
        if let Some(own) = self.late.iter().position(|(late, _)| late.position == *record) {
            self.why = Some(self.late.remove(own).1);
        }
        self
    }

    /// With what was released before it.
    fn behind(mut self, before: Self) -> Self {
        self.released.splice(..0, before.released);
        self.late.splice(..0, before.late);
        self
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
                    Taken::because(Outcome::Held, waiting::BEHIND)
                } else {
                    self.take_new(&incoming, verdict)
                };
                let is_held = taken.outcome == Outcome::Held;
                if is_held { self.queue(incoming.from, taken) } else { taken }
            }
        }
    }

    fn judge(&mut self, incoming: &Incoming<'_, M::Event>) -> Judged {
        let waits = self.waiting_as(incoming.identity).and_then(|at| self.stamp.waiting.get(at));
        if let Some(waits) = waits.filter(|waits| waits.from == *incoming.from) {
            return Judged::Ended(if waits.held { Outcome::Held } else { Outcome::Waiting });
        }
        self.stamp.forget_sent(&incoming.from.partition, incoming.sent);
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
        if self.waiting_as(incoming.identity).is_some() {
            return Taken::as_outcome(Outcome::Duplicate);
        }
        self.let_wait(incoming, Wants::EarlierVersions)
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
            self.release(incoming.from, &mut taken);
        }
        taken
    }

    fn fold(&mut self, identity: &Identity, from: &Position, event: &M::Event) {
        self.stamp.mark(identity);
        self.fold_marked(from, event);
    }

    fn fold_marked(&mut self, from: &Position, event: &M::Event) {
        self.become_of(from, |state| M::fold(state, event));
        if self.stamp.gone && !stands(Guard::Tombstone) {
            self.stamp.marks.clear();
        }
    }
}

/// Whether an event has its end already.
enum Judged {
    /// It has: nothing is to be done.
    Ended(Outcome),
    /// It is new, as far as can be told.
    New(Verdict),
}

#[cfg(test)]
mod tests;
