//! Station 6: a document with its queue folded in memory, ready to be written once.

use readmill_core::document::Taken;
use readmill_core::{Document, Guard, Incoming, Key, Offset, Outcome, ReadModel, stands};

use crate::ports::HeldRecord;
use crate::route::{Part, Task};

/// One document in work.
#[derive(Debug)]
pub struct Work<M: ReadModel> {
    /// The document's key.
    pub key: Key,
    /// What is done to it; kept, because a refused write folds again from what is stored.
    pub parts: Vec<Part<M::Event>>,
    /// The revision that was loaded.
    pub loaded: i64,
    /// The document after the fold.
    pub document: Document<M>,
    /// What became of each part.
    pub taken: Vec<Taken>,
    /// What was held for folds of it that were refused.
    held_before: Vec<HeldRecord>,
}

impl<M: ReadModel> Work<M> {
    /// Folds a queue into a document. Everything of the partition below `sent_below` is sent.
    pub fn fold(
        key: Key,
        mut document: Document<M>,
        parts: Vec<Part<M::Event>>,
        sent_below: Offset,
    ) -> Self {
        let loaded = document.stamp.revision;
        let taken = parts.iter().map(|part| take(&mut document, part, sent_below)).collect();
        Self { key, parts, loaded, document, taken, held_before: Vec::new() }
    }

    /// Folds the same parts into what stands, after the write of a fold that `held` was refused.
    #[must_use]
    pub fn again(self, stands: Document<M>, held: Vec<HeldRecord>, sent_below: Offset) -> Self {
        let mut held_before = self.held_before;
        held_before.extend(held);
        Self { held_before, ..Self::fold(self.key, stands, self.parts, sent_below) }
    }

    /// What was held for a fold that was refused, and is not held by this one.
    pub fn held_in_vain(&self) -> impl Iterator<Item = &HeldRecord> {
        let is_held = |held: &HeldRecord| {
            let mut all = self.parts.iter().zip(&self.taken);
            let held_now =
                |taken: &Taken| taken.outcome == Outcome::Held && stands(Guard::HeldRelease);
            all.any(|(part, taken)| part.record.position == *held.position() && held_now(taken))
        };
        self.held_before.iter().filter(move |held| !is_held(held))
    }

    /// Whether there is anything to write.
    pub const fn changed(&self) -> bool {
        self.document.stamp.revision != self.loaded
    }

    /// The parts that have just been held, with the reasons. Those that were before are kept.
    pub fn held(&self) -> impl Iterator<Item = (&Part<M::Event>, &str)> {
        self.parts.iter().zip(&self.taken).filter_map(|(part, taken)| {
            let why = taken.why.as_deref()?;
            let is_new = taken.outcome == Outcome::Held && !part.task.is_from_queue();
            is_new.then_some((part, why))
        })
    }
}

fn take<M: ReadModel>(
    document: &mut Document<M>,
    part: &Part<M::Event>,
    sent_below: Offset,
) -> Taken {
    let from = &part.from;
    match &part.task {
        Task::Take { identity, event, committed_ms } => {
            let committed_ms = *committed_ms;
            document.take(Incoming { identity, from, committed_ms, sent_below, event })
        }
        Task::Hold { identity, reason } => document.hold_for(identity.as_ref(), from, reason),
        Task::Retry { identity, event, committed_ms } => {
            let committed_ms = *committed_ms;
            document.retry(Incoming { identity, from, committed_ms, sent_below, event })
        }
        Task::GiveUp(identity) => document.give_up(identity, from),
    }
}
