//! Documents in memory: a store for folds of a few keys aside, which nobody else sees.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use readmill_core::{Document, Key, ReadModel};

use crate::fault::Fault;
use crate::ports::{Held, HeldRecord, HeldStore, Outlet, Put, Said, Store, Write};

/// The documents of one model, as many as there is memory for.
#[derive(Debug)]
pub struct Shelf<M: ReadModel>(Mutex<BTreeMap<Key, Document<M>>>);

impl<M: ReadModel> Default for Shelf<M> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<M: ReadModel> Shelf<M> {
    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<Key, Document<M>>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What stands under a key.
    pub fn get(&self, key: &Key) -> Option<Document<M>> {
        self.with(|documents| documents.get(key).cloned())
    }
}

#[async_trait]
impl<M: ReadModel> Store<M> for Shelf<M> {
    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Document<M>>>, Fault> {
        Ok(self.with(|documents| keys.iter().map(|key| documents.get(key).cloned()).collect()))
    }

    async fn put(&self, writes: &[Write<'_, M>]) -> Result<Vec<Put>, Fault> {
        let put = |documents: &mut BTreeMap<Key, Document<M>>, write: &Write<'_, M>| {
            let stands = documents.get(write.key).map_or(0, |stands| stands.stamp.revision);
            if stands != write.expected {
                return Put::Unsure;
            }
            documents.insert(write.key.clone(), write.document.clone());
            Put::Done
        };
        Ok(self.with(|documents| writes.iter().map(|write| put(documents, write)).collect()))
    }

    async fn scan(&self, visit: &mut (dyn FnMut(Key, Document<M>) + Send)) -> Result<(), Fault> {
        let all = self.with(|documents| documents.clone());
        all.into_iter().for_each(|(key, document)| visit(key, document));
        Ok(())
    }

    async fn erase(&self, keys: &[Key]) -> Result<(), Fault> {
        self.with(|documents| documents.retain(|key, _| !keys.contains(key)));
        Ok(())
    }

    async fn drop_all(&self) -> Result<(), Fault> {
        self.with(BTreeMap::clear);
        Ok(())
    }
}

/// Keeps no held records: whoever folds aside deals with none.
#[derive(Debug)]
pub struct NoneHeld;

#[async_trait]
impl HeldStore for NoneHeld {
    async fn hold(&self, _: &[HeldRecord]) -> Result<(), Fault> {
        Ok(())
    }

    async fn count(&self, _: &str) -> Result<u64, Fault> {
        Ok(0)
    }

    async fn visit(
        &self,
        _: &'static str,
        _: &Held,
        _: &mut (dyn FnMut(HeldRecord) + Send),
    ) -> Result<(), Fault> {
        Ok(())
    }

    async fn replace(&self, _: &[HeldRecord]) -> Result<(), Fault> {
        Ok(())
    }

    async fn release(&self, _: &[HeldRecord]) -> Result<(), Fault> {
        Ok(())
    }
}

/// The outlet of a second fold: what it says was said by the first one.
#[derive(Debug)]
pub struct Silent;

#[async_trait]
impl Outlet for Silent {
    async fn send(&self, _: &[Said]) -> Result<(), Fault> {
        Ok(())
    }
}
