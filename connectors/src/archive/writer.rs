//! Writing an archive: records by partition, files of a bounded size, the manifest last.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use readmill_core::{Offset, Partition};
use readmill_engine::{Fault, Record};
use readmill_schemas::SchemaId;

use super::error;
use super::file::GrowingFile;
use super::layout::{self, FORMAT, MANIFEST, Manifest, PartitionEntry};
use super::record::Parts;

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
    dir: PathBuf,
    roll: Roll,
    partitions: BTreeMap<Partition, Growing>,
}

#[derive(Debug)]
struct Growing {
    dir: PathBuf,
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
        let dir = dir.into();
        if dir.join(MANIFEST).exists() {
            return Err(Fault::Refused {
                service: "archive",
                detail: format!("{} holds a finished archive", dir.display()),
                hint: "name an empty directory, or remove that archive first",
            });
        }
        let schemas = dir.join("schemas");
        fs::create_dir_all(&schemas).map_err(|error| error::io(&schemas, &error))?;
        Ok(Self { dir, roll, partitions: BTreeMap::new() })
    }

    /// Keeps a schema that records name.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn schema(&mut self, id: SchemaId, text: &str) -> Result<(), Fault> {
        let path = layout::schema_path(&self.dir, id);
        replace(&path, text.as_bytes()).map_err(|error| error::io(&path, &error))
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
        let parts = Parts {
            timestamp_ms: record.timestamp_ms,
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers: &record.headers,
        };
        self.put(&record.position.partition, record.position.offset, parts)
    }

    /// Ends every file and writes the manifest.
    ///
    /// # Errors
    /// When something cannot be written; the archive is unfinished then.
    pub fn finish(mut self) -> Result<Manifest, Fault> {
        let mut manifest = Manifest { format: FORMAT, ..Manifest::default() };
        for (partition, mut growing) in std::mem::take(&mut self.partitions) {
            growing.end_file().map_err(|error| error::io(&growing.dir, &error))?;
            let topic = manifest.topics.entry(partition.topic.to_string()).or_default();
            topic.insert(partition.index, growing.entry);
        }
        manifest.id = manifest.hash();
        let path = self.dir.join(MANIFEST);
        let text = serde_json::to_vec_pretty(&manifest).map_err(io::Error::other);
        text.and_then(|text| replace(&path, &text)).map_err(|error| error::io(&path, &error))?;
        Ok(manifest)
    }

    fn put(&mut self, to: &Partition, offset: Offset, parts: Parts<'_>) -> Result<(), Fault> {
        let roll = self.roll;
        let growing = self.growing(to)?;
        if offset < growing.next {
            let detail = format!("{to}@{} comes behind offset {}", offset.0, growing.next.0 - 1);
            const HINT: &str = "append each partition's records in the order of their offsets";
            return Err(Fault::Refused { service: "archive", detail, hint: HINT });
        }
        growing.append(to, offset, parts, roll).map_err(|error| error::io(&growing.dir, &error))
    }

    fn growing(&mut self, partition: &Partition) -> Result<&mut Growing, Fault> {
        use std::collections::btree_map::Entry;
        match self.partitions.entry(partition.clone()) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(new) => {
                let dir = layout::partition_dir(&self.dir, partition);
                if !layout::is_topic(&partition.topic) {
                    const HINT: &str = "use letters, digits, dots, dashes and underscores";
                    return Err(error::damaged(&dir, "that is not the name of a topic", HINT));
                }
                let entry = PartitionEntry::default();
                begin(&dir).map_err(|error| error::io(&dir, &error))?;
                Ok(new.insert(Growing { dir, entry, file: None, next: Offset(0) }))
            }
        }
    }
}

impl Growing {
    fn append(
        &mut self,
        partition: &Partition,
        offset: Offset,
        parts: Parts<'_>,
        roll: Roll,
    ) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(GrowingFile::create(&self.dir, partition, offset)?),
        };
        file.append(offset, parts, roll.block_bytes)?;
        self.next = Offset(offset.0 + 1);
        if file.bytes() >= roll.file_bytes || file.records() >= roll.file_records {
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
        sync_dir(&self.dir)
    }
}

/// A partition's empty directory, whatever an interrupted writer left in it.
fn begin(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    fs::create_dir_all(dir)
}

/// Replaces a small file in one step.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let partial = path.with_extension("partial");
    fs::write(&partial, bytes)?;
    File::open(&partial)?.sync_all()?;
    fs::rename(&partial, path)?;
    path.parent().map_or(Ok(()), sync_dir)
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
