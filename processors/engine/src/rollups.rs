//! Roll-ups: differences are added to partial groups, each once, by compare-and-set.

use std::collections::{BTreeMap, BTreeSet};

use readmill_core::rollup::{Added, Beside, Partial, PartialName, Partials};
use readmill_core::{Document, Key, Partition, ReadModel, What};

use crate::fault::Fault;
use crate::metrics::Meter;
use crate::patience::patiently;
use crate::ports::{Put, Store, Write};
use crate::shard::Batch;
use crate::tell::{Owed, Teller};

/// What is to be added to one partial group.
struct Adding<'a> {
    beside: Beside,
    /// Whose records it is owed to.
    partition: &'a Partition,
    all: Vec<Added<'a>>,
}

/// Adds what documents owe to roll-ups.
///
/// # Errors
/// A fault that does not pass.
pub async fn add<M: ReadModel>(
    teller: &mut Teller,
    batch: Batch<'_, M>,
    owed: &[Owed<'_, M>],
) -> Result<(), Fault> {
    let mut open = gather(owed);
    if open.is_empty() {
        return Ok(());
    }
    let Some(store) = &batch.ports.side.partials else {
        return Err(Fault::defect("roll-ups", &"their partial groups have no store"));
    };
    while !open.is_empty() {
        let added = add_once(teller, batch, &**store, &open).await?;
        for (key, document) in added {
            open.remove(&key);
            teller.partials.put(key, document);
        }
    }
    Ok(())
}

/// A partial group as it stands.
struct Standing {
    key: Key,
    loaded: i64,
    document: Document<Partials>,
}

/// Adds to each partial group as it stands; answers those that stand as they should.
async fn add_once<M: ReadModel>(
    teller: &mut Teller,
    batch: Batch<'_, M>,
    store: &dyn Store<Partials>,
    open: &BTreeMap<Key, Adding<'_>>,
) -> Result<Vec<(Key, Document<Partials>)>, Fault> {
    let mut all = load(teller, store, open.keys()).await?;
    for (standing, adding) in all.iter_mut().zip(open.values()) {
        add_to(&mut standing.document, adding, batch);
    }
    let changed = all.iter().filter(|standing| standing.document.stamp.revision != standing.loaded);
    let writes = changed.map(|Standing { key, loaded, document }| Write {
        key,
        expected: *loaded,
        document,
    });
    let writes: Vec<Write<'_, Partials>> = writes.collect();
    if writes.is_empty() {
        return Ok(all.into_iter().map(|standing| (standing.key, standing.document)).collect());
    }
    let puts = patiently!(teller.patience, store.put(&writes))?;
    if puts.contains(&Put::TooLarge) {
        return Err(too_large(M::NAME));
    }
    let refused = writes.iter().zip(&puts).filter(|(_, put)| **put != Put::Done);
    let refused: BTreeSet<Key> = refused.map(|(write, _)| write.key.clone()).collect();
    let written = (writes.len() - refused.len()) as u64;
    batch.ports.metrics.add(Meter::PartialsWritten, &[M::NAME], written);
    all.retain(|standing| !refused.contains(&standing.key));
    Ok(all.into_iter().map(|standing| (standing.key, standing.document)).collect())
}

/// Partial groups, hot or from the store. They are hot again once they are known to stand.
async fn load<'k>(
    teller: &mut Teller,
    store: &dyn Store<Partials>,
    keys: impl Iterator<Item = &'k Key> + Clone,
) -> Result<Vec<Standing>, Fault> {
    let cold: Vec<Key> =
        keys.clone().filter(|key| !teller.partials.contains(*key)).cloned().collect();
    let mut loaded = Vec::new();
    if !cold.is_empty() {
        loaded = patiently!(teller.patience, store.load(&cold))?;
    }
    let mut loaded = loaded.into_iter();
    let standing = keys.map(|key| {
        let hot = teller.partials.pop(key);
        let document = hot.or_else(|| loaded.next().flatten()).unwrap_or_default();
        Standing { key: key.clone(), loaded: document.stamp.revision, document }
    });
    Ok(standing.collect())
}

fn add_to<M: ReadModel>(
    document: &mut Document<Partials>,
    adding: &Adding<'_>,
    batch: Batch<'_, M>,
) {
    let partial = document.state.get_or_insert_with(Partial::default);
    let mut changed = false;
    for added in &adding.all {
        changed |= partial.add(added, adding.beside);
    }
    if !changed {
        return;
    }
    if adding.partition == batch.partition {
        partial.raise_floor(batch.sent);
    }
    document.stamp.revision += 1;
}

fn too_large(model: &str) -> Fault {
    Fault::Refused {
        service: "the store",
        detail: format!("a partial group of {model} is larger than a document can be"),
        hint: "its records in work are too many: lower open_records_per_partition",
    }
}

/// Differences by the partial group that they are for; those of one document at one revision stay
/// together.
fn gather<'a, M: ReadModel>(owed: &'a [Owed<'a, M>]) -> BTreeMap<Key, Adding<'a>> {
    let mut all: BTreeMap<Key, Adding<'a>> = BTreeMap::new();
    for Owed { key, output, .. } in owed {
        let What::Difference(difference) = &output.what else { continue };
        let (rollup, partition) = (&difference.what.rollup, &output.from.partition);
        let name = PartialName::key(rollup, &difference.what.group, partition, key);
        let declared = M::ROLLUPS.iter().find(|declared| declared.name == rollup.as_str());
        let beside = declared.map(|declared| declared.beside).unwrap_or_default();
        let adding =
            all.entry(name).or_insert_with(|| Adding { beside, partition, all: Vec::new() });
        let (revision, offset) = (output.revision, output.from.offset);
        match adding.all.last_mut() {
            Some(last) if last.key == *key && last.revision == revision => {
                last.differences.push(difference);
            }
            _ => adding.all.push(Added { key, revision, offset, differences: vec![difference] }),
        }
    }
    all
}
