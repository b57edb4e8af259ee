//! Station 3: what a record says of a committed outbox row, in whichever of its three shapes it
//! comes, narrowed so that nobody asks again.

use readmill_schemas::Framed;
use readmill_schemas::debezium::{FlatOutboxRow, OutboxEnvelope, Source, Value};
use readmill_schemas::framing::{self, FrameError};

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
    /// The event itself.
    pub payload: Payload<'a>,
    /// Where it was committed; none for rows read by a snapshot, and for flattened or routed ones.
    pub position: Option<SourcePosition>,
    /// When it was committed, in milliseconds since 1970.
    pub committed_ms: i64,
}

/// An event in an outbox row.
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

/// What a record says of an outbox table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading<'a> {
    /// A row was committed, or read by a snapshot.
    Row(Change<'a>),
    /// Nothing for a read model, and why.
    Skip(&'static str),
    /// Not what Debezium writes, and why.
    Broken(&'static str),
}

/// Reads a full envelope: outbox rows are only ever inserted, all else is housekeeping.
pub fn read<'a>(envelope: OutboxEnvelope<'a>) -> Reading<'a> {
    let OutboxEnvelope { after, source, op, .. } = envelope;
    if let Some(aside) = aside(op) {
        return aside;
    }
    let Some(row) = after else {
        return Reading::Broken("a created row has no after image");
    };
    let Value { id, aggregate_id, version, r#type, payload, .. } = row;
    let Some(payload) = payload else {
        return Reading::Broken("the outbox row has no payload");
    };
    Reading::Row(Change {
        event_id: id,
        aggregate: aggregate_id,
        version,
        payload: Payload::of(payload, r#type),
        position: if op == "r" { None } else { position(&source) },
        committed_ms: source.ts_ms,
    })
}

/// Reads a flattened row. What `add.fields` leaves out is taken from the record.
pub fn read_flattened<'a>(row: FlatOutboxRow<'a>, timestamp_ms: i64) -> Reading<'a> {
    if row.__deleted == Some("true") {
        return Reading::Skip("an outbox row was cleaned away");
    }
    if let Some(aside) = aside(row.__op.unwrap_or("c")) {
        return aside;
    }
    let Some(payload) = row.payload else {
        return Reading::Broken("the outbox row has no payload");
    };
    Reading::Row(Change {
        event_id: row.id,
        aggregate: row.aggregate_id,
        version: row.version,
        payload: Payload::of(payload, row.r#type),
        position: None,
        committed_ms: row.__source_ts_ms.unwrap_or(timestamp_ms),
    })
}

/// What to make of a record whose operation does not insert a row.
fn aside(op: &str) -> Option<Reading<'static>> {
    match op {
        "c" | "r" => None,
        "d" => Some(Reading::Skip("an outbox row was cleaned away")),
        "u" => Some(Reading::Skip("an outbox row was updated; rows are folded as inserted")),
        "t" => Some(Reading::Skip("an outbox table was truncated")),
        "m" => Some(Reading::Skip("a logical message is not an outbox row")),
        _ => Some(Reading::Broken("the operation is none that Debezium documents")),
    }
}

/// What the outbox event router passes on: the payload is the value, the rest is beside it.
#[derive(Debug, Clone, Copy)]
pub struct Routed<'a> {
    /// The record's key: the aggregate, as plain text or as framed Avro.
    pub key: Option<&'a [u8]>,
    /// The header `id`: the event's own id.
    pub id: Option<&'a [u8]>,
    /// The header `aggregateVersion`, or `version`.
    pub version: Option<&'a [u8]>,
    /// The value.
    pub value: Framed<'a>,
    /// When the record was published, in milliseconds since 1970.
    pub timestamp_ms: i64,
}

