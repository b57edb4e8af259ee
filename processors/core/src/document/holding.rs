//! Holding a key: the queue behind a record that cannot be folded, and the ways out of it.

use super::waiting::BEHIND;
use super::{Document, Incoming, Judged, Taken};
use crate::identity::Identity;
use crate::marks::Verdict;
use crate::model::ReadModel;
use crate::outcome::Outcome;
use crate::position::Position;

const VERSIONS_ARE_MISSING: &str =
    "versions before its own are missing: retry without them first, if they will never come";

impl<M: ReadModel> Document<M> {
    /// Holds the key for a record that cannot be read. If its envelope could be, `identity` tells
    /// whether it came to an end before: folded from an edited copy, or dropped.
    pub fn hold_for(&mut self, identity: Option<&Identity>, from: &Position, why: &str) -> Taken {
        match identity.map(|identity| self.stamp.judge(identity)) {
            Some(Verdict::Repeat) => Taken::as_outcome(Outcome::Duplicate),
            Some(Verdict::Stale) => Taken::as_outcome(Outcome::Stale),
            Some(Verdict::Fold | Verdict::FoldUndecided | Verdict::Early) | None => {
                self.queue(from, Taken::because(Outcome::Held, why))
            }
        }
    }

    /// Takes in an event from the head of the key's queue. It stays there if it is refused again.
    /// Where a person knows that versions before it will never come, `close_gaps` says so.
    pub fn retry(&mut self, incoming: Incoming<'_, M::Event>, close_gaps: bool) -> Taken {
        if self.is_behind_held(incoming.identity, &incoming.record.position) {
            return Taken::because(Outcome::Held, BEHIND);
        }
        let mut before = Taken::as_outcome(Outcome::Skipped);
        if close_gaps {
            self.close_gaps(incoming.identity, incoming.from, &mut before);
        }
        let taken = match self.waiting_as(incoming.identity) {
            // A repeat of it: what waits keeps its place among the records.
            Some(at) if self.waits_for_another_record(at, &incoming) => {
                Taken::as_outcome(Outcome::Duplicate)
            }
            Some(at) => self.retry_waiting(at, &incoming),
            None => match self.judge(&incoming) {
                Judged::Ended(outcome) => Taken::as_outcome(outcome),
                Judged::New(verdict) => self.take_new(&incoming, verdict),
            },
        };
        taken.behind(before).of(incoming.from, &incoming.record.position)
    }

    /// Gives the event at the head of the queue up: from now on it counts as taken in. It stays
    /// where events before it would count as taken in as well.
    pub fn give_up(&mut self, identity: &Identity, from: &Position) -> Taken {
        let waits = self.waiting_as(identity);
        match self.stamp.judge(identity) {
            Verdict::Early => return Taken::because(Outcome::Held, VERSIONS_ARE_MISSING),
            Verdict::Repeat | Verdict::Stale if waits.is_none() => {
                return Taken::as_outcome(Outcome::Duplicate);
            }
            Verdict::Repeat | Verdict::Stale | Verdict::Fold | Verdict::FoldUndecided => {}
        }
        match waits.map(|at| self.stamp.waiting.remove(at)) {
            Some(waiting) => self.end_waiting(&waiting),
            None => self.stamp.mark(identity),
        }
        let mut taken = Taken::as_outcome(Outcome::Skipped);
        self.release(from, &mut taken);
        taken
    }

    /// Lets live events pass again, once the queue is empty and all that it led to is told. Whoever
    /// queued a record meanwhile has changed the revision, so that this document is not written.
    pub fn free(&mut self) {
        if self.stamp.is_held() {
            self.stamp.held.clear();
            self.stamp.waiting.iter_mut().for_each(|waiting| waiting.held = false);
            self.stamp.unsent.retain(|output| !output.from.partition.is_held());
            self.stamp.revision += 1;
        }
    }

    /// Puts a held record into the queue.
    pub(super) fn queue(&mut self, from: &Position, held: Taken) -> Taken {
        self.stamp.queue(from);
        held
    }
}
