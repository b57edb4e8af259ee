//! Stations 6 and 7 for a share of a partition's keys: load, fold, compare-and-set, tell.

use std::num::NonZeroUsize;

use lru::LruCache;
use readmill_core::document::Taken;
use readmill_core::{Document, Guard, Key, Offset, Partition, Position, ReadModel, stands};

use crate::fault::{Fault, Remedy};
use crate::metrics::Meter;
use crate::patience::{Patience, patiently};
use crate::ports::{HeldRecord, Ports, Put, Said, View, Write};
use crate::route::{Queues, Task};
use crate::station::{Lap, Station};
use crate::work::{Holds, Moment, Work};

const PAUSE_AFTER_FAULT_MS: u64 = 200;

/// What one record's part in one document came to.
#[derive(Debug)]
pub struct End {
    /// Where the record comes from.
    pub from: Position,
    /// What became of it.
    pub taken: Taken,
    /// Whether the record came from the key's queue.
    pub from_queue: bool,
    /// When its source committed it, where that is known.
    pub committed_ms: Option<i64>,
}

/// Whose records are folded, and where.
#[derive(Debug)]
pub struct Batch<'a, M: ReadModel> {
    /// The outside world.
    pub ports: &'a Ports<M>,
    /// Whose they are: what follows from them is owed to records of this partition.
    pub partition: &'a Partition,
    /// Everything of the partition below this offset is settled or sent.
    pub sent_below: Offset,
}

impl<M: ReadModel> Batch<'_, M> {
    fn moment(self) -> Moment {
        Moment { sent_below: self.sent_below, now_ms: self.ports.clock.now_ms() }
    }
}

impl<M: ReadModel> Clone for Batch<'_, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M: ReadModel> Copy for Batch<'_, M> {}

/// A share of a partition's keys, with its cache of hot documents.
#[derive(Debug)]
pub struct Shard<M: ReadModel> {
    hot: LruCache<Key, Document<M>>,
    patience: Patience,
}

impl<M: ReadModel> Shard<M> {
    /// An empty shard that keeps up to `cached_documents` of them.
    pub fn new(cached_documents: NonZeroUsize, patience: Patience) -> Self {
        Self { hot: LruCache::new(cached_documents), patience }
    }

    /// Folds queues into their documents until every one is durable and told.
    ///
    /// **Document first, with its outputs inside it; outputs second; the offset last.** A write
    /// that is refused or unsure is looked up: if what is stored is what was meant, it is done;
    /// else another writer came first, and the same parts are folded again into what it left.
    ///
    /// # Errors
    /// A fault that does not pass, or `Abandoned`.
    pub async fn fold_and_write(
        &mut self,
        batch: Batch<'_, M>,
        queues: Queues<M::Event>,
    ) -> Result<Vec<End>, Fault> {
        let mut lap = Lap::begin(&batch.ports.metrics, M::NAME);
        let mut works = lap.of(Station::Fold, self.load_and_fold(batch, queues).await)?;
        let mut ends = Vec::new();
        while !works.is_empty() {
            let held_first = stands(Guard::HeldFirst);
            if held_first {
                self.hold(batch, &works).await?;
            }
            let unsure = self.write(batch, &works).await?;
            if !held_first {
                self.hold(batch, &works).await?;
            }
            let (again, done) = self.look_up(batch, works, &unsure).await?;
            lap.of(Station::Write, self.tell(batch, &done).await)?;
            self.take_back(batch, &done).await?;
            for work in done {
                self.finish(batch, work, &mut ends);
            }
            works = again;
        }
        Ok(ends)
    }

    async fn load_and_fold(
        &mut self,
        batch: Batch<'_, M>,
        queues: Queues<M::Event>,
    ) -> Result<Vec<Work<M>>, Fault> {
        let cold: Vec<Key> =
            queues.keys().filter(|key| !self.hot.contains(*key)).cloned().collect();
        let mut loaded = self.load(batch, &cold).await?.into_iter();
        let model = &[M::NAME];
        let hits = (queues.len() - cold.len()) as u64;
        batch.ports.metrics.add(Meter::CacheHits, model, hits);
        let moment = batch.moment();
        let works = queues.into_iter().map(|(key, parts)| {
            let document = match self.hot.pop(&key) {
                Some(hot) => hot,
                None => loaded.next().flatten().unwrap_or_default(),
            };
            Work::fold(key, document, parts, moment)
        });
        Ok(works.collect())
    }

