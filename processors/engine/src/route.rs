//! Station 5: which documents an event touches, and the queue of parts before each of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use readmill_core::envelope::Change;
use readmill_core::{
    Document, Heard, Identity, Key, Offset, Outcome, Person, Position, ReadModel, Record,
};
use xxhash_rust::xxh3::xxh3_64;

use crate::fault::Fault;
use crate::ports::Unfolded;
use crate::reader::Aside;

/// One record's part in one document.
#[derive(Debug)]
pub struct Part<M: ReadModel> {
    /// The record.
    pub record: Arc<Record>,
    /// Where it comes from: its place in the log, or among held records.
    pub from: Position,
    /// What is to be done.
    pub task: Task<M>,
}

/// An event, and what its envelope says of it.
#[derive(Debug, Clone)]
pub struct Told<E> {
    /// How it is known.
    pub identity: Identity,
    /// When its source committed it.
    pub committed_ms: i64,
    /// The event.
    pub event: E,
}

/// What a part brings to its document.
#[derive(Debug)]
pub enum Task<M: ReadModel> {
    /// An event to take in.
    Take(Told<M::Event>),
    /// A record that cannot be read: its key is held with it.
    Hold {
        /// How it is known, if its envelope could be read.
        identity: Option<Identity>,
        /// Why it cannot be read.
        reason: String,
    },
    /// An event from the key's queue in the held store.
    Retry {
        /// The event.
        told: Told<M::Event>,
        /// Whether versions before it that are missing will never come.
        close_gaps: bool,
    },
    /// A record from the key's queue that a person gives up.
    GiveUp(Identity),
    /// It is registered with a document that it embeds, and is to look what stands there; the
    /// part's record only tells to whom this is owed, here and in the next one.
    Look {
        /// The key of the document that it embeds.
        key: Key,
        /// What stands there, if anything does.
        of: Option<Arc<Document<M>>>,
        /// The revision since which it embeds that one.
        since: i64,
    },
    /// What it embeds has changed.
    Embed {
        /// The key of the document that it embeds.
        key: Key,
        /// What stands there.
        of: Arc<Document<M>>,
        /// Who has taken over this revision or a later one is not meant.
        since: i64,
    },
    /// The document is to lose persons who are forgotten.
    Forget {
        /// Who.
        persons: Arc<[Person]>,
        /// Whether the document is their own: nothing of it is to be left.
        is_own: bool,
        /// What the document owes up to this revision is told.
        told: i64,
    },
    /// What has waited for too long is to be held; the part's record is one of it.
    HoldOverdue {
        /// It has waited since before this time.
        before_ms: i64,
    },
}

// By hand, because derives would ask the same of `M`, which is never made.
impl<M: ReadModel> Clone for Part<M> {
    fn clone(&self) -> Self {
        let (record, from) = (Arc::clone(&self.record), self.from.clone());
        Self { record, from, task: self.task.clone() }
    }
}

impl<M: ReadModel> Clone for Task<M> {
    fn clone(&self) -> Self {
        match self {
            Self::Take(told) => Self::Take(told.clone()),
            Self::Hold { identity, reason } => {
                Self::Hold { identity: identity.clone(), reason: reason.clone() }
            }
            Self::Retry { told, close_gaps } => {
                Self::Retry { told: told.clone(), close_gaps: *close_gaps }
            }
            Self::GiveUp(identity) => Self::GiveUp(identity.clone()),
            Self::Look { key, of, since } => {
                Self::Look { key: key.clone(), of: of.clone(), since: *since }
            }
            Self::Embed { key, of, since } => {
                Self::Embed { key: key.clone(), of: Arc::clone(of), since: *since }
            }
            Self::Forget { persons, is_own, told } => {
                Self::Forget { persons: Arc::clone(persons), is_own: *is_own, told: *told }
            }
            Self::HoldOverdue { before_ms } => Self::HoldOverdue { before_ms: *before_ms },
        }
    }
}

impl<M: ReadModel> Task<M> {
    /// How much of its record is not folded, if it is held.
    pub const fn unfolded(&self) -> Unfolded {
        match self {
            Self::Hold { .. } => Unfolded::All,
            Self::Take(_)
            | Self::Retry { .. }
            | Self::GiveUp(_)
            | Self::Look { .. }
            | Self::Embed { .. }
            | Self::Forget { .. }
            | Self::HoldOverdue { .. } => Unfolded::Part,
        }
    }

