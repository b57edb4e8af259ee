//! Joins: a document that embeds another is told of its changes.
//!
//! Who embeds is registered first, by an edge, and reads what stands there afterwards. Who changes
//! is durable first, and looks afterwards who is registered. So one of them sees the other, and a
//! copy gives way to a newer one only: no copy stays behind.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;

use readmill_core::{
    Document, Edge, Edges, Guard, Key, Output, Position, ReadModel, Record, What, stands,
};

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
    let queues = join(teller, batch, &**edges, &joining(owed)).await?;
    embed(teller, batch, queues).await?;
    for Owed { key, document, output } in owed {
        if output.what == What::Changed && stands(Guard::EmbedChanged) {
            let of = Arc::new(Document::clone(document));
            change(teller, batch, &**edges, (key, of), output).await?;
        }
    }
    Ok(())
}

/// A document that embeds another from now on.
struct Join<'a> {
    embedded: &'a Key,
    dependent: &'a Key,
    output: &'a Output,
}

impl Join<'_> {
    fn edge(&self) -> (Key, i64) {
        (Edge::key(self.embedded, self.dependent), self.output.revision)
    }
}

/// Those that are still to be registered and to look. Once they have, the rest is told no more: it
/// is owed to a record that may be settled.
fn joining<'a, M: ReadModel>(owed: &'a [Owed<'a, M>]) -> Vec<Join<'a>> {
    let mut joins = Vec::new();
    for Owed { key, document, output } in owed {
        if let What::Embeds(embedded) = &output.what
            && document.embeds(embedded)
        {
            joins.push(Join { embedded, dependent: key, output });
        }
    }
    joins
}

/// Takes back edges of documents that do not embed any more. One that embeds again has said so
/// since.
async fn leave<M: ReadModel>(
    teller: &mut Teller,
    edges: &dyn Store<Edges>,
    owed: &[Owed<'_, M>],
) -> Result<(), Fault> {
    let mut gone = BTreeMap::new();
    for Owed { key, document, output } in owed {
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

/// Registers those who embed, and then looks for them.
async fn join<M: ReadModel>(
    teller: &mut Teller,
    batch: Batch<'_, M>,
    edges: &dyn Store<Edges>,
    joins: &[Join<'_>],
) -> Result<Queues<M>, Fault> {
    let wanted: BTreeSet<Key> = joins.iter().map(|join| join.embedded.clone()).collect();
    let wanted: Vec<Key> = wanted.into_iter().collect();
    let new = || joins.iter().map(Join::edge).collect();
    let register = |edge: Option<&Edge>, since| match edge {
        Some(edge) if edge.since >= since => None,
        _ => Some(Some(Edge { since })),
    };
    if stands(Guard::EmbedRegistered) {
        set_edges(teller, edges, new(), register).await?;
    }
    let standing = load(teller, batch, &wanted).await?;
    if !stands(Guard::EmbedRegistered) {
        set_edges(teller, edges, new(), register).await?;
    }
    let mut queues = Queues::new();
    for Join { embedded, dependent, output } in joins {
        let (key, of) = (Key::clone(embedded), standing.get(*embedded).map(Arc::clone));
        let part = part(Task::Look { key, of, since: output.revision }, &output.from);
        queues.entry(Key::clone(dependent)).or_insert_with(Vec::new).push(part);
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

/// Tells all who embed a document of its change, page by page. Who has taken over that change, or a
/// later one, is told nothing: later ones are owed to other records.
async fn change<M: ReadModel>(
    teller: &mut Teller,
    batch: Batch<'_, M>,
    edges: &dyn Store<Edges>,
    (key, of): (&Key, Arc<Document<M>>),
    output: &Output,
) -> Result<(), Fault> {
    let prefix = Edge::of(key);
    let mut after: Option<Key> = None;
    loop {
        let page = || edges.scan_range(&prefix, after.as_ref(), PAGE_DOCUMENTS);
        let page = patiently!(teller.patience, page())?;
        let is_last = page.len() < PAGE_DOCUMENTS;
        let mut queues = Queues::new();
        for (edge, _) in page.iter().filter(|(_, edge)| edge.state.is_some()) {
            if let Some(dependent) = Edge::dependent(key, edge) {
                let (key, of) = (key.clone(), Arc::clone(&of));
                let told = Task::Embed { key, of, since: output.revision };
                queues.insert(dependent, vec![part(told, &output.from)]);
            }
        }
        after = page.into_iter().next_back().map(|(edge, _)| edge);
        embed(teller, batch, queues).await?;
        if is_last {
            return Ok(());
        }
    }
}

fn part<M: ReadModel>(task: Task<M>, from: &Position) -> Part<M> {
    Part { record: Arc::new(Record::at(from.clone())), from: from.clone(), task }
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
