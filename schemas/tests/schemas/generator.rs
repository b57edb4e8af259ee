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

fn of_table(says: &str, fields: &str) -> String {
    text(fields).replace(r#""doc":"Doc.","#, &format!(r#""doc":"Doc.",{says},"#))
}

#[track_caller]
fn table_refused(versions: &[(&str, &str)], expected: &str) {
    let file = |(place, (says, fields)): (usize, &(&str, &str))| {
        (format!("d/Made.v{}.avsc", place + 1), of_table(says, fields))
    };
    let files: Vec<_> = versions.iter().enumerate().map(file).collect();
    assert_eq!(codegen::generate(&files).map(drop), Err(expected.to_owned()));
}

const OF_T: &str = r#""readmill.table":"t","readmill.key":["a"]"#;

#[test]
fn contracts_of_tables_need_a_key_that_can_be_one() {
    let a = |kind: &str| format!(r#"{{"name":"a","type":{kind},"doc":"A."}}"#);
    let key = "d/Made.v1.avsc: Made.a: a key is neither null, large, inexact nor a list";
    let inner = r#"{"type":"record","name":"I","doc":"I.","fields":[]}"#;
    let decimal = r#"{"type":"bytes","logicalType":"decimal","precision":2,"scale":3}"#;
    let table = [
        (r#""readmill.key":["a"]"#, a("\"int\""), "Made: readmill.table is missing or not a text"),
        (
            r#""readmill.table":"t""#,
            a("\"int\""),
            "Made: a record with readmill.table needs readmill.key",
        ),
        (
            r#""readmill.table":"t","readmill.key":["b"]"#,
            a("\"int\""),
            "Made: the key's column b is no field",
        ),
        (OF_T, a(inner), "Made: a column has no record in it"),
        (OF_T, a(decimal), "Made.a: precision and scale do not fit"),
    ];
    for (says, fields, problem) in table {
        table_refused(&[(says, &fields)], &format!("d/Made.v1.avsc: {problem}"));
    }
    for kind in [r#"["null","int"]"#, "\"double\"", r#"{"type":"array","items":"int"}"#] {
        table_refused(&[(OF_T, &a(kind))], key);
    }
    let large = r#"{"name":"a","type":"int","doc":"A.","readmill.large":true}"#;
    table_refused(&[(OF_T, large)], key);
    let default =
        r#"{"name":"a","type":{"type":"string","logicalType":"uuid"},"doc":"A.","default":""}"#;
    let told = "d/Made.v1.avsc: Made.a: the default \"\" is not of the field's type";
    table_refused(&[(OF_T, default)], told);
    refused(
        &[large],
        "d/Made.v1.avsc: Made.a: the generator does not support the property readmill.large",
    );
}

/// A second contract of the domain, of the table `t`.
fn second(says: &str, record: &str) -> Result<String, String> {
    let a = r#"{"name":"a","type":"int","doc":"A."}"#;
    let b = r#"{"name":"b","type":"string","doc":"B.","readmill.large":true}"#;
    let first = of_table(OF_T, &format!("{a},{b}"));
    let other = text(a).replace(r#""doc":"Doc.","#, &format!(r#""doc":"Doc.",{says}"#));
    let other = other.replace("\"Made\"", &format!("\"{record}\""));
    let name = format!("d/{record}.v1.avsc");
    codegen::generate(&[("d/Made.v1.avsc".to_owned(), first), (name, other)])
}

#[test]
fn domains_of_tables_alone_have_what_a_replica_needs() {
    let of_u = r#""readmill.table":"u","readmill.key":["a"],"#;
    let code = second(of_u, "Other").unwrap();
    for line in ["pub enum DRow {", "Made(MadeRow),", "Other(Other),", "Tables for DEvent"] {
        assert!(code.contains(line), "{line}\n{code}");
    }
    let code = second("", "Other").unwrap();
    assert!(!code.contains("Replicated") && !code.contains("DRow"), "an event among them");
    let same = second(&of_u.replace("\"u\"", "\"t\""), "Other").unwrap_err();
    assert_eq!(same, "d/Other.v1.avsc: another contract is of the table t, too");
    let row = second(of_u, "MadeRow").unwrap_err();
    assert_eq!(row, "d/Made.v1.avsc: the name MadeRow is needed for its row");
    let row = second(of_u, "DRow").unwrap_err();
    assert_eq!(row, "d: the name DRow is needed for the rows of its tables");
}

#[test]
fn tables_have_a_history_too() {
    let a = r#"{"name":"a","type":"int","doc":"A."}"#;
    let b = |kind: &str| format!(r#"{a},{{"name":"b","type":{kind},"doc":"B."}}"#);
    let decimal = |precision: u32, scale: u32| {
        b(&format!(
            r#"{{"type":"bytes","logicalType":"decimal","precision":{precision},"scale":{scale}}}"#
        ))
    };
    let cannot = |problem: &str| format!("d/Made.v2.avsc: cannot read d/Made.v1.avsc: {problem}");
    let table = [
        (a.to_owned(), b("\"int\""), "Made.b: the field is new and has no default".to_owned()),
        (
            b("\"string\""),
            b("\"bytes\""),
            "Made.b: the type Text cannot be read as Bytes".to_owned(),
        ),
        (
            b("\"long\""),
            b("\"double\""),
            "Made.b: the type Long cannot be read as Double".to_owned(),
        ),
    ];
    for (old, new, problem) in table {
        table_refused(&[(OF_T, &old), (OF_T, &new)], &cannot(&problem));
    }
    let (old, new) = (decimal(12, 2), decimal(12, 3));
    let files = |old: &str, new: &str| {
        let file = |n: usize, fields: &str| (format!("d/Made.v{n}.avsc"), of_table(OF_T, fields));
        codegen::generate(&[file(1, old), file(2, new)])
    };
    assert!(files(&old, &new).is_err());
    for new in [decimal(13, 3), b(r#"{"type":"bytes","logicalType":"decimal"}"#)] {
        let code = files(&old, &new).unwrap();
        assert!(code.contains("Made(RowChange<Made>)") && code.contains("Some(\"t\")"), "{code}");
        assert!(!code.contains("WrittenEvents") && !code.contains("fn write"), "{code}");
    }
    let other = OF_T.replace("\"t\"", "\"u\"");
    let told = "d/Made.v2.avsc: d/Made.v1.avsc is of another table or key";
    table_refused(&[(OF_T, a), (&other, a)], told);
}
