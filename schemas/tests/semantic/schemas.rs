//! What schemas may say, and what they may not.
use readmill_schemas::semantic::{BinaryMode, Conventions, RowReader, SchemaError};

#[track_caller]
fn check(schema: &str, body: &[u8], expected: &str) {
    let reader = RowReader::parse(&[schema], &Conventions::default()).unwrap();
    let value = reader.read(body).unwrap();
    assert_eq!(serde_json::to_string(&value).unwrap(), expected, "{schema}");
}

#[test]
fn avro_and_connect_types_have_documents() {
    let connect = |base: &str, name: &str| {
        format!(r#"{{"type":"{base}","connect.name":"org.apache.kafka.connect.data.{name}"}}"#)
    };
    let logical = |base: &str, name: &str| format!(r#"{{"type":"{base}","logicalType":"{name}"}}"#);
    check(&connect("int", "Date"), &[2], "\"1970-01-02\"");
    check(&connect("int", "Time"), &[2], "\"00:00:00.001\"");
    check(&connect("long", "Timestamp"), &[1], "\"1969-12-31T23:59:59.999\"");
    check(&logical("int", "date"), &[1], "\"1969-12-31\"");
    check(&logical("int", "time-millis"), &[2], "\"00:00:00.001\"");
    check(&logical("long", "time-micros"), &[2], "\"00:00:00.000001\"");
    check(&logical("long", "timestamp-millis"), &[2], "\"1970-01-01T00:00:00.001Z\"");
    check(&logical("long", "timestamp-micros"), &[2], "\"1970-01-01T00:00:00.000001Z\"");
    check(&logical("long", "timestamp-nanos"), &[2], "\"1970-01-01T00:00:00.000000001Z\"");
    check(&logical("long", "local-timestamp-micros"), &[2], "\"1970-01-01T00:00:00.000001\"");
    check(
        r#"{"type":"long","connect.name":"io.debezium.time.NanoDuration"}"#,
        &[1],
        "\"PT-0.000000001S\"",
    );
    check(
        r#"{"type":"fixed","name":"F","size":2,"logicalType":"decimal","scale":1}"#,
        &[0, 15],
        "\"1.5\"",
    );
    let uuid = r#"{"type":"fixed","name":"U","size":16,"logicalType":"uuid"}"#;
    check(uuid, &[0; 16], "\"00000000-0000-0000-0000-000000000000\"");
    check(r#"{"type":"enum","name":"E","symbols":["A","B"]}"#, &[2], "\"B\"");
    // A logical type that does not fit, or that nobody knows, is none.
    check(&logical("string", "timestamp-millis"), b"\x02x", "\"x\"");
    check(&logical("int", "surprise"), &[2], "1");
    check("\"float\"", &0.1f32.to_le_bytes(), "0.1");
    check("\"double\"", &(-0.0f64).to_le_bytes(), "-0.0");
    check("\"double\"", &f64::NEG_INFINITY.to_le_bytes(), "\"-Infinity\"");
}

#[test]
fn impossible_schemas_are_refused() {
    let parse = |text: &str| RowReader::parse(&[text], &Conventions::default()).unwrap_err();
    let field = |kind: &str| {
        format!(r#"{{"type":"record","name":"R","fields":[{{"name":"a","type":{kind}}}]}}"#)
    };
    assert_eq!(parse("{"), SchemaError::Form { path: "schema".into() });
    let error = parse(&field(r#"{"type":"long","connect.name":"io.debezium.data.Uuid"}"#));
    assert_eq!(error.to_string(), "a: io.debezium.data.Uuid over long");
    assert!(matches!(parse(&field("\"R\"")), SchemaError::Deep { .. }));
    assert!(matches!(parse(&field("\"Nothing\"")), SchemaError::Unknown { .. }));
    let deep = "[".repeat(100) + "\"null\"" + &"]".repeat(100);
    assert!(matches!(parse(&deep), SchemaError::Deep { .. }));
}

#[test]
fn conventions_name_binary_columns() {
    let schema = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"string"},
        {"name":"b","type":"string"}]}"#;
    let conventions = Conventions {
        binary: BinaryMode::Hex,
        binary_columns: vec!["b".to_owned()],
        placeholder: "gone".to_owned(),
    };
    let reader = RowReader::parse(&[schema], &conventions).unwrap();
    let value = reader.read(b"\x0800ff\x0800ff").unwrap();
    assert_eq!(serde_json::to_string(&value).unwrap(), r#"{"a":"00ff","b":"AP8="}"#);
    let value = reader.read(b"\x08gone\x1067" as &[u8]);
    assert!(value.is_err());
    let value = reader.read(b"\x08gone\x04ff").unwrap();
    assert_eq!(serde_json::to_string(&value).unwrap(), r#"{"b":"/w=="}"#);
    let error = reader.read(b"\x02a\x02x").unwrap_err();
    assert_eq!(error.to_string(), "b: not of the form of bytes");
}

#[test]
fn a_part_of_an_envelope_is_read_alone_and_names_come_from_other_texts() {
    let row = r#"{"type":"record","name":"Value","namespace":"a.b","fields":[
        {"name":"n","type":{"type":"int","connect.name":"io.debezium.time.Year"}}]}"#;
    let envelope = r#"{"type":"record","name":"Envelope","namespace":"a.b","fields":[
        {"name":"before","type":["null","Value"]},{"name":"after","type":["null","Value"]}]}"#;
    let reader = RowReader::parse(&[row, envelope], &Conventions::default()).unwrap();
    let whole = reader.read(&[0, 2, 8]).unwrap();
    let expected = r#"{"before":null,"after":{"n":4}}"#;
    assert_eq!(serde_json::to_string(&whole).unwrap(), expected);
    let after = reader.within("after").unwrap();
    assert_eq!(serde_json::to_string(&after.read(&[8]).unwrap()).unwrap(), r#"{"n":4}"#);
    assert!(reader.within("source").is_none());
}

#[test]
fn an_hstore_whose_type_is_passed_on_is_an_object() {
    let schema = r#"{"type":"string","connect.name":"io.debezium.data.Json",
        "connect.parameters":{"__debezium.source.column.type":"HSTORE"}}"#;
    check(schema, b"\x24{\"a\":\"1\",\"b\":null}", r#"{"a":"1","b":null}"#);
}