/// Reads what the outbox event router passed on.
pub fn read_routed(routed: Routed<'_>) -> Reading<'_> {
    let Some(event_id) = routed.id.and_then(text) else {
        return Reading::Broken("a routed event has no header id");
    };
    let Some(aggregate) = routed.key.and_then(key_text) else {
        return Reading::Broken("the key of a routed event is not text");
    };
    // A service without versions leaves the header empty.
    let digits = routed.version.filter(|digits| !digits.is_empty());
    let version = match digits.map(|digits| text(digits).map(str::parse)) {
        None => None,
        Some(Some(Ok(version))) => Some(version),
        Some(Some(Err(_)) | None) => {
            return Reading::Broken("the header aggregateVersion of a routed event is no number");
        }
    };
    Reading::Row(Change {
        event_id,
        aggregate,
        version,
        payload: Payload::Avro(routed.value),
        position: None,
        committed_ms: routed.timestamp_ms,
    })
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// A key as a string converter writes it, or as an Avro converter does: framed, with its length.
fn key_text(key: &[u8]) -> Option<&str> {
    let Ok(framed) = framing::read(key) else { return text(key) };
    let (length, rest) = match framed.body {
        [short, rest @ ..] if short & 0x81 == 0 => (usize::from(short >> 1), rest),
        [low, high, rest @ ..] if low & 0x81 == 0x80 && high & 0x80 == 0 => {
            (usize::from(low & 0x7f) >> 1 | usize::from(*high) << 6, rest)
        }
        _ => return None,
    };
    text(rest).filter(|text| text.len() == length)
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

    fn framed(body: &[u8]) -> Framed<'_> {
        Framed { schema: readmill_schemas::SchemaId(5), body }
    }

    fn routed<'a>(key: &'a [u8], id: Option<&'a [u8]>, version: Option<&'a [u8]>) -> Reading<'a> {
        let value = framed(b"event");
        read_routed(Routed { key: Some(key), id, version, value, timestamp_ms: 9 })
    }

    #[test]
    fn a_routed_event_is_read_from_key_and_headers() {
        let change = |aggregate, version| {
            Reading::Row(Change {
                event_id: "e-1",
                aggregate,
                version,
                payload: Payload::Avro(framed(b"event")),
                position: None,
                committed_ms: 9,
            })
        };
        let id = Some(&b"e-1"[..]);
        assert_eq!(routed(b"m-1", id, Some(b"3")), change("m-1", Some(3)));
        assert_eq!(routed(b"m-1", id, Some(b"")), change("m-1", None));
        assert_eq!(routed(b"\0\0\0\0\x07\x06m-1", id, None), change("m-1", None));
        let long = "k".repeat(200);
        let key = [&b"\0\0\0\0\x07\x90\x03"[..], long.as_bytes()].concat();
        assert_eq!(routed(&key, id, None), change(&long, None));
        for (key, id, version) in [
            (&b"m-1"[..], None, None),
            (b"m-1", id, Some(&b"three"[..])),
            (b"\0\0\0\0\x07\x08m-1", id, None),
            (b"\xff", id, None),
        ] {
            assert!(matches!(routed(key, id, version), Reading::Broken(_)));
        }
    }

    #[test]
    fn payloads_are_told_apart_by_their_first_byte() {
        let json = Payload::Json { event_type: "PointsEarned", text: b"{}" };
        assert_eq!(Payload::of(b"{}", "PointsEarned"), json);
        let broken = |bytes| matches!(Payload::of(bytes, "PointsEarned"), Payload::Broken(_));
        assert!(broken(b"") && broken(b"\0\0") && broken(b"[]") && broken(b"__debezium"));
    }

    #[test]
    fn a_flattened_row_is_read_unless_it_is_housekeeping() {
        let row = FlatOutboxRow {
            id: "e-1",
            aggregate_id: "m-1",
            version: Some(2),
            r#type: "PointsEarned",
            payload: Some(b"\0\0\0\0\x05event"),
            __deleted: Some("false"),
            __op: None,
            __source_ts_ms: None,
        };
        let Reading::Row(change) = read_flattened(row.clone(), 9) else { panic!("no row") };
        let event = Payload::Avro(framed(b"event"));
        assert_eq!((change.payload, change.committed_ms), (event, 9));
        let table = [(Some("true"), None), (None, Some("u")), (None, Some("d")), (None, Some("t"))];
        for (deleted, op) in table {
            let row = FlatOutboxRow { __deleted: deleted, __op: op, ..row.clone() };
            assert!(matches!(read_flattened(row, 9), Reading::Skip(_)));
        }
    }
}
