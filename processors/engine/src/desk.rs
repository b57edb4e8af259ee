//! The desk where a person deals with held records: tries them again in order, or gives them up.

use std::num::NonZeroUsize;
use std::sync::Arc;

use readmill_core::{
    Document, Guard, Identity, Key, Offset, Outcome, Partition, Position, ReadModel, Verdict,
    stands,
};
use tokio::sync::watch;

use crate::fault::Fault;
use crate::patience::{Patience, patiently};
use crate::ports::{Held, HeldRecord, Ports, Put, Unfolded, Write};
use crate::queue;
use crate::reader::{self, Aside, Reader};
use crate::route::{Part, Queues, Task};
use crate::shard::{Batch, End, Shard};

/// Deals with the held records of one model. It may do so while the model runs, here or elsewhere:
/// every write is by compare-and-set, and whoever queues a record changes the document's revision.
#[derive(Debug)]
pub struct Desk<'p, M: ReadModel> {
    ports: &'p Ports<M>,
    reader: Reader<M>,
    shard: Shard<M>,
    patience: Patience,
}

/// What came of a queue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dealt {
    /// What became of the records that left the queue.
    pub ended: Vec<Outcome>,
    /// The record that the rest of the queue stays behind, and why.
    pub stuck: Option<(Position, String)>,
}

/// What one record came to.
enum Try {
    Ended(Outcome),
    Stuck(String),
}

impl<'p, M: ReadModel> Desk<'p, M> {
    /// A desk over a model's ports. It waits for services until `closing` turns true.
    pub fn new(ports: &'p Ports<M>, closing: watch::Receiver<bool>) -> Self {
        let patience = Patience::new(closing, ports.metrics.clone(), M::NAME);
        let reader = Reader::new(Arc::clone(&ports.schemas), patience.clone());
        let shard = Shard::new(NonZeroUsize::MIN, patience.clone());
        Self { ports, reader, shard, patience }
    }

    /// Tries the records of a key again (or those without one), in the order in which they came,
    /// until none is left or one is stuck. Then live events of the key pass again.
    ///
    /// # Errors
    /// A fault that does not pass.
    pub async fn retry(&mut self, key: Option<&Key>) -> Result<Dealt, Fault> {
        let mut dealt = Dealt::default();
        loop {
            // Loaded before the queue is read: what joins the queue later changes its revision.
            let document = self.document(key).await?;
            let queue = self.queued(key, &document).await?;
            let queue = self.by_version(key, queue).await?;
            if queue.is_empty() {
                if self.free(key, document).await? {
                    return Ok(dealt);
                }
                continue;
            }
            for mut held in queue {
                match self.fold(&held).await? {
                    Try::Ended(outcome) => {
                        self.release(&held).await?;
                        dealt.ended.push(outcome);
                    }
                    Try::Stuck(reason) => {
                        held.tries += 1;
                        held.reason.clone_from(&reason);
                        let again = std::slice::from_ref(&held);
                        patiently!(self.patience, self.ports.held.replace(again))?;
                        dealt.stuck = Some((held.record.position, reason));
                        return Ok(dealt);
                    }
                }
            }
        }
    }

    /// Gives a record up: from now on it counts as taken in, as far as its envelope tells what it
    /// is. Answers why not, if it cannot be.
    ///
    /// # Errors
    /// A fault that does not pass.
    pub async fn give_up(&mut self, held: &HeldRecord) -> Result<Option<String>, Fault> {
        if let Some(key) = &held.key
            && let Some(identity) = self.identity(held, key).await?
        {
            let queues = queue_of(key, held, Task::GiveUp(identity));
            let ends = self.fold_and_write(held, Offset(i64::MIN), queues).await?;
            if let Some(why) = ends.into_iter().find_map(still_held) {
                return Ok(Some(why));
            }
        }
        self.release(held).await?;
        loop {
            let document = self.document(held.key.as_ref()).await?;
            let behind = self.queued(held.key.as_ref(), &document).await?;
            if !behind.is_empty() || self.free(held.key.as_ref(), document).await? {
                return Ok(None);
            }
        }
    }

    /// The records of a key, in the order in which they came.
    ///
    /// # Errors
    /// A fault that does not pass.
    pub async fn queue(&mut self, key: Option<&Key>) -> Result<Vec<HeldRecord>, Fault> {
        let which = key.map_or(Held::Keyless, |key| Held::Key(key.clone()));
        let held = patiently!(self.patience, self.ports.held.list(M::NAME, &which))?;
        Ok(queue::in_order(held))
    }

    /// Of the records of a key those that have joined its queue. Others are their workers' to fold
    /// or to queue; those that were folded meanwhile are let go.
    async fn queued(
        &mut self,
        key: Option<&Key>,
        document: &Document<M>,
    ) -> Result<Vec<HeldRecord>, Fault> {
        let mut queued = Vec::new();
        for held in self.queue(key).await? {
            let Some(key) = key.filter(|_| !document.stamp.has_queued(held.position())) else {
                queued.push(held);
                continue;
            };
            let identity = self.identity(&held, key).await?;
            let verdict = identity.map(|identity| document.stamp.judge(&identity));
            if matches!(verdict, Some(Verdict::Repeat | Verdict::Stale)) {
                self.release(&held).await?;
            }
        }
        Ok(queued)
    }

