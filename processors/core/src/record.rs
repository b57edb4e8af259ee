//! A record as intake hands it on: its bytes and its position.

use serde::{Deserialize, Serialize};

use crate::position::Position;

/// One record of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Where it stands.
    pub position: Position,
    /// When the broker or the producer stamped it, in milliseconds since 1970.
    pub timestamp_ms: i64,
    /// The key's bytes.
    #[serde(with = "crate::bytes::optional", default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Vec<u8>>,
    /// The value's bytes; none is a tombstone.
    #[serde(with = "crate::bytes::optional", default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Vec<u8>>,
    /// The headers, in order.
    #[serde(with = "crate::bytes::named", default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Record {
    /// A record of which nothing counts but its place.
    pub const fn at(position: Position) -> Self {
        Self { position, timestamp_ms: 0, key: None, value: None, headers: Vec::new() }
    }

    /// Its weight in memory, for bounds.
    pub fn bytes(&self) -> usize {
        let names: usize = self.headers.iter().map(|(name, _)| name.len()).sum();
        names + self.parts().map(<[u8]>::len).sum::<usize>()
    }

    /// Its key, its value, and the values of its headers.
    pub fn parts(&self) -> impl Iterator<Item = &[u8]> {
        let own = self.key.iter().chain(&self.value);
        own.chain(self.headers.iter().map(|(_, value)| value)).map(Vec::as_slice)
    }
}
