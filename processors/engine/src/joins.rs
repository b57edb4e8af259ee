//! Joins: a document that embeds another is told of its changes.
//!
//! Who embeds is registered first, by an edge, and reads what stands there afterwards. Who changes
//! is durable first, and looks afterwards who is registered. So one of them sees the other, and a
//! copy gives way to a newer one only: no copy stays behind.

use std::collections::BTreeMap;
use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;

use readmill_core::{Document, Edge, Edges, Guard, Key, Position, ReadModel, Record, What, stands};

use crate::fault::Fault;
use crate::metrics::Meter;
use crate::patience::patiently;
use crate::ports::{Put, Store, Write};
use crate::route::{Part, Queues, Task};
use crate::shard::{Batch, Shard};
use crate::tell::{Owed, Teller};

/// So many documents that embed one are told of its change together.
const PAGE_DOCUMENTS: usize = 1_000;
/// Documents that embed documents that embed others, and so on: deeper, it must be a circle.
const MAX_DEPTH: u8 = 8;

type Telling<'a> = Pin<Box<dyn Future<Output = Result<(), Fault>> + Send + 'a>>;

/// Tells those whom documents embed, and those who embed them.
///
/// # Errors
/// A fault that does not pass.
pub async fn tell<M: ReadModel>(
    teller: &mut Teller,
    batch: Batch<'_, M>,
    owed: &[Owed<'_, M>],
) -> Result<(), Fault> {
    if !M::EMBEDS || owed.is_empty() {
        return Ok(());
    }
    let Some(edges) = &batch.ports.side.edges else {
        return Err(Fault::defect("joins", &"their edges have no store"));
    };
    leave(teller, &**edges, owed).await?;
    let queues = join(teller, batch, &**edges, owed).await?;
    embed(teller, batch, queues).await?;
    for Owed { key, document, output, by } in owed {
        if output.what == What::Changed && stands(Guard::EmbedChanged) {
            let of = Arc::new(Document::clone(document));
            change(teller, batch, &**edges, key, of, by).await?;
        }
    }
    Ok(())
}

/// Takes back edges of documents that do not embed any more. One that embeds again has said so
/// since.
async fn leave<M: ReadModel>(
    teller: &mut Teller,
    edges: &dyn Store<Edges>,
    owed: &[Owed<'_, M>],
) -> Result<(), Fault> {
    let mut gone = BTreeMap::new();
    for Owed { key, document, output, .. } in owed {
        if let What::Leaves(embedded) = &output.what
            && !document.embeds(embedded)
        {
            gone.insert(Edge::key(embedded, key), document.stamp.revision);
        }
    }
    set_edges(teller, edges, gone, |edge, revision| match edge {
        Some(edge) if edge.since <= revision => Some(None),
        _ => None,
    })
    .await
}

/// Registers those who embed, and answers what they are to take over.
async fn join<M: ReadModel>(
    teller: &mut Teller,
    batch: Batch<'_, M>,
    edges: &dyn Store<Edges>,
    owed: &[Owed<'_, M>],
) -> Result<Queues<M>, Fault> {
    let (mut new, mut joins) = (BTreeMap::new(), Vec::new());
    for Owed { key, document, output, by } in owed {
        if let What::Embeds(embedded) = &output.what
            && document.embeds(embedded)
        {
            new.insert(Edge::key(embedded, key), document.stamp.revision);
            joins.push((embedded.clone(), *key, *by));
        }
    }
    let mut wanted: Vec<Key> = joins.iter().map(|(embedded, ..)| embedded.clone()).collect();
    wanted.sort();
    wanted.dedup();
    let register = |edge: Option<&Edge>, since| match edge {
        Some(edge) if edge.since >= since => None,
        _ => Some(Some(Edge { since })),
    };
    if stands(Guard::EmbedRegistered) {
        set_edges(teller, edges, new.clone(), register).await?;
    }
    let standing = load(teller, batch, &wanted).await?;
    if !stands(Guard::EmbedRegistered) {
        set_edges(teller, edges, new, register).await?;
    }
    let mut queues = Queues::new();
    for (embedded, dependent, from) in joins {
        if let Some(of) = standing.get(&embedded) {
            let part = part(&embedded, Arc::clone(of), from);
            queues.entry(dependent.clone()).or_insert_with(Vec::new).push(part);
        }
    }
    Ok(queues)
}

/// The documents under keys that have one.
async fn load<M: ReadModel>(
    teller: &mut Teller,
    batch: Batch<'_, M>,
    keys: &[Key],
) -> Result<BTreeMap<Key, Arc<Document<M>>>, Fault> {
    if keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    let found = patiently!(teller.patience, batch.ports.store.load(keys))?;
    let found = keys.iter().cloned().zip(found);
    Ok(found.filter_map(|(key, document)| Some((key, Arc::new(document?)))).collect())
}

/// Tells all who embed a document of its change, page by page.
async fn change<M: ReadModel>(
    teller: &mut Teller,
    batch: Batch<'_, M>,
    edges: &dyn Store<Edges>,
    key: &Key,
    of: Arc<Document<M>>,
    from: &Position,
) -> Result<(), Fault> {
    let prefix = Edge::of(key);
    let mut after: Option<Key> = None;
    loop {
        let page = || edges.scan_range(&prefix, after.as_ref(), PAGE_DOCUMENTS);
        let page = patiently!(teller.patience, page())?;
        let is_last = page.len() < PAGE_DOCUMENTS;
        let mut queues = Queues::new();
        for (edge, document) in &page {
            if let Some(dependent) = Edge::dependent(key, edge).filter(|_| document.state.is_some())
            {
                queues.insert(dependent, vec![part(key, Arc::clone(&of), from)]);
            }
        }
        after = page.into_iter().next_back().map(|(edge, _)| edge);
        embed(teller, batch, queues).await?;
        if is_last {
            return Ok(());
        }
    }
}

fn part<M: ReadModel>(key: &Key, of: Arc<Document<M>>, from: &Position) -> Part<M> {
    let record = Arc::new(Record::at(from.clone()));
    Part { record, from: from.clone(), task: Task::Embed { key: key.clone(), of } }
}

/// Lets documents take over what they embed, with all that follows from it.
fn embed<'a, M: ReadModel>(
    teller: &'a Teller,
    batch: Batch<'a, M>,
    queues: Queues<M>,
) -> Telling<'a> {
    Box::pin(async move {
        if queues.is_empty() {
            return Ok(());
        }
        let batch = batch.deeper();
        if batch.depth > MAX_DEPTH {
            return Err(circle(M::NAME));
        }
        batch.ports.metrics.add(Meter::Embedded, &[M::NAME], queues.len() as u64);
        let mut shard = Shard::new(NonZeroUsize::MIN, teller.patience.clone());
        shard.fold_and_write(batch, queues).await.map(drop)
    })
}

fn circle(model: &str) -> Fault {
    Fault::Refused {
        service: "the read model",
        detail: format!("documents of {model} embed one another more than {MAX_DEPTH} deep"),
        hint: "no document may embed one that embeds it, also not by way of others",
    }
}

/// Sets edges by compare-and-set: `set` answers what is to stand, if anything else than what does.
async fn set_edges(
    teller: &mut Teller,
    edges: &dyn Store<Edges>,
    mut open: BTreeMap<Key, i64>,
    set: impl Fn(Option<&Edge>, i64) -> Option<Option<Edge>>,
) -> Result<(), Fault> {
    while !open.is_empty() {
        let keys: Vec<Key> = open.keys().cloned().collect();
        let found = patiently!(teller.patience, edges.load(&keys))?;
        let mut next = Vec::new();
        for (key, document) in keys.into_iter().zip(found) {
            let mut document = document.unwrap_or_default();
            let revision = open.get(&key).copied().unwrap_or_default();
            let Some(edge) = set(document.state.as_ref(), revision) else {
                open.remove(&key);
                continue;
            };
            let expected = document.stamp.revision;
            document.stamp.revision += 1;
            document.stamp.gone = edge.is_none();
            document.state = edge;
            next.push((key, expected, document));
        }
        if next.is_empty() {
            return Ok(());
        }
        let writes = next.iter().map(|(key, expected, document)| Write {
            key,
            expected: *expected,
            document,
        });
        let writes: Vec<Write<'_, Edges>> = writes.collect();
        let puts = patiently!(teller.patience, edges.put(&writes))?;
        for (write, put) in writes.iter().zip(puts) {
            if put == Put::Done {
                open.remove(write.key);
            }
        }
    }
    Ok(())
}