    /// The versions of an aggregate in their order, also where a relay has swapped them: behind one
    /// that stays held for good, those before it would be stuck.
    async fn by_version(
        &mut self,
        key: Option<&Key>,
        queue: Vec<HeldRecord>,
    ) -> Result<Vec<HeldRecord>, Fault> {
        let Some(key) = key else { return Ok(queue) };
        let mut identities = Vec::with_capacity(queue.len());
        for held in &queue {
            identities.push(self.identity(held, key).await?);
        }
        Ok(queue::by_version(queue, &identities))
    }

    /// Stations 2 to 7 for one held record.
    async fn fold(&mut self, held: &HeldRecord) -> Result<Try, Fault> {
        let queues = match self.parts(held).await {
            Ok(queues) => queues,
            Err(Aside::Skip(_)) => return Ok(Try::Ended(Outcome::Skipped)),
            Err(Aside::Hold { reason, .. }) => return Ok(Try::Stuck(reason)),
            Err(Aside::Fault(fault)) => return Err(fault),
        };
        let ends = self.fold_and_write(held, held.record.position.offset, queues).await?;
        let outcome = ends.iter().map(|end| end.taken.outcome).max();
        let stuck = ends.into_iter().find_map(still_held);
        Ok(stuck.map_or(Try::Ended(outcome.unwrap_or(Outcome::Skipped)), Try::Stuck))
    }

    async fn fold_and_write(
        &mut self,
        held: &HeldRecord,
        sent_below: Offset,
        queues: Queues<M::Event>,
    ) -> Result<Vec<End>, Fault> {
        let ports = self.ports;
        let partition = &from(held).partition;
        self.shard.fold_and_write(Batch { ports, partition, sent_below }, queues).await
    }

    /// Stations 2 to 5: what is to be done in which documents.
    async fn parts(&mut self, held: &HeldRecord) -> Result<Queues<M::Event>, Aside> {
        let framed = reader::wire(&held.record)?;
        let change = self.reader.envelope(&held.record, framed).await?;
        let event = self.reader.event(&held.record.position, &change).await?;
        let mut queues = Queues::new();
        for key in M::keys(&event).into_vec() {
            let identity = change.identity(&held.record.position, &key);
            let (event, committed_ms) = (event.clone(), change.committed_ms);
            let own = held.key.as_ref() == Some(&key);
            let task = match held.unfolded {
                Unfolded::Part | Unfolded::All if own => {
                    Task::Retry { identity, event, committed_ms }
                }
                Unfolded::All => Task::Take { identity, event, committed_ms },
                Unfolded::Part => continue,
            };
            queues.extend(queue_of(&key, held, task));
        }
        Ok(queues)
    }

    /// How a record is known under a key, as far as it can be read.
    async fn identity(&mut self, held: &HeldRecord, key: &Key) -> Result<Option<Identity>, Fault> {
        let reading = async {
            let framed = reader::wire(&held.record)?;
            let change = self.reader.envelope(&held.record, framed).await?;
            Ok(change.identity(&held.record.position, key))
        };
        match reading.await {
            Ok(identity) => Ok(Some(identity)),
            Err(Aside::Skip(_) | Aside::Hold { .. }) => Ok(None),
            Err(Aside::Fault(fault)) => Err(fault),
        }
    }

    async fn document(&mut self, key: Option<&Key>) -> Result<Document<M>, Fault> {
        let Some(key) = key else { return Ok(Document::default()) };
        let load = patiently!(self.patience, self.ports.store.load(std::slice::from_ref(key)))?;
        Ok(load.into_iter().next().flatten().unwrap_or_default())
    }

    /// Frees a key whose queue is empty. Answers false if that may have changed.
    async fn free(&mut self, key: Option<&Key>, mut document: Document<M>) -> Result<bool, Fault> {
        if !stands(Guard::HeldFree) {
            document = self.document(key).await?;
        }
        let expected = document.stamp.revision;
        document.free();
        let Some(key) = key.filter(|_| document.stamp.revision != expected) else {
            return Ok(true);
        };
        let write = Write { key, expected, document: &document };
        let puts = patiently!(self.patience, self.ports.store.put(std::slice::from_ref(&write)))?;
        Ok(puts.first() == Some(&Put::Done))
    }

    async fn release(&mut self, held: &HeldRecord) -> Result<(), Fault> {
        patiently!(self.patience, self.ports.held.release(std::slice::from_ref(held)))
    }
}

/// Where a record comes from now.
fn from(held: &HeldRecord) -> Position {
    let Position { partition, offset } = &held.record.position;
    Position { partition: Partition::held(partition), offset: *offset }
}

fn queue_of<E>(key: &Key, held: &HeldRecord, task: Task<E>) -> Queues<E> {
    Queues::from([(
        key.clone(),
        vec![Part { record: Arc::new(held.record.clone()), from: from(held), task }],
    )])
}

/// Why a record from a queue stays there. One that joined another key's queue has left this one.
fn still_held(end: End) -> Option<String> {
    let stays = end.from_queue && end.taken.outcome == Outcome::Held;
    stays.then(|| end.taken.why.unwrap_or_default())
}
