//! Erasing persons from one generation of a model: from documents and what follows from them, from
//! roll-ups, edges, views and held records. Whoever folds the log hears of them no more by then.

use std::num::NonZeroUsize;
use std::sync::Arc;

use readmill_core::forgotten::{is_anybody_in, is_anybody_told_of_by};
use readmill_core::rollup::{Partial, PartialName, Partials};
use readmill_core::{
    Collection, Document, Edge, Edges, Key, Offset, Output, Partition, Person, Position, ReadModel,
    Record, Sent,
};
use tokio::sync::watch;

use crate::desk::Desk;
use crate::fault::Fault;
use crate::kept;
use crate::mirror::{self, Spot, Trace};
use crate::patience::{Patience, patiently};
use crate::ports::{Held, HeldRecord, Ports};
use crate::route::{Part, Queues, Task};
use crate::shard::{Batch, Shard};
use crate::tell::tell_all;

/// To which partition's records it is owed what follows from an erasure. No topic has this name.
const PARTITION: &str = "forgotten:";
/// So many documents are dealt with at a time.
const CHUNK: usize = 100;
/// A document that others write all the while is looked at again so often.
const MOST_ROUNDS: usize = 20;

/// What was found of persons, and dealt with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Erased {
    /// Documents that were looked at.
    pub looked_at: u64,
    /// Documents that were their own, and are gone.
    pub documents: u64,
    /// Documents of others that go on without them.
    pub rewritten: u64,
    /// Held records that are gone.
    pub held: u64,
    /// Partial groups that are gone, or go on without them.
    pub partials: u64,
    /// Edges that are gone.
    pub edges: u64,
    /// Views, and what guarded them, that are gone.
    pub views: u64,
}

/// Whoever erases.
#[derive(Debug)]
pub struct Eraser<'p, M: ReadModel> {
    ports: &'p Ports<M>,
    persons: Arc<[Person]>,
    shard: Shard<M>,
    patience: Patience,
    closing: watch::Receiver<bool>,
    record: Arc<Record>,
    erased: Erased,
}

impl<'p, M: ReadModel> Eraser<'p, M> {
    /// Of these persons, who are on the list already. It waits for services until `closing` turns
    /// true.
    pub fn new(
        ports: &'p Ports<M>,
        persons: Arc<[Person]>,
        closing: watch::Receiver<bool>,
    ) -> Self {
        let patience = Patience::new(closing.clone(), ports.metrics.clone(), M::NAME);
        let shard = Shard::new(NonZeroUsize::MIN, patience.clone());
        let partition = Partition::new(PARTITION, 0);
        let record = Record::at(Position { partition, offset: Offset(0) });
        let (record, erased) = (Arc::new(record), Erased::default());
        Self { ports, persons, shard, patience, closing, record, erased }
    }

    /// Erases them everywhere, telling what was done so far. Done again, it does nothing.
    ///
    /// # Errors
    /// A fault that does not pass.
    pub async fn erase(&mut self, told: &mut (dyn FnMut(Erased) + Send)) -> Result<Erased, Fault> {
        self.erase_held().await?;
        told(self.erased);
        let keys = self.documents().await?;
        told(self.erased);
        for chunk in keys.chunks(CHUNK) {
            self.erase_documents(chunk).await?;
            told(self.erased);
        }
        self.erase_partials().await?;
        self.erase_edges().await?;
        self.erase_views().await?;
        told(self.erased);
        Ok(self.erased)
    }

    fn owns(&self, key: &Key) -> bool {
        self.persons.iter().any(|person| person.owns(key))
    }

    /// What cannot be read is known by its bytes.
    async fn erase_held(&mut self) -> Result<(), Fault> {
        let persons = Arc::clone(&self.persons);
        let tells = |held: &HeldRecord| {
            let original = held.original.iter();
            let values = original.clone().filter_map(|original| original.value.as_ref());
            let headers = original.flat_map(|original| &original.headers);
            let mut before = values.chain(headers.map(|(_, value)| value));
            held.key.as_ref().is_some_and(|key| self.owns(key))
                || is_anybody_told_of_by(&persons, &held.record)
                || before.any(|part| persons.iter().any(|person| person.is_told_of_in(part)))
        };
        let mut found = Vec::new();
        let mut visit = |held: HeldRecord| {
            if tells(&held) {
                found.push(held);
            }
        };
        self.ports.held.visit(M::NAME, &Held::All, &mut visit).await?;
        let mut desk = Desk::new(self.ports, self.closing.clone());
        for held in &found {
            let is_own = held.key.as_ref().is_none_or(|key| self.owns(key));
            if is_own || desk.give_up(held).await?.is_some() {
                let held = std::slice::from_ref(held);
                patiently!(self.patience, self.ports.held.release(held))?;
            }
            self.erased.held += 1;
        }
        Ok(())
    }

    /// The keys of the documents that tell of them.
    async fn documents(&mut self) -> Result<Vec<Key>, Fault> {
        let (mut keys, mut looked_at) = (Vec::new(), 0);
        let persons = Arc::clone(&self.persons);
        let mut visit = |key: Key, document: Document<M>| {
            looked_at += 1;
            if persons.iter().any(|person| person.owns(&key)) || document.tells_of(&persons) {
                keys.push(key);
            }
        };
        self.ports.store.scan(&mut visit).await?;
        self.erased.looked_at = looked_at;
        Ok(keys)
    }

