//! Station 3: what a change event's envelope says, narrowed so that nobody asks again.

use readmill_schemas::debezium::{OutboxEnvelope, Source, Value};

use crate::identity::{Identity, SourcePosition};
use crate::model::Key;
use crate::position::Position;

/// A row that a source committed into its outbox, borrowing from the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change<'a> {
    /// The row's own id.
    pub event_id: &'a str,
    /// What the event belongs to, and by which its order is kept.
    pub aggregate: &'a str,
    /// The aggregate's version, where the service keeps one.
    pub version: Option<i64>,
    /// The event itself: Avro in the registry's framing.
    pub payload: &'a [u8],
    /// Where it was committed; none for rows read by a snapshot.
    pub position: Option<SourcePosition>,
    /// When it was committed, in milliseconds since 1970.
    pub committed_ms: i64,
}

/// What an envelope of an outbox table says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading<'a> {
    /// A row was committed, or read by a snapshot.
    Row(Change<'a>),
    /// Nothing for a read model, and why.
    Skip(&'static str),
    /// Not what Debezium writes, and why.
    Broken(&'static str),
}

/// Reads an envelope: outbox rows are only ever inserted, all else is housekeeping.
pub fn read<'a>(envelope: OutboxEnvelope<'a>) -> Reading<'a> {
    let OutboxEnvelope { after, source, op, .. } = envelope;
    match (op, after) {
        ("c", Some(row)) => {
            let position = position(&source);
            row_read(row, position, source.ts_ms)
        }
        ("r", Some(row)) => row_read(row, None, source.ts_ms),
        ("c" | "r", None) => Reading::Broken("a created row has no after image"),
        ("d", _) => Reading::Skip("an outbox row was cleaned away"),
        ("u", _) => {
            Reading::Skip("an outbox row was updated; rows are folded as they were inserted")
        }
        ("t", _) => Reading::Skip("an outbox table was truncated"),
        ("m", _) => Reading::Skip("a logical message is not an outbox row"),
        _ => Reading::Broken("the operation is none that Debezium documents"),
    }
}

fn row_read<'a>(
    row: Value<'a>,
    position: Option<SourcePosition>,
    committed_ms: i64,
) -> Reading<'a> {
    let Some(payload) = row.payload else {
        return Reading::Broken("the outbox row has no payload");
    };
    Reading::Row(Change {
        event_id: row.id,
        aggregate: row.aggregate_id,
        version: row.version,
        payload,
        position,
        committed_ms,
    })
}

/// The source position, by the best that the connector gives.
fn position(source: &Source<'_>) -> Option<SourcePosition> {
    if let Some(lsn) = source.lsn {
        let (commit, row) = source.sequence.and_then(sequence).unwrap_or((None, None));
        return Some(SourcePosition::Postgres { commit, lsn: row.unwrap_or(lsn) });
    }
    let file = source.file?.rsplit_once('.')?.1.parse().ok()?;
    Some(SourcePosition::Binlog {
        server: source.server_id.unwrap_or(0),
        file,
        pos: source.pos?,
        row: source.row.unwrap_or(0),
    })
}

/// Debezium's `sequence` of a PostgreSQL change: the last commit's LSN, if known, and the row's.
fn sequence(text: &str) -> Option<(Option<i64>, Option<i64>)> {
    let (commit, row): (Option<&str>, Option<&str>) = serde_json::from_str(text).ok()?;
    let number = |text: Option<&str>| text.and_then(|digits| digits.parse().ok());
    Some((number(commit), number(row)))
}

impl Change<'_> {
    /// How the change is known in the document under `key`: by its aggregate's version; else by
    /// its event id and source position; else by the record's place in the log.
    pub fn identity(&self, from: &Position, key: &Key) -> Identity {
        let topic = &from.partition.topic;
        match self.version {
            Some(version) => {
                let key_is_aggregate = key.as_str() == self.aggregate;
                Identity::version(topic, self.aggregate, key_is_aggregate, version)
            }
            None if self.event_id.is_empty() => Identity::log(&from.partition, from.offset),
            None => Identity::event(topic, self.position, self.event_id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_may_lack_its_first_part() {
        let table = [
            (r#"["24023128","24023136"]"#, Some((Some(24_023_128), Some(24_023_136)))),
            (r#"[null,"24023136"]"#, Some((None, Some(24_023_136)))),
            (r#"["24023128"]"#, None),
            ("", None),
            ("[1,2]", None),
        ];
        for (text, pair) in table {
            assert_eq!(sequence(text), pair, "{text}");
        }
    }
}
