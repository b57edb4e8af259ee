//! Station 3: what a record says of a committed row, in whichever of its shapes it comes, narrowed
//! so that nobody asks again.

mod outbox;
mod router;
mod source;
mod table;

use std::borrow::Cow;
use std::sync::Arc;

use readmill_schemas::Framed;
use readmill_schemas::framing::{self, FrameError};
use readmill_schemas::row::RowOp;

use crate::guard::{Guard, stands};
use crate::identity::{Identity, SourcePosition};
use crate::model::Key;
use crate::position::Position;

pub use outbox::{read, read_flattened};
pub use router::{Routed, read_routed};
pub use table::{Row, read_flattened_row, read_row};

/// What a source committed: a row of an outbox, or of an ordinary table. Borrows from the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change<'a> {
    /// The outbox row's own id; empty for the rows of tables.
    pub event_id: &'a str,
    /// What it belongs to, and by which its order is kept: an event's aggregate, a row's own key.
    pub aggregate: Cow<'a, str>,
    /// The aggregate's version, where the service keeps one.
    pub version: Option<i64>,
    /// The topic whose versions it continues, if that is another than its own: an outbox that is
    /// split over tables has one sequence of versions.
    pub versions_of: Option<Arc<str>>,
    /// What happened.
    pub payload: Payload<'a>,
    /// Where it was committed, if that is told; where the snapshot stood for a table's row that a
    /// snapshot read, and none for an outbox's.
    pub position: Option<SourcePosition>,
    /// When it was committed, in milliseconds since 1970.
    pub committed_ms: i64,
}

/// What a change brings: an event in an outbox row, or the images of a table's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload<'a> {
    /// Avro, with the schema that it was written with.
    Avro(Framed<'a>),
    /// JSON text, and the event type that the row names.
    Json {
        /// The unqualified name of the contract.
        event_type: &'a str,
        /// The text.
        text: &'a [u8],
    },
    /// Neither, and why.
    Broken(FrameError),
    /// A row of an ordinary table.
    Row {
        /// What happened to it.
        op: RowOp,
        /// The record's body, which has the images.
        body: Framed<'a>,
    },
}

impl<'a> Payload<'a> {
    /// Tells framed Avro from JSON text by the first byte.
    fn of(bytes: &'a [u8], event_type: &'a str) -> Self {
        match framing::read(bytes) {
            Ok(framed) => Self::Avro(framed),
            Err(FrameError::Magic { found: b'{' }) => Self::Json { event_type, text: bytes },
            Err(error) => Self::Broken(error),
        }
    }
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading<'a> {
    /// A row was committed, or read by a snapshot.
    Row(Change<'a>),
    /// Nothing for a read model, and why.
    Skip(&'static str),
    /// Not what Debezium writes, and why.
    Broken(&'static str),
}

impl Change<'_> {
    /// How the change is known in the document under `key`: by its aggregate's version; else by
    /// its event id and source position; a table's row by its key, its operation and its source
    /// position; else by the record's place in the log.
    pub fn identity(&self, from: &Position, key: &Key) -> Identity {
        let topic = &from.partition.topic;
        let by_key = key.as_str() == self.aggregate;
        match (&self.payload, self.version) {
            _ if !stands(Guard::OriginIdentity) => Identity::log(&from.partition, from.offset),
            (Payload::Row { op, .. }, _) if self.position.is_some() || *op == RowOp::Read => {
                Identity::row(topic, &self.aggregate, by_key, *op, self.position)
            }
            (Payload::Row { .. }, _) => Identity::log(&from.partition, from.offset),
            (_, Some(version)) => {
                let topic = self.versions_of.as_ref().unwrap_or(topic);
                Identity::version(topic, &self.aggregate, by_key, version)
            }
            (_, None) if self.event_id.is_empty() => Identity::log(&from.partition, from.offset),
            (_, None) => Identity::event(topic, self.position, self.event_id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_told_apart_by_their_first_byte() {
        let json = Payload::Json { event_type: "PointsEarned", text: b"{}" };
        assert_eq!(Payload::of(b"{}", "PointsEarned"), json);
        let broken = |bytes| matches!(Payload::of(bytes, "PointsEarned"), Payload::Broken(_));
        assert!(broken(b"") && broken(b"\0\0") && broken(b"[]") && broken(b"__debezium"));
    }
}