    async fn load(
        &mut self,
        batch: Batch<'_, M>,
        keys: &[Key],
    ) -> Result<Vec<Option<Document<M>>>, Fault> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        batch.ports.metrics.add(Meter::Loaded, &[M::NAME], keys.len() as u64);
        patiently!(self.patience, batch.ports.store.load(keys))
    }

    /// Held records come before the documents that refer to them: a key must never be held
    /// without its record.
    async fn hold(&mut self, batch: Batch<'_, M>, works: &[Work<M>]) -> Result<(), Fault> {
        let held: Vec<HeldRecord> =
            works.iter().flat_map(|work| held_records(batch, work)).collect();
        keep(&mut self.patience, batch.ports, &held).await
    }

    /// Lets go what was held for a fold that came to nothing, and is not held now. Only once the
    /// document says so for good: until then whoever holds the same record may still refer to it.
    async fn take_back(&mut self, batch: Batch<'_, M>, done: &[Work<M>]) -> Result<(), Fault> {
        let free: Vec<HeldRecord> = done.iter().flat_map(Work::held_in_vain).cloned().collect();
        if free.is_empty() {
            return Ok(());
        }
        patiently!(self.patience, batch.ports.held.release(&free))
    }

    /// Station 7, first half. Answers for each work whether its write is unsure.
    async fn write(&mut self, batch: Batch<'_, M>, works: &[Work<M>]) -> Result<Vec<bool>, Fault> {
        let changed: Vec<&Work<M>> = works.iter().filter(|work| work.changed()).collect();
        let writes: Vec<Write<'_, M>> = changed
            .iter()
            .map(|work| Write { key: &work.key, expected: work.loaded, document: &work.document })
            .collect();
        let puts = if writes.is_empty() {
            Vec::new()
        } else {
            match batch.ports.store.put(&writes).await {
                Err(fault) if fault.remedy() == Remedy::Retry => {
                    tracing::warn!(model = M::NAME, %fault, "writes are unsure");
                    self.patience.pause(PAUSE_AFTER_FAULT_MS).await?;
                    vec![Put::Unsure; writes.len()]
                }
                puts => puts?,
            }
        };
        let done = puts.iter().filter(|put| **put == Put::Done).count();
        batch.ports.metrics.add(Meter::Written, &[M::NAME], done as u64);
        batch.ports.metrics.add(Meter::Conflicts, &[M::NAME], (puts.len() - done) as u64);
        let mut puts = puts.into_iter();
        let unsure = |work: &Work<M>| {
            work.changed() && puts.next() != Some(Put::Done) && stands(Guard::Revision)
        };
        Ok(works.iter().map(unsure).collect())
    }

    /// Loads what is unsure: a document that stands as it was meant is done, the rest is folded
    /// again from what stands.
    async fn look_up(
        &mut self,
        batch: Batch<'_, M>,
        works: Vec<Work<M>>,
        unsure: &[bool],
    ) -> Result<(Vec<Work<M>>, Vec<Work<M>>), Fault> {
        let (mut done, mut doubtful) = (Vec::with_capacity(works.len()), Vec::new());
        for (work, unsure) in works.into_iter().zip(unsure) {
            if *unsure { doubtful.push(work) } else { done.push(work) }
        }
        let keys: Vec<Key> = doubtful.iter().map(|work| work.key.clone()).collect();
        let stored = self.load(batch, &keys).await?;
        let mut again = Vec::new();
        for (work, stored) in doubtful.into_iter().zip(stored) {
            let stored = stored.unwrap_or_default();
            if stored.stamp == work.document.stamp {
                done.push(work);
            } else {
                let held = held_records(batch, &work);
                again.push(work.again(stored, held, batch.moment()));
            }
        }
        Ok((again, done))
    }

    /// Station 7, second half: what the durable documents still have to say. Repeats say it again.
    async fn tell(&mut self, batch: Batch<'_, M>, done: &[Work<M>]) -> Result<(), Fault> {
        let said: Vec<Said> = done.iter().flat_map(|work| unsent(work, batch)).collect();
        if !said.is_empty() {
            let sending = async || {
                let sent = batch.ports.outlet.send(&said).await;
                sent.or_else(|fault| unless(Guard::OutputBeforeSettle, fault))
            };
            patiently!(self.patience, sending())?;
            batch.ports.metrics.add(Meter::Said, &[M::NAME], said.len() as u64);
        }
        let Some(mirror) = &batch.ports.mirror else {
            return Ok(());
        };
        let views: Vec<View> = done.iter().map(view).collect();
        let showing = async || {
            let shown = mirror.show(&views).await;
            shown.or_else(|fault| unless(Guard::MirrorBeforeSettle, fault))
        };
        patiently!(self.patience, showing())
    }

    /// What is told is forgotten with the next write, not only when its record is settled.
    fn finish(&mut self, batch: Batch<'_, M>, mut work: Work<M>, ends: &mut Vec<End>) {
        work.document.stamp.unsent.retain(|output| output.from.partition != *batch.partition);
        for (part, taken) in work.parts.into_iter().zip(work.taken) {
            let from_queue = part.task.is_from_queue();
            let committed_ms = match part.task {
                Task::Take(told) => Some(told.committed_ms),
                Task::Hold { .. }
                | Task::Retry { .. }
                | Task::GiveUp(_)
                | Task::HoldOverdue { .. } => None,
            };
            ends.push(End { from: part.from, taken, from_queue, committed_ms });
        }
        self.hot.put(work.key, work.document);
    }
}

