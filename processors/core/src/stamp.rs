//! The stamp of a document: what has been folded, what waits, what is still to be told.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::guard::{Guard, stands};
use crate::identity::Identity;
use crate::marks::{Marks, Verdict};
use crate::model::{Key, Reaction};
use crate::position::{Offset, Partition, Position};
use crate::record::Record;
use crate::rollup::Difference;

/// The part of a document that the engine keeps for itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound = "E: Serialize + for<'a> Deserialize<'a>")]
pub struct Stamp<E> {
    /// One more with every event taken in; compare-and-set is on this number. It does not depend
    /// on how events were batched.
    pub revision: i64,
    /// Whether the document ended: this stamp is its tombstone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gone: bool,
    /// Of each partition the last record of this key that is held; later ones queue behind them.
    /// Empty when the key is free.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<Position>,
    /// What has been folded, per line, sorted by line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<(String, Marks)>,
    /// Events that came early, in the order in which they came.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<Waiting<E>>,
    /// What may not have been told yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unsent: Vec<Output>,
    /// The documents that this one embeds, each at the revision as which it does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub embedded: Vec<(Key, i64)>,
}

impl<E> Default for Stamp<E> {
    fn default() -> Self {
        Self {
            revision: 0,
            gone: false,
            held: Vec::new(),
            marks: Vec::new(),
            waiting: Vec::new(),
            unsent: Vec::new(),
            embedded: Vec::new(),
        }
    }
}

/// An event that came before what it needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Waiting<E> {
    /// Its identity.
    pub identity: Identity,
    /// Where it came from.
    pub from: Position,
    /// What it waits for.
    pub wants: Wants,
    /// Whether it is held by now: a person must look. It stays here, since what it waits for may
    /// have marked it as taken in.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub held: bool,
    /// When its source committed it, in milliseconds since 1970: for people, never for a fold.
    pub committed_ms: i64,
    /// When it began to wait, by the clock of whoever took it in: for the bound of its age.
    pub since_ms: i64,
    /// The event.
    pub event: E,
    /// The record that brought it, whole, so that it can be held.
    pub record: Record,
}

/// What a waiting event waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wants {
    /// The versions before its own; it is not marked as taken in yet.
    #[serde(rename = "versions")]
    EarlierVersions,
    /// Another event of the key, in the model's words; it is marked as taken in.
    #[serde(rename = "event")]
    Event(String),
}

/// What a document has to tell, named (model, key, revision, n) and kept in it until it is surely
/// told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// The revision that the event made.
    pub revision: i64,
    /// Its number among the outputs of that revision.
    pub n: u32,
    /// The record whose settling proves that it was told.
    pub from: Position,
    /// What is told.
    pub what: What,
}

/// What a document has to tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A reaction, to whoever listens.
    Reaction(Reaction),
    /// A difference, to a partial group.
    Difference(Difference),
    /// That it embeds another document from now on: to that one, and then looks what stands there.
    Embeds(Key),
    /// That it embeds another document no more: to that one.
    Leaves(Key),
    /// That it has changed: to the documents that embed it.
    Changed,
}

impl What {
    /// Whether it is for readers of reactions or of roll-ups, and not for other documents.
    pub const fn is_said_or_added(&self) -> bool {
        matches!(self, Self::Reaction(_) | Self::Difference(_))
    }

    /// The bytes of what is said to whoever listens.
    pub fn body(&self) -> Option<&[u8]> {
        match self {
            Self::Reaction(reaction) => Some(&reaction.body),
            Self::Difference(_) | Self::Embeds(_) | Self::Leaves(_) | Self::Changed => None,
        }
    }

    /// Whether it is that a document is embedded from now on.
    pub fn embeds(&self, key: &Key) -> bool {
        matches!(self, Self::Embeds(embedded) if embedded == key)
    }
}

/// To which records of a partition all that is owed is surely told.
///
/// A partition's batches go through station 7 one after the other, and reading resumes behind
/// settled records only: whoever folds a record has seen all before it sent. But one that could not
/// be read was settled by holding it, and may have been folded by a worker that could read it, and
/// that died before it told.
#[derive(Debug, Clone, Copy)]
pub struct Sent<'a> {
    /// Of those below this offset,
    pub below: Offset,
    /// but not of these, which could not be read.
    pub unread: &'a BTreeSet<Offset>,
}

impl Sent<'_> {
    /// Of none.
    pub const NOTHING: Self = Self { below: Offset(i64::MIN), unread: &BTreeSet::new() };
    /// Of all.
    pub const EVERYTHING: Self = Self { below: Offset(i64::MAX), unread: &BTreeSet::new() };

    fn covers(self, offset: Offset) -> bool {
        let unread = stands(Guard::OutputUnread) && self.unread.contains(&offset);
        offset < self.below && !unread
    }
}

impl<E> Stamp<E> {
    /// Judges a change against what has been folded.
    pub fn judge(&self, identity: &Identity) -> Verdict {
        let marks = self.find(&identity.line).ok().and_then(|at| self.marks.get(at));
        match Marks::judge(marks.map(|(_, marks)| marks), identity.place) {
            Verdict::Repeat if !stands(Guard::Stamp) => Verdict::Fold,
            Verdict::Stale if !stands(Guard::Staleness) => Verdict::Fold,
            Verdict::Early if !stands(Guard::Gap) => Verdict::Fold,
            verdict @ (Verdict::Repeat
            | Verdict::Stale
            | Verdict::Early
            | Verdict::Fold
            | Verdict::FoldUndecided) => verdict,
        }
    }

    /// Notes that a change has been taken in: one more revision.
    pub fn mark(&mut self, identity: &Identity) {
        self.revision += 1;
        match self.find(&identity.line) {
            Ok(at) => {
                if let Some((_, marks)) = self.marks.get_mut(at) {
                    marks.advance(identity.place);
                }
            }
            Err(at) => {
                self.marks.insert(at, (identity.line.clone(), Marks::first(identity.place)));
            }
        }
    }

    /// Drops what is owed to records of a partition and is surely told.
    pub fn forget_sent(&mut self, partition: &Partition, sent: Sent<'_>) {
        let is_sent = |from: &Position| from.partition == *partition && sent.covers(from.offset);
        self.unsent.retain(|output| stands(Guard::OutputMemory) && !is_sent(&output.from));
    }

    /// Whether a record of this key is held.
    pub const fn is_held(&self) -> bool {
        !self.held.is_empty()
    }

    /// Whether a record has joined the key's queue. One that is kept, and has not, is still its
    /// worker's: it was held for a write that has not come about.
    pub fn has_queued(&self, record: &Position) -> bool {
        let moved = record.partition.held();
        let mut last = self.held.iter();
        last.any(|last| {
            let same = last.partition == record.partition || last.partition == moved;
            same && record.offset <= last.offset
        })
    }

    /// Notes that a record joins the key's queue: one more revision, so that whoever frees the key
    /// meanwhile notices. One that comes again joins again: that later ones have joined does not
    /// tell that it has, since records finish out of order.
    pub fn queue(&mut self, record: &Position) {
        match self.held.iter_mut().find(|last| last.partition == record.partition) {
            Some(last) => last.offset = last.offset.max(record.offset),
            None => self.held.push(record.clone()),
        }
        self.revision += 1;
    }

    pub(crate) fn find(&self, line: &str) -> Result<usize, usize> {
        self.marks.binary_search_by(|(name, _)| name.as_str().cmp(line))
    }
}
