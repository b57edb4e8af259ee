//! Station 5: which documents an event touches, and the queue of parts before each of them.

use std::collections::BTreeMap;

use readmill_core::envelope::Change;
use readmill_core::{Identity, Key, Outcome, Position, ReadModel};
use xxhash_rust::xxh3::xxh3_64;

use crate::fault::Fault;
use crate::reader::Aside;
use crate::record::Record;

/// One record's part in one document.
#[derive(Debug)]
pub struct Part<E> {
    /// The record's place in the batch.
    pub record: usize,
    /// The record's place in the log.
    pub from: Position,
    /// What is to be done.
    pub task: Task<E>,
}

/// What a part brings to its document.
#[derive(Debug)]
pub enum Task<E> {
    /// An event to take in.
    Take {
        /// How it is known.
        identity: Identity,
        /// The event.
        event: E,
        /// When its source committed it.
        committed_ms: i64,
    },
    /// A record that cannot be read: its key is held with it.
    Hold(String),
}

/// The parts of one document, in the log's order.
pub type Queues<E> = BTreeMap<Key, Vec<Part<E>>>;

/// A batch on its way from station 4 to station 6.
#[derive(Debug)]
pub struct Routed<E> {
    /// Queues by shard: a key is always in the same one.
    pub shards: Vec<Queues<E>>,
    /// Records that ended here, or that are held without a key.
    pub ends: Vec<(usize, Outcome)>,
    /// Records to hold for which no key is known, with the reasons.
    pub keyless: Vec<(usize, String)>,
}

impl<E: Clone> Routed<E> {
    /// An empty one.
    pub fn new(shards: usize) -> Self {
        let shards = (0..shards.max(1)).map(|_| BTreeMap::new()).collect();
        Self { shards, ends: Vec::new(), keyless: Vec::new() }
    }

    /// Routes what came out of the stations before.
    ///
    /// # Errors
    /// A fault that is not the record's own.
    pub fn add<M: ReadModel<Event = E>>(
        &mut self,
        at: usize,
        record: &Record,
        passed: Result<(Change<'_>, E), Aside>,
    ) -> Result<(), Fault> {
        match passed {
            Ok((change, event)) => self.touch::<M>(at, record, &change, event),
            Err(Aside::Skip(rule)) => {
                tracing::trace!(position = %record.position, rule, "skipped");
                self.ends.push((at, Outcome::Skipped));
            }
            Err(Aside::Hold { key: Some(key), reason }) => {
                self.push(key, at, record, Task::Hold(reason));
            }
            Err(Aside::Hold { key: None, reason }) => {
                self.ends.push((at, Outcome::Held));
                self.keyless.push((at, reason));
            }
            Err(Aside::Fault(fault)) => return Err(fault),
        }
        Ok(())
    }

    fn touch<M: ReadModel<Event = E>>(
        &mut self,
        at: usize,
        record: &Record,
        change: &Change<'_>,
        event: E,
    ) {
        let keys = M::keys(&event).into_vec();
        if keys.is_empty() {
            self.ends.push((at, Outcome::Skipped));
        }
        for key in keys {
            let identity = change.identity(&record.position, &key);
            let committed_ms = change.committed_ms;
            self.push(key, at, record, Task::Take { identity, event: event.clone(), committed_ms });
        }
    }

    fn push(&mut self, key: Key, record: usize, whole: &Record, task: Task<E>) {
        let shard = shard_of(&key, self.shards.len());
        let part = Part { record, from: whole.position.clone(), task };
        if let Some(queues) = self.shards.get_mut(shard) {
            queues.entry(key).or_default().push(part);
        }
    }
}

fn shard_of(key: &Key, shards: usize) -> usize {
    usize::try_from(xxh3_64(key.as_str().as_bytes()) % shards.max(1) as u64).unwrap_or(0)
}
