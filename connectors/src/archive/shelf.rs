//! The schemas of an archive: files by id, with the texts that they refer to beside them.

use std::io;

use readmill_engine::Fault;
use readmill_schemas::SchemaId;
use readmill_schemas::writer::WriterSchema;
use xxhash_rust::xxh3::Xxh3;

use super::error::{self, COPY_AGAIN};
use super::layout::{references_path, schema_path};
use super::storage::{Storage, get, put};

/// The hash of a schema and of what it refers to.
pub fn hash(text: &str, references: &[String]) -> String {
    let mut hash = Xxh3::new();
    for text in std::iter::once(text).chain(references.iter().map(String::as_str)) {
        hash.update(&(text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    }
    format!("{:032x}", hash.digest128())
}

/// Reads a schema; none where there is none.
pub fn read(storage: &dyn Storage, id: SchemaId) -> Result<Option<WriterSchema>, Fault> {
    let Some(text) = text(storage, &schema_path(id))? else { return Ok(None) };
    let references = text_of_references(storage, id)?.unwrap_or_default();
    let references: Vec<&str> = references.iter().map(String::as_str).collect();
    let parsed = if references.is_empty() {
        WriterSchema::parse(&text)
    } else {
        WriterSchema::parse_with(&text, &references)
    };
    parsed.map(Some).map_err(|error| Fault::UnusableSchema { id: id.0, detail: error.to_string() })
}

/// Keeps a schema, and answers its hash. One that is kept already must be the same.
///
/// # Errors
/// When it is another one, or cannot be written.
pub fn keep(storage: &dyn Storage, id: SchemaId, schema: &WriterSchema) -> Result<String, Fault> {
    let path = schema_path(id);
    match text(storage, &path)? {
        Some(kept) if kept == schema.text() => {}
        Some(_) => {
            return Err(Fault::Refused {
                service: "archive",
                detail: format!(
                    "the registry has another schema under id {id} than {}",
                    storage.place(&path).display()
                ),
                hint: "records of two registries cannot share an archive: name another directory",
            });
        }
        None => {
            write(storage, id, schema).map_err(|error| error::io(&storage.place(&path), &error))?
        }
    }
    Ok(hash(schema.text(), schema.reference_texts()))
}

/// What a schema refers to stands there before it.
fn write(storage: &dyn Storage, id: SchemaId, schema: &WriterSchema) -> io::Result<()> {
    if !schema.reference_texts().is_empty() {
        let texts = serde_json::to_vec(schema.reference_texts()).map_err(io::Error::other)?;
        put(storage, &references_path(id), &texts)?;
    }
    put(storage, &schema_path(id), schema.text().as_bytes())
}

fn text(storage: &dyn Storage, name: &str) -> Result<Option<String>, Fault> {
    let path = storage.place(name);
    let bytes = get(storage, name).map_err(|error| error::io(&path, &error))?;
    let text = bytes.map(String::from_utf8).transpose();
    text.map_err(|_| error::damaged(&path, "it is not text", COPY_AGAIN))
}

fn text_of_references(storage: &dyn Storage, id: SchemaId) -> Result<Option<Vec<String>>, Fault> {
    let name = references_path(id);
    let Some(text) = text(storage, &name)? else { return Ok(None) };
    serde_json::from_str(&text).map(Some).map_err(|error| {
        let detail = format!("it is no list of schemas: {error}");
        error::damaged(&storage.place(&name), detail, COPY_AGAIN)
    })
}
