//! Who is forgotten: as every reader of a log knows it, and as it is kept beside the documents.

use std::sync::Arc;

use readmill_core::forgotten::PersonTag;
use readmill_core::kept::{Kept, KeptAsDocuments};
use readmill_core::{Document, Forgotten, Key};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::fault::Fault;
use crate::ports::Store;

/// Under which key it is kept what makes digests of different places differ.
const SALT: &str = "salt";

/// Who is forgotten by now; cheap to clone.
#[derive(Debug, Clone)]
pub struct Forgetting {
    told: watch::Receiver<Arc<Forgotten>>,
    known: Arc<Forgotten>,
}

impl Forgetting {
    /// Whoever is said to be.
    pub fn of(mut told: watch::Receiver<Arc<Forgotten>>) -> Self {
        let known = Arc::clone(&told.borrow_and_update());
        Self { told, known }
    }

    /// These, for good.
    pub fn these(forgotten: Forgotten) -> Self {
        Self::of(watch::channel(Arc::new(forgotten)).1)
    }

    /// Nobody, for good.
    pub fn nobody() -> Self {
        Self::these(Forgotten::default())
    }

    /// Who is.
    pub fn now(&self) -> Arc<Forgotten> {
        Arc::clone(&self.told.borrow())
    }

    /// The same, for whoever asks with every record: no lock is taken until it has changed.
    pub fn latest(&mut self) -> &Forgotten {
        // Once nobody can say anything else, nobody can tell whether it was said either.
        if self.told.has_changed().unwrap_or(true) {
            self.known = Arc::clone(&self.told.borrow_and_update());
        }
        &self.known
    }
}

/// A person who is forgotten, kept under the digest; or the salt of all digests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The salt, under a key of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salt: Option<String>,
    /// Since when, in milliseconds since 1970.
    #[serde(default)]
    pub since_ms: i64,
    /// When nothing of the person was left in what is reached from here; none until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_ms: Option<i64>,
}

impl Kept for Entry {
    const NAME: &'static str = "forgotten";
    const ABOUT: &'static str = "who is forgotten, by digests";
}

/// Such entries as documents.
pub type Entries = KeptAsDocuments<Entry>;

impl Entry {
    /// The key of a person's entry.
    pub fn key(digest: PersonTag) -> Key {
        Key(digest.to_text())
    }

    /// The key of the salt.
    pub fn salt_key() -> Key {
        Key::from(SALT)
    }
}

/// All that is kept of who is forgotten.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct List {
    /// Who.
    pub forgotten: Forgotten,
    /// Those of whom something may be left still.
    pub unfinished: Vec<PersonTag>,
}

impl List {
    /// Reads it.
    ///
    /// # Errors
    /// When the store does not answer or refuses.
    pub async fn read(store: &dyn Store<Entries>) -> Result<Self, Fault> {
        let mut all: Vec<(Key, Entry)> = Vec::new();
        let mut visit = |key, document: Document<Entries>| {
            all.extend(document.state.map(|entry| (key, entry)));
        };
        store.scan(&mut visit).await?;
        let (mut salt, mut tags, mut unfinished) = (String::new(), Vec::new(), Vec::new());
        for (key, entry) in all {
            let tag = PersonTag::from_text(key.as_str());
            unfinished.extend(tag.filter(|_| entry.done_ms.is_none()));
            tags.extend(tag);
            salt = entry.salt.unwrap_or(salt);
        }
        Ok(Self { forgotten: Forgotten::of(salt, tags), unfinished })
    }
}
