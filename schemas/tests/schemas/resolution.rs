//! Avro's resolution rules, as tables of a writer, a reader, bytes and what is read.
use readmill_schemas::{PlanError, Wire, wire};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::between;

fn record(fields: &str) -> String {
    format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#)
}

fn field(kind: &str) -> String {
    record(&format!(r#"{{"name":"f","type":{kind}}}"#))
}

#[test]
fn types_resolve() {
    let (long, double, text) = (r#""long""#, r#""double""#, r#""string""#);
    let wide = r#"{"type":"enum","name":"E","symbols":["A","B","C"]}"#;
    let narrow = r#"{"type":"enum","name":"F","symbols":["C","X"],"default":"X"}"#;
    let table: [(&str, &str, &[u8], Value); 15] = [
        (r#""int""#, long, &[3], json!(-2)),
        (r#""int""#, double, &[4], json!(2.0)),
        (long, r#""float""#, &[4], json!(2.0)),
        (r#""float""#, double, &[0, 0, 0x80, 0x3f], json!(1.0)),
        (r#""bytes""#, text, &[4, b'h', b'i'], json!("hi")),
        (r#"["null","int"]"#, r#"["null","long"]"#, &[2, 6], json!(3)),
        (r#"["int","null"]"#, r#"["null","long"]"#, &[2], json!(null)),
        (r#""int""#, r#"["null","string","long"]"#, &[6], json!(3)),
        (r#"["null","string"]"#, text, &[2, 2, b'x'], json!("x")),
        (wide, narrow, &[4], json!("C")),
        (wide, narrow, &[0], json!("X")),
        (
            r#"{"type":"array","items":"int"}"#,
            r#"{"type":"array","items":"long"}"#,
            &[4, 2, 4, 1, 2, 6, 0],
            json!([1, 2, 3]),
        ),
        (
            r#"{"type":"map","values":"int"}"#,
            r#"{"type":"map","values":"int"}"#,
            &[2, 2, b'k', 8, 0],
            json!({"k": 4}),
        ),
        (
            r#"{"type":"string","connect.name":"io.debezium.data.Uuid","connect.default":"0"}"#,
            r#"["null","string"]"#,
            &[2, b'u'],
            json!("u"),
        ),
        (r#"{"type":"long","logicalType":"timestamp-millis"}"#, long, &[2], json!(1)),
    ];
    for (writer, reader, body, expected) in table {
        let plan = between(&field(writer), &field(reader)).unwrap();
        let read: Result<Value, _> = plan.read(body);
        assert_eq!(read, Ok(json!({"f": expected})), "{writer} as {reader}");
    }
}

#[test]
fn bytes_resolve() {
    #[derive(Deserialize, PartialEq, Debug)]
    struct Owned {
        f: Vec<u8>,
    }
    #[derive(Deserialize, PartialEq, Debug)]
    struct Borrowed<'a> {
        f: &'a [u8],
    }
    wire!(Owned { f: "f" });
    wire!(Borrowed<'de> { f: "f" });
    let (text, bytes) = (r#""string""#, r#""bytes""#);
    let fixed = |name: &str| format!(r#"{{"type":"fixed","name":"{name}","size":2}}"#);
    let (a, b) = (fixed("A"), fixed("B"));
    let table: [(&str, &str, &[u8]); 3] =
        [(text, bytes, b"\x04hi"), (bytes, bytes, b"\x04hi"), (&a, &b, b"hi")];
    for (writer, reader, body) in table {
        let plan = between(&field(writer), &field(reader)).unwrap();
        assert_eq!(plan.read(body), Ok(Owned { f: b"hi".to_vec() }), "{writer} as {reader}");
        assert_eq!(plan.read(body), Ok(Borrowed { f: b"hi" }), "{writer} as {reader}");
    }
}

#[test]
fn misfits_are_told_with_their_path() {
    let table = [
        (r#""long""#, r#""int""#, "R.f: cannot read long as int"),
        (r#""string""#, r#""long""#, "R.f: cannot read string as long"),
        (r#""null""#, r#""long""#, "R.f: cannot read null as long"),
        (
            r#"["null","string"]"#,
            r#"["null","long"]"#,
            "R.f: cannot read string as union of null, long",
        ),
        (
            r#"{"type":"array","items":"string"}"#,
            r#"{"type":"array","items":"int"}"#,
            "R.f[]: cannot read string as int",
        ),
        (
            r#"{"type":"long","logicalType":"timestamp-micros"}"#,
            r#"{"type":"long","logicalType":"timestamp-millis"}"#,
            "R.f: cannot read timestamp-micros as timestamp-millis",
        ),
        (
            r#"{"type":"enum","name":"E","symbols":["A"]}"#,
            r#"{"type":"enum","name":"E","symbols":["B"]}"#,
            "R.f: cannot read enum E as enum E",
        ),
    ];
    for (writer, reader, expected) in table {
        let error = between(&field(writer), &field(reader)).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn fields_are_found_by_name_and_alias_and_default() {
    let writer = record(
        r#"{"name":"gone","type":{"type":"array","items":["null","string"]}},
           {"name":"old","type":"string"},{"name":"same","type":"int"}"#,
    );
    let reader = record(
        r#"{"name":"same","type":"long"},{"name":"new","aliases":["old"],"type":"string"},
           {"name":"list","type":{"type":"array","items":"int"},"default":[1,2]},
           {"name":"note","type":["null","string"],"default":null}"#,
    );
    let body = [4, 0, 2, 2, b'x', 0, 4, b'h', b'i', 10];
    #[derive(Deserialize, PartialEq, Debug)]
    struct Part<'a> {
        new: &'a str,
        same: i64,
        list: Vec<i32>,
    }
    impl<'de> Wire<'de> for Part<'de> {}
    let plan = between(&writer, &reader).unwrap();
    assert_eq!(plan.read(&body), Ok(Part { new: "hi", same: 5, list: vec![1, 2] }));
    let whole: Value = plan.read(&body).unwrap();
    assert_eq!(whole, json!({"same": 5, "new": "hi", "list": [1, 2], "note": null}));
}

#[test]
fn what_is_missing_or_doubled_is_told() {
    let reader = record(r#"{"name":"a","type":"int"},{"name":"b","type":"int","aliases":["a"]}"#);
    let writer = |name: &str| record(&format!(r#"{{"name":"{name}","type":"int"}}"#));
    let error = between(&writer("a"), &reader).unwrap_err();
    assert_eq!(error, PlanError::Twice { path: "R.b".to_owned() });
    let error = between(&writer("b"), &reader).unwrap_err();
    assert_eq!(error, PlanError::Missing { path: "R.a".to_owned() });
}

#[test]
fn a_record_in_a_union_is_found_by_name_then_by_fit() {
    let named = |name: &str, field: &str| {
        format!(
            r#"{{"type":"record","name":"{name}","fields":[{{"name":"{field}","type":"int"}}]}}"#
        )
    };
    let reader = field(&format!("[{},{}]", named("A", "x"), named("B", "x")));
    let table = [("n.B", "x"), ("n.C", "x")];
    for (name, of) in table {
        let plan = between(&field(&named(name, of)), &reader).unwrap();
        assert_eq!(plan.read::<Value>(&[2]), Ok(json!({"f": {"x": 1}})));
    }
    let error = between(&field(&named("n.B", "y")), &reader).unwrap_err();
    assert_eq!(
        error.to_string(),
        "R.f.x: the writer lacks the field and the contract has no default"
    );
}

#[test]
fn recursive_types_are_read_and_bounded() {
    let list = r#"{"type":"record","name":"L","fields":[{"name":"next","type":["null","L"]}]}"#;
    let plan = between(list, list).unwrap();
    #[derive(Deserialize, PartialEq, Debug)]
    struct List {
        next: Option<Box<List>>,
    }
    impl Wire<'_> for List {}
    let two = List { next: Some(Box::new(List { next: None })) };
    assert_eq!(plan.read(&[2, 0]), Ok(two));
    let error = plan.read::<List>(&[2; 100_000]).unwrap_err();
    assert!(error.to_string().ends_with("nested deeper than 32"), "{error}");
    let none = between(&record(&format!(r#"{{"name":"l","type":{list}}}"#)), &record("")).unwrap();
    let error = none.read::<Value>(&[2; 100_000]).unwrap_err();
    assert!(error.to_string().ends_with("nested deeper than 32"), "{error}");
}

#[test]
fn deep_types_are_refused() {
    let deep = (0..40)
        .fold(r#""int""#.to_owned(), |inner, _| format!(r#"{{"type":"array","items":{inner}}}"#));
    assert!(matches!(between(&field(&deep), &field(&deep)), Err(PlanError::Deep { .. })));
    assert!(matches!(between(&field(&deep), &record("")), Err(PlanError::Deep { .. })));
}

#[test]
fn references_are_resolved() {
    let text = r#"{"type":"record","name":"n.R","fields":[{"name":"f","type":"o.V"}]}"#;
    let other = r#"{"type":"record","name":"o.V","fields":[{"name":"x","type":"int"}]}"#;
    let writer = readmill_schemas::WriterSchema::parse_with(text, &[other]).unwrap();
    let plan = readmill_schemas::Plan::between(&writer, &writer).unwrap();
    assert_eq!(plan.read::<Value>(&[2]), Ok(json!({"f": {"x": 1}})));
}
