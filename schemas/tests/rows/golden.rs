//! Records of tables that the real Debezium wrote.
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use readmill_schemas::semantic::{Row, RowReader};
use readmill_schemas::{Shape, WriterSchema, framing};
use serde_json::Value;

#[path = "../semantic/oracle.rs"]
#[allow(dead_code, reason = "only base64 is needed")]
pub mod oracle;

/// One capture: a database under one set of modes.
pub struct Capture {
    pub name: String,
    readers: BTreeMap<u32, (Shape, RowReader)>,
    records: Vec<Value>,
}

pub fn captures() -> Vec<Capture> {
    captures_of("rows")
}

pub fn captures_of(kind: &str) -> Vec<Capture> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(kind);
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "jsonl")).collect();
    files.sort();
    files.iter().map(|path| capture(path)).collect()
}

fn capture(path: &Path) -> Capture {
    let text = fs::read_to_string(path).unwrap();
    let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let head = lines.next().unwrap();
    let schemas = head["schemas"].as_object().unwrap().iter();
    let readers = schemas.map(|(id, schema)| {
        let writer = WriterSchema::parse(schema.as_str().unwrap()).unwrap();
        (id.parse().unwrap(), (Shape::of(&writer), RowReader::of(&writer).unwrap()))
    });
    let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
    Capture { name, readers: readers.collect(), records: lines.collect() }
}

impl Capture {
    /// Calls with each record's table, shape and whole value.
    pub fn each(&self, mut see: impl FnMut(&str, &Shape, &Row<'_>)) {
        for record in &self.records {
            let value = oracle::from_base64(record["value"].as_str().unwrap());
            let framed = framing::read(&value).unwrap();
            let (shape, reader) = &self.readers[&framed.schema.0];
            let read = reader.read(framed.body).unwrap();
            see(record["table"].as_str().unwrap(), shape, read.row().unwrap());
        }
    }
}
