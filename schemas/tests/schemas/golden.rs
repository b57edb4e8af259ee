//! Records that the real Debezium wrote, read as another decoder read them.
use readmill_schemas::debezium::OutboxEnvelope;
use readmill_schemas::points::PointsEarned;
use readmill_schemas::{Plan, SchemaId, framing};
use serde_json::Value;

use crate::schema;

const DATABASES: [(&str, &str, u32); 2] = [
    (
        include_str!("../../golden/postgres.value.id5.avsc"),
        include_str!("../../golden/postgres.jsonl"),
        5,
    ),
    (
        include_str!("../../golden/mariadb.value.id9.avsc"),
        include_str!("../../golden/mariadb.jsonl"),
        9,
    ),
];
const PAYLOAD: &str = include_str!("../../golden/payload.id3.avsc");

fn base64(text: &str) -> Vec<u8> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for letter in text.trim_end_matches('=').bytes() {
        let value = LETTERS.iter().position(|known| *known == letter).unwrap();
        bits = (bits << 6) | u32::try_from(value).unwrap();
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 0xff).unwrap());
        }
    }
    bytes
}

/// Whatever our reading has, the other decoder's has too; it has more, since a contract picks.
#[track_caller]
fn check(at: &str, ours: &Value, theirs: &Value) {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            for (name, value) in ours {
                let other = theirs.get(name).unwrap_or(&Value::Null);
                check(&format!("{at}.{name}"), value, other);
            }
        }
        // Bytes: ours are numbers, theirs base64.
        (Value::Array(ours), Value::String(theirs)) => {
            let ours: Vec<u64> = ours.iter().map(|byte| byte.as_u64().unwrap()).collect();
            let theirs: Vec<u64> = base64(theirs).into_iter().map(u64::from).collect();
            assert_eq!(ours, theirs, "{at}");
        }
        _ => assert_eq!(ours, theirs, "{at}"),
    }
}

/// The records with a value: each line, with its bytes, but for tombstones.
fn records(lines: &'static str) -> impl Iterator<Item = (Value, Vec<u8>)> {
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter_map(|line| {
        let message = base64(line["value"].as_str()?);
        Some((line, message))
    })
}

#[test]
fn envelopes_are_read_as_another_decoder_read_them() {
    for (text, lines, id) in DATABASES {
        let plan = Plan::compile(&schema(text), &OutboxEnvelope::CONTRACT).unwrap();
        let mut count = 0;
        for (record, message) in records(lines) {
            let framed = framing::read(&message).unwrap();
            assert_eq!(framed.schema, SchemaId(id));
            let envelope: OutboxEnvelope<'_> = plan.read(framed.body).unwrap();
            let at = record["scenario"].as_str().unwrap();
            check(at, &serde_json::to_value(&envelope).unwrap(), &record["decoded_value"]);
            count += 1;
        }
        assert!(count > 5);
    }
}

#[test]
fn payloads_of_the_first_version_are_read() {
    let plan = Plan::compile(&schema(PAYLOAD), &PointsEarned::CONTRACT).unwrap();
    for (text, lines, _) in DATABASES {
        let envelopes = Plan::compile(&schema(text), &OutboxEnvelope::CONTRACT).unwrap();
        for (_, message) in records(lines) {
            let framed = framing::read(&message).unwrap();
            let envelope: OutboxEnvelope<'_> = envelopes.read(framed.body).unwrap();
            let row = envelope.after.or(envelope.before).unwrap();
            let payload = framing::read(row.payload.unwrap()).unwrap();
            assert_eq!(payload.schema, SchemaId(3));
            let event: PointsEarned = plan.read(payload.body).unwrap();
            assert!(event.ledger_id.starts_with("ledger_id-"));
            assert_eq!((event.reason.as_str(), event.order_no), ("order", None));
        }
    }
}
