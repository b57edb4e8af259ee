//! The store of documents: each under a revision, written by compare-and-set.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use readmill_core::{Document, Key};
use readmill_engine::{Fault, Put, Store, Write};

use crate::check::{self, Finding};
use crate::faults::Kind;
use crate::model::Trails;

use super::{Who, World, refused, silent};

const SERVICE: &str = "store";

/// All documents.
#[derive(Debug)]
pub struct Documents {
    stored: BTreeMap<Key, Document<Trails>>,
    /// Whether they pass through serde on their way, as they do in real stores.
    in_text: bool,
}

impl Documents {
    /// No documents yet.
    pub const fn new(in_text: bool) -> Self {
        Self { stored: BTreeMap::new(), in_text }
    }

    /// The document under a key.
    pub fn get(&self, key: &Key) -> Option<&Document<Trails>> {
        self.stored.get(key)
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = (&Key, &Document<Trails>)> {
        self.stored.iter()
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
#[derive(Debug, Clone)]
struct Sent {
    key: Key,
    expected: i64,
    document: Document<Trails>,
}

#[async_trait]
impl Store<Trails> for SimStore {
    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Document<Trails>>>, Fault> {
        self.slowly().await;
        if self.world.strikes(Kind::LoadDown) {
            return Err(silent(SERVICE));
        }
        let found = self
            .world
            .look(|world| keys.iter().map(|key| world.documents.get(key).cloned()).collect());
        self.world.way(self.who).await;
        Ok(found)
    }

    async fn put(&self, writes: &[Write<'_, Trails>]) -> Result<Vec<Put>, Fault> {
        let sent: Vec<Sent> = writes.iter().map(|write| self.sent(write)).collect();
        self.slowly().await;
        self.world.perhaps_die(self.who).await;
        if self.world.strikes(Kind::StoreRefused) {
            return Err(refused(SERVICE));
        }
        if self.world.strikes(Kind::StoreDown) {
            self.world.note(self.who, || "store is down".to_owned());
            return Err(silent(SERVICE));
        }
        if self.world.strikes(Kind::StoreLate) {
            self.land_later(sent);
            return Err(silent(SERVICE));
        }
        if sent.len() > 1 && self.world.strikes(Kind::StorePartial) {
            for sent in sent.iter().step_by(2) {
                self.apply(sent);
            }
            self.world.note(self.who, || "store took some of it and answers nothing".to_owned());
            return Err(silent(SERVICE));
        }
        let mut puts: Vec<Put> = sent.iter().map(|sent| self.apply(sent)).collect();
        self.world.perhaps_die(self.who).await;
        self.world.way(self.who).await;
        if self.world.strikes(Kind::StoreLostAck) {
            self.world.note(self.who, || "the store's answer is lost".to_owned());
            return Err(silent(SERVICE));
        }
        if self.world.strikes(Kind::StoreUnsure) {
            puts.iter_mut().for_each(|put| *put = Put::Unsure);
        }
        Ok(puts)
    }

    async fn scan(
        &self,
        visit: &mut (dyn FnMut(Key, Document<Trails>) + Send),
    ) -> Result<(), Fault> {
        let all = self.world.look(|world| world.documents.stored.clone());
        all.into_iter().for_each(|(key, document)| visit(key, document));
        Ok(())
    }
}

impl SimStore {
    async fn slowly(&self) {
        if self.world.strikes(Kind::StoreSlow) {
            let ms = self.world.look(|world| world.fates.between(50, 2_500));
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
        self.world.way(self.who).await;
    }

    fn sent(&self, write: &Write<'_, Trails>) -> Sent {
        let Write { key, expected, document } = *write;
        let in_text = self.world.look(|world| world.documents.in_text);
        let read_back = if in_text { through_text(document) } else { Some(document.clone()) };
        if read_back.is_none() {
            self.world.find(Finding::NotReadBack { key: key.clone() });
        }
        Sent { key: key.clone(), expected, document: read_back.unwrap_or_default() }
    }

    /// What its writer has given up lands all the same.
    fn land_later(&self, sent: Vec<Sent>) {
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
    fn apply(&self, sent: &Sent) -> Put {
        let Sent { key, expected, document } = sent;
        let stands = self.world.look(|world| world.documents.get(key).map(|d| d.stamp.revision));
        let revision = stands.unwrap_or(0);
        let done = revision == *expected;
        self.world.note(self.who, || {
            let how = if done { "writes" } else { "is refused" };
            let trail = document.state.as_ref().map_or_else(|| "-".to_owned(), |t| t.told());
            let (stamp, waits) = (&document.stamp, document.stamp.waiting.len());
            let held = if stamp.is_held() { " held" } else { "" };
            format!("{how} {key} {expected}->{}: {trail} waiting {waits}{held}", stamp.revision)
        });
        if !done {
            return Put::Unsure;
        }
        let old = self.world.look(|world| world.documents.stored.remove(key));
        check::write(&self.world, key, old.as_ref(), document);
        self.world.look(|world| world.documents.stored.insert(key.clone(), document.clone()));
        Put::Done
    }
}

/// A document as it comes back from text.
fn through_text(document: &Document<Trails>) -> Option<Document<Trails>> {
    serde_json::from_str(&serde_json::to_string(document).ok()?).ok()
}
