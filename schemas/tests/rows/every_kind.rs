//! Golden rows of every column type, read by a contract that names most of them.
use std::collections::BTreeSet;

use readmill_schemas::Events;
use readmill_schemas::row::{Decimal, Images, RowChange, RowOp, TableRow, Uuid};
use readmill_schemas::semantic::{Row, Semantic};
use serde_json::Value;

use crate::golden::captures_of;
use crate::kinds::{Feeling, Kinds, KindsEvent, MariaKinds, Mood, Noted, Pair};

/// The same document, but for how a decimal is spelled and that instants say that they are.
fn same(typed: &Value, document: &Value) -> bool {
    match (typed, document) {
        (Value::String(a), Value::String(b)) => {
            let (x, y) = (a.parse::<Decimal>(), b.parse::<Decimal>());
            a == b || a.strip_suffix('Z').is_some_and(|a| a == b) || x.is_ok() && x == y
        }
        // A whole number as a decimal; a small number as a boolean.
        (Value::String(text), Value::Number(number)) => *text == number.to_string(),
        (Value::Bool(value), Value::Number(number)) => number.as_u64() == Some(u64::from(*value)),
        // Bytes: numbers in a typed row, base64 in a document.
        (Value::Array(bytes), Value::String(base64)) => {
            let bytes: Vec<u64> = bytes.iter().map(|byte| byte.as_u64().unwrap()).collect();
            let found = crate::golden::oracle::from_base64(base64);
            bytes == found.into_iter().map(u64::from).collect::<Vec<_>>()
        }
        (typed, document) => typed == document,
    }
}

fn compare<T: TableRow>(at: &str, kinds: &T, row: &Row<'_>) -> usize {
    let typed = serde_json::to_value(kinds).unwrap();
    let document = serde_json::to_value(row).unwrap();
    let mut compared = 0;
    for (name, value) in typed.as_object().unwrap() {
        let value = value.get("now").unwrap_or(value);
        if let Some(document) = document.get(name) {
            // Ours has always three digits behind the point.
            let millis =
                matches!(name.as_str(), "timestamp_3" | "datetime_3") && document.is_string();
            let close = millis
                && value.as_str().is_some_and(|v| v[..19] == document.as_str().unwrap()[..19]);
            assert!(same(value, document) || close, "{at} {name}: {value} {document}");
            compared += 1;
        }
    }
    compared
}

/// Reads a database's golden rows by a contract: how many values were compared, and what has no
/// place in it, of each row the first.
fn golden<T: TableRow>(database: &str) -> (usize, Vec<String>) {
    let (mut compared, mut refused) = (0, BTreeSet::new());
    for capture in captures_of("types").iter().filter(|c| c.name.starts_with(database)) {
        capture.each(|table, _, record| {
            let row = record.get("after").and_then(Semantic::row).unwrap();
            if table != "kinds" && table != "required" {
                return;
            }
            match T::of(row, None) {
                Ok(kinds) => compared += compare(&capture.name, &kinds, row),
                Err(error) => {
                    let told = error.to_string();
                    let told = told.split([';', ',']).next().unwrap();
                    refused.insert(format!("{} {told}", capture.name));
                }
            }
        });
    }
    (compared, refused.into_iter().collect())
}

#[test]
fn golden_rows_of_postgres_are_read_exactly_or_refused() {
    let (compared, refused) = golden::<Kinds>("postgres");
    assert_eq!(refused, REFUSED);
    assert!(compared > 1_000, "{compared}");
}

#[test]
fn golden_rows_of_mariadb_are_read_exactly_or_refused() {
    let (compared, refused) = golden::<MariaKinds>("mariadb");
    assert_eq!(refused, REFUSED_OF_MARIADB);
    assert!(compared > 800, "{compared}");
}

