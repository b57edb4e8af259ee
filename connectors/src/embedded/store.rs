//! The embedded store's documents, and the directory that they are in.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use fjall::{Database, Keyspace, KeyspaceCreateOptions};
use readmill_core::{Document, Key, ReadModel};
use readmill_engine::{Fault, Put, Store, Write};
use tokio::sync::{Mutex, mpsc};
use tokio::task::spawn_blocking;

use super::config::EmbeddedConfig;
use super::faults::{of_store, refused};
use super::plan::{self, Cell, Guard};
use super::writer::Writer;

/// How many entries of a scan are handed over at once.
const SCAN_CHUNK_ENTRIES: usize = 256;

const MAX_SPACE_NAME_BYTES: usize = 255;

/// An open directory. It is cheap to clone; the last one dropped closes it.
#[derive(Clone)]
pub struct Embedded(Arc<Shared>);

struct Shared {
    // Declared first, so that the thread has ended before the database is closed.
    writer: Writer,
    db: Database,
    directory: PathBuf,
    held: HeldCounts,
}

/// How many records of each model are held, as far as they have been counted. No other process can
/// change that, and whoever does so here locks it.
pub(super) type HeldCounts = Mutex<HashMap<String, u64>>;

/// The documents of one generation of a read model.
#[derive(Debug, Clone)]
pub struct EmbeddedStore(Space);

impl Embedded {
    /// Opens the directory, or makes it. Blocks while it reads back its journal.
    pub fn open(config: &EmbeddedConfig) -> Result<Self, Fault> {
        let directory = config.directory.clone();
        if config.journal_mib < 64 {
            return Err(refused("journal_mib is below 64", "raise it, or leave it out"));
        }
        let db = Database::builder(&directory)
            .cache_size(config.cache_mib << 20)
            .max_journaling_size(config.journal_mib << 20)
            .open()
            .map_err(|error| of_store(&directory, &error))?;
        let writer = Writer::start(db.clone(), &directory)?;
        let held = HeldCounts::default();
        Ok(Self(Arc::new(Shared { writer, db, directory, held })))
    }

    /// The documents of one generation of a read model.
    pub fn documents(&self, model: &str, generation: u32) -> Result<EmbeddedStore, Fault> {
        Ok(EmbeddedStore(self.space(&plan::documents(model, generation))?))
    }

    pub(super) fn held_counts(&self) -> &HeldCounts {
        &self.0.held
    }

    pub(super) fn space(&self, name: &str) -> Result<Space, Fault> {
        if name.is_empty() || name.len() > MAX_SPACE_NAME_BYTES {
            return Err(refused("the name of a space is empty or too long", "shorten it"));
        }
        let options = || KeyspaceCreateOptions::default();
        let open = self.0.db.keyspace(name, options);
        let keyspace = open.map_err(|error| of_store(&self.0.directory, &error))?;
        Ok(Space { of: self.clone(), keyspace })
    }
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").field("directory", &self.0.directory).finish_non_exhaustive()
    }
}

/// One space of the directory.
#[derive(Clone)]
pub(super) struct Space {
    of: Embedded,
    keyspace: Keyspace,
}

impl Space {
    pub fn name(&self) -> &str {
        self.keyspace.name()
    }

    /// Writes guarded values; durable when it answers.
    pub async fn put(&self, cells: Vec<Cell>) -> Result<Vec<bool>, Fault> {
        self.of.0.writer.put(&self.keyspace, cells).await
    }