/// A fault, as long as the guard stands that nothing is settled before it has passed.
fn unless(guard: Guard, fault: Fault) -> Result<(), Fault> {
    if stands(guard) { Err(fault) } else { Ok(()) }
}

/// Keeps held records, and says so: a person has to look at them.
pub async fn keep<M: ReadModel>(
    patience: &mut Patience,
    ports: &Ports<M>,
    held: &[HeldRecord],
) -> Result<(), Fault> {
    if held.is_empty() {
        return Ok(());
    }
    for HeldRecord { reason, record, .. } in held {
        let position = &record.position;
        tracing::warn!(model = M::NAME, %position, reason, "held");
    }
    patiently!(patience, ports.held.hold(held))?;
    // Seen at once; repeats that were held already are corrected when the gauge is read again.
    let many = i64::try_from(held.len()).unwrap_or(i64::MAX);
    ports.metrics.shift(Meter::Held, &[M::NAME], many);
    Ok(())
}

/// The records that a document's fold holds.
fn held_records<M: ReadModel>(batch: Batch<'_, M>, work: &Work<M>) -> Vec<HeldRecord> {
    let held_at_ms = batch.ports.clock.now_ms();
    let held = work.held().map(|Holds { record, unfolded, why }| {
        let key = Some(work.key.clone());
        HeldRecord::new::<M>(key, unfolded, why.to_owned(), held_at_ms, record.clone())
    });
    held.collect()
}

/// Reactions owed to records of this partition; those of others are their own workers' to send.
fn unsent<M: ReadModel>(work: &Work<M>, batch: Batch<'_, M>) -> Vec<Said> {
    let is_new = |revision| revision > work.loaded;
    // A record may have been folded, and held when it came again: its reactions are the desk's now.
    let brought = |output: &readmill_core::Output| {
        work.parts.iter().any(|part| part.record.position == output.from)
    };
    work.document
        .stamp
        .unsent
        .iter()
        .filter(|output| output.from.partition == *batch.partition || brought(output))
        .filter(|output| is_new(output.revision) || stands(Guard::OutputAgain))
        .map(|output| Said::named(M::NAME, &work.key, output))
        .collect()
}

fn view<M: ReadModel>(work: &Work<M>) -> View {
    View {
        key: work.key.clone(),
        revision: work.document.stamp.revision,
        fields: work.document.state.as_ref().map(M::mirror),
    }
}
