//! Envelopes by a schema like Debezium's for PostgreSQL, written by the reference encoder.
use apache_avro::types::Value as Avro;
use proptest::prelude::*;
use readmill_schemas::debezium::{Block, OutboxEnvelope, Source, Value};
use readmill_schemas::{Plan, ReadFault, Wire, WriterSchema};
use serde::Deserialize;

use crate::{own, schema};

pub const POSTGRES: &str = include_str!("data/postgres_envelope.avsc");

fn some(branch: u32, value: Avro) -> Avro {
    Avro::Union(branch, Box::new(value))
}

fn null() -> Avro {
    some(0, Avro::Null)
}

fn text(text: &str) -> Avro {
    Avro::String(text.to_owned())
}

fn fields(fields: Vec<(&str, Avro)>) -> Avro {
    Avro::Record(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn row(id: &str, payload: &[u8]) -> Avro {
    fields(vec![
        ("id", text(id)),
        ("aggregate_type", text("ledger")),
        ("aggregate_id", text("l1")),
        ("type", text("PointsEarned")),
        ("version", some(1, Avro::Long(3))),
        ("amount", some(1, Avro::Decimal(vec![0x30, 0x39].into()))),
        ("payload", some(1, Avro::Bytes(payload.to_vec()))),
        ("created_at", text("2026-11-21T03:20:36.123456Z")),
    ])
}

fn source() -> Avro {
    fields(vec![
        ("version", text("3.7.0.Final")),
        ("connector", text("postgresql")),
        ("name", text("shop")),
        ("ts_ms", Avro::Long(1_795_231_236_123)),
        ("snapshot", some(0, text("false"))),
        ("db", text("shop")),
        ("sequence", some(1, text("[\"99388840\",\"99388376\"]"))),
        ("ts_us", some(1, Avro::Long(1_795_231_236_123_000))),
        ("ts_ns", null()),
        ("schema", text("public")),
        ("table", text("points_outbox")),
        ("txId", some(1, Avro::Long(771))),
        ("lsn", some(1, Avro::Long(99_388_376))),
        ("xmin", null()),
    ])
}

/// The bytes of a create, as the reference encoder writes them.
pub fn create(payload: &[u8]) -> Vec<u8> {
    let transaction = fields(vec![
        ("id", text("771:99388376")),
        ("total_order", Avro::Long(1)),
        ("data_collection_order", Avro::Long(2)),
    ]);
    let value = fields(vec![
        ("before", null()),
        ("after", some(1, row("0c7f6f0e", payload))),
        ("source", source()),
        ("transaction", some(1, transaction)),
        ("op", text("c")),
        ("ts_ms", some(1, Avro::Long(1_795_231_236_200))),
        ("ts_us", null()),
        ("ts_ns", null()),
    ]);
    let schema = apache_avro::Schema::parse_str(POSTGRES).unwrap();
    #[allow(deprecated, reason = "the reference encoder's plainest form")]
    apache_avro::to_avro_datum(&schema, value).unwrap()
}

pub fn plan() -> Plan {
    Plan::compile(&schema(POSTGRES), &OutboxEnvelope::CONTRACT).unwrap()
}

fn expected(payload: &[u8]) -> OutboxEnvelope<'_> {
    OutboxEnvelope {
        before: None,
        after: Some(Value {
            id: "0c7f6f0e",
            aggregate_type: "ledger",
            aggregate_id: "l1",
            version: Some(3),
            r#type: "PointsEarned",
            payload: Some(payload),
        }),
        source: Source {
            version: "3.7.0.Final",
            connector: "postgresql",
            name: "shop",
            ts_ms: 1_795_231_236_123,
            snapshot: Some("false"),
            db: Some("shop"),
            schema: Some("public"),
            table: Some("points_outbox"),
            tx_id: Some(771),
            lsn: Some(99_388_376),
            sequence: Some("[\"99388840\",\"99388376\"]"),
            server_id: None,
            gtid: None,
            file: None,
            pos: None,
            row: None,
        },
        op: "c",
        ts_ms: Some(1_795_231_236_200),
        transaction: Some(Block { id: "771:99388376", total_order: 1, data_collection_order: 2 }),
    }
}

#[test]
fn a_create_is_read() {
    let body = create(b"payload");
    let envelope: OutboxEnvelope<'_> = plan().read(&body).unwrap();
    assert_eq!(envelope, expected(b"payload"));
}

#[test]
fn text_and_bytes_are_borrowed() {
    let body = create(b"payload");
    let envelope: OutboxEnvelope<'_> = plan().read(&body).unwrap();
    let payload = envelope.after.unwrap().payload.unwrap();
    assert!(body.as_ptr_range().contains(&payload.as_ptr()));
}

#[test]
fn every_cut_is_told_and_names_its_field() {
    let (body, plan) = (create(b"payload"), plan());
    for length in 0..body.len() {
        let error = plan.read::<OutboxEnvelope<'_>>(&body[..length]).unwrap_err();
        assert!(matches!(error.fault(), ReadFault::Truncated { .. }), "{length}: {error}");
        assert!(!error.path().is_empty(), "{length}: {error}");
    }
    let cut = plan.read::<OutboxEnvelope<'_>>(&body[..12]).unwrap_err();
    assert_eq!(cut.path(), "after.aggregate_type");
}

#[test]
fn what_follows_is_told() {
    let mut body = create(b"payload");
    body.push(0);
    let error = plan().read::<OutboxEnvelope<'_>>(&body).unwrap_err();
    assert_eq!(error.to_string(), "body: 1 bytes are left over");
}

#[test]
fn other_fields_are_read_by_the_writers_own_schema() {
    #[derive(Deserialize, Debug, PartialEq)]
    struct Row {
        created_at: String,
        amount: Option<Vec<u8>>,
    }
    #[derive(Deserialize, Debug, PartialEq)]
    struct Part {
        op: char,
        after: Option<Row>,
    }
    impl Wire<'_> for Part {}
    let whole = Plan::between(&schema(POSTGRES), &schema(POSTGRES)).unwrap();
    let created_at = "2026-11-21T03:20:36.123456Z".to_owned();
    let after = Some(Row { created_at, amount: Some(vec![0x30, 0x39]) });
    assert_eq!(whole.read(&create(b"p")), Ok(Part { op: 'c', after }));
}

#[test]
fn names_are_those_of_the_topic() {
    let name = WriterSchema::parse(POSTGRES).unwrap().name();
    assert_eq!(name.as_deref(), Some("shop.public.points_outbox.Envelope"));
}

proptest! {
    #[test]
    fn an_envelope_that_we_write_is_read(payload: Vec<u8>, version: Option<i64>, row: Option<i32>) {
        let mut envelope = expected(&payload);
        envelope.before = envelope.after.clone();
        envelope.source.row = row;
        if let Some(after) = &mut envelope.after {
            after.version = version;
        }
        let mut body = Vec::new();
        envelope.write(&mut body);
        prop_assert_eq!(own(&OutboxEnvelope::CONTRACT).read(&body), Ok(envelope));
    }
}
