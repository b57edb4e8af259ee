//! The schemas of an archive as a book: each is read once.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use readmill_engine::{Fault, SchemaBook};
use readmill_schemas::SchemaId;
use readmill_schemas::writer::WriterSchema;

use super::local::LocalDir;
use super::shelf;
use super::storage::Storage;

/// Finds writer schemas beside the records.
#[derive(Debug)]
pub struct ArchiveBook {
    storage: Arc<dyn Storage>,
    known: Mutex<BTreeMap<SchemaId, Arc<WriterSchema>>>,
}

impl ArchiveBook {
    /// The book of the archive in `dir`.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self::of(LocalDir::at(dir))
    }

    /// The book of an archive.
    pub fn of(storage: Arc<dyn Storage>) -> Self {
        Self { storage, known: Mutex::default() }
    }

    /// Finds a schema.
    ///
    /// # Errors
    /// When it is not there, or cannot be read.
    pub(super) fn find(&self, id: SchemaId) -> Result<Arc<WriterSchema>, Fault> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(schema) = known.get(&id) {
            return Ok(Arc::clone(schema));
        }
        let read = shelf::read(&*self.storage, id)?;
        let schema = Arc::new(read.ok_or(Fault::UnknownSchema { id: id.0 })?);
        known.insert(id, Arc::clone(&schema));
        Ok(schema)
    }
}

#[async_trait]
impl SchemaBook for ArchiveBook {
    async fn schema(&self, id: SchemaId) -> Result<Arc<WriterSchema>, Fault> {
        self.find(id)
    }
}
