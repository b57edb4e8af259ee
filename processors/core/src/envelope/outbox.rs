//! Outbox rows, in full envelopes and flattened: they are only inserted, all else is housekeeping.

use readmill_schemas::debezium::{FlatOutboxRow, OutboxEnvelope, Value};

use super::source::Coordinates;
use super::{Change, Payload, Reading};

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
        aggregate: aggregate_id.into(),
        version,
        versions_of: None,
        payload: Payload::of(payload, r#type),
        position: if op == "r" { None } else { Coordinates::from(&source).position() },
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
        aggregate: row.aggregate_id.into(),
        version: row.version,
        versions_of: None,
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

#[cfg(test)]
mod tests {
    use readmill_schemas::{Framed, SchemaId};

    use super::*;

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
        let event = Payload::Avro(Framed { schema: SchemaId(5), body: b"event" });
        assert_eq!((change.payload, change.committed_ms), (event, 9));
        let table = [(Some("true"), None), (None, Some("u")), (None, Some("d")), (None, Some("t"))];
        for (deleted, op) in table {
            let row = FlatOutboxRow { __deleted: deleted, __op: op, ..row.clone() };
            assert!(matches!(read_flattened(row, 9), Reading::Skip(_)));
        }
    }
}
