//! Two stores read side by side, in the order of their keys, page by page.

use std::collections::VecDeque;

use readmill_core::{Document, Key, ReadModel};

use crate::fault::Fault;
use crate::patience::{Patience, patiently};
use crate::ports::Store;

/// So many documents of each side are in memory at a time.
const PAGE_DOCUMENTS: usize = 500;

/// The documents of one store, in the order of their keys.
#[derive(Debug)]
struct Pages<'s, M: ReadModel> {
    store: &'s dyn Store<M>,
    prefix: &'s str,
    after: Option<Key>,
    page: VecDeque<(Key, Document<M>)>,
    is_last: bool,
}

/// What stands under a key on both sides.
#[derive(Debug)]
pub struct Pair<M: ReadModel> {
    /// The key.
    pub key: Key,
    /// What stands on the left.
    pub left: Option<Document<M>>,
    /// What stands on the right.
    pub right: Option<Document<M>>,
}

/// Both stores, joined by their keys.
#[derive(Debug)]
pub struct Joined<'s, M: ReadModel> {
    left: Pages<'s, M>,
    right: Pages<'s, M>,
}

impl<'s, M: ReadModel> Joined<'s, M> {
    /// Of the documents whose keys begin with `prefix`.
    pub fn new(left: &'s dyn Store<M>, right: &'s dyn Store<M>, prefix: &'s str) -> Self {
        Self { left: Pages::new(left, prefix), right: Pages::new(right, prefix) }
    }

    /// The next key with what stands under it; `None` at the end.
    ///
    /// # Errors
    /// A fault that does not pass.
    pub async fn next(&mut self, patience: &mut Patience) -> Result<Option<Pair<M>>, Fault> {
        self.left.fill(patience).await?;
        self.right.fill(patience).await?;
        let (left, right) = (self.left.key(), self.right.key());
        let key = match (left, right) {
            (None, None) => return Ok(None),
            (Some(left), Some(right)) => left.min(right),
            (Some(key), None) | (None, Some(key)) => key,
        };
        let key = key.clone();
        let left = self.left.take(&key);
        let right = self.right.take(&key);
        Ok(Some(Pair { key, left, right }))
    }
}

impl<'s, M: ReadModel> Pages<'s, M> {
    const fn new(store: &'s dyn Store<M>, prefix: &'s str) -> Self {
        Self { store, prefix, after: None, page: VecDeque::new(), is_last: false }
    }

    async fn fill(&mut self, patience: &mut Patience) -> Result<(), Fault> {
        if !self.page.is_empty() || self.is_last {
            return Ok(());
        }
        let read = || self.store.scan_range(self.prefix, self.after.as_ref(), PAGE_DOCUMENTS);
        let page = patiently!(patience, read())?;
        self.is_last = page.len() < PAGE_DOCUMENTS;
        self.after = page.last().map(|(key, _)| key.clone());
        self.page = page.into();
        Ok(())
    }

    fn key(&self) -> Option<&Key> {
        self.page.front().map(|(key, _)| key)
    }

    fn take(&mut self, key: &Key) -> Option<Document<M>> {
        let is_it = self.key() == Some(key);
        is_it.then(|| self.page.pop_front()).flatten().map(|(_, document)| document)
    }
}
