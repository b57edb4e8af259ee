//! Where an archive's files lie, and the manifest that says which of them belong to it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use readmill_core::{Offset, Partition};
use readmill_engine::Fault;
use readmill_schemas::SchemaId;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use super::error::{self, COPY_AGAIN};

/// The version of the layout that this program reads and writes.
pub const FORMAT: u32 = 1;
/// The manifest's name.
pub const MANIFEST: &str = "archive.json";

/// What belongs to an archive. It is written last: an archive without it is unfinished.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of the layout.
    pub format: u32,
    /// A hash over all records: a copy has the same, another archive has not.
    pub id: String,
    /// Each topic's partitions.
    pub topics: BTreeMap<String, BTreeMap<i32, PartitionEntry>>,
}

/// One partition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionEntry {
    /// How many records it has.
    pub records: u64,
    /// Its files, in the order of their offsets.
    pub files: Vec<FileEntry>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// The offset of its first record, by which it is named.
    pub first_offset: i64,
    /// One past the offset of its last record.
    pub next_offset: i64,
    /// How many records it has.
    pub records: u64,
    /// How long it is.
    pub bytes: u64,
    /// The hash of its bytes.
    pub xxh3: String,
}

impl Manifest {
    /// Reads the manifest of the archive in `dir`.
    ///
    /// # Errors
    /// When there is none, or it is not one of this program's.
    pub fn read(dir: &Path) -> Result<Self, Fault> {
        let path = dir.join(MANIFEST);
        let text = match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                const HINT: &str = "name the directory of an archive; if its writer was \
                                    interrupted, write it again with `readmill produce`";
                return Err(error::damaged(&path, "there is no finished archive here", HINT));
            }
            read => read.map_err(|error| error::io(&path, &error))?,
        };
        let manifest: Self = serde_json::from_slice(&text).map_err(|error| {
            error::damaged(&path, format!("it is not a manifest: {error}"), COPY_AGAIN)
        })?;
        if manifest.format != FORMAT {
            let detail = format!("its format is {}, and {FORMAT} is known", manifest.format);
            return Err(error::damaged(&path, detail, "read it with the readmill that wrote it"));
        }
        manifest.check(&path)?;
        Ok(manifest)
    }

    /// How many records the archive has.
    pub fn records(&self) -> u64 {
        self.topics.values().flat_map(BTreeMap::values).map(|partition| partition.records).sum()
    }

    /// All partitions, in order.
    pub fn partitions(&self) -> impl Iterator<Item = (Partition, &PartitionEntry)> {
        self.topics.iter().flat_map(|(topic, partitions)| {
            partitions.iter().map(|(index, entry)| (Partition::new(topic.as_str(), *index), entry))
        })
    }

    /// The partitions of some topics, in order.
    pub fn partitions_of(
        &self,
        topics: &[String],
    ) -> impl Iterator<Item = (Partition, &PartitionEntry)> {
        self.partitions()
            .filter(|(partition, _)| topics.iter().any(|topic| **topic == *partition.topic))
    }

    /// The hash over everything that is listed.
    pub(super) fn hash(&self) -> String {
        let mut hash = Xxh3::new();
        for (partition, entry) in self.partitions() {
            hash.update(partition.to_string().as_bytes());
            for file in &entry.files {
                hash.update(file.xxh3.as_bytes());
            }
        }
        format!("{:032x}", hash.digest128())
    }

    fn check(&self, path: &Path) -> Result<(), Fault> {
        let in_order = self.partitions().all(|(_, entry)| {
            let files = || entry.files.iter();
            let sound =
                |file: &FileEntry| 0 <= file.first_offset && file.first_offset < file.next_offset;
            files().all(sound)
                && files().zip(files().skip(1)).all(|(a, b)| a.next_offset <= b.first_offset)
                && files().map(|file| file.records).sum::<u64>() == entry.records
        });
        // A topic names a directory: it must not lead out of the archive.
        let inside = self.topics.keys().all(|topic| is_topic(topic));
        if in_order && inside && self.hash() == self.id {
            return Ok(());
        }
        Err(error::damaged(path, "it contradicts itself", COPY_AGAIN))
    }
}

/// Whether a name is one that Kafka allows for a topic.
pub fn is_topic(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    !matches!(name, "" | "." | ".." | "schemas") && name.len() <= 249 && name.chars().all(allowed)
}

/// A partition's directory.
pub fn partition_dir(dir: &Path, partition: &Partition) -> PathBuf {
    dir.join(&*partition.topic).join(partition.index.to_string())
}

/// The name of the file whose first record is at `first`.
pub fn file_name(first: Offset) -> String {
    format!("{:020}.avro", first.0)
}

/// The file of a schema.
pub fn schema_path(dir: &Path, id: SchemaId) -> PathBuf {
    dir.join("schemas").join(format!("{id}.avsc"))
}

/// Refuses a partition's directory that holds what the manifest does not list: it may be the rest
/// of another archive, and reading on would mix the two.
pub fn refuse_strangers(dir: &Path, entry: &PartitionEntry) -> Result<(), Fault> {
    let known: BTreeSet<String> =
        entry.files.iter().map(|file| file_name(Offset(file.first_offset))).collect();
    let listed = match fs::read_dir(dir) {
        // A missing file is told of when its turn comes, after all records before it.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        listed => listed.map_err(|error| error::io(dir, &error))?,
    };
    for item in listed {
        let item = item.map_err(|error| error::io(dir, &error))?;
        if !item.file_name().to_str().is_some_and(|name| known.contains(name)) {
            const HINT: &str =
                "move it away if it does not belong there, or copy the archive again";
            let detail = "the manifest does not list it";
            return Err(error::damaged(&item.path(), detail, HINT));
        }
    }
    Ok(())
}
