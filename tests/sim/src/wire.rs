//! The bytes of records as Debezium and an Avro converter write them, and the schemas for them.

use std::sync::{Arc, LazyLock};

use readmill_core::SourcePosition;
use readmill_schemas::debezium::{OutboxEnvelope, Source, TableEnvelope, Value};
use readmill_schemas::row::RowOp;
use readmill_schemas::{SchemaId, WriterSchema, encode, framing};

use crate::event::STEP;
use crate::source::{Row, What};

/// The envelope of the outbox tables.
pub const OUTBOX: SchemaId = SchemaId(1);
/// The envelope of the table of cards.
pub const CARD: SchemaId = SchemaId(2);
/// The events of the model.
pub const STEPS: SchemaId = SchemaId(10);
/// The same, under an id that the registry may have trouble with.
pub const STEPS_LATER: SchemaId = SchemaId(11);
/// Events of no interest.
pub const FOREIGN: SchemaId = SchemaId(20);

static SCHEMAS: LazyLock<Vec<(SchemaId, Arc<WriterSchema>)>> = LazyLock::new(|| {
    let foreign = r#"{"type": "record", "name": "Foreign", "fields": []}"#;
    let all = [
        (OUTBOX, OutboxEnvelope::CONTRACT.text.to_owned()),
        (CARD, card_envelope()),
        (STEPS, STEP.text.to_owned()),
        (STEPS_LATER, STEP.text.to_owned()),
        (FOREIGN, foreign.to_owned()),
    ];
    let parsed = |(id, text): (_, String)| Some((id, Arc::new(WriterSchema::parse(&text).ok()?)));
    all.into_iter().filter_map(parsed).collect()
});

/// The schema under an id.
pub fn schema(id: SchemaId) -> Option<Arc<WriterSchema>> {
    SCHEMAS.iter().find(|(known, _)| *known == id).map(|(_, schema)| Arc::clone(schema))
}

/// An envelope as Debezium has it: the images of the row before what every envelope has.
fn card_envelope() -> String {
    let images = r#""namespace": "shop.public.card", "fields": [
        {"name": "before", "type": ["null", {"type": "record", "name": "Value", "fields": [
            {"name": "id", "type": "string"}, {"name": "mark", "type": "long"}]}]},
        {"name": "after", "type": ["null", "Value"]},"#;
    let text = TableEnvelope::CONTRACT.text.replacen(r#""fields": ["#, images, 1);
    let text = text.replacen(r#""namespace": "readmill.debezium","#, "", 1);
    text.replacen(r#""name": "TableEnvelope""#, r#""name": "Envelope""#, 1)
}

/// The value of a row's record. `later` writes its event under the troubled id.
pub fn value(row: &Row, later: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(160);
    match &row.what {
        What::Card { op, mark } => {
            framing::write(CARD, |out| card(row, *op, *mark, row.at, out), &mut out);
        }
        What::Step(_) | What::Poison | What::Foreign => {
            let payload = payload(row, later);
            framing::write(OUTBOX, |out| outbox(row, "c", &payload, out), &mut out);
        }
    }
    out
}

/// The value of the record that says that an outbox row was cleaned away.
pub fn cleanup(row: &Row) -> Vec<u8> {
    let mut out = Vec::with_capacity(160);
    framing::write(OUTBOX, |out| outbox(row, "d", &[], out), &mut out);
    out
}

/// The value of the record with which a snapshot, standing right behind `row`, reads it.
pub fn snapshot(row: &Row, mark: i64) -> Vec<u8> {
    let lsn = lsn(row.at);
    let stood = SourcePosition::Postgres { commit: None, lsn };
    let mut out = Vec::with_capacity(120);
    framing::write(CARD, |out| card(row, RowOp::Read, mark, stood, out), &mut out);
    out
}

fn payload(row: &Row, later: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(48);
    match &row.what {
        What::Step(step) => {
            let id = if later { STEPS_LATER } else { STEPS };
            framing::write(id, |out| step.write(out), &mut out);
        }
        What::Poison => framing::write(STEPS, |out| out.push(200), &mut out),
        What::Foreign | What::Card { .. } => framing::write(FOREIGN, |_| {}, &mut out),
    }
    out
}

fn outbox(row: &Row, op: &str, payload: &[u8], out: &mut Vec<u8>) {
    let (id, sequence) = (row.event_id(), sequence(row.at));
    let value = Value {
        id: &id,
        aggregate_type: "any",
        aggregate_id: &row.aggregate,
        version: row.version,
        r#type: "Step",
        payload: Some(payload),
    };
    let (before, after) = if op == "c" { (None, Some(value)) } else { (Some(value), None) };
    let source = source(lsn(row.at), &sequence);
    OutboxEnvelope { before, after, source, op, ts_ms: Some(0), transaction: None }.write(out);
}

fn card(row: &Row, op: RowOp, mark: i64, at: SourcePosition, out: &mut Vec<u8>) {
    let image = |there: bool, out: &mut Vec<u8>| {
        encode::long(i64::from(there), out);
        if there {
            encode::text(&row.key, out);
            encode::long(mark, out);
        }
    };
    image(op == RowOp::Delete, out);
    image(op != RowOp::Delete, out);
    let sequence = sequence(at);
    let source = source(lsn(at), &sequence);
    TableEnvelope { source, transaction: None, op: op.letter(), ts_ms: Some(0) }.write(out);
}

const fn lsn(at: SourcePosition) -> i64 {
    match at {
        SourcePosition::Postgres { lsn, .. } => lsn,
        SourcePosition::Binlog { pos, .. } => pos,
    }
}

fn sequence(at: SourcePosition) -> String {
    match at {
        SourcePosition::Postgres { commit: Some(commit), lsn } => {
            format!("[\"{commit}\",\"{lsn}\"]")
        }
        SourcePosition::Postgres { commit: None, lsn } => format!("[null,\"{lsn}\"]"),
        SourcePosition::Binlog { .. } => String::new(),
    }
}

const fn source(lsn: i64, sequence: &str) -> Source<'_> {
    Source {
        version: "3.7.0.Final",
        connector: "postgresql",
        name: "shop",
        ts_ms: 0,
        snapshot: None,
        db: None,
        schema: None,
        table: None,
        tx_id: None,
        lsn: Some(lsn),
        sequence: Some(sequence),
        server_id: None,
        gtid: None,
        file: None,
        pos: None,
        row: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_is_one() {
        for id in [OUTBOX, CARD, STEPS, STEPS_LATER, FOREIGN] {
            assert!(schema(id).is_some(), "{id}");
        }
    }
}
