//! The documents of two stores side by side, in the order of their keys, page by page.

use std::cmp::Ordering;
use std::collections::VecDeque;

use readmill_core::{Document, Key, ReadModel};
use readmill_engine::{Fault, Store};

/// So many documents of each are in memory at a time.
pub const PAGE_DOCUMENTS: usize = 500;

/// A key with what stands under it in the one and in the other.
pub type Pair<M> = (Key, Option<Document<M>>, Option<Document<M>>);

/// Two stores, read in step.
pub struct Pairs<'s, M: ReadModel> {
    left: Side<'s, M>,
    right: Side<'s, M>,
}

struct Side<'s, M: ReadModel> {
    store: &'s dyn Store<M>,
    page: VecDeque<(Key, Document<M>)>,
    after: Option<Key>,
    is_last: bool,
}

impl<'s, M: ReadModel> Pairs<'s, M> {
    /// Both from their first key on.
    pub fn new(left: &'s dyn Store<M>, right: &'s dyn Store<M>) -> Self {
        Self { left: Side::new(left), right: Side::new(right) }
    }

    /// The next key that either of them has.
    ///
    /// # Errors
    /// A fault of a store.
    pub async fn next(&mut self) -> Result<Option<Pair<M>>, Fault> {
        self.left.fill().await?;
        self.right.fill().await?;
        let order = match (self.left.page.front(), self.right.page.front()) {
            (None, None) => return Ok(None),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((left, _)), Some((right, _))) => left.cmp(right),
        };
        let left = if order.is_le() { self.left.page.pop_front() } else { None };
        let right = if order.is_ge() { self.right.page.pop_front() } else { None };
        Ok(match (left, right) {
            (Some((key, left)), right) => Some((key, Some(left), right.map(|(_, right)| right))),
            (None, Some((key, right))) => Some((key, None, Some(right))),
            (None, None) => None,
        })
    }
}

impl<'s, M: ReadModel> Side<'s, M> {
    const fn new(store: &'s dyn Store<M>) -> Self {
        Self { store, page: VecDeque::new(), after: None, is_last: false }
    }

    async fn fill(&mut self) -> Result<(), Fault> {
        if !self.page.is_empty() || self.is_last {
            return Ok(());
        }
        let page = self.store.scan_range("", self.after.as_ref(), PAGE_DOCUMENTS).await?;
        self.is_last = page.len() < PAGE_DOCUMENTS;
        self.after = page.last().map(|(key, _)| key.clone());
        self.page = page.into();
        Ok(())
    }
}
