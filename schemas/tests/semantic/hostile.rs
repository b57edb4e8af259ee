//! Bytes that no Avro writer wrote: an error that names the column and no value, never a panic.
use std::time::{Duration, Instant};

use proptest::prelude::*;
use readmill_schemas::semantic::{Conventions, IDLE_VALUES_MAX, RowReader, SemanticFault};

fn reader(schema: &str) -> RowReader {
    RowReader::parse(&[schema], &Conventions::default()).unwrap()
}

/// A row with a column of every meaning.
fn row() -> RowReader {
    let named = [
        ("bytes", "org.apache.kafka.connect.data.Decimal"),
        ("int", "io.debezium.time.Date"),
        ("long", "io.debezium.time.MicroTime"),
        ("long", "io.debezium.time.Timestamp"),
        ("long", "io.debezium.time.MicroTimestamp"),
        ("long", "io.debezium.time.NanoTimestamp"),
        ("long", "io.debezium.time.MicroDuration"),
        ("string", "io.debezium.time.ZonedTime"),
        ("string", "io.debezium.time.ZonedTimestamp"),
        ("string", "io.debezium.time.IsoTimestamp"),
        ("string", "io.debezium.time.Interval"),
        ("string", "io.debezium.data.Uuid"),
        ("string", "io.debezium.data.EnumSet"),
        ("bytes", "io.debezium.data.Bits"),
    ];
    let columns: Vec<String> = named
        .iter()
        .enumerate()
        .map(|(n, (base, name))| {
            let kind = format!(r#"{{"type":"{base}","connect.name":"{name}"}}"#);
            format!(r#"{{"name":"c{n}","type":["null",{kind},{{"type":"array","items":{kind}}}]}}"#)
        })
        .collect();
    let structured = r#"{"type":"record","name":"S","connect.name":
        "io.debezium.time.StructuredTimestamp","fields":[{"name":"year","type":"long"},
        {"name":"month","type":"long"},{"name":"day","type":"long"},{"name":"hour","type":"long"},
        {"name":"minute","type":"long"},{"name":"second","type":"long"},
        {"name":"nanos","type":"long"}]}"#;
    reader(&format!(
        r#"{{"type":"record","name":"Row","fields":[{},{{"name":"s","type":{structured}}}]}}"#,
        columns.join(",")
    ))
}

proptest! {
    #[test]
    fn no_bytes_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(value) = row().read(&body) {
            let _ = serde_json::to_string(&value);
        }
    }

    #[test]
    fn no_numbers_panic(parts in proptest::collection::vec(any::<i64>(), 7), n in 0usize..7) {
        let mut body = vec![0; 14];
        for (place, part) in parts.iter().enumerate() {
            let part = if place == n { *part } else { part % 60 };
            readmill_schemas::encode::long(part, &mut body);
        }
        if let Ok(value) = row().read(&body) {
            let _ = serde_json::to_string(&value);
        }
    }

    #[test]
    fn every_long_has_a_text(value in any::<i64>(), column in 2u8..7) {
        let mut body = vec![0; 14];
        body.splice(usize::from(column)..=usize::from(column), {
            let mut bytes = vec![2];
            readmill_schemas::encode::long(value, &mut bytes);
            bytes
        });
        body.extend([0, 2, 2, 0, 0, 0, 0]);
        serde_json::to_string(&row().read(&body).unwrap()).unwrap();
    }
}

#[test]
fn errors_name_the_column_and_no_value() {
    let row = row();
    let mut body = vec![0; 11];
    body.push(2);
    body.extend([8]);
    body.extend(b"hush");
    let error = row.read(&body).unwrap_err();
    assert_eq!(error.to_string(), "c11: not of the form of a uuid");
    let mut body = vec![4, 4, 0];
    body.extend([200]);
    let error = row.read(&body).unwrap_err();
    assert_eq!(error.path(), "c0[1]");
    assert!(matches!(error.fault(), SemanticFault::Truncated { .. }), "{error}");
}

#[test]
fn items_without_content_are_bounded() {
    let reader = reader(r#"{"type":"array","items":"null"}"#);
    let mut body = Vec::new();
    readmill_schemas::encode::long(i64::MAX, &mut body);
    let error = reader.read(&body).unwrap_err();
    assert_eq!(error.fault(), SemanticFault::Idle { limit: IDLE_VALUES_MAX });
}

#[test]
fn records_that_double_without_bytes_are_bounded() {
    let mut last = r#"{"type":"record","name":"R0","fields":[]}"#.to_owned();
    for n in 1..40 {
        let before = format!("R{}", n - 1);
        last = format!(
            r#"{{"type":"record","name":"R{n}","fields":[{{"name":"a","type":{last}}},
            {{"name":"b","type":"{before}"}}]}}"#
        );
    }
    let error = reader(&last).read(&[]).unwrap_err();
    assert_eq!(error.fault(), SemanticFault::Idle { limit: IDLE_VALUES_MAX });
}

/// A schema is compiled once through, however many ways lead to its types: with each level the
/// values double that it can have.
#[test]
fn nested_unions_are_compiled_in_one_pass() {
    let mut union = r#"["null","int"]"#.to_owned();
    let mut named = union.clone();
    for n in 0..20 {
        let record = |name: char, kind: &str| {
            format!(
                r#"{{"type":"record","name":"{name}{n}","fields":[{{"name":"f","type":{kind}}}]}}"#
            )
        };
        union = format!("[{},{}]", record('A', &union), record('B', &named));
        named = format!(r#"["A{n}","B{n}"]"#);
    }
    // Whether it is read or refused at the end of all branches, the end is near.
    for union in [union.clone(), union.replace("\"int\"", "\"Nothing\"")] {
        let text =
            format!(r#"{{"type":"record","name":"R","fields":[{{"name":"u","type":{union}}}]}}"#);
        let started = Instant::now();
        let fits = RowReader::parse(&[&text], &Conventions::default()).is_ok();
        assert_eq!(fits, !union.contains("Nothing"));
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    }
}
