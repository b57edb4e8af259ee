//! Station 6: a document with its queue folded in memory, ready to be written once.

use readmill_core::document::{Loss, Taken};
use readmill_core::{
    Document, Guard, Incoming, Key, Outcome, Partition, ReadModel, Record, Sent, stands,
};

use crate::fault::Fault;
use crate::ports::{HeldRecord, Unfolded};
use crate::route::{Part, Task, Told};

/// Why the records of a document that grows too large are held.
const TOO_LARGE: &str = "with this the document would be larger than its store takes";

/// When a document is folded.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'a> {
    /// What of the partition is sent.
    pub sent: Sent<'a>,
    /// The time, in milliseconds since 1970.
    pub now_ms: i64,
}

/// A record that a fold holds.
#[derive(Debug)]
pub struct Holds<'w> {
    /// The record.
    pub record: &'w Record,
    /// How much of it is not folded.
    pub unfolded: Unfolded,
    /// Why.
    pub why: &'w str,
}

/// One document in work.
#[derive(Debug)]
pub struct Work<M: ReadModel> {
    /// The document's key.
    pub key: Key,
    /// What is done to it; kept, because a refused write folds again from what is stored.
    pub parts: Vec<Part<M>>,
    /// The revision that was loaded.
    pub loaded: i64,
    /// The document after the fold.
    pub document: Document<M>,
    /// What became of each part.
    pub taken: Vec<Taken>,
    /// What was held for folds of it that were refused.
    held_before: Vec<HeldRecord>,
    /// Whether the store does not take what comes of it: then its records are held instead.
    too_large: bool,
}

impl<M: ReadModel> Work<M> {
    /// Folds a queue into a document.
    pub fn fold(
        key: Key,
        mut document: Document<M>,
        parts: Vec<Part<M>>,
        moment: Moment<'_>,
    ) -> Self {
        let loaded = document.stamp.revision;
        let taken = parts.iter().map(|part| take(&mut document, part, moment)).collect();
        let held_before = Vec::new();
        Self { key, parts, loaded, document, taken, held_before, too_large: false }
    }

    /// The same, where the store does not take what comes of it.
    ///
    /// # Errors
    /// Where no record can be held for it.
    pub fn too_large(mut self) -> Result<Self, Fault> {
        let can_hold = |part: &Part<M>| {
            !part.task.is_of_another()
                && !matches!(part.task, Task::HoldOverdue { .. } | Task::Forget { .. })
        };
        if self.too_large || !self.parts.iter().any(can_hold) {
            return Err(Fault::Refused {
                service: "the store",
                detail: format!("a document of {} is too large, also with its key held", M::NAME),
                hint: "bound the lists and the embedded copies in the read model's state",
            });
        }
        self.too_large = true;
        Ok(self)
    }

    /// Takes over what stands in a document that this one embeds.
    pub fn embed(&mut self, key: &Key, of: &Document<M>, moment: Moment<'_>) {
        if let Some(from) = self.parts.last().map(|part| part.from.clone()) {
            let since = of.stamp.revision;
            self.document.embed((key, of, since), &from, moment.sent);
        }
    }

    /// Folds the same parts into what stands, after the write of a fold that `held` was refused.
    #[must_use]
    pub fn again(self, stands: Document<M>, held: Vec<HeldRecord>, moment: Moment<'_>) -> Self {
        let (too_large, mut held_before) = (self.too_large, self.held_before);
        held_before.extend(held);
        let folded = if too_large {
            Self::hold_all(self.key, stands, self.parts)
        } else {
            Self::fold(self.key, stands, self.parts, moment)
        };
        Self { held_before, too_large, ..folded }
    }

    /// Holds what was to be folded: the store does not take what would come of it.
    fn hold_all(key: Key, mut document: Document<M>, parts: Vec<Part<M>>) -> Self {
        let loaded = document.stamp.revision;
        let hold = |part: &Part<M>| match &part.task {
            Task::Take(Told { identity, .. }) => {
                document.hold_for(Some(identity), &part.from, TOO_LARGE)
            }
            Task::Hold { identity, reason } => {
                document.hold_for(identity.as_ref(), &part.from, reason)
            }
            Task::Retry { .. } | Task::GiveUp(_) => Taken::stuck(TOO_LARGE),
            Task::Look { .. }
            | Task::Embed { .. }
            | Task::Forget { .. }
            | Task::HoldOverdue { .. } => Taken::nothing(),
        };
        let taken = parts.iter().map(hold).collect();
        Self { key, parts, loaded, document, taken, held_before: Vec::new(), too_large: true }
    }