    /// Reads values, and what `read` makes of each. Reading may wait for the disk, which must not
    /// stop the runtime's threads, and a runtime of one thread has no `block_in_place`.
    pub async fn get<T: Send + 'static>(
        &self,
        keys: &[Key],
        read: impl Fn(&str, &[u8]) -> Result<T, Fault> + Send + 'static,
    ) -> Result<Vec<Option<T>>, Fault> {
        let (space, keys) = (self.clone(), keys.to_vec());
        let reading = spawn_blocking(move || {
            let each = keys.iter().map(|key| space.get_one(key.as_str(), &read));
            each.collect::<Result<Vec<_>, Fault>>()
        });
        reading.await.map_err(|_| Fault::Abandoned)?
    }

    fn get_one<T>(
        &self,
        key: &str,
        read: impl Fn(&str, &[u8]) -> Result<T, Fault>,
    ) -> Result<Option<T>, Fault> {
        let stored = self.keyspace.get(plan::stored_key(key)?);
        let value = stored.map_err(|error| of_store(self.directory(), &error))?;
        value.map(|value| read(self.name(), &value)).transpose()
    }

    /// Visits the values whose keys begin with `prefix`, in the order of their keys, as they stand
    /// at the start.
    pub async fn each<T: Send + 'static>(
        &self,
        prefix: &str,
        read: impl Fn(&str, &[u8]) -> Result<T, Fault> + Send + 'static,
        visit: &mut (dyn FnMut(Key, T) + Send),
    ) -> Result<(), Fault> {
        let (space, prefix) = (self.clone(), plan::stored_key(prefix)?);
        // A bound of two chunks: the disk reads ahead by one and no further.
        let (chunks, mut arriving) = mpsc::channel(1);
        let reading = spawn_blocking(move || {
            let mut chunk = Vec::with_capacity(SCAN_CHUNK_ENTRIES);
            for entry in space.keyspace.prefix(prefix) {
                let entry = entry.into_inner();
                let (key, value) = entry.map_err(|error| of_store(space.directory(), &error))?;
                chunk.push((plan::key_of(space.name(), &key)?, read(space.name(), &value)?));
                if chunk.len() == SCAN_CHUNK_ENTRIES {
                    let full = std::mem::take(&mut chunk);
                    chunks.blocking_send(full).map_err(|_| Fault::Abandoned)?;
                }
            }
            chunks.blocking_send(chunk).map_err(|_| Fault::Abandoned)
        });
        while let Some(chunk) = arriving.recv().await {
            for (key, value) in chunk {
                visit(key, value);
            }
        }
        reading.await.map_err(|_| Fault::Abandoned)?
    }

    fn directory(&self) -> &Path {
        &self.of.0.directory
    }
}

impl fmt::Debug for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Space").field("name", &self.name()).field("of", &self.of).finish()
    }
}

#[async_trait]
impl<M: ReadModel> Store<M> for EmbeddedStore {
    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Document<M>>>, Fault> {
        self.0.get(keys, plan::document_of::<M>).await
    }

    async fn put(&self, writes: &[Write<'_, M>]) -> Result<Vec<Put>, Fault> {
        let cells = writes.iter().map(|write| {
            let guard = Guard::Revision(write.expected);
            let revision = write.document.stamp.revision;
            Cell::new(write.key.as_str(), guard, revision, write.document)
        });
        let verdicts = self.0.put(cells.collect::<Result<_, _>>()?).await?;
        Ok(verdicts.into_iter().map(|done| if done { Put::Done } else { Put::Unsure }).collect())
    }

    async fn scan(&self, visit: &mut (dyn FnMut(Key, Document<M>) + Send)) -> Result<(), Fault> {
        self.0.each("", plan::document_of::<M>, visit).await
    }

    async fn scan_waiting(
        &self,
        visit: &mut (dyn FnMut(Key, Document<M>) + Send),
    ) -> Result<(), Fault> {
        // Most are passed over without being read: an empty list is not written.
        let read = |name: &str, value: &[u8]| {
            let may_wait = memchr::memmem::find(value, b"\"waiting\":").is_some();
            may_wait.then(|| plan::document_of::<M>(name, value)).transpose()
        };
        let mut choose = |key, document: Option<Document<M>>| {
            if let Some(document) = document.filter(|found| !found.stamp.waiting.is_empty()) {
                visit(key, document);
            }
        };
        self.0.each("", read, &mut choose).await
    }
}
