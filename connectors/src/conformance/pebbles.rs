//! The read model of the contract's checks: a state with a field of every kind.

use std::collections::BTreeMap;

use readmill_core::{Document, Kept, KeptAsDocuments, Stamp};
use readmill_schemas::Timestamp;
use serde::{Deserialize, Serialize};

/// A read model that only the checks use.
pub type Pebbles = KeptAsDocuments<Pebble>;

/// A state with a field of every kind that a store must keep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pebble {
    /// A text, which may look like anything else.
    pub title: String,
    /// A whole number.
    pub count: i64,
    /// A number that is not whole.
    pub share: f64,
    /// A truth.
    pub done: bool,
    /// A text that may be missing.
    pub note: Option<String>,
    /// A number that may be missing.
    pub limit: Option<i64>,
    /// An instant.
    pub at: Timestamp,
    /// An instant that may be missing.
    pub until: Option<Timestamp>,
    /// A word out of a few.
    pub kind: Kind,
    /// A list.
    pub tags: Vec<String>,
    /// A list of structures.
    pub parts: Vec<Part>,
    /// A map.
    pub totals: BTreeMap<String, i64>,
}

/// A word, or a word with something in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A mere word.
    Round,
    /// With a number.
    Cut(i64),
    /// With fields.
    Set {
        /// What it is set in.
        into: String,
    },
}

/// A structure within the state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// A text.
    pub name: String,
    /// An instant that may be missing.
    pub since: Option<Timestamp>,
}

impl Kept for Pebble {
    const NAME: &'static str = "pebbles";
    const ABOUT: &'static str = "documents that the contract of the stores is checked with";
}

impl Pebble {
    /// A state that is told from others by a number.
    pub fn number(count: i64) -> Self {
        Self {
            title: format!("pebble {count}"),
            count,
            share: 0.5,
            done: false,
            note: None,
            limit: Some(7),
            at: Timestamp::from_millis(1_700_000_000_123),
            until: None,
            kind: Kind::Round,
            tags: vec!["a".to_owned(), "b".to_owned()],
            parts: Vec::new(),
            totals: BTreeMap::new(),
        }
    }

    /// As a document at a revision.
    pub fn at_revision(self, revision: i64) -> Document<Pebbles> {
        Document { state: Some(self), stamp: Stamp { revision, ..Stamp::default() } }
    }
}

/// A tombstone.
pub(crate) fn tombstone(revision: i64) -> Document<Pebbles> {
    Document { state: None, stamp: Stamp { revision, gone: true, ..Stamp::default() } }
}

/// The queue of a held key.
#[cfg(test)]
pub(crate) fn somewhere() -> Vec<readmill_core::Position> {
    let partition = readmill_core::Partition::new("t", 0);
    vec![readmill_core::Position { partition, offset: readmill_core::Offset(1) }]
}
