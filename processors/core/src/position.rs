//! Where a record stands in the log, and where reading goes on: two types, never confused.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// One partition of one topic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Partition {
    /// The topic's name, shared by all positions in it.
    pub topic: Arc<str>,
    /// The partition's number.
    pub index: i32,
}

impl Partition {
    /// Partition `index` of `topic`.
    pub fn new(topic: impl Into<Arc<str>>, index: i32) -> Self {
        Self { topic: topic.into(), index }
    }
}

/// What sets the topics of held records apart: no topic of a broker has such a name.
const HELD: &str = "held:";

impl Partition {
    /// The place of this partition's records once they come from the held store: what follows from
    /// them is owed by whoever brings them, not by the worker of the partition.
    pub fn held(&self) -> Self {
        Self::new(format!("{HELD}{}", self.topic), self.index)
    }

    /// Whether records come here from the held store.
    pub fn is_held(&self) -> bool {
        self.topic.starts_with(HELD)
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.index)
    }
}

/// The offset of a record that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Offset(pub i64);

/// One past the last settled record: where reading starts again. Only the ledger makes one from
/// finished work; a log makes one from what it stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResumeAt(i64);

impl ResumeAt {
    /// The beginning of a partition.
    pub const START: Self = Self(0);

    /// Restores what a log stored earlier.
    pub const fn stored(value: i64) -> Self {
        Self(value)
    }

    /// The place right behind a record.
    pub(crate) const fn past(offset: Offset) -> Self {
        Self(offset.0 + 1)
    }

    /// The number a log stores.
    pub const fn value(self) -> i64 {
        self.0
    }

    /// Whether the record at `offset` lies before this place, so that it is settled.
    pub const fn covers(self, offset: Offset) -> bool {
        offset.0 < self.0
    }
}

/// A record's address: partition and offset.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// The partition.
    pub partition: Partition,
    /// The offset in it.
    pub offset: Offset,
}

impl Position {
    /// The same record as it comes from the held store.
    pub fn held(&self) -> Self {
        Self { partition: self.partition.held(), offset: self.offset }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.partition, self.offset.0)
    }
}
