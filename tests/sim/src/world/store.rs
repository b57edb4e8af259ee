//! The stores of documents, of partial groups and of edges: each under a revision, written by
//! compare-and-set.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;

use async_trait::async_trait;
use readmill_core::rollup::Partials;
use readmill_core::{Document, Edges, Key, ReadModel};
use readmill_engine::{Fault, Put, Store, Write};

use crate::check::{self, Finding};
use crate::faults::Kind;
use crate::model::{Trail, Trails};

use super::{Inner, Who, World, refused, silent};

const SERVICE: &str = "store";

/// All documents.
#[derive(Debug)]
pub struct Documents<M: ReadModel> {
    stored: BTreeMap<Key, Document<M>>,
    /// Whether they pass through serde on their way, as they do in real stores.
    in_text: bool,
}

impl<M: ReadModel> Documents<M> {
    /// No documents yet.
    pub const fn new(in_text: bool) -> Self {
        Self { stored: BTreeMap::new(), in_text }
    }

    /// The document under a key.
    pub fn get(&self, key: &Key) -> Option<&Document<M>> {
        self.stored.get(key)
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = (&Key, &Document<M>)> {
        self.stored.iter()
    }
}

/// What the world keeps in a store.
pub trait Kept: ReadModel {
    /// How its store fails.
    const FAILS: Fails;

    /// Where it is in the world.
    fn kept(world: &mut Inner) -> &mut Documents<Self>
    where
        Self: Sized;

    /// A state for the history.
    fn told(state: &Self::State) -> String {
        format!("{state:?}")
    }

    /// Checks a write that is accepted.
    fn check(_world: &World, _key: &Key, _old: Option<&Document<Self>>, _new: &Document<Self>)
    where
        Self: Sized,
    {
    }
}

/// How a store fails.
#[derive(Debug, Clone, Copy)]
pub struct Fails {
    slow: Kind,
    load_down: Kind,
    down: Kind,
    lost_ack: Kind,
    partial: Kind,
    late: Kind,
    unsure: Kind,
    refused: Kind,
}

const SIDE: Fails = Fails {
    slow: Kind::SideSlow,
    load_down: Kind::SideLoadDown,
    down: Kind::SideDown,
    lost_ack: Kind::SideLostAck,
    partial: Kind::SidePartial,
    late: Kind::SideLate,
    unsure: Kind::SideUnsure,
    refused: Kind::SideRefused,
};

impl Kept for Trails {
    const FAILS: Fails = Fails {
        slow: Kind::StoreSlow,
        load_down: Kind::LoadDown,
        down: Kind::StoreDown,
        lost_ack: Kind::StoreLostAck,
        partial: Kind::StorePartial,
        late: Kind::StoreLate,
        unsure: Kind::StoreUnsure,
        refused: Kind::StoreRefused,
    };

    fn kept(world: &mut Inner) -> &mut Documents<Self> {
        &mut world.documents
    }

    fn told(trail: &Trail) -> String {
        format!("{} sees {:?}", trail.told(), trail.beyond())
    }

    fn check(world: &World, key: &Key, old: Option<&Document<Self>>, new: &Document<Self>) {
        check::write(world, key, old, new);
    }
}

impl Kept for Partials {
    const FAILS: Fails = SIDE;

    fn kept(world: &mut Inner) -> &mut Documents<Self> {
        &mut world.partials
    }
}

impl Kept for Edges {
    const FAILS: Fails = SIDE;

    fn kept(world: &mut Inner) -> &mut Documents<Self> {
        &mut world.edges
    }
}

/// The store, as one instance reaches it.
#[derive(Debug)]
pub struct SimStore {
    /// The world.
    pub world: World,
    /// Whose calls these are.
    pub who: Who,
}

/// A write on its way: what a real store would be sent.
#[derive(Debug)]
struct Sent<M: ReadModel> {
    key: Key,
    expected: i64,
    document: Document<M>,
}

#[async_trait]
impl<M: Kept> Store<M> for SimStore {
    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Document<M>>>, Fault> {
        self.slowly(M::FAILS.slow).await;
        if self.world.strikes(M::FAILS.load_down) {
            return Err(silent(SERVICE));
        }
        let found = self.world.look(|world| {
            let kept = M::kept(world);
            keys.iter().map(|key| kept.get(key).cloned()).collect()
        });
        self.world.way(self.who).await;
        Ok(found)
    }

