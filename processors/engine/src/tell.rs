//! Station 7, second half: what durable documents still have to tell, each kind to whom it is for.

use std::num::NonZeroUsize;

use lru::LruCache;
use readmill_core::rollup::Partials;
use readmill_core::{Document, Guard, Key, Output, ReadModel, What, stands};

use crate::fault::Fault;
use crate::metrics::Meter;
use crate::patience::{Patience, patiently};
use crate::ports::Said;
use crate::shard::Batch;
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
        let said: Vec<Said> = owed.iter().filter_map(said).collect();
        if said.is_empty() {
            return Ok(());
        }
        let sending = async || {
            let sent = batch.ports.outlet.send(&said).await;
            sent.or_else(|fault| unless(Guard::OutputBeforeSettle, fault))
        };
        patiently!(self.patience, sending())?;
        batch.ports.metrics.add(Meter::Said, &[M::NAME], said.len() as u64);
        Ok(())
    }
}

/// What a document owes to records of this partition; to those of others it is their own workers'
/// to tell.
pub fn owed_by<'a, M: ReadModel>(
    work: &'a Work<M>,
    batch: Batch<'a, M>,
) -> impl Iterator<Item = Owed<'a, M>> {
    let is_new = |revision| revision > work.loaded;
    // A record may have been folded, and held when it came again: what it owes is the desk's now.
    let brought =
        |output: &Output| work.parts.iter().any(|part| part.record.position == output.from);
    let unsent = work.document.stamp.unsent.iter();
    unsent
        .filter(move |output| output.from.partition == *batch.partition || brought(output))
        .filter(move |output| is_new(output.revision) || stands(Guard::OutputAgain))
        .map(|output| Owed { key: &work.key, document: &work.document, output })
}

/// A fault, as long as the guard stands that nothing is settled before it has passed.
fn unless(guard: Guard, fault: Fault) -> Result<(), Fault> {
    if stands(guard) { Err(fault) } else { Ok(()) }
}
