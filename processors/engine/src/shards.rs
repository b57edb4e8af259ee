//! The shards of a partition: shares of its keys, folded and written side by side.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::Arc;

use readmill_core::{Offset, Partition, ReadModel, Sent};
use tokio::task::JoinSet;

use crate::fault::Fault;
use crate::patience::Patience;
use crate::ports::Ports;
use crate::route::Queues;
use crate::run::Limits;
use crate::shard::{Batch, End, Shard};

/// All shards of one partition. What comes for one that is busy queues before it, so that a hot key
/// or a slow write keeps none but its own shard.
#[derive(Debug)]
pub struct Shards<M: ReadModel> {
    ports: Arc<Ports<M>>,
    partition: Partition,
    /// Records of the partition that could not be read.
    unread: Arc<BTreeSet<Offset>>,
    slots: Vec<Slot<M>>,
    busy: JoinSet<Done<M>>,
}

#[derive(Debug)]
struct Slot<M: ReadModel> {
    /// The shard, unless it is at work.
    idle: Option<Shard<M>>,
    queued: Queues<M>,
}

/// A shard that has come back from its work.
struct Done<M: ReadModel> {
    slot: usize,
    shard: Shard<M>,
    ends: Result<Vec<End>, Fault>,
}

impl<M: ReadModel> Shards<M> {
    /// As many as the limits say.
    pub fn new(
        ports: Arc<Ports<M>>,
        partition: Partition,
        limits: &Limits,
        patience: &Patience,
    ) -> Self {
        let count = limits.shards_per_partition.max(1);
        let cached = NonZeroUsize::new(limits.cached_documents_per_partition / count);
        let cached = cached.unwrap_or(NonZeroUsize::MIN);
        let slot =
            |_| Slot { idle: Some(Shard::new(cached, patience.clone())), queued: Queues::new() };
        let slots = (0..count).map(slot).collect();
        Self { ports, partition, unread: Arc::default(), slots, busy: JoinSet::new() }
    }

    /// How many there are.
    pub const fn count(&self) -> usize {
        self.slots.len()
    }

    /// Notes records of the partition that could not be read: that they are settled does not tell
    /// that their reactions are sent.
    pub fn note_unread(&mut self, unread: Vec<Offset>) {
        if !unread.is_empty() {
            Arc::make_mut(&mut self.unread).extend(unread);
        }
    }

    /// Queues a batch, and sets idle shards to work. Everything of the partition below
    /// `sent_below` is settled.
    pub fn hand_on(&mut self, batch: Vec<Queues<M>>, sent_below: Offset) {
        for (slot, queues) in self.slots.iter_mut().zip(batch) {
            for (key, parts) in queues {
                slot.queued.entry(key).or_default().extend(parts);
            }
        }
        (0..self.slots.len()).for_each(|slot| self.set_to_work(slot, sent_below));
    }

    /// What the next shard to come back has ended; none if all are idle.
    ///
    /// # Errors
    /// The fault that ended its work.
    pub async fn next(&mut self) -> Option<Result<Vec<End>, Fault>> {
        let done = self.busy.join_next().await?;
        let Done { slot, shard, ends } = match done {
            Ok(done) => done,
            Err(error) => return Some(Err(Fault::defect("a shard", &error))),
        };
        if let Some(slot) = self.slots.get_mut(slot) {
            slot.idle = Some(shard);
        }
        Some(ends)
    }

    /// Sets all idle shards to work on what queues before them.
    pub fn go_on(&mut self, sent_below: Offset) {
        (0..self.slots.len()).for_each(|slot| self.set_to_work(slot, sent_below));
    }

    /// Gives up what no shard has begun.
    pub fn forget_queued(&mut self) {
        self.slots.iter_mut().for_each(|slot| slot.queued.clear());
    }

    fn set_to_work(&mut self, at: usize, sent_below: Offset) {
        let Some(slot) = self.slots.get_mut(at).filter(|slot| !slot.queued.is_empty()) else {
            return;
        };
        let Some(mut shard) = slot.idle.take() else { return };
        let queues = std::mem::take(&mut slot.queued);
        let (ports, partition) = (Arc::clone(&self.ports), self.partition.clone());
        let unread = Arc::clone(&self.unread);
        self.busy.spawn(async move {
            let sent = Sent { below: sent_below, unread: &unread };
            let batch = Batch::of(&ports, &partition, sent);
            let ends = shard.fold_and_write(batch, queues).await;
            Done { slot: at, shard, ends }
        });
    }
}
