//! Two stores read side by side, in the order of their keys, page by page.

use std::collections::VecDeque;

use readmill_core::{Document, Key, ReadModel};

use crate::fault::Fault;
use crate::patience::{Patience, patiently};
use crate::ports::Store;
use crate::scope::Scope;

/// So many documents of each side are in memory at a time.
const PAGE_DOCUMENTS: usize = 500;

/// A part of the keys, in their order.
#[derive(Debug, Clone, Default)]
pub struct Span {
    /// They begin so.
    pub prefix: String,
    /// The first one, if it is named.
    pub from: Option<Key>,
    /// The first one that is not of it any more, if it is named.
    pub to: Option<Key>,
}

impl Span {
    /// The part of the keys that has all of a scope.
    pub fn of(scope: &Scope) -> Self {
        match scope {
            Scope::Prefix(prefix) => Self { prefix: prefix.clone(), ..Self::default() },
            Scope::Range { from, to } => {
                Self { from: from.clone(), to: to.clone(), ..Self::default() }
            }
            Scope::All | Scope::Keys(_) | Scope::Sample { .. } => Self::default(),
        }
    }
}

/// The documents of one store, in the order of their keys.
#[derive(Debug)]
pub struct Pages<'s, M: ReadModel> {
    store: &'s dyn Store<M>,
    span: Span,
    has_begun: bool,
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
    pub fn new(left: &'s dyn Store<M>, right: &'s dyn Store<M>, prefix: &str) -> Self {
        let span = Span { prefix: prefix.to_owned(), ..Span::default() };
        Self::within(left, right, &span)
    }

    /// Of the documents in a part of the keys.
    pub fn within(left: &'s dyn Store<M>, right: &'s dyn Store<M>, span: &Span) -> Self {
        Self { left: Pages::new(left, span.clone()), right: Pages::new(right, span.clone()) }
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
    /// Of those in a part of the keys.
    pub const fn new(store: &'s dyn Store<M>, span: Span) -> Self {
        Self { store, span, has_begun: false, after: None, page: VecDeque::new(), is_last: false }
    }

    async fn fill(&mut self, patience: &mut Patience) -> Result<(), Fault> {
        if !self.has_begun {
            self.has_begun = true;
            self.begin(patience).await?;
        }
        if !self.page.is_empty() || self.is_last {
            return Ok(());
        }
        let after = self.after.as_ref();
        let read = || self.store.scan_range(&self.span.prefix, after, PAGE_DOCUMENTS);
        let mut page = patiently!(patience, read())?;
        self.is_last = page.len() < PAGE_DOCUMENTS;
        if let Some(to) = &self.span.to {
            let within = page.partition_point(|(key, _)| key < to);
            self.is_last |= within < page.len();
            page.truncate(within);
        }
        self.after = page.last().map(|(key, _)| key.clone());
        self.page = page.into();
        Ok(())
    }

    /// A page has what comes after a key: the first one is loaded by itself.
    async fn begin(&mut self, patience: &mut Patience) -> Result<(), Fault> {
        let Some(from) = self.span.from.clone() else { return Ok(()) };
        if self.span.to.as_ref().is_some_and(|to| *to <= from) {
            self.is_last = true;
            return Ok(());
        }
        let found = patiently!(patience, self.store.load(std::slice::from_ref(&from)))?;
        let document = found.into_iter().next().flatten();
        self.page.extend(document.map(|document| (from.clone(), document)));
        self.after = Some(from);
        Ok(())
    }

    /// The keys of the next page; none at the end.
    ///
    /// # Errors
    /// A fault that does not pass.
    pub async fn keys(&mut self, patience: &mut Patience) -> Result<Vec<Key>, Fault> {
        self.fill(patience).await?;
        Ok(self.page.drain(..).map(|(key, _)| key).collect())
    }

    fn key(&self) -> Option<&Key> {
        self.page.front().map(|(key, _)| key)
    }

    fn take(&mut self, key: &Key) -> Option<Document<M>> {
        let is_it = self.key() == Some(key);
        is_it.then(|| self.page.pop_front()).flatten().map(|(_, document)| document)
    }
}