    /// First whatever they owe is told, so that nothing of it need be kept; then they lose the
    /// persons, and what follows from that is told; then that need not be kept either.
    async fn erase_documents(&mut self, keys: &[Key]) -> Result<(), Fault> {
        let mut keys = keys.to_vec();
        for round in 0.. {
            let found = patiently!(self.patience, self.ports.store.load(&keys))?;
            let mut queues = Queues::new();
            for (key, document) in keys.into_iter().zip(found) {
                let Some(document) = document else { continue };
                let is_own = self.owns(&key);
                if !is_own && !document.tells_of(&self.persons) {
                    continue;
                }
                if round == 0 {
                    let gone = if is_own {
                        &mut self.erased.documents
                    } else {
                        &mut self.erased.rewritten
                    };
                    *gone += 1;
                }
                let owes = |output: &Output| output.what.is_said_or_added();
                let teller = &mut self.shard.teller;
                tell_all(teller, self.ports, (&key, &document), owes).await?;
                let told = document.stamp.revision;
                let persons = Arc::clone(&self.persons);
                let task = Task::Forget { persons, is_own, told };
                let (record, from) = (Arc::clone(&self.record), self.record.position.clone());
                queues.insert(key, vec![Part { record, from, task }]);
            }
            if queues.is_empty() {
                return Ok(());
            }
            if round >= MOST_ROUNDS {
                return Err(Fault::Refused {
                    service: "the store",
                    detail: format!(
                        "a document of {} tells of the person again and again",
                        M::NAME
                    ),
                    hint: "its model does not lose everything: see ReadModel::forget",
                });
            }
            keys = queues.keys().cloned().collect();
            let partition = &self.record.position.partition;
            let batch = Batch::of(self.ports, partition, Sent::NOTHING);
            self.shard.fold_and_write(batch, queues).await?;
            // What it keeps of them is a copy of what it wrote, and may be another's by now.
            self.shard.forget_hot();
        }
        Ok(())
    }

    /// Groups that are about one of them have nothing in them any more; in others one of them may
    /// be an item.
    async fn erase_partials(&mut self) -> Result<(), Fault> {
        let Some(store) = self.ports.side.partials.clone() else { return Ok(()) };
        let (mut gone, mut changed) = (Vec::new(), Vec::new());
        let persons = Arc::clone(&self.persons);
        let mut visit = |key: Key, document: Document<Partials>| {
            let is_about = |person: &Person| {
                let groups = M::ROLLUPS.iter().filter_map(|it| PartialName::group(it.name, &key));
                groups.flat_map(|group| group.dimensions()).any(|part| part == person.id)
            };
            if persons.iter().any(is_about) {
                gone.push(key);
            } else if is_anybody_in(&persons, &document.state) {
                changed.push(key);
            }
        };
        store.scan(&mut visit).await?;
        self.erased.partials += (gone.len() + changed.len()) as u64;
        patiently!(self.patience, store.erase(&gone))?;
        let replaced = |partial, person: &Person| person.replaced_in(&partial).unwrap_or(partial);
        for key in changed {
            let rewrite =
                |known: Option<Partial>| known.map(|known| persons.iter().fold(known, replaced));
            patiently!(self.patience, kept::change(&*store, &key, rewrite))?;
        }
        Ok(())
    }

    async fn erase_edges(&mut self) -> Result<(), Fault> {
        let Some(store) = self.ports.side.edges.clone() else { return Ok(()) };
        let mut gone = Vec::new();
        let persons = Arc::clone(&self.persons);
        let mut visit = |key: Key, _: Document<Edges>| {
            let sides = Edge::sides(&key);
            let is_own = |side: &Key| persons.iter().any(|person| person.owns(side));
            if sides.is_some_and(|(one, other)| is_own(&one) || is_own(&other)) {
                gone.push(key);
            }
        };
        store.scan(&mut visit).await?;
        self.erased.edges += gone.len() as u64;
        patiently!(self.patience, store.erase(&gone))
    }

    /// Views of their own documents, and collections that are about one of them: with what guards
    /// them against older views, since none will come.
    async fn erase_views(&mut self) -> Result<(), Fault> {
        let Some(tended) = self.ports.mirror.as_ref().and_then(|mirror| mirror.tended()) else {
            return Ok(());
        };
        let owned = |trace: &Trace| self.owns(&trace.key) || self.is_about(&trace.spot);
        let mut patience = self.patience.clone();
        self.erased.views += mirror::take_out_all(&mut patience, tended.mirror(), owned).await?;
        Ok(())
    }

    fn is_about(&self, spot: &Spot) -> bool {
        match spot {
            Spot::In(Collection::Set(name) | Collection::Sorted(name)) => {
                name.split('/').any(|part| self.persons.iter().any(|person| person.id == part))
            }
            Spot::Own | Spot::Json => false,
        }
    }
}
