//! The port to an origin: what another system says of the same keys, and how far its log is out.

use std::collections::BTreeMap;
use std::fmt::Debug;

use async_trait::async_trait;
use readmill_core::{Key, SourcePosition};
use serde_json::Value;

use crate::fault::Fault;

/// What an origin says of one key.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// The key of the document.
    pub key: Key,
    /// The fields, as documents show them.
    pub fields: Value,
}

/// How far an origin has come, in its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place(pub String);

/// Another system that says what documents should.
#[async_trait]
pub trait Origin: Debug + Send {
    /// The next of all that it says, in an order of its own; nothing at the end.
    async fn page(&mut self) -> Result<Vec<Told>, Fault>;

    /// What it says of some keys now.
    async fn look(&mut self, keys: &[Key]) -> Result<BTreeMap<Key, Value>, Fault>;

    /// What the keys of its documents begin with, each of another kind.
    fn prefixes(&self) -> Vec<String>;

    /// How far it has come: everything that it said before is at or before that place. `None` if
    /// nobody can tell when what it has said is in the log.
    async fn place(&mut self) -> Result<Option<Place>, Fault>;

    /// Whether everything up to a place is in the log.
    async fn has_published(&mut self, place: &Place) -> Result<bool, Fault>;

    /// A source position before which every change is one that it says from now on, if it knows.
    async fn stands(&mut self) -> Result<Option<SourcePosition>, Fault>;
}

/// A document that is to be made what its origin says.
#[derive(Debug, Clone, PartialEq)]
pub struct Wrong {
    /// Its key.
    pub key: Key,
    /// What the origin says; nothing if it should not be there.
    pub fields: Option<Value>,
    /// The source position of the last change that it has folded, if it has one.
    pub last: Option<SourcePosition>,
    /// Where the origin stood before it was asked.
    pub stood: SourcePosition,
}

/// Who puts things right: through the log, so that documents stay folds of it.
#[async_trait]
pub trait Corrections: Debug + Send {
    /// Whether a document can be put right so.
    fn can(&self, key: &Key) -> bool;

    /// Sends what makes documents right. When it answers, it is in the log.
    async fn send(&mut self, wrong: &[Wrong]) -> Result<(), Fault>;
}
