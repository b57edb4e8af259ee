//! The desk where a person deals with held records: tries them again in order, or gives them up.

use std::num::NonZeroUsize;
use std::sync::Arc;

use readmill_core::{
    Document, Guard, Heard, Identity, Key, Outcome, Output, Position, ReadModel, Record, Sent,
    Verdict, stands,
};
use tokio::sync::watch;

use crate::fault::Fault;
use crate::patience::{Patience, patiently};
use crate::ports::{Held, HeldRecord, Ports, Put, Unfolded, Write};
use crate::queue;
use crate::reader::{self, Aside, Reader};
use crate::route::{Part, Queues, Task, Told};
use crate::shard::{Batch, End, Shard, keep};
use crate::tell::tell_all;

/// Deals with the held records of one model. It may do so while the model runs, here or elsewhere:
/// every write is by compare-and-set, and whoever queues a record changes the document's revision.
#[derive(Debug)]
pub struct Desk<'p, M: ReadModel> {
    ports: &'p Ports<M>,
    reader: Reader<M>,
    shard: Shard<M>,
    patience: Patience,
    close_gaps: bool,
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
    Ended {
        outcome: Outcome,
        /// Whether others joined the queue by it.
        joined: bool,
    },
    Stuck(String),
}

impl<'p, M: ReadModel> Desk<'p, M> {
    /// A desk over a model's ports. It waits for services until `closing` turns true.
    pub fn new(ports: &'p Ports<M>, closing: watch::Receiver<bool>) -> Self {
        let patience = Patience::new(closing, ports.metrics.clone(), M::NAME);
        let reader = Reader::new(&ports.script, patience.clone());
        let shard = Shard::new(NonZeroUsize::MIN, patience.clone());
        Self { ports, reader, shard, patience, close_gaps: false }
    }

    /// A desk at which it is known that versions which are missing now will never come: what waits
    /// for them is folded without them.
    #[must_use]
    pub fn closing_gaps(self, close_gaps: bool) -> Self {
        Self { close_gaps, ..self }
    }