/// What has no place in the contract: floats for money, encoded bytes, infinity, and years beyond
/// 64 bits of microseconds. Each row tells its first.
const REFUSED: [&str; 21] = [
    "postgres.double date: infinite where the contract says a date",
    "postgres.double float4: out of the range of the finite numbers",
    "postgres.double numeric: an inexact number where the contract says decimal",
    "postgres.double numeric_10_2: an inexact number where the contract says decimal",
    "postgres.iso date: infinite where the contract says a date",
    "postgres.iso float4: out of the range of the finite numbers",
    "postgres.iso timestamp_6: out of the range of a timestamp in microseconds",
    "postgres.nanos bytea: a text where the contract says bytes",
    "postgres.nanos date: infinite where the contract says a date",
    "postgres.nanos float4: out of the range of the finite numbers",
    "postgres.nanos timestamptz: out of the range of a timestamp in microseconds",
    "postgres.precise date: infinite where the contract says a date",
    "postgres.precise float4: out of the range of the finite numbers",
    "postgres.precise timestamptz: out of the range of a timestamp in microseconds",
    "postgres.structured date: infinite where the contract says a date",
    "postgres.structured float4: out of the range of the finite numbers",
    "postgres.structured timestamp_6: out of the range of a timestamp in microseconds",
    "postgres.text bytea: a text where the contract says bytes",
    "postgres.text date: infinite where the contract says a date",
    "postgres.text float4: out of the range of the finite numbers",
    "postgres.text timestamptz: out of the range of a timestamp in microseconds",
];

/// In nanoseconds, far years become wrong ones with digits that the column does not have.
const REFUSED_OF_MARIADB: [&str; 2] = [
    "mariadb.double decimal_10_2: an inexact number where the contract says decimal",
    "mariadb.nanos datetime_6: out of the range of a timestamp in microseconds",
];

#[test]
fn defaults_stand_where_the_table_has_no_such_column() {
    let row = Row::new(vec![("id", Semantic::Int(1)), ("mood_now", Semantic::Text("?".into()))]);
    let mut columns = row.columns.clone();
    for capture in captures_of("types").iter().filter(|c| c.name == "postgres.precise") {
        capture.each(|_, _, record| {
            let row = record.get("after").and_then(Semantic::row).unwrap();
            let nulls = row.columns.iter().skip(1).map(|(name, _)| *name);
            if columns.len() == 2 {
                let named: Vec<&'static str> = nulls.map(|n| &*n.to_owned().leak()).collect();
                columns.extend(named.into_iter().map(|name| (name, Semantic::Null)));
            }
        });
    }
    let kinds = Kinds::of(&Row::new(columns), None).unwrap();
    // The symbol is unknown: the enum's default, not the field's.
    assert_eq!(kinds.feeling, Mood::Ok);
    assert_eq!((kinds.since.to_string().as_str(), kinds.at.as_millis()), ("1970-01-02", -1));
    assert_eq!((kinds.seen.as_micros(), kinds.raw.as_slice()), (2, [0u8, 255].as_slice()));
    assert_eq!((kinds.names.len(), kinds.rate, kinds.word.as_deref()), (0, 1.0, Some("a \"b\"")));
}

#[test]
fn a_key_may_have_columns() {
    let row = Row::new(vec![
        ("shop", Semantic::Uuid([1; 16])),
        ("no", Semantic::Int(5)),
        ("mood", Semantic::Enum("NOT_BAD")),
    ]);
    let images = Images { op: RowOp::Delete, before: Some(&row), after: None };
    let KindsEvent::Pair(change) = KindsEvent::read_row(3, images).unwrap() else { panic!() };
    let key = (Uuid([1; 16]), Decimal::of_units(5, 0), Feeling::NotBad);
    assert_eq!((Pair::KEY, change.key.clone()), (["shop", "no", "mood"].as_slice(), key));
    let stored = serde_json::to_string(&change).unwrap();
    assert_eq!(serde_json::from_str::<RowChange<Pair>>(&stored).unwrap(), change);
}

#[test]
fn a_domain_may_have_both() {
    let images = Images { op: RowOp::Create, before: None, after: None };
    assert!(KindsEvent::read_row(2, images).is_err());
    let event = KindsEvent::from(Noted { text: "a".to_owned() });
    assert_eq!(event.contract().table, None);
}
