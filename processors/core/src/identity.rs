//! The identity of a change: what tells a repeat from a new change, whatever offset it comes under.

use std::cmp::Ordering;

use readmill_schemas::row::RowOp;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::position::{Offset, Partition};

/// Where in its database's log a change was committed.
///
/// Only comparable within one kind and one server: `partial_cmp` answers `None` for the rest,
/// and callers decide by event id then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SourcePosition {
    /// PostgreSQL: Debezium's `sequence` pair. LSNs alone go backwards between concurrent
    /// transactions, since the log is decoded in commit order.
    #[serde(rename = "pg")]
    Postgres {
        /// The LSN of the commit before this transaction; unknown for the first transaction after
        /// the connector started.
        commit: Option<i64>,
        /// The row's own LSN.
        lsn: i64,
    },
    /// MariaDB and MySQL: file, position and row within one server.
    #[serde(rename = "binlog")]
    Binlog {
        /// The server's id: another server is another line.
        server: i64,
        /// The number in the binlog file's name.
        file: i64,
        /// The position in the file.
        pos: i64,
        /// The row within the event.
        row: i32,
    },
}

impl PartialOrd for SourcePosition {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (
                Self::Postgres { commit: Some(commit), lsn },
                Self::Postgres { commit: Some(other_commit), lsn: other_lsn },
            ) => Some((commit, lsn).cmp(&(other_commit, other_lsn))),
            (
                Self::Binlog { server, file, pos, row },
                Self::Binlog { server: other_server, file: f, pos: p, row: r },
            ) if server == other_server => Some((file, pos, row).cmp(&(f, p, r))),
            (Self::Postgres { .. } | Self::Binlog { .. }, _) => None,
        }
    }
}

/// The hash of an outbox row's event id: small enough to remember some dozens in each document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventTag(i64);

impl EventTag {
    /// The tag of an event id.
    pub fn of(event_id: &str) -> Self {
        Self(xxh3_64(event_id.as_bytes()).cast_signed())
    }
}

/// How a change is known, by the best means it offers, and the line in which it has its order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The line: changes of one line have an order among themselves.
    pub line: String,
    /// The change's place in the line.
    pub place: Place,
}

/// A change's place in its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// The aggregate's version: contiguous from 1, so a gap is seen and waited for.
    #[serde(rename = "version")]
    Version(i64),
    /// The row's event id, and its source position where the source gave one.
    #[serde(rename = "event")]
    Event {
        /// The source position; unknown in flattened or routed records.
        position: Option<SourcePosition>,
        /// The tag of the event id.
        tag: EventTag,
    },
    /// A change of a table's row: a newer image replaces an older one.
    #[serde(rename = "row")]
    Row {
        /// Where it was committed, or where the snapshot stood that read it.
        position: Option<SourcePosition>,
        /// Whether a snapshot read it.
        snapshot: bool,
        /// The tag of its key, operation and position.
        tag: EventTag,
    },
    /// Nothing but the record's own place in the log.
    #[serde(rename = "offset")]
    Log(Offset),
}

impl Identity {
    /// Its aggregate's version, if it is known by that.
    pub const fn as_version(&self) -> Option<i64> {
        if let Place::Version(version) = self.place { Some(version) } else { None }
    }

    /// Whether it is of the same line, and has a lower version.
    pub fn is_earlier_version_than(&self, other: &Self) -> bool {
        let versions = self.as_version().zip(other.as_version());
        versions.is_some_and(|(own, theirs)| self.line == other.line && own < theirs)
    }

    /// Known by its aggregate's version. A document keyed by the aggregate has one line a topic.
    pub fn version(topic: &str, aggregate: &str, key_is_aggregate: bool, version: i64) -> Self {
        let line =
            if key_is_aggregate { format!("v:{topic}") } else { format!("v:{topic}:{aggregate}") };
        Self { line, place: Place::Version(version) }
    }

    /// Known by its event id within the stream of a topic.
    pub fn event(topic: &str, position: Option<SourcePosition>, event_id: &str) -> Self {
        let place = Place::Event { position, tag: EventTag::of(event_id) };
        Self { line: format!("e:{topic}"), place }
    }

    /// Known as a change of a row within its table's topic. Each row is a line of its own; a
    /// document keyed by the row has just that one.
    ///
    /// What was committed before it does not tell one change from another: it is unknown for the
    /// first transaction after a connector starts, so a repeat may come without it.
    pub fn row(
        topic: &str,
        row: &str,
        key_is_row: bool,
        op: RowOp,
        position: Option<SourcePosition>,
    ) -> Self {
        let line = if key_is_row { format!("r:{topic}") } else { format!("r:{topic}:{row}") };
        let kind = op.letter();
        let told = match position {
            Some(SourcePosition::Postgres { lsn, .. }) => format!("{kind}:{lsn}:{row}"),
            Some(SourcePosition::Binlog { server, file, pos, row: index }) => {
                format!("{kind}:{server}:{file}:{pos}:{index}:{row}")
            }
            None => format!("{kind}:{row}"),
        };
        let (snapshot, tag) = (op == RowOp::Read, EventTag::of(&told));
        Self { line, place: Place::Row { position, snapshot, tag } }
    }

    /// Known by its position in the log only: safe against redelivery, not against a relay.
    pub fn log(partition: &Partition, offset: Offset) -> Self {
        Self { line: format!("o:{partition}"), place: Place::Log(offset) }
    }
}

impl SourcePosition {
    /// Whether a change committed here is surely in a snapshot that stood at `snapshot`; none
    /// where the two cannot be compared.
    ///
    /// A PostgreSQL change that was written before the snapshot stood may be committed after it.
    /// Only the commit before it is known, so this errs towards the snapshot; whichever streamed
    /// it is published behind the snapshot's rows.
    pub fn is_in_snapshot(&self, snapshot: &Self) -> Option<bool> {
        match (self, snapshot) {
            (Self::Postgres { commit, lsn }, Self::Postgres { lsn: stood, .. }) => {
                Some(lsn <= stood && commit.is_none_or(|commit| commit < *stood))
            }
            (Self::Postgres { .. } | Self::Binlog { .. }, _) => {
                self.partial_cmp(snapshot).map(Ordering::is_le)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn pg(commit: Option<i64>, lsn: i64) -> SourcePosition {
        SourcePosition::Postgres { commit, lsn }
    }

    const fn binlog(server: i64, file: i64, pos: i64, row: i32) -> SourcePosition {
        SourcePosition::Binlog { server, file, pos, row }
    }

    #[test]
    fn source_positions_compare_only_where_the_source_orders_them() {
        use Ordering::{Equal, Greater, Less};
        let table = [
            (pg(Some(10), 5), pg(Some(10), 6), Some(Less)),
            // A concurrent transaction that committed later has lower LSNs: not older.
            (pg(Some(99_388_840), 99_388_376), pg(Some(99_388_000), 99_388_500), Some(Greater)),
            (pg(Some(10), 5), pg(Some(10), 5), Some(Equal)),
            (pg(None, 5), pg(Some(10), 6), None),
            (pg(None, 5), pg(None, 6), None),
            (binlog(1, 2, 900, 0), binlog(1, 3, 4, 0), Some(Less)),
            (binlog(1, 2, 900, 1), binlog(1, 2, 900, 0), Some(Greater)),
            (binlog(1, 2, 900, 1), binlog(2, 2, 900, 1), None),
            (pg(Some(1), 1), binlog(1, 1, 1, 1), None),
        ];
        for (left, right, order) in table {
            assert_eq!(left.partial_cmp(&right), order, "{left:?} against {right:?}");
        }
    }
}