    /// Tries the records of a key again (or those without one), in the order in which they came,
    /// until none is left or one is stuck. Then live events of the key pass again.
    ///
    /// # Errors
    /// A fault that does not pass.
    pub async fn retry(&mut self, key: Option<&Key>) -> Result<Dealt, Fault> {
        let (mut dealt, mut stuck) = (Dealt::default(), None);
        loop {
            // Loaded before the queue is read: what joins the queue later changes its revision.
            let document = self.document(key).await?;
            let queue = self.queued(key, &document).await?;
            if self.keep_again(key, &document, &queue).await? {
                continue;
            }
            let queue = self.by_version(key, queue).await?;
            if queue.is_empty() {
                if self.free(key, document).await? {
                    return Ok(dealt);
                }
                continue;
            }
            for mut held in queue {
                match self.fold(&held).await? {
                    Try::Ended { outcome, joined } => {
                        self.release(&held).await?;
                        dealt.ended.push(outcome);
                        if joined {
                            break; // They may come before the rest of what was read.
                        }
                    }
                    // Others may have joined the queue before it since the queue was read.
                    Try::Stuck(_) if stuck.as_ref() != Some(held.position()) => {
                        stuck = Some(held.record.position);
                        break;
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
            let ends = self.fold_and_write(held, queues).await?;
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
            if document.lets_wait(held.position()) {
                continue; // Whoever holds it has not written the document yet.
            }
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

    /// Keeps again what waits in the document, is held, and is not kept: a desk may have let it go
    /// while another process held it once more. Answers whether there was any.
    async fn keep_again(
        &mut self,
        key: Option<&Key>,
        document: &Document<M>,
        queue: &[HeldRecord],
    ) -> Result<bool, Fault> {
        let held_at_ms = self.ports.clock.now_ms();
        let waiting = document.stamp.waiting.iter().filter(|waiting| waiting.held);
        let is_kept =
            |record: &Record| queue.iter().any(|held| held.record.position == record.position);
        let lost = waiting.filter(|waiting| !is_kept(&waiting.record));
        let lost = lost.map(|waiting| {
            let (reason, record) = (waiting.wants.words().to_owned(), waiting.record.clone());
            HeldRecord::new::<M>(key.cloned(), Unfolded::Part, reason, held_at_ms, record)
        });
        let lost: Vec<HeldRecord> = lost.collect();
        keep(&mut self.patience, self.ports, &lost).await?;
        Ok(!lost.is_empty())
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
            Err(Aside::Skip(_)) => {
                return Ok(Try::Ended { outcome: Outcome::Skipped, joined: false });
            }
            Err(Aside::Hold { reason, .. }) => return Ok(Try::Stuck(reason)),
            Err(Aside::Fault(fault)) => return Err(fault),
        };
        let ends = self.fold_and_write(held, queues).await?;
        let outcome = ends.iter().map(|end| end.taken.outcome).max().unwrap_or(Outcome::Skipped);
        let joined = ends.iter().any(|end| !end.taken.late.is_empty());
        let stuck = ends.into_iter().find_map(still_held);
        Ok(stuck.map_or(Try::Ended { outcome, joined }, Try::Stuck))
    }

    async fn fold_and_write(
        &mut self,
        held: &HeldRecord,
        queues: Queues<M>,
    ) -> Result<Vec<End>, Fault> {
        let ports = self.ports;
        let partition = &held.position().partition.held();
        // Other keys' queues have records of this partition too, dealt with in any order.
        self.shard.fold_and_write(Batch::of(ports, partition, Sent::NOTHING), queues).await
    }

    /// Stations 2 to 5: what is to be done in which documents.
    async fn parts(&mut self, held: &HeldRecord) -> Result<Queues<M>, Aside> {
        // What was a person's own who is forgotten is let go like what is of no interest.
        let (change, Heard { event, keys, .. }) = self.reader.read(&held.record).await?;
        let mut queues = Queues::new();
        for key in keys {
            let identity = change.identity(&held.record.position, &key);
            let told = Told { identity, committed_ms: change.committed_ms, event: event.clone() };
            let own = held.key.as_ref() == Some(&key);
            let task = match held.unfolded {
                Unfolded::Part | Unfolded::All if own => {
                    Task::Retry { told, close_gaps: self.close_gaps }
                }
                Unfolded::All => Task::Take(told),
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
        if let Some(key) = key {
            self.tell(key, &document).await?;
        }
        document.free();
        let Some(key) = key.filter(|_| document.stamp.revision != expected) else {
            return Ok(true);
        };
        let write = Write { key, expected, document: &document };
        let puts = patiently!(self.patience, self.ports.store.put(std::slice::from_ref(&write)))?;
        let is_free = puts.first() == Some(&Put::Done);
        if is_free {
            self.ports.changes.tell(key, &document);
        }
        Ok(is_free)
    }

    /// Tells what queues have led to and nobody may have told: whoever folded it may have died
    /// before, and it may be owed by a record of another key's queue.
    async fn tell(&mut self, key: &Key, document: &Document<M>) -> Result<(), Fault> {
        let of_queues = |output: &Output| output.from.partition.is_held();
        tell_all(&mut self.shard.teller, self.ports, (key, document), of_queues).await
    }

    async fn release(&mut self, held: &HeldRecord) -> Result<(), Fault> {
        patiently!(self.patience, self.ports.held.release(std::slice::from_ref(held)))
    }
}

fn queue_of<M: ReadModel>(key: &Key, held: &HeldRecord, task: Task<M>) -> Queues<M> {
    Queues::from([(
        key.clone(),
        vec![Part { record: Arc::new(held.record.clone()), from: held.position().held(), task }],
    )])
}

/// Why a record from a queue stays there. One that joined another key's queue has left this one.
fn still_held(end: End) -> Option<String> {
    let stays = end.from_queue && end.taken.outcome == Outcome::Held;
    stays.then(|| end.taken.why.unwrap_or_default())
}
