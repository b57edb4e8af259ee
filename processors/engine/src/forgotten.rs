//! Who is forgotten: as every reader of a log knows it, and as it is kept beside the documents.

use std::sync::Arc;

use readmill_core::forgotten::Digest;
use readmill_core::kept::{Kept, KeptAsDocuments};
use readmill_core::{Forgotten, Key};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::fault::Fault;
use crate::ports::Store;

/// Under which key it is kept what makes digests of different places differ.
const SALT: &str = "salt";
const PAGE: usize = 1000;

/// Who is forgotten by now; cheap to clone.
#[derive(Debug, Clone)]
pub struct Forgetting {
    now: watch::Receiver<Arc<Forgotten>>,
}

impl Forgetting {
    /// Whoever is said to be.
    pub const fn of(now: watch::Receiver<Arc<Forgotten>>) -> Self {
        Self { now }
    }

    /// These, for good.
    pub fn these(forgotten: Forgotten) -> Self {
        Self { now: watch::channel(Arc::new(forgotten)).1 }
    }

    /// Nobody, for good.
    pub fn nobody() -> Self {
        Self::these(Forgotten::default())
    }

    /// Who is.
    pub fn now(&self) -> Arc<Forgotten> {
        Arc::clone(&self.now.borrow())
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
    pub fn key(digest: Digest) -> Key {
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
    pub unfinished: Vec<Digest>,
}

impl List {
    /// Reads it.
    ///
    /// # Errors
    /// When the store does not answer or refuses.
    pub async fn read(store: &dyn Store<Entries>) -> Result<Self, Fault> {
        let (mut salt, mut digests, mut unfinished) = (String::new(), Vec::new(), Vec::new());
        let mut after: Option<Key> = None;
        loop {
            let page = store.scan_range("", after.as_ref(), PAGE).await?;
            let is_last = page.len() < PAGE;
            for (key, document) in page {
                if let Some(entry) = document.state {
                    let digest = Digest::from_text(key.as_str());
                    unfinished.extend(digest.filter(|_| entry.done_ms.is_none()));
                    digests.extend(digest);
                    salt = entry.salt.unwrap_or(salt);
                }
                after = Some(key);
            }
            if is_last {
                return Ok(Self { forgotten: Forgotten::of(salt, digests), unfinished });
            }
        }
    }
}
