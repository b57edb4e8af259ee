//! One space of the embedded store's directory: a name under which keys and values stand.

use std::fmt;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use fjall::{Keyspace, Slice};
use readmill_core::Key;
use readmill_engine::Fault;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::faults::of_store;
use super::plan::{self, Cell, Guard};
use super::store::Embedded;

/// How many entries of a scan are handed over at once.
const SCAN_CHUNK_ENTRIES: usize = 256;

/// How many values are taken away by one job of the writing thread.
const ERASE_CHUNK_KEYS: usize = 1_000;

/// One space of the directory. What stands under its name is looked up anew by each call, since it
/// may have been dropped meanwhile.
#[derive(Clone)]
pub struct Space {
    of: Embedded,
    name: Arc<str>,
}

/// How values are read: what it makes of one, given the space's name.
pub trait Read<T>: Fn(&str, &[u8]) -> Result<T, Fault> + Send + 'static {}

impl<T, F: Fn(&str, &[u8]) -> Result<T, Fault> + Send + 'static> Read<T> for F {}

impl Space {
    /// A space that exists.
    pub fn new(of: Embedded, name: &str) -> Self {
        Self { of, name: name.into() }
    }

    /// Writes guarded values; durable when it answers.
    pub async fn put(&self, cells: Vec<Cell>) -> Result<Vec<bool>, Fault> {
        self.of.writer().put(&self.name, cells).await
    }

    /// Takes values away, whatever they are, and their bytes from the disk.
    pub async fn erase(&self, keys: &[Key]) -> Result<(), Fault> {
        if keys.is_empty() {
            return Ok(());
        }
        for chunk in keys.chunks(ERASE_CHUNK_KEYS) {
            let cells = chunk.iter().map(|key| Cell::removal(key.as_str(), Guard::Any));
            self.put(cells.collect::<Result<_, _>>()?).await?;
        }
        self.purge().await
    }

    /// Takes all values away at once, and their bytes from the disk.
    pub async fn drop_all(&self) -> Result<(), Fault> {
        self.of.writer().drop_space(&self.name).await?;
        self.purge().await
    }

    async fn purge(&self) -> Result<(), Fault> {
        let space = self.clone();
        let purging = spawn_blocking(move || space.of.purge(&space.keyspace()?));
        purging.await.map_err(|_| Fault::Abandoned)?
    }

    /// Reads values, and what `read` makes of each. Reading may wait for the disk, which must not
    /// stop the runtime's threads, and a runtime of one thread has no `block_in_place`.
    pub async fn get<T: Send + 'static>(
        &self,
        keys: &[Key],
        read: impl Read<T>,
    ) -> Result<Vec<Option<T>>, Fault> {
        let (space, keys) = (self.clone(), keys.to_vec());
        let reading = spawn_blocking(move || {
            let keyspace = space.keyspace()?;
            let each = keys.iter().map(|key| space.get_one(&keyspace, key.as_str(), &read));
            each.collect::<Result<Vec<_>, Fault>>()
        });
        reading.await.map_err(|_| Fault::Abandoned)?
    }

    fn get_one<T>(
        &self,
        keyspace: &Keyspace,
        key: &str,
        read: &impl Read<T>,
    ) -> Result<Option<T>, Fault> {
        let stored = keyspace.get(plan::stored_key(key)?);
        let value = stored.map_err(|error| of_store(self.directory(), &error))?;
        value.map(|value| read(&self.name, &value)).transpose()
    }

    /// Visits the values whose keys begin with `prefix`, in the order of their keys, as they stand
    /// at the start.
    pub async fn each<T: Send + 'static>(
        &self,
        prefix: &str,
        read: impl Read<T>,
        visit: &mut (dyn FnMut(Key, T) + Send),
    ) -> Result<(), Fault> {
        let (space, prefix) = (self.clone(), plan::stored_key(prefix)?);
        // A bound of two chunks: the disk reads ahead by one and no further.
        let (chunks, mut arriving) = mpsc::channel(1);
        let reading = spawn_blocking(move || {
            let mut chunk = Vec::with_capacity(SCAN_CHUNK_ENTRIES);
            for entry in space.keyspace()?.prefix(prefix) {
                let (key, value) = space.raw(entry)?;
                chunk.push(space.entry(&key, &value, &read)?);
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

    /// The next values whose keys begin with `prefix` and come after `after`, at most `limit`.
    pub async fn page<T: Send + 'static>(
        &self,
        prefix: &str,
        after: Option<&Key>,
        limit: usize,
        read: impl Read<T>,
    ) -> Result<Vec<(Key, T)>, Fault> {
        let stored = plan::stored_key(prefix)?;
        let after = after.map(|after| plan::stored_key(after.as_str())).transpose()?;
        let from = match after {
            Some(after) if after >= stored => Bound::Excluded(after),
            Some(_) | None => Bound::Included(stored.clone()),
        };
        let space = self.clone();
        let reading = spawn_blocking(move || {
            let mut page = Vec::new();
            let range: (Bound<Slice>, Bound<Slice>) = (from, Bound::Unbounded);
            for entry in space.keyspace()?.range(range).take(limit) {
                let (key, value) = space.raw(entry)?;
                if !key.starts_with(&stored) {
                    break;
                }
                page.push(space.entry(&key, &value, &read)?);
            }
            Ok(page)
        });
        reading.await.map_err(|_| Fault::Abandoned)?
    }

    fn raw(&self, entry: fjall::Guard) -> Result<(Slice, Slice), Fault> {
        entry.into_inner().map_err(|error| of_store(self.directory(), &error))
    }

    fn entry<T>(&self, key: &[u8], value: &[u8], read: &impl Read<T>) -> Result<(Key, T), Fault> {
        Ok((plan::key_of(&self.name, key)?, read(&self.name, value)?))
    }

    fn keyspace(&self) -> Result<Keyspace, Fault> {
        self.of.keyspace(&self.name)
    }

    fn directory(&self) -> &Path {
        self.of.directory()
    }
}

impl fmt::Debug for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Space").field("name", &self.name).field("of", &self.of).finish()
    }
}
