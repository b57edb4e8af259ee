//! Reads what the real Debezium wrote, and compares with documents and with the databases' texts.
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use readmill_schemas::framing;
use readmill_schemas::semantic::{BinaryMode, Conventions, Row, RowReader, Semantic};
use serde_json::Value;

use crate::oracle;

/// One capture: a database under one set of modes.
struct Capture {
    name: String,
    readers: BTreeMap<u32, RowReader>,
    types: BTreeSet<String>,
    records: Vec<Value>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/types")
}

fn captures() -> Vec<Capture> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "jsonl"))
        .collect();
    files.sort();
    files.iter().map(|path| capture(path)).collect()
}

fn capture(path: &Path) -> Capture {
    let text = fs::read_to_string(path).unwrap();
    let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let head = lines.next().unwrap();
    let binary = match head["modes"]["binary.handling.mode"].as_str() {
        Some("base64") => BinaryMode::Base64,
        Some("base64-url-safe") => BinaryMode::Base64UrlSafe,
        Some("hex") => BinaryMode::Hex,
        _ => BinaryMode::Bytes,
    };
    let conventions = Conventions { binary, ..Conventions::default() };
    let (mut readers, mut types) = (BTreeMap::new(), BTreeSet::new());
    for (id, schema) in head["schemas"].as_object().unwrap() {
        let schema = schema.as_str().unwrap();
        let reader = RowReader::parse(&[schema], &conventions).unwrap();
        readers.insert(id.parse().unwrap(), reader);
        collect(&serde_json::from_str(schema).unwrap(), &mut types);
    }
    let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
    Capture { name, readers, types, records: lines.collect() }
}

/// The semantic names and plain types that a schema has.
fn collect(schema: &Value, types: &mut BTreeSet<String>) {
    match schema {
        Value::String(name) => {
            types.insert(name.clone());
        }
        Value::Array(branches) => branches.iter().for_each(|branch| collect(branch, types)),
        Value::Object(properties) => {
            let name = properties.get("connect.name").or(properties.get("type"));
            let of_topic = |name: &&Value| !name.to_string().contains("types_");
            if let Some(name) = name.filter(of_topic) {
                types.extend(name.as_str().map(ToOwned::to_owned));
            }
            for field in properties.get("fields").and_then(Value::as_array).into_iter().flatten() {
                collect(&field["type"], types);
            }
            for inner in ["items", "values"] {
                properties.get(inner).into_iter().for_each(|inner| collect(inner, types));
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

impl Capture {
    /// Calls with each record, its change, and its row.
    fn each(&self, mut see: impl FnMut(&Value, &Row<'_>)) {
        for record in &self.records {
            let value = oracle::from_base64(record["value"].as_str().unwrap());
            let framed = framing::read(&value).unwrap();
            let reader = &self.readers[&framed.schema.0];
            let change = reader.read(framed.body).unwrap_or_else(|error| {
                panic!("{} row {}: {error}", self.name, record["id"]);
            });
            let after = change.row().unwrap().get("after").unwrap();
            see(record, after.row().unwrap());
        }
    }
}

#[test]
fn every_row_has_its_documented_document() {
    let bless = std::env::var_os("READMILL_BLESS").is_some();
    let (mut values, mut types) = (0, BTreeSet::new());
    for capture in captures() {
        let mut lines = String::new();
        capture.each(|record, row| {
            let document = serde_json::to_string(row).unwrap();
            lines.push_str(&format!("{} {} {document}\n", record["table"], record["id"]));
            values += row.columns.len();
        });
        let path = folder().join(format!("documents/{}.txt", capture.name));
        if bless {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &lines).unwrap();
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        for (line, expected) in lines.lines().zip(expected.lines()) {
            assert_eq!(line, expected, "{}", capture.name);
        }
        assert_eq!(lines.lines().count(), expected.lines().count(), "{}", capture.name);
        types.extend(capture.types);
    }
    assert!(values > 10_000, "only {values} golden values");
    let counts = Path::new(env!("CARGO_TARGET_TMPDIR")).join("decode-coverage");
    fs::write(counts, format!("types={} golden={values}", types.len())).unwrap();
}

/// What Debezium loses or bends before we see it stands in `losses.txt`; nothing else may differ.
#[test]
fn values_are_those_of_the_database() {
    let mut found = BTreeSet::new();
    let mut compared = 0;
    for capture in captures() {
        capture.each(|record, row| {
            let snapshot = if record["id"].as_u64() < Some(200) { "snapshot" } else { "stream" };
            for (name, text) in record["text"].as_object().into_iter().flatten() {
                let value = row.get(name).unwrap_or(&Semantic::Unavailable);
                compared += 1;
                if !oracle::agrees(value, text.as_str()) {
                    let mut text = text.to_string();
                    text.truncate(text.char_indices().nth(40).map_or(text.len(), |(at, _)| at));
                    let got = serde_json::to_string(value).unwrap_or("(not sent)".to_owned());
                    let got: String = got.chars().take(60).collect();
                    found.insert(format!("{} {snapshot} {name} {text} -> {got}", capture.name));
                }
            }
        });
    }
    let path = folder().join("losses.txt");
    if std::env::var_os("READMILL_BLESS").is_some() {
        let lines: Vec<&str> = found.iter().map(String::as_str).collect();
        fs::write(&path, lines.join("\n") + "\n").unwrap();
    }
    let listed = fs::read_to_string(&path).unwrap_or_default();
    let listed: BTreeSet<String> = listed.lines().map(ToOwned::to_owned).collect();
    let new: Vec<_> = found.difference(&listed).collect();
    let gone: Vec<_> = listed.difference(&found).collect();
    assert!(new.is_empty() && gone.is_empty(), "new: {new:#?}\ngone: {gone:#?}");
    assert!(compared > 9_000, "only {compared} compared");
}

#[test]
fn what_was_not_sent_is_unavailable() {
    let columns = [
        "text",
        "varchar",
        "json",
        "jsonb",
        "xml",
        "hstore",
        "ltree",
        "text_array",
        "int4_array",
        "int8_array",
        "uuid_array",
    ];
    for capture in captures().iter().filter(|capture| capture.name.starts_with("postgres")) {
        let mut seen = 0;
        capture.each(|record, row| {
            if record["table"] == "toasted" {
                seen += 1;
                for column in columns {
                    let value = row.get(column).unwrap();
                    assert!(value.is_unavailable(), "{} {column}: {value:?}", capture.name);
                }
                let document = serde_json::to_value(row).unwrap();
                assert!(document.get("text").is_none());
            }
        });
        assert_eq!(seen, 2, "{}", capture.name);
    }
}
