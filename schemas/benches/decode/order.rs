//! An order's change as Debezium writes it: schema, the struct that all decoders fill, a sample.
use std::fmt;

use readmill_schemas::plan::{Origin, Place};
use readmill_schemas::{Wire, encode, wire};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

pub const SCHEMA: &str = include_str!("order.avsc");

/// What a read model of orders wants.
pub const PRUNED_SCHEMA: &str = r#"{"type":"record","name":"Pruned","fields":[
    {"name":"after","type":["null",{"type":"record","name":"Value","fields":[
        {"name":"id","type":"long"},{"name":"status","type":"string"},
        {"name":"total","type":{
            "type":"bytes","logicalType":"decimal","precision":12,"scale":2}}]}]},
    {"name":"op","type":"string"},
    {"name":"ts_ms","type":["null","long"]}]}"#;

/// The body's length in bytes, of the measurements that came before.
pub const LENGTH: usize = 448;

/// An amount without its scale, which the schema says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Money(pub i64);

impl Money {
    pub fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let negative = bytes.first().is_some_and(|first| *first >= 0x80);
        let start = if negative { -1 } else { 0 };
        let value = bytes.iter().fold(start, |value, byte| (value << 8) | i64::from(*byte));
        (bytes.len() <= 8).then_some(Self(value))
    }

    /// Of a decoder that makes a text of a decimal, which has two places here.
    fn of_text(text: &str) -> Option<Self> {
        let (whole, part) = text.split_once('.').filter(|(_, part)| part.len() == 2)?;
        let (whole, part): (i64, i64) = (whole.parse().ok()?, part.parse().ok()?);
        Some(Self(whole * 100 + if text.starts_with('-') { -part } else { part }))
    }
}

struct OfBytes;

impl Visitor<'_> for OfBytes {
    type Value = Money;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the bytes of a decimal")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Money, E> {
        Money::of_bytes(bytes).ok_or_else(|| E::custom("decimal out of range"))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Money, E> {
        Money::of_text(text).ok_or_else(|| E::custom("decimal out of range"))
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(OfBytes)
    }
}

impl<'de> Wire<'de> for Money {
    const LEAF: bool = true;

    #[inline]
    fn fits(origin: Origin<'_>) -> bool {
        <&[u8]>::fits(origin)
    }

    #[inline]
    fn straight(place: Place<'_, '_, 'de>) -> Option<Self> {
        Self::of_bytes(<&[u8]>::straight(place)?)
    }
}

/// `T` is `&str`, or `String` for decoders that cannot borrow; `apache_avro`'s direct reader wants
/// structs named as the schema's records.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Envelope<T> {
    pub before: Option<Row<T>>,
    pub after: Option<Row<T>>,
    pub source: Source<T>,
    pub transaction: Option<Block<T>>,
    pub op: T,
    pub ts_ms: Option<i64>,
    pub ts_us: Option<i64>,
    pub ts_ns: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename = "Value")]
pub struct Row<T> {
    pub id: i64,
    pub customer_id: T,
    pub status: T,
    pub total: Money,
    pub placed_at: i64,
    pub updated_at: T,
    pub note: Option<T>,
    pub items: Vec<Item<T>>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Item<T> {
    pub sku: T,
    pub quantity: i32,
    pub price: Money,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Source<T> {
    pub version: T,
    pub connector: T,
    pub name: T,
    pub ts_ms: i64,
    pub snapshot: Option<T>,
    pub db: T,
    pub sequence: Option<T>,
    pub ts_us: Option<i64>,
    pub ts_ns: Option<i64>,
    pub schema: T,
    pub table: T,
    #[serde(rename = "txId")]
    pub tx_id: Option<i64>,
    pub lsn: Option<i64>,
    pub xmin: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename = "block")]
pub struct Block<T> {
    pub id: T,
    pub total_order: i64,
    pub data_collection_order: i64,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Pruned<T> {
    pub after: Option<PrunedRow<T>>,
    pub op: T,
    pub ts_ms: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct PrunedRow<T> {
    pub id: i64,
    pub status: T,
    pub total: Money,
}

wire!(Envelope<&'de str> {
    before: "before", after: "after", source: "source", transaction: "transaction", op: "op",
    ts_ms: "ts_ms", ts_us: "ts_us", ts_ns: "ts_ns",
});
wire!(Row<&'de str> {
    id: "id", customer_id: "customer_id", status: "status", total: "total", placed_at: "placed_at",
    updated_at: "updated_at", note: "note", items: "items",
});
wire!(Item<&'de str> { sku: "sku", quantity: "quantity", price: "price" });
wire!(Source<&'de str> {
    version: "version", connector: "connector", name: "name", ts_ms: "ts_ms", snapshot: "snapshot",
    db: "db", sequence: "sequence", ts_us: "ts_us", ts_ns: "ts_ns", schema: "schema",
    table: "table", tx_id: "txId", lsn: "lsn", xmin: "xmin",
});
wire!(Block<&'de str> {
    id: "id", total_order: "total_order", data_collection_order: "data_collection_order",
});
wire!(Pruned<&'de str> { after: "after", op: "op", ts_ms: "ts_ms" });
wire!(PrunedRow<&'de str> { id: "id", status: "status", total: "total" });

/// An update that sets an order's status.
pub fn body() -> Vec<u8> {
    let mut out = Vec::new();
    row("placed", "2026-11-21T03:45:02.394949Z", Some("ring the bell, twice"), &mut out);
    row("dispatched", "2026-11-21T03:45:06.712375Z", Some("leave at the door"), &mut out);
    for text in ["3.7.0.Final", "postgresql", "shop"] {
        encode::text(text, &mut out);
    }
    encode::long(1_795_232_706_712, &mut out);
    encode::long(0, &mut out);
    encode::text("false", &mut out);
    encode::text("shop", &mut out);
    encode::long(1, &mut out);
    encode::text("[\"26751952\",\"26751992\"]", &mut out);
    some(1_795_232_706_712_375, &mut out);
    some(1_795_232_706_712_375_000, &mut out);
    encode::text("public", &mut out);
    encode::text("orders", &mut out);
    some(765, &mut out);
    some(26_751_992, &mut out);
    encode::long(0, &mut out);
    encode::long(1, &mut out);
    encode::text("765:26751992", &mut out);
    encode::long(1, &mut out);
    encode::long(1, &mut out);
    encode::text("u", &mut out);
    some(1_795_232_707_020, &mut out);
    some(1_795_232_707_020_123, &mut out);
    some(1_795_232_707_020_123_456, &mut out);
    out
}

fn some(value: i64, out: &mut Vec<u8>) {
    encode::long(1, out);
    encode::long(value, out);
}

fn row(status: &str, updated_at: &str, note: Option<&str>, out: &mut Vec<u8>) {
    encode::long(1, out);
    encode::long(4_711, out);
    encode::text("customer-000000000-000123", out);
    encode::text(status, out);
    encode::bytes(&[0x01, 0x2d, 0x44], out);
    encode::long(1_795_232_702_394_949, out);
    encode::text(updated_at, out);
    match note {
        None => encode::long(0, out),
        Some(note) => {
            encode::long(1, out);
            encode::text(note, out);
        }
    }
    let items = [
        ("sku-000017", 2, [0x16, 0x8f]),
        ("sku-004711", 1, [0x7d, 0x21]),
        ("sku-090210", 3, [0x03, 0xe7]),
    ];
    encode::items(&items, out, |(sku, quantity, price), out| {
        encode::text(sku, out);
        encode::long(*quantity, out);
        encode::bytes(price, out);
    });
}
