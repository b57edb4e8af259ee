//! What became of a record: each ends as exactly one of these, and the counts add up.

use serde::{Deserialize, Serialize};

/// The end of one consumed record.
///
/// Ordered by weight: a record that touches several keys ends as the weightiest of its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// No read model folds it: a delete of an outbox row, a tombstone, a foreign event type.
    Skipped,
    /// This very change is folded already.
    Duplicate,
    /// Older than what is folded, and not to be told from a repeat; or for a document that ended.
    Stale,
    /// Folded.
    Applied,
    /// Kept in its document until what it needs has come.
    Waiting,
    /// Kept whole in the held store, for a person to decide.
    Held,
}

impl Outcome {
    /// All outcomes, in the order in which they are reported.
    pub const ALL: [Self; 6] =
        [Self::Applied, Self::Duplicate, Self::Stale, Self::Waiting, Self::Held, Self::Skipped];

    /// The name in metrics and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Skipped => "skipped",
            Self::Duplicate => "duplicate",
            Self::Stale => "stale",
            Self::Applied => "applied",
            Self::Waiting => "waiting",
            Self::Held => "held",
        }
    }
}

/// The conservation ledger of a run: consumed = the sum of all outcomes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Records taken in.
    pub consumed: u64,
    /// Folded.
    pub applied: u64,
    /// Folded before.
    pub duplicate: u64,
    /// Too old to fold.
    pub stale: u64,
    /// Waiting in their documents.
    pub waiting: u64,
    /// Held for a person.
    pub held: u64,
    /// Skipped by rule.
    pub skipped: u64,
}

impl Counts {
    /// Counts one record that ended as `outcome`.
    pub fn count(&mut self, outcome: Outcome) {
        self.consumed += 1;
        *self.slot(outcome) += 1;
    }

    /// Moves records that waited to their end.
    pub fn release(&mut self, outcome: Outcome, n: u64) {
        let moved = n.min(self.waiting);
        self.waiting -= moved;
        *self.slot(outcome) += moved;
    }

    /// Adds the counts of another partition or run.
    pub fn add(&mut self, other: Self) {
        self.consumed += other.consumed;
        for outcome in Outcome::ALL {
            *self.slot(outcome) += other.get(outcome);
        }
    }

    /// How many records ended as `outcome`.
    pub const fn get(&self, outcome: Outcome) -> u64 {
        match outcome {
            Outcome::Skipped => self.skipped,
            Outcome::Duplicate => self.duplicate,
            Outcome::Stale => self.stale,
            Outcome::Applied => self.applied,
            Outcome::Waiting => self.waiting,
            Outcome::Held => self.held,
        }
    }

    /// Whether every consumed record has exactly one outcome.
    pub fn add_up(&self) -> bool {
        Outcome::ALL.iter().map(|&outcome| self.get(outcome)).sum::<u64>() == self.consumed
    }

    fn slot(&mut self, outcome: Outcome) -> &mut u64 {
        match outcome {
            Outcome::Skipped => &mut self.skipped,
            Outcome::Duplicate => &mut self.duplicate,
            Outcome::Stale => &mut self.stale,
            Outcome::Applied => &mut self.applied,
            Outcome::Waiting => &mut self.waiting,
            Outcome::Held => &mut self.held,
        }
    }
}