    async fn put(&self, writes: &[Write<'_, M>]) -> Result<Vec<Put>, Fault> {
        let sent: Vec<Sent<M>> = writes.iter().map(|write| self.sent(write)).collect();
        self.slowly(M::FAILS.slow).await;
        self.world.perhaps_die(self.who).await;
        if self.world.strikes(M::FAILS.refused) {
            return Err(refused(SERVICE));
        }
        if self.world.strikes(M::FAILS.down) {
            self.world.note(self.who, || format!("store of {} is down", M::NAME));
            return Err(silent(SERVICE));
        }
        if self.world.strikes(M::FAILS.late) {
            self.land_later(sent);
            return Err(silent(SERVICE));
        }
        if sent.len() > 1 && self.world.strikes(M::FAILS.partial) {
            for sent in sent.iter().step_by(2) {
                self.apply(sent);
            }
            self.world.note(self.who, || "store took some of it and answers nothing".to_owned());
            return Err(silent(SERVICE));
        }
        let mut puts: Vec<Put> = sent.iter().map(|sent| self.apply(sent)).collect();
        self.world.perhaps_die(self.who).await;
        self.world.way(self.who).await;
        if self.world.strikes(M::FAILS.lost_ack) {
            self.world.note(self.who, || "the store's answer is lost".to_owned());
            return Err(silent(SERVICE));
        }
        if self.world.strikes(M::FAILS.unsure) {
            puts.iter_mut().for_each(|put| *put = Put::Unsure);
        }
        Ok(puts)
    }

    async fn scan(&self, visit: &mut (dyn FnMut(Key, Document<M>) + Send)) -> Result<(), Fault> {
        let all = self.world.look(|world| M::kept(world).stored.clone());
        all.into_iter().for_each(|(key, document)| visit(key, document));
        Ok(())
    }

    async fn scan_range(
        &self,
        prefix: &str,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Document<M>)>, Fault> {
        self.slowly(M::FAILS.slow).await;
        if self.world.strikes(M::FAILS.load_down) {
            return Err(silent(SERVICE));
        }
        let first = Key::from(prefix);
        let from = after.map_or(Bound::Included(&first), Bound::Excluded);
        let page = self.world.look(|world| {
            let kept = M::kept(world).stored.range((from, Bound::Unbounded));
            let kept = kept.take_while(|(key, _)| key.as_str().starts_with(prefix));
            kept.take(limit).map(|(key, document)| (key.clone(), document.clone())).collect()
        });
        self.world.way(self.who).await;
        Ok(page)
    }

    async fn erase(&self, keys: &[Key]) -> Result<(), Fault> {
        let erase = |key: &Key| self.world.look(|world| M::kept(world).stored.remove(key));
        keys.iter().for_each(|key| drop(erase(key)));
        Ok(())
    }

    async fn drop_all(&self) -> Result<(), Fault> {
        self.world.look(|world| M::kept(world).stored.clear());
        Ok(())
    }
}

impl SimStore {
    async fn slowly(&self, slow: Kind) {
        if self.world.strikes(slow) {
            let ms = self.world.look(|world| world.fates.between(50, 2_500));
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
        self.world.way(self.who).await;
    }

    fn sent<M: Kept>(&self, write: &Write<'_, M>) -> Sent<M> {
        let Write { key, expected, document } = *write;
        let in_text = self.world.look(|world| M::kept(world).in_text);
        let read_back = if in_text { through_text(document) } else { Some(document.clone()) };
        if read_back.is_none() {
            self.world.find(Finding::NotReadBack { key: key.clone() });
        }
        Sent { key: key.clone(), expected, document: read_back.unwrap_or_default() }
    }

    /// What its writer has given up lands all the same.
    fn land_later<M: Kept>(&self, sent: Vec<Sent<M>>) {
        let ms = self.world.look(|world| {
            world.late += 1;
            world.fates.between(20, 6_000)
        });
        self.world.note(self.who, || format!("store does not answer; lands in {ms} ms"));
        let late = Self { world: self.world.clone(), who: self.who };
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            for sent in &sent {
                late.apply(sent);
            }
            late.world.look(|world| world.late -= 1);
        });
    }

    /// Compare-and-set.
    fn apply<M: Kept>(&self, sent: &Sent<M>) -> Put {
        let Sent { key, expected, document } = sent;
        let stands =
            self.world.look(|world| M::kept(world).get(key).map(|found| found.stamp.revision));
        let revision = stands.unwrap_or(0);
        let done = revision == *expected;
        self.world.note(self.who, || {
            let how = if done { "writes" } else { "is refused" };
            let state = document.state.as_ref().map_or_else(|| "-".to_owned(), M::told);
            let (stamp, waits) = (&document.stamp, document.stamp.waiting.len());
            let held = if stamp.is_held() { " held" } else { "" };
            let owes = stamp.unsent.len();
            let now = stamp.revision;
            format!("{how} {key} {expected}->{now}: {state} waiting {waits} owes {owes}{held}")
        });
        if !done {
            return Put::Unsure;
        }
        let old = self.world.look(|world| M::kept(world).stored.remove(key));
        M::check(&self.world, key, old.as_ref(), document);
        self.world.look(|world| M::kept(world).stored.insert(key.clone(), document.clone()));
        Put::Done
    }
}

/// A document as it comes back from text.
fn through_text<M: ReadModel>(document: &Document<M>) -> Option<Document<M>> {
    serde_json::from_str(&serde_json::to_string(document).ok()?).ok()
}
