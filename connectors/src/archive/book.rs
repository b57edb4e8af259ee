//! The schemas of an archive: files by id, read once.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use readmill_engine::{Fault, SchemaBook};
use readmill_schemas::SchemaId;
use readmill_schemas::writer::WriterSchema;

use super::{error, layout};

/// Finds writer schemas beside the records.
#[derive(Debug)]
pub struct ArchiveBook {
    dir: PathBuf,
    known: Mutex<BTreeMap<SchemaId, Arc<WriterSchema>>>,
}

impl ArchiveBook {
    /// The book of the archive in `dir`.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), known: Mutex::default() }
    }

    fn read(&self, id: SchemaId) -> Result<WriterSchema, Fault> {
        let path = layout::schema_path(&self.dir, id);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Fault::UnknownSchema { id: id.0 });
            }
            read => read.map_err(|error| error::io(&path, &error))?,
        };
        WriterSchema::parse(&text)
            .map_err(|error| Fault::UnusableSchema { id: id.0, detail: error.to_string() })
    }
}

#[async_trait]
impl SchemaBook for ArchiveBook {
    async fn schema(&self, id: SchemaId) -> Result<Arc<WriterSchema>, Fault> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(schema) = known.get(&id) {
            return Ok(Arc::clone(schema));
        }
        let schema = Arc::new(self.read(id)?);
        known.insert(id, Arc::clone(&schema));
        Ok(schema)
    }
}