    /// What was held for a fold that was refused, and is not held by this one.
    pub fn held_in_vain(&self) -> impl Iterator<Item = &HeldRecord> {
        // One that has joined the queue is the desk's, whatever became of it since: what the desk
        // owes for it may not be told yet.
        let is_held = |held: &HeldRecord| {
            let mut all = self.parts.iter().zip(&self.taken);
            self.document.stamp.has_queued(held.position())
                || all.any(|(part, taken)| {
                    let same = part.record.position == *held.position();
                    same && taken.outcome == Outcome::Held
                })
        };
        let stays = move |held: &&HeldRecord| stands(Guard::HeldRelease) && is_held(held);
        self.held_before.iter().filter(move |held| !stays(held))
    }

    /// Whether there is anything to write.
    pub const fn changed(&self) -> bool {
        self.document.stamp.revision != self.loaded
    }

    /// Whether nothing stands there and nothing came of it.
    pub const fn is_nothing(&self) -> bool {
        self.loaded == 0 && !self.changed()
    }

    /// Whether nothing of it is to be left in the store: it was a person's own who is forgotten,
    /// and owes nothing but to records of this partition.
    pub fn is_to_be_erased(&self, partition: &Partition) -> bool {
        let is_own = |part: &Part<M>| matches!(part.task, Task::Forget { is_own: true, .. });
        let stands = self.loaded > 0 || self.changed();
        let mut owes = self.document.stamp.unsent.iter();
        stands
            && self.document.state.is_none()
            && self.parts.iter().any(is_own)
            && owes.all(|output| output.from.partition == *partition)
    }

    /// What has just been held. What was held before is kept already.
    pub fn held(&self) -> impl Iterator<Item = Holds<'_>> {
        self.parts.iter().zip(&self.taken).flat_map(|(part, taken)| {
            let is_new = taken.outcome == Outcome::Held && !part.task.is_from_queue();
            let why = taken.why.as_deref().filter(|_| is_new);
            let (record, unfolded) = (&*part.record, part.task.unfolded());
            let own = why.map(|why| Holds { record, unfolded, why });
            let late = taken.late.iter();
            let late = late.map(|(record, why)| Holds { record, unfolded: Unfolded::Part, why });
            own.into_iter().chain(late)
        })
    }
}

/// Takes one part into a document.
pub fn take<M: ReadModel>(document: &mut Document<M>, part: &Part<M>, moment: Moment<'_>) -> Taken {
    let from = &part.from;
    match &part.task {
        Task::Take(told) => document.take(incoming(part, told, moment)),
        Task::Hold { identity, reason } => document.hold_for(identity.as_ref(), from, reason),
        Task::Retry { told, close_gaps } => {
            document.retry(incoming(part, told, moment), *close_gaps)
        }
        Task::GiveUp(identity) => document.give_up(identity, from),
        Task::Look { key, of, since } => document.look((key, of.as_deref()), *since),
        Task::Embed { key, of, since } => document.embed((key, of, *since), from, moment.sent),
        Task::Forget { persons, is_own, told } => {
            document.lose(Loss { persons, is_own: *is_own, told: *told }, from)
        }
        Task::HoldOverdue { before_ms } => document.hold_overdue(*before_ms),
    }
}

fn incoming<'a, M: ReadModel>(
    part: &'a Part<M>,
    told: &'a Told<M::Event>,
    moment: Moment<'a>,
) -> Incoming<'a, M::Event> {
    Incoming {
        identity: &told.identity,
        record: &part.record,
        from: &part.from,
        committed_ms: told.committed_ms,
        now_ms: moment.now_ms,
        sent: moment.sent,
        event: &told.event,
    }
}
