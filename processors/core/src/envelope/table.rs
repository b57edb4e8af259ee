//! Rows of ordinary tables: created, updated, deleted, or read by a snapshot.

use std::borrow::Cow;

use readmill_schemas::Framed;
use readmill_schemas::debezium::{FlatTableRow, TableEnvelope};
use readmill_schemas::row::RowOp;

use super::source::Coordinates;
use super::{Change, Payload, Reading};

/// A record of a table's row, besides what its envelope says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row<'a> {
    /// The row's key, from the record's.
    pub key: Cow<'a, str>,
    /// The body, which has the images.
    pub body: Framed<'a>,
    /// When the record was published, in milliseconds since 1970.
    pub timestamp_ms: i64,
}

/// Reads a full envelope.
pub fn read_row<'a>(envelope: &TableEnvelope<'a>, row: Row<'a>) -> Reading<'a> {
    let TableEnvelope { op, source, .. } = envelope;
    let Some(op) = RowOp::of(op) else { return aside(op) };
    change(op, source.snapshot, &Coordinates::from(source), source.ts_ms, row)
}

/// Reads a flattened row. What `add.fields` leaves out is taken from the record.
pub fn read_flattened_row<'a>(added: &FlatTableRow<'a>, row: Row<'a>) -> Reading<'a> {
    let letter = added.__op.unwrap_or("u");
    let Some(op) = RowOp::of(letter) else { return aside(letter) };
    let op = if added.__deleted == Some("true") { RowOp::Delete } else { op };
    let committed_ms = added.__source_ts_ms.unwrap_or(row.timestamp_ms);
    change(op, added.__source_snapshot, &Coordinates::from(added), committed_ms, row)
}

/// An incremental snapshot puts its rows among the streamed ones, where the log orders them.
fn change<'a>(
    op: RowOp,
    snapshot: Option<&str>,
    at: &Coordinates<'_>,
    committed_ms: i64,
    row: Row<'a>,
) -> Reading<'a> {
    let (op, position) = match (op, snapshot) {
        (RowOp::Read, Some("incremental")) => (RowOp::Update, None),
        (_, _) => (op, at.position()),
    };
    Reading::Row(Change {
        event_id: "",
        aggregate: row.key,
        version: None,
        versions_of: None,
        payload: Payload::Row { op, body: row.body },
        position,
        committed_ms,
    })
}

/// What to make of a record whose operation is of no row.
fn aside(letter: &str) -> Reading<'static> {
    match letter {
        "m" => Reading::Skip("a logical message is not a row"),
        "t" => Reading::Broken(
            "the table was truncated, which no key tells: rebuild the model, then drop this record",
        ),
        _ => Reading::Broken("the operation is none that Debezium documents"),
    }
}

#[cfg(test)]
mod tests {
    use readmill_schemas::SchemaId;

    use super::*;
    use crate::identity::SourcePosition;

    const NOTHING: FlatTableRow<'_> = FlatTableRow {
        __deleted: None,
        __op: None,
        __source_ts_ms: None,
        __source_snapshot: None,
        __source_lsn: None,
        __source_sequence: None,
        __source_server_id: None,
        __source_file: None,
        __source_pos: None,
        __source_row: None,
    };

    fn row() -> Row<'static> {
        let body = Framed { schema: SchemaId(5), body: b"images" };
        Row { key: "7".into(), body, timestamp_ms: 9 }
    }

    #[track_caller]
    fn check(added: &FlatTableRow<'_>, op: RowOp, position: Option<SourcePosition>) {
        let Reading::Row(change) = read_flattened_row(added, row()) else { panic!("no row") };
        assert_eq!((change.position, change.aggregate.as_ref()), (position, "7"));
        assert_eq!(change.payload, Payload::Row { op, body: row().body });
    }

    #[test]
    fn a_flattened_row_says_what_add_fields_names() {
        let at = FlatTableRow {
            __source_lsn: Some(8),
            __source_sequence: Some(r#"["5","8"]"#),
            ..NOTHING
        };
        let position = Some(SourcePosition::Postgres { commit: Some(5), lsn: 8 });
        check(&NOTHING, RowOp::Update, None);
        check(&FlatTableRow { __op: Some("c"), ..at.clone() }, RowOp::Create, position);
        check(&FlatTableRow { __op: Some("d"), ..at.clone() }, RowOp::Delete, position);
        check(&FlatTableRow { __deleted: Some("true"), ..at.clone() }, RowOp::Delete, position);
        check(&FlatTableRow { __op: Some("r"), ..at.clone() }, RowOp::Read, position);
        let incremental = Some("incremental");
        let among = FlatTableRow { __op: Some("r"), __source_snapshot: incremental, ..at };
        check(&among, RowOp::Update, None);
    }

    #[test]
    fn what_is_no_row_is_skipped_or_held() {
        let read = |op| read_flattened_row(&FlatTableRow { __op: Some(op), ..NOTHING }, row());
        assert!(matches!(read("m"), Reading::Skip(_)));
        assert!(matches!(read("t"), Reading::Broken(why) if why.contains("rebuild")));
        assert!(matches!(read("x"), Reading::Broken(_)));
    }
}