    /// Whether it comes from another document, and not from a record.
    pub const fn is_of_another(&self) -> bool {
        matches!(self, Self::Look { .. } | Self::Embed { .. })
    }

    /// Whether its record comes from the key's queue, and so is held already.
    pub const fn is_from_queue(&self) -> bool {
        matches!(self, Self::Retry { .. } | Self::GiveUp(_))
    }
}

/// The parts of one document, in the log's order.
pub type Queues<M> = BTreeMap<Key, Vec<Part<M>>>;

/// A batch on its way from station 4 to station 6.
#[derive(Debug)]
pub struct Routed<M: ReadModel> {
    /// Queues by shard: a key is always in the same one.
    pub shards: Vec<Queues<M>>,
    /// Every record, with the number of its parts; without any it has come to this end here.
    pub records: Vec<(Position, usize, Outcome)>,
    /// Records to hold for which no key is known, with the reasons.
    pub keyless: Vec<(Arc<Record>, String)>,
    /// Those that could not be read.
    pub unread: Vec<Offset>,
}

impl<M: ReadModel> Routed<M> {
    /// An empty one.
    pub fn new(shards: usize) -> Self {
        let shards = (0..shards.max(1)).map(|_| BTreeMap::new()).collect();
        Self { shards, records: Vec::new(), keyless: Vec::new(), unread: Vec::new() }
    }

    /// Routes what came out of the stations before.
    ///
    /// # Errors
    /// A fault that is not the record's own.
    pub fn add(
        &mut self,
        record: &Arc<Record>,
        passed: Result<(Change<'_>, Heard<M::Event>), Aside>,
    ) -> Result<(), Fault> {
        let position = record.position.clone();
        if matches!(passed, Err(Aside::Hold { .. })) {
            self.unread.push(position.offset);
        }
        let (parts, end) = match passed {
            Ok((change, heard)) => (self.touch(record, &change, heard), Outcome::Skipped),
            Err(Aside::Skip(rule)) => {
                tracing::trace!(%position, rule, "skipped");
                (0, Outcome::Skipped)
            }
            Err(Aside::Hold { key: Some(key), identity, reason }) => {
                self.push(key, record, Task::Hold { identity, reason });
                (1, Outcome::Skipped)
            }
            Err(Aside::Hold { key: None, reason, .. }) => {
                self.keyless.push((Arc::clone(record), reason));
                (0, Outcome::Held)
            }
            Err(Aside::Fault(fault)) => return Err(fault),
        };
        self.records.push((position, parts, end));
        Ok(())
    }

    /// Answers how many parts it has. A person of whom it tells, and who is forgotten, may still be
    /// told of where it was folded before they were: that ends with it.
    fn touch(
        &mut self,
        record: &Arc<Record>,
        change: &Change<'_>,
        heard: Heard<M::Event>,
    ) -> usize {
        let Heard { event, keys, forgotten, own } = heard;
        let mut parts = keys.len() + own.len();
        let told = |key: &Key| {
            let identity = change.identity(&record.position, key);
            Told { identity, committed_ms: change.committed_ms, event: event.clone() }
        };
        if forgotten.is_empty() {
            for key in keys {
                let told = told(&key);
                self.push(key, record, Task::Take(told));
            }
            return parts;
        }
        let persons: Arc<[Person]> = forgotten.into();
        let forget =
            |is_own| Task::Forget { persons: Arc::clone(&persons), is_own, told: i64::MIN };
        parts += keys.len();
        for key in keys {
            let told = told(&key);
            self.push(key.clone(), record, Task::Take(told));
            self.push(key, record, forget(false));
        }
        for key in own {
            self.push(key, record, forget(true));
        }
        parts
    }

    fn push(&mut self, key: Key, record: &Arc<Record>, task: Task<M>) {
        let shard = shard_of(&key, self.shards.len());
        let from = record.position.clone();
        let part = Part { record: Arc::clone(record), from, task };
        if let Some(queues) = self.shards.get_mut(shard) {
            queues.entry(key).or_default().push(part);
        }
    }
}

/// The shard of a key.
fn shard_of(key: &Key, shards: usize) -> usize {
    usize::try_from(xxh3_64(key.as_str().as_bytes()) % shards.max(1) as u64).unwrap_or(0)
}
