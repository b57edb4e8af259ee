//! Schemas and bodies, both from the input: the values of columns, and what contracts make of them.
//!
//! The first byte tells how the connector writes bytes, and whether a schema's text follows, up to
//! a zero, or letters that a schema is drawn from. The rest is the body.

use readmill_schemas::coupons::CouponsEvent;
use readmill_schemas::row::{
    Decimal, FromColumn, Images, RowOp, TimestampMicros, Uuid, items, nullable,
};
use readmill_schemas::semantic::{BinaryMode, Conventions, Date, Row, RowReader, Semantic, Time};
use readmill_schemas::{Events, Timestamp};

/// Names over the types that they may lie over, and over some that they may not.
const NAMED: [(&str, &str); 30] = [
    ("bytes", "org.apache.kafka.connect.data.Decimal"),
    ("int", "io.debezium.time.Date"),
    ("int", "io.debezium.time.Time"),
    ("long", "io.debezium.time.MicroTime"),
    ("long", "io.debezium.time.NanoTime"),
    ("long", "io.debezium.time.Timestamp"),
    ("long", "io.debezium.time.MicroTimestamp"),
    ("long", "io.debezium.time.NanoTimestamp"),
    ("long", "io.debezium.time.MicroDuration"),
    ("long", "io.debezium.time.NanoDuration"),
    ("int", "io.debezium.time.Year"),
    ("string", "io.debezium.time.ZonedTime"),
    ("string", "io.debezium.time.ZonedTimestamp"),
    ("string", "io.debezium.time.IsoDate"),
    ("string", "io.debezium.time.IsoTime"),
    ("string", "io.debezium.time.IsoTimestamp"),
    ("string", "io.debezium.time.Interval"),
    ("string", "io.debezium.data.Uuid"),
    ("string", "io.debezium.data.Json"),
    ("string", "io.debezium.data.Xml"),
    ("string", "io.debezium.data.Enum"),
    ("string", "io.debezium.data.EnumSet"),
    ("bytes", "io.debezium.data.Bits"),
    ("bytes", "plain"),
    ("int", "plain"),
    ("long", "plain"),
    ("float", "plain"),
    ("double", "plain"),
    ("boolean", "plain"),
    ("string", "plain"),
];

const COLUMNS: [&str; 9] =
    ["id", "code", "status", "discount", "valid_until", "note", "updated_at", "coupon_id", "at"];

/// Reads one schema and one body, and tells whether they fit.
pub fn run(input: &[u8]) -> bool {
    let Some((first, mut rest)) = input.split_first() else { return false };
    let binary = match first >> 1 & 3 {
        0 => BinaryMode::Bytes,
        1 => BinaryMode::Base64,
        2 => BinaryMode::Base64UrlSafe,
        _ => BinaryMode::Hex,
    };
    let schema = if first & 1 == 0 {
        let end = rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len());
        let (text, body) = rest.split_at(end);
        rest = body.get(1..).unwrap_or_default();
        String::from_utf8_lossy(text).into_owned()
    } else {
        drawn(&mut rest)
    };
    let conventions =
        Conventions { binary, binary_columns: vec!["note".to_owned()], ..Conventions::default() };
    RowReader::parse(&[&schema], &conventions).is_ok_and(|reader| read(&reader, rest))
}

fn read(reader: &RowReader, body: &[u8]) -> bool {
    let Ok(value) = reader.read(body) else { return false };
    // A body is as long as it is: neither a part of it nor more than it is a body.
    if let Some((_, part)) = body.split_last() {
        assert!(reader.read(body.get(..part.len()).unwrap()).is_err(), "a part was read");
    }
    let longer = [body, &[0]].concat();
    assert!(reader.read(&longer).is_err(), "more was read");
    each(&value);
    if let Semantic::Row(row) = &value {
        let _ = row.says_more_than(&["id"]);
        let image = |name| row.get(name).and_then(Semantic::row).or(Some(row));
        changes(image("before"), image("after"));
    }
    true
}

fn changes<'a>(before: Option<&'a Row<'a>>, after: Option<&'a Row<'a>>) {
    for op in [RowOp::Create, RowOp::Update, RowOp::Delete, RowOp::Read] {
        for which in 0..CouponsEvent::CONTRACTS.len() {
            for before in [before, None] {
                if let Ok(change) = CouponsEvent::read_row(which, Images { op, before, after }) {
                    let stored = serde_json::to_string(&change).expect("a stored change");
                    let again: CouponsEvent = serde_json::from_str(&stored).expect("the same");
                    assert_eq!(again, change);
                }
            }
        }
    }
}

/// Every value as every type of a contract, and what is inside it.
fn each(value: &Semantic<'_>) {
    let document = serde_json::to_value(value);
    let is_the_document = |text: String| {
        assert_eq!(document.as_ref().ok().and_then(|document| document.as_str()), Some(&*text));
    };
    if let (Semantic::Decimal(_), Ok(number)) = (value, Decimal::of(value)) {
        is_the_document(number.to_string());
    }
    let _ = Date::of(value).map(|date| is_the_document(date.to_string()));
    let _ = Time::of(value).map(|time| is_the_document(time.to_string()));
    let _ = String::of(value).map(is_the_document);
    if let Ok(at) = TimestampMicros::of(value) {
        assert_eq!(at.to_string().parse(), Ok(at));
        assert!(Timestamp::of(value).is_err() || Timestamp::of(value) == Ok(at.to_millis()));
    }
    let _ = (bool::of(value), i32::of(value), i64::of(value), f32::of(value), f64::of(value));
    let _ = (Uuid::of(value), Vec::<u8>::of(value), Decimal::within(value, 12, 2));
    let _ = items(value, |item| nullable(item, Decimal::of));
    match value {
        Semantic::Array(items) => items.iter().for_each(each),
        Semantic::Map(entries) => entries.iter().for_each(|(_, value)| each(value)),
        Semantic::Row(row) => row.columns.iter().for_each(|(_, value)| each(value)),
        _ => {}
    }
}

/// A record with columns of the contracts' names, from the front of the bytes.
fn drawn(bytes: &mut &[u8]) -> String {
    let count = usize::from(take(bytes) % 9) + 1;
    let columns: Vec<String> = COLUMNS
        .iter()
        .take(count)
        .map(|name| format!(r#"{{"name":"{name}","type":{}}}"#, kind(bytes, 3)))
        .collect();
    format!(r#"{{"type":"record","name":"Value","fields":[{}]}}"#, columns.join(","))
}

fn kind(bytes: &mut &[u8], depth: usize) -> String {
    let byte = take(bytes);
    match byte % 8 {
        0 if depth > 0 => format!(r#"["null",{}]"#, kind(bytes, depth - 1)),
        1 if depth > 0 => format!(r#"{{"type":"array","items":{}}}"#, kind(bytes, depth - 1)),
        2 if depth > 0 => format!(r#"{{"type":"map","values":{}}}"#, kind(bytes, depth - 1)),
        _ => {
            let (base, name) = NAMED[usize::from(take(bytes)) % NAMED.len()];
            let scale = i16::from(take(bytes)) - 20;
            format!(
                r#"{{"type":"{base}","connect.name":"{name}","connect.parameters":{{"scale":
                "{scale}","length":"9","__debezium.source.column.type":"BYTEA"}}}}"#
            )
        }
    }
}

fn take(bytes: &mut &[u8]) -> u8 {
    let Some((first, rest)) = bytes.split_first() else { return 0 };
    *bytes = rest;
    *first
}
