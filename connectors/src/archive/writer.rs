//! Writing an archive at once: records by partition, files of a bounded size, the manifest last.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use readmill_core::{Offset, Partition};
use readmill_engine::{Fault, Record};
use readmill_schemas::SchemaId;

use super::error;
use super::file::GrowingFile;
use super::layout::{self, MANIFEST};
use super::local::LocalDir;
use super::manifest::{Manifest, PartitionEntry};
use super::record::Parts;
use super::shelf;
use super::storage::{self, Storage};

/// When a file ends and the next begins.
#[derive(Debug, Clone, Copy)]
pub struct Roll {
    /// A file ends when it is about as long.
    pub file_bytes: u64,
    /// A file ends when it has so many records.
    pub file_records: u64,
    /// A block is compressed when it is about as long.
    pub block_bytes: usize,
}

impl Default for Roll {
    fn default() -> Self {
        Self { file_bytes: 64 << 20, file_records: 1_000_000, block_bytes: 128 << 10 }
    }
}

/// Writes an archive. Until `finish` there is no manifest, and nobody takes it for an archive.
#[derive(Debug)]
pub struct ArchiveWriter {
    storage: Arc<dyn Storage>,
    roll: Roll,
    schemas: BTreeMap<u32, String>,
    partitions: BTreeMap<Partition, Growing>,
}

#[derive(Debug)]
struct Growing {
    entry: PartitionEntry,
    file: Option<GrowingFile>,
    next: Offset,
}

impl ArchiveWriter {
    /// Begins an archive in `dir`, which is made if it does not exist. What an interrupted writer
    /// left there is written over.
    ///
    /// # Errors
    /// When a finished archive stands there, or the directory cannot be written.
    pub fn create(dir: impl Into<PathBuf>, roll: Roll) -> Result<Self, Fault> {
        let storage = LocalDir::at(dir);
        let found = storage::get(&*storage, MANIFEST);
        match found.map_err(|error| error::io(&storage.place(MANIFEST), &error))? {
            None => {
                let (schemas, partitions) = (BTreeMap::new(), BTreeMap::new());
                Ok(Self { storage, roll, schemas, partitions })
            }
            Some(_) => Err(Fault::Refused {
                service: "archive",
                detail: format!("{} holds a finished archive", storage.place("").display()),
                hint: "name an empty directory, or remove that archive first",
            }),
        }
    }

    /// Keeps a schema that records name.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn schema(&mut self, id: SchemaId, text: &str) -> Result<(), Fault> {
        let path = layout::schema_path(id);
        self.schemas.insert(id.0, shelf::hash(text, &[]));
        storage::put(&*self.storage, &path, text.as_bytes())
            .map_err(|error| error::io(&self.storage.place(&path), &error))
    }

    /// Makes a partition known, so that it is listed even if nothing is appended to it.
    ///
    /// # Errors
    /// When its directory cannot be made, or its topic is no topic's name.
    pub fn partition(&mut self, partition: &Partition) -> Result<(), Fault> {
        self.growing(partition).map(drop)
    }

    /// Appends a record behind the last one of its partition, and says where.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn append(
        &mut self,
        partition: &Partition,
        timestamp_ms: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<Offset, Fault> {
        let offset = self.growing(partition)?.next;
        self.put(partition, offset, Parts { timestamp_ms, key, value, headers: &[] })?;
        Ok(offset)
    }

    /// Appends a record at its own offset: a copy of a topic keeps its positions and its gaps.
    ///
    /// # Errors
    /// When it cannot be written, or does not come behind the last one of its partition.
    pub fn append_record(&mut self, record: &Record) -> Result<(), Fault> {
        self.put(&record.position.partition, record.position.offset, Parts::of(record))
    }

    /// Ends every file and writes the manifest.
    ///
    /// # Errors
    /// When something cannot be written; the archive is unfinished then.
    pub fn finish(mut self) -> Result<Manifest, Fault> {
        let schemas = std::mem::take(&mut self.schemas);
        let mut manifest = Manifest { schemas, ..Manifest::default() };
        for (partition, mut growing) in std::mem::take(&mut self.partitions) {
            growing.end_file().map_err(|error| unwritable(&*self.storage, &partition, &error))?;
            growing.entry.to = growing.next.0;
            let topic = manifest.topics.entry(partition.topic.to_string()).or_default();
            topic.insert(partition.index, growing.entry);
        }
        manifest.write(&*self.storage)?;
        Ok(manifest)
    }

    fn put(&mut self, to: &Partition, offset: Offset, parts: Parts<'_>) -> Result<(), Fault> {
        let (roll, storage) = (self.roll, Arc::clone(&self.storage));
        let growing = self.growing(to)?;
        if offset < growing.next {
            return Err(out_of_order(to, offset, growing.next));
        }
        growing
            .append(&storage, to, offset, parts, roll)
            .map_err(|error| unwritable(&*storage, to, &error))
    }

    fn growing(&mut self, partition: &Partition) -> Result<&mut Growing, Fault> {
        use std::collections::btree_map::Entry;
        match self.partitions.entry(partition.clone()) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(new) => {
                begin(&*self.storage, partition)?;
                let entry = PartitionEntry::default();
                Ok(new.insert(Growing { entry, file: None, next: Offset(0) }))
            }
        }
    }
}

impl Growing {
    fn append(
        &mut self,
        storage: &Arc<dyn Storage>,
        partition: &Partition,
        offset: Offset,
        parts: Parts<'_>,
        roll: Roll,
    ) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(GrowingFile::create(storage, partition, offset, self.next.0)?),
        };
        file.append(offset, parts, roll.block_bytes)?;
        self.next = Offset(offset.0 + 1);
        if roll.is_due(file) {
            self.end_file()?;
        }
        Ok(())
    }

    fn end_file(&mut self) -> io::Result<()> {
        if let Some(file) = self.file.take() {
            let ended = file.finish()?;
            self.entry.records += ended.records;
            self.entry.files.push(ended);
        }
        Ok(())
    }
}

impl Roll {
    /// Whether a file is large enough.
    pub(super) const fn is_due(&self, file: &GrowingFile) -> bool {
        file.bytes() >= self.file_bytes || file.records() >= self.file_records
    }
}

/// A partition's empty directory, whatever an interrupted writer left in it.
fn begin(storage: &dyn Storage, partition: &Partition) -> Result<(), Fault> {
    require_topic(storage, partition)?;
    for stranger in layout::strangers(storage, partition, &PartitionEntry::default())? {
        let deleted = storage.delete(&stranger.path);
        deleted.map_err(|error| error::io(&storage.place(&stranger.path), &error))?;
    }
    Ok(())
}

/// Refuses what Kafka would not take for a topic: it names a directory.
pub fn require_topic(storage: &dyn Storage, partition: &Partition) -> Result<(), Fault> {
    if layout::is_topic(&partition.topic) {
        return Ok(());
    }
    const HINT: &str = "use letters, digits, dots, dashes and underscores";
    let dir = storage.place(&layout::partition_dir(partition));
    Err(error::damaged(&dir, "that is not the name of a topic", HINT))
}

/// A record that comes too late.
pub fn out_of_order(to: &Partition, offset: Offset, next: Offset) -> Fault {
    let detail = format!("{to}@{} comes behind offset {}", offset.0, next.0 - 1);
    const HINT: &str = "append each partition's records in the order of their offsets";
    Fault::Refused { service: "archive", detail, hint: HINT }
}

/// A partition that cannot be written.
pub fn unwritable(storage: &dyn Storage, partition: &Partition, error: &io::Error) -> Fault {
    error::io(&storage.place(&layout::partition_dir(partition)), error)
}
