//! The embedded store's documents, and the directory that they are in.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex as StdMutex, PoisonError};

use async_trait::async_trait;
use fjall::{CompressionType, Database, Keyspace, KeyspaceCreateOptions};
use readmill_core::{Document, Key, ReadModel};
use readmill_engine::{Fault, Lists, Put, Store, Write};
use tokio::sync::Mutex;

use super::config::EmbeddedConfig;
use super::faults::{of_store, refused};
use super::plan::{self, Cell};
use super::purge;
use super::space::Space;
use super::writer::Writer;

/// How much of each space is kept in memory before it moves to a table.
const MEMTABLE_BYTES: u64 = 64 << 20;

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
    purging: StdMutex<()>,
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
            .journal_compression(CompressionType::None)
            .open()
            .map_err(|error| of_store(&directory, &error))?;
        let writer = Writer::start(db.clone(), &directory)?;
        let held = HeldCounts::default();
        let purging = StdMutex::default();
        Ok(Self(Arc::new(Shared { writer, db, directory, held, purging })))
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
        self.keyspace(name)?;
        Ok(Space::new(self.clone(), name))
    }

    /// What stands under the name of a space now.
    pub(super) fn keyspace(&self, name: &str) -> Result<Keyspace, Fault> {
        keyspace(&self.0.db, &self.0.directory, name)
    }

    pub(super) fn writer(&self) -> &Writer {
        &self.0.writer
    }

    pub(super) fn directory(&self) -> &Path {
        &self.0.directory
    }

    /// Takes the bytes of erased values from the disk.
    pub(super) fn purge(&self, keyspace: &Keyspace) -> Result<(), Fault> {
        let _alone = self.0.purging.lock().unwrap_or_else(PoisonError::into_inner);
        purge::purge(&self.0.db, &self.0.directory, keyspace)
    }
}

/// Opens what stands under the name of a space, or makes it.
pub(super) fn keyspace(db: &Database, directory: &Path, name: &str) -> Result<Keyspace, Fault> {
    let options = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES);
    db.keyspace(name, options).map_err(|error| of_store(directory, &error))
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").field("directory", &self.0.directory).finish_non_exhaustive()
    }
}

#[async_trait]
impl<M: ReadModel> Store<M> for EmbeddedStore {
    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Document<M>>>, Fault> {
        self.0.get(keys, plan::document_of::<M>).await
    }

    async fn put(&self, writes: &[Write<'_, M>]) -> Result<Vec<Put>, Fault> {
        let cells = writes.iter().map(Cell::of_document).collect::<Result<Vec<_>, _>>()?;
        let fits: Vec<bool> = cells.iter().map(Option::is_some).collect();
        let verdicts = self.0.put(cells.into_iter().flatten().collect()).await?;
        let mut verdicts = verdicts.into_iter();
        let verdict = |fits: bool| match fits.then(|| verdicts.next()).flatten() {
            Some(true) => Put::Done,
            Some(false) => Put::Unsure,
            None => Put::TooLarge,
        };
        Ok(fits.into_iter().map(verdict).collect())
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

    async fn scan_range(
        &self,
        prefix: &str,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Document<M>)>, Fault> {
        self.0.page(prefix, after, limit, plan::document_of::<M>).await
    }

    fn lists(&self) -> Lists {
        Lists { by_key: true, by_index: false }
    }

    async fn erase(&self, keys: &[Key]) -> Result<(), Fault> {
        self.0.erase(keys).await
    }

    async fn drop_all(&self) -> Result<(), Fault> {
        self.0.drop_all().await
    }

    fn document_limit_bytes(&self) -> usize {
        plan::FREE_DOCUMENT_BYTES
    }
}
