//! The outbox row's change: a golden record, and an owned twin of its struct.
use std::fmt;

use readmill_schemas::{framing, wire};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

pub const SCHEMA: &str = include_str!("../../golden/postgres.value.id5.avsc");

/// What places an event: the rest of the row and its source stays unread.
pub const PRUNED_SCHEMA: &str = r#"{"type":"record","name":"Pruned","fields":[
    {"name":"after","type":["null",{"type":"record","name":"Value","fields":[
        {"name":"aggregate_id","type":"string"},
        {"name":"version","type":["null","long"]},
        {"name":"type","type":"string"},
        {"name":"payload","type":"bytes"}]}]},
    {"name":"op","type":"string"}]}"#;

const GOLDEN: &str = include_str!("../../golden/postgres.jsonl");

/// The body of the first golden record of an insert.
pub fn body() -> Vec<u8> {
    let lines = GOLDEN.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let line = lines.into_iter().find(|line| line["scenario"] == "insert").unwrap();
    let message = base64(line["value"].as_str().unwrap());
    framing::read(&message).unwrap().body.to_vec()
}

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

#[derive(Debug, PartialEq, Deserialize)]
pub struct Pruned<'a> {
    #[serde(borrow)]
    pub after: Option<PrunedRow<'a>>,
    pub op: &'a str,
}

#[derive(Debug, PartialEq, Deserialize)]
pub struct PrunedRow<'a> {
    pub aggregate_id: &'a str,
    pub version: Option<i64>,
    pub r#type: &'a str,
    pub payload: &'a [u8],
}

wire!(Pruned<'de> { after: "after", op: "op" });
wire!(PrunedRow<'de> {
    aggregate_id: "aggregate_id", version: "version", r#type: "type", payload: "payload",
});

/// `OutboxEnvelope` with what it borrows owned, and nullable only where the writer's schema is:
/// apache-avro reads an option from nothing but a union.
#[derive(Debug, Serialize, Deserialize)]
pub struct Envelope {
    before: Option<Row>,
    after: Option<Row>,
    source: Source,
    op: String,
    ts_ms: Option<i64>,
    transaction: Option<Block>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename = "Value")]
struct Row {
    id: String,
    aggregate_type: String,
    aggregate_id: String,
    version: Option<i64>,
    r#type: String,
    payload: Payload,
}

#[derive(Debug, Serialize, Deserialize)]
struct Source {
    version: String,
    connector: String,
    name: String,
    ts_ms: i64,
    snapshot: Option<String>,
    db: String,
    schema: String,
    table: String,
    #[serde(rename = "txId")]
    tx_id: Option<i64>,
    lsn: Option<i64>,
    sequence: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename = "block")]
struct Block {
    id: String,
    total_order: i64,
    data_collection_order: i64,
}

#[derive(Debug, Serialize)]
struct Payload(Vec<u8>);

struct OfBytes;

impl Visitor<'_> for OfBytes {
    type Value = Payload;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Payload, E> {
        Ok(Payload(bytes.to_vec()))
    }

    fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Payload, E> {
        Ok(Payload(bytes))
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_byte_buf(OfBytes)
    }
}

/// What is told by a struct and its twin alike: the fields that are not null.
pub fn told(envelope: &impl Serialize) -> serde_json::Value {
    let mut json = serde_json::to_value(envelope).unwrap();
    strip(&mut json);
    json
}

fn strip(json: &mut serde_json::Value) {
    if let Some(object) = json.as_object_mut() {
        object.retain(|_, value| !value.is_null());
        object.values_mut().for_each(strip);
    }
}
