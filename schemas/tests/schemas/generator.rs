//! The build refuses contracts that it cannot turn into types or that break their history.
#[path = "../../codegen/mod.rs"]
mod codegen;

fn text(fields: &str) -> String {
    format!(
        r#"{{"type":"record","name":"Made","namespace":"readmill.d","doc":"Doc.",
            "fields":[{fields}]}}"#
    )
}

#[track_caller]
fn refused(versions: &[&str], expected: &str) {
    let file =
        |(place, fields): (usize, &&str)| (format!("d/Made.v{}.avsc", place + 1), text(fields));
    let files: Vec<_> = versions.iter().enumerate().map(file).collect();
    assert_eq!(codegen::generate(&files).map(drop), Err(expected.to_owned()));
}

#[test]
fn unsupported_contracts_are_refused() {
    let table = [
        (r#"{"name":"a","type":"int"}"#, "d/Made.v1.avsc: Made.a: has no doc"),
        (
            r#"{"name":"a","type":"decimal","doc":"A."}"#,
            "d/Made.v1.avsc: Made.a: the generator does not support the type decimal",
        ),
        (
            r#"{"name":"a","type":{"type":"int","logicalType":"date"},"doc":"A."}"#,
            "d/Made.v1.avsc: Made.a: the generator does not support date on int",
        ),
        (
            r#"{"name":"a","type":["int","string"],"doc":"A."}"#,
            "d/Made.v1.avsc: Made.a: of unions only those of null and one type are supported",
        ),
        (
            r#"{"name":"a","type":"int","doc":"A.","default":"x"}"#,
            "d/Made.v1.avsc: Made.a: the default \"x\" is not of the field's type",
        ),
        (
            r#"{"name":"a","type":"int","doc":"A.","order":"ignore"}"#,
            "d/Made.v1.avsc: Made.a: the generator does not support the property order",
        ),
    ];
    for (fields, expected) in table {
        refused(&[fields], expected);
    }
}

#[test]
fn versions_that_cannot_read_their_elders_are_refused() {
    let a = r#"{"name":"a","type":"int","doc":"A."}"#;
    let symbols = |list: &str| {
        let kind = format!(r#"{{"type":"enum","name":"E","doc":"E.","symbols":[{list}]}}"#);
        format!(r#"{{"name":"a","type":{kind},"doc":"A."}}"#)
    };
    let (two, one) = (symbols(r#""X","Y""#), symbols(r#""X""#));
    let new = format!(r#"{a},{{"name":"b","type":"int","doc":"B."}}"#);
    let table = [
        (a, new.as_str(), "Made.b: the field is new and has no default"),
        (
            r#"{"name":"a","type":"long","doc":"A."}"#,
            a,
            "Made.a: the type Long cannot be read as Int",
        ),
        (
            r#"{"name":"a","type":["null","int"],"doc":"A."}"#,
            a,
            "Made.a: could be null and no longer can",
        ),
        (&two, &one, "Made.a: the symbol Y is gone and there is no default"),
    ];
    for (old, new, problem) in table {
        let told = format!("d/Made.v2.avsc: cannot read d/Made.v1.avsc: {problem}");
        refused(&[old, new], &told);
    }
}

#[test]
fn good_histories_are_taken() {
    let old = r#"{"name":"a","type":"int","doc":"A."}"#;
    let new = r#"{"name":"b","aliases":["a"],"type":["null","long"],"doc":"B."},
        {"name":"type","type":"bytes","doc":"C.","default":"\u00ff"}"#;
    let files =
        [("d/Made.v1.avsc".to_owned(), text(old)), ("d/Made.v2.avsc".to_owned(), text(new))];
    let code = codegen::generate(&files).unwrap();
    for line in ["pub b: Option<i64>,", "pub r#type: Vec<u8>,", "version: 2,", "/// C."] {
        assert!(code.contains(line), "{line}\n{code}");
    }
}

#[test]
fn wrong_names_are_refused() {
    for name in ["Made.v1.avsc", "d/Made.avsc", "d/Made.v1.json", "d/Other.v1.avsc"] {
        let files = [(name.to_owned(), text(""))];
        assert!(codegen::generate(&files).is_err(), "{name}");
    }
}
