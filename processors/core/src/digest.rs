//! An order-independent digest of a read model's living documents.

use std::fmt;

use serde::Serialize;
use xxhash_rust::xxh3::Xxh3;

use crate::model::Key;

/// The sum of the hashes of (key, state): equal sets of documents have equal digests, whatever
/// their order, their store or the batches in which they were folded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Digest(u128);

impl Digest {
    /// Adds one living document.
    ///
    /// # Errors
    /// When the state cannot be written as JSON.
    pub fn add<S: Serialize>(&mut self, key: &Key, state: &S) -> Result<(), serde_json::Error> {
        let text = serde_json::to_vec(state)?;
        let mut hash = Xxh3::new();
        hash.update(key.as_str().as_bytes());
        hash.update(&[0]);
        hash.update(&text);
        self.0 = self.0.wrapping_add(hash.digest128());
        Ok(())
    }

    /// Adds the digest of another set of documents.
    pub fn merge(&mut self, other: Self) {
        self.0 = self.0.wrapping_add(other.0);
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}
