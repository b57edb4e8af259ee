//! Station 7, second half: what durable documents still have to tell, each kind to whom it is for.

use std::num::NonZeroUsize;

use lru::LruCache;
use readmill_core::rollup::Partials;
use readmill_core::{Document, Guard, Key, Output, ReadModel, Sent, What, stands};

use crate::fault::Fault;
use crate::metrics::Meter;
use crate::patience::{Patience, patiently};
use crate::ports::{Ports, Said};
use crate::shard::Batch;
use crate::timing::{Call, Timing};
use crate::work::Work;
use crate::{joins, rollups};

/// So many partial groups are kept in memory.
const CACHED_PARTIALS: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

/// What a document has to tell.
#[derive(Debug)]
pub struct Owed<'a, M: ReadModel> {
    /// Its key.
    pub key: &'a Key,
    /// The document.
    pub document: &'a Document<M>,
    /// What it has to tell.
    pub output: &'a Output,
}

/// Whoever tells it.
#[derive(Debug)]
pub struct Teller {
    /// Partial groups as they were written last.
    pub partials: LruCache<Key, Document<Partials>>,
    /// How long it asks again.
    pub patience: Patience,
}

impl Teller {
    /// A teller that remembers nothing.
    pub fn new(patience: Patience) -> Self {
        Self { partials: LruCache::new(CACHED_PARTIALS), patience }
    }

    /// Tells all of it. Repeats do no harm: reactions have ids, partial groups remember, and copies
    /// give way to newer ones only.
    ///
    /// # Errors
    /// A fault that does not pass.
    pub async fn tell<M: ReadModel>(
        &mut self,
        batch: Batch<'_, M>,
        owed: &[Owed<'_, M>],
    ) -> Result<(), Fault> {
        self.say(batch, owed).await?;
        rollups::add(self, batch, owed).await?;
        joins::tell(self, batch, owed).await
    }

    async fn say<M: ReadModel>(
        &mut self,
        batch: Batch<'_, M>,
        owed: &[Owed<'_, M>],
    ) -> Result<(), Fault> {
        let said = |owed: &Owed<'_, M>| match &owed.output.what {
            What::Reaction(reaction) => Some(Said::named(M::NAME, owed.key, owed.output, reaction)),
            What::Difference(_) | What::Embeds(_) | What::Leaves(_) | What::Changed => None,
        };
        let ours = |owed: &&Owed<'_, M>| batch.ports.word.is_ours(&owed.output.from);
        let said: Vec<Said> = owed.iter().filter(ours).filter_map(said).collect();
        if said.is_empty() {
            return Ok(());
        }
        let timing = Timing::of::<M>(&batch.ports.metrics, Call::Say);
        let sending = async || {
            let sent = timing.time(batch.ports.outlet.send(&said)).await;
            sent.or_else(|fault| unless(Guard::OutputBeforeSettle, fault))
        };
        patiently!(self.patience, sending())?;
        batch.ports.metrics.add(Meter::Said, &[M::NAME], said.len() as u64);
        Ok(())
    }
}

/// Tells again some of what a document owes, to whichever records: those whose it was to tell it
/// may have died before.
///
/// # Errors
/// A fault that does not pass.
pub async fn tell_all<M: ReadModel>(
    teller: &mut Teller,
    ports: &Ports<M>,
    (key, document): (&Key, &Document<M>),
    which: impl Fn(&Output) -> bool,
) -> Result<(), Fault> {
    let owed = document.stamp.unsent.iter().filter(|output| which(output));
    let owed: Vec<Owed<'_, M>> = owed.map(|output| Owed { key, document, output }).collect();
    for owed in owed.chunk_by(|a, b| a.output.from.partition == b.output.from.partition) {
        let Some(first) = owed.first() else { continue };
        let partition = &first.output.from.partition;
        teller.tell(Batch::of(ports, partition, Sent::NOTHING), owed).await?;
    }
    Ok(())
}

/// What a document owes to records of this partition; to those of others it is their own workers'
/// to tell. Nobody makes new outputs that are owed to another partition's record: partial groups
/// may have counted that one as settled.
pub fn owed_by<'a, M: ReadModel>(
    work: &'a Work<M>,
    batch: Batch<'a, M>,
) -> impl Iterator<Item = Owed<'a, M>> {
    let unsent = &work.document.stamp.unsent;
    let is_new = |output: &Output| output.revision > work.loaded;
    // A record may have been folded, and held when it came again: what it owes is the desk's now.
    // Partial groups take a revision for all before it, so differences are told with those before.
    let brought = |output: &Output| {
        let is_difference =
            matches!(output.what, What::Difference(_)) && stands(Guard::RollupOrder);
        work.parts.iter().map(|part| &part.record.position).any(|record| {
            *record == output.from || (is_difference && record.partition == output.from.partition)
        })
    };
    let own = |output: &Output| output.from.partition == *batch.partition;
    // Once its edge is gone, the worker of a document that it embedded finds it no more: what it
    // owes to that one's records is told with its leaving.
    let leaves = |output: &Output| own(output) && matches!(output.what, What::Leaves(_));
    let leaves = unsent.iter().any(leaves);
    let left_over = move |output: &Output| leaves && matches!(output.what, What::Difference(_));
    // Who is told of a document that it embeds has been found by its edge.
    let told_of_another = work.parts.iter().any(|part| part.task.is_of_another());
    let joined = move |output: &Output| {
        told_of_another && !is_new(output) && matches!(output.what, What::Embeds(_))
    };
    unsent
        .iter()
        .filter(move |output| own(output) || brought(output) || left_over(output))
        .filter(move |output| is_new(output) || stands(Guard::OutputAgain))
        .filter(move |output| !joined(output))
        .map(|output| Owed { key: &work.key, document: &work.document, output })
}

/// A fault, as long as the guard stands that nothing is settled before it has passed.
fn unless(guard: Guard, fault: Fault) -> Result<(), Fault> {
    if stands(guard) { Err(fault) } else { Ok(()) }
}
