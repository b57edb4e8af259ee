//! Where our resolution is not the reference library's (apache-avro 0.22), or more or less than
//! the specification's: an example for each, with the rule.
#![allow(clippy::wildcard_enum_match_arm, reason = "only some of the reference's types are read")]

use apache_avro::types::Value as Avro;

use crate::between;
use crate::case::reference;
use crate::pairs::Any;

fn field(kind: &str) -> String {
    format!(r#"{{"type":"record","name":"n.R","fields":[{{"name":"f","type":{kind}}}]}}"#)
}

/// What is read, or why not; `f` stands alone.
type Read = Result<Any, &'static str>;

fn ours(writer: &str, reader: &str, body: &[u8]) -> Result<Any, String> {
    let plan = between(writer, reader).map_err(|error| error.to_string())?;
    let Any::Fields(fields) = plan.read(body).map_err(|error| error.to_string())? else {
        panic!("a record is read")
    };
    Ok(fields["f"].clone())
}

fn theirs(writer: &str, reader: &str, body: &[u8]) -> Result<Any, String> {
    match reference(writer, reader, body)? {
        Avro::Record(fields) => {
            let (_, value) = fields.into_iter().find(|(name, _)| name == "f").unwrap();
            Ok(match value {
                // Decimals are compared as the bytes that they are.
                Avro::Decimal(number) => Any::Bytes(Vec::try_from(number).unwrap()),
                value => Any::of(&value),
            })
        }
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn check(rule: &str, writer: &str, reader: &str, body: &[u8], expected: &Read, other: &Read) {
    let told = |read: Result<Any, String>, expected: &Read| match (&read, expected) {
        (Err(error), Err(part)) => assert!(error.contains(part), "{rule}: {error}"),
        _ => assert_eq!(read, expected.clone().map_err(str::to_owned), "{rule}"),
    };
    told(ours(writer, reader, body), expected);
    told(theirs(writer, reader, body), other);
}

fn text(text: &str) -> Read {
    Ok(Any::Text(text.to_owned()))
}

/// The specification is clear, and the reference library does otherwise.
#[test]
fn the_specification_goes_before_the_reference() {
    let own = r#"{"type":"record","name":"n.R","fields":[]}"#;
    let with_default = |kind: &str, default: &str| {
        format!(
            r#"{{"type":"record","name":"n.R","fields":[
                {{"name":"f","type":{kind},"default":{default}}}]}}"#
        )
    };

    let rule = "aliases: a field of the reader's is read from the writer's field of its alias";
    let alias = r#"{"type":"record","name":"n.R","fields":[
        {"name":"f","aliases":["old"],"type":"int"}]}"#;
    let writer = field(r#""int""#).replace(r#""name":"f""#, r#""name":"old""#);
    check(rule, &writer, alias, &[2], &Ok(Any::Int(1)), &Err("Missing field"));

    let rule = "records: the default of a union is of its first branch";
    let kind = r#"{"type":"record","name":"V","fields":[
        {"name":"u","type":[{"type":"fixed","name":"X","size":1},"string"]}]}"#;
    let held = |value| Ok(Any::Fields([("u".to_owned(), value)].into()));
    let (first, second) = (held(Any::Bytes(b"x".to_vec())), held(Any::Text("x".to_owned())));
    check(rule, own, &with_default(kind, r#"{"u":"x"}"#), &[], &first, &second);

    let rule = "records: a default of bytes is written as characters from 0 to 255";
    let high = Ok(Any::Bytes(vec![0xff]));
    let utf8 = Ok(Any::Bytes(vec![0xc3, 0xbf]));
    check(rule, own, &with_default(r#""bytes""#, r#""\u00ff""#), &[], &high, &utf8);

    let rule = "resolution: a string is no enum";
    let symbols = r#"{"type":"enum","name":"E","symbols":["A","B"],"default":"B"}"#;
    let writer = field(r#""string""#);
    let error = Err("cannot read string as enum E");
    check(rule, &writer, &field(symbols), &[2, b'?'], &error, &text("B"));

    let rule = "resolution: numbers are promoted and never narrowed";
    let error = Err("cannot read long as int");
    let (long, int) = (field(r#""long""#), field(r#""int""#));
    check(rule, &long, &int, &[2], &error, &Ok(Any::Int(1)));

    let rule = "decimal: as many bytes as the number needs";
    let money = field(r#"{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}"#);
    let number = Ok(Any::Bytes(vec![0x30, 0x39]));
    check(rule, &money, &money, &[4, 0x30, 0x39], &number, &Err("Precision 9 too small"));
}

/// The reference library makes a value fit that the reader has no place for.
#[test]
fn no_type_is_taken_for_another() {
    let one = r#"{"type":"fixed","name":"X","size":1}"#;
    let (text, bytes, ints) = (r#""string""#, r#""bytes""#, r#"{"type":"array","items":"int"}"#);
    let record = r#"{"type":"record","name":"V","fields":[{"name":"k","type":"int"}]}"#;
    let map = r#"{"type":"map","values":"int"}"#;
    let (x, one_byte) = (Any::Bytes(vec![b'x']), Any::Bytes(vec![1]));
    let held = Any::Fields([("k".to_owned(), Any::Int(1))].into());
    let table: [(&str, &str, &[u8], &str, Any); 5] = [
        (bytes, one, &[2, b'x'], "cannot read bytes as fixed(1)", x.clone()),
        (text, one, &[2, b'x'], "cannot read string as fixed(1)", x),
        (one, text, b"x", "cannot read fixed(1) as string", Any::Text("x".to_owned())),
        (ints, bytes, &[2, 2, 0], "cannot read array as bytes", one_byte),
        (map, record, &[2, 2, b'k', 2, 0], "cannot read map as record V", held),
    ];
    for (writer, reader, body, error, coerced) in table {
        let rule = "resolution: it is an error if the two schemas do not match";
        check(rule, &field(writer), &field(reader), body, &Err(error), &Ok(coerced));
    }
}

/// Ours is stricter or laxer than the specification, on purpose.
#[test]
fn what_is_ours_on_purpose() {
    let named = |kind: &str, name: &str, rest: &str| {
        field(&format!(r#"{{"type":"{kind}","name":"{name}",{rest}}}"#))
    };

    let rule = "laxer: names of records do not count, since Debezium's are made of topics";
    let rest = r#""fields":[{"name":"x","type":"int"}]"#;
    let (writer, reader) = (named("record", "a.A", rest), named("record", "b.B", rest));
    let read = Any::Fields([("x".to_owned(), Any::Int(1))].into());
    check(rule, &writer, &reader, &[2], &Ok(read.clone()), &Ok(read));

    let rule = "laxer: nor do names of enums and fixed";
    let rest = r#""symbols":["S"]"#;
    let (writer, reader) = (named("enum", "a.A", rest), named("enum", "b.B", rest));
    check(rule, &writer, &reader, &[0], &text("S"), &text("S"));

    let rule = "stricter: a plan that could read nothing but null is refused when it is made";
    let (writer, reader) = (field(r#"["null","string"]"#), field(r#"["null","long"]"#));
    let error = Err("cannot read string as union of null, long");
    check(rule, &writer, &reader, &[0], &error, &Ok(Any::Null));

    let rule = "stricter: so is one whose enum has none of the writer's symbols";
    let writer = named("enum", "a.A", r#""symbols":["S"]"#);
    let reader = named("enum", "a.A", r#""symbols":["T"]"#);
    check(rule, &writer, &reader, &[0], &Err("cannot read enum A"), &Err("Enum default"));
}

/// A reference within a union, as Debezium has `after` refer to the type of `before`: no exception
/// where values are resolved, in whatever namespace the reader has the type.
#[test]
fn named_references_in_unions_are_resolved() {
    let envelope = |namespace: &str, fields: &str| {
        format!(
            r#"{{"type":"record","name":"Envelope","namespace":"{namespace}","fields":[
                {{"name":"before","type":["null",{{"type":"record","name":"Value","fields":[
                    {{"name":"id","type":"int"}}{fields}]}}]}},
                {{"name":"f","type":["null","Value"]}}]}}"#
        )
    };
    let id = ("id".to_owned(), Any::Int(1));
    let added = r#",{"name":"n","type":["null","string"],"default":null}"#;
    let table = [
        (envelope("a.b", ""), Any::Fields([id.clone()].into())),
        (envelope("other", ""), Any::Fields([id.clone()].into())),
        (envelope("other", added), Any::Fields([id, ("n".to_owned(), Any::Null)].into())),
    ];
    for (reader, read) in table {
        let rule = "names: a reference is to the type defined before it";
        check(rule, &envelope("a.b", ""), &reader, &[0, 2, 2], &Ok(read.clone()), &Ok(read));
    }
}

/// A default that holds itself would never end; the parser refuses it, so a plan is not asked.
#[test]
fn endless_defaults_are_refused() {
    for next in [r#""L""#, r#"["L","null"]"#, r#"["null","L"]"#] {
        let endless = format!(
            r#"{{"type":"record","name":"n.R","fields":[{{"name":"f","default":{{}},"type":
                {{"type":"record","name":"L","fields":[
                    {{"name":"next","type":{next},"default":{{}}}}]}}}}]}}"#
        );
        let error = readmill_schemas::WriterSchema::parse(&endless).unwrap_err();
        assert!(error.to_string().contains("default"), "{error}");
    }
}
