//! The manifest: which files belong to an archive, what they cover, and what is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use readmill_core::Partition;
use readmill_engine::Fault;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use super::error::{self, COPY_AGAIN};
use super::layout::{MANIFEST, MANIFEST_LOCK, is_topic};
use super::local::LocalDir;
use super::storage::{self, Storage};

/// The latest version of the layout, in which files may have been written anew. What has none of
/// them is written as version 2, which elder programs read.
const FORMAT: u32 = 3;
const FORMAT_AS_COPIED: u32 = 2;
/// Version 1 had no indexes, no times and no gaps.
const FIRST_FORMAT: u32 = 1;

/// What belongs to an archive. It is written after what it lists: an archive without it is
/// unfinished.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The version of the layout.
    pub format: u32,
    /// A hash over all records: a copy has the same, another archive has not.
    pub id: String,
    /// What an archive that grows keeps for life; none in one that was written at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lineage: Option<String>,
    /// The id of an archive that was written at once, before its files were written anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_as: Option<String>,
    /// The hashes of the schemas.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub schemas: BTreeMap<u32, String>,
    /// Schema ids that records name and that the registry did not know, or not as Avro.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub unknown_schemas: BTreeSet<u32>,
    /// Each topic's partitions.
    pub topics: BTreeMap<String, BTreeMap<i32, PartitionEntry>>,
}

/// One partition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartitionEntry {
    /// How many records it has.
    pub records: u64,
    /// Where it begins: what the log had before is not here.
    #[serde(default)]
    pub from: i64,
    /// Where it ends: whatever the log had before is here, but for the gaps.
    #[serde(default)]
    pub to: i64,
    /// What the log had lost before it could be copied, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<Gap>,
    /// Its files, in the order of their offsets.
    pub files: Vec<FileEntry>,
}

/// Offsets of which nobody knows whether they were records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gap {
    /// The first of them.
    pub from: i64,
    /// One past the last.
    pub to: i64,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// The offset of its first record, by which it is named.
    pub first_offset: i64,
    /// One past the offset of its last record.
    pub next_offset: i64,
    /// How often it was written anew, since records were taken out of it.
    #[serde(default, skip_serializing_if = "is_first")]
    pub edition: u32,
    /// How many records it has.
    pub records: u64,
    /// How long it is.
    pub bytes: u64,
    /// The hash of its bytes.
    pub xxh3: String,
    /// Where what is before it ends: between that and its first record the log had nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<i64>,
    /// The earliest and the latest time of a record, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times_ms: Option<(i64, i64)>,
    /// Its index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<IndexEntry>,
}

/// The index of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexEntry {
    /// How long it is.
    pub bytes: u64,
    /// The hash of its bytes.
    pub xxh3: String,
}

impl Manifest {
    /// Reads the manifest of the archive in the directory `dir`.
    ///
    /// # Errors
    /// When there is none, or it is not one of this program's.
    pub fn read(dir: &Path) -> Result<Self, Fault> {
        Self::of(&*LocalDir::at(dir))
    }

    /// Reads the manifest of an archive.
    ///
    /// # Errors
    /// When there is none, or it is not one of this program's.
    pub fn of(storage: &dyn Storage) -> Result<Self, Fault> {
        Self::find(storage)?.ok_or_else(|| {
            const HINT: &str = "name the directory of an archive; if `readmill produce` was \
                                interrupted, let it write the archive again";
            let path = storage.place(MANIFEST);
            error::damaged(&path, "there is no finished archive here", HINT)
        })
    }

    /// The same; none where there is none.
    pub(super) fn find(storage: &dyn Storage) -> Result<Option<Self>, Fault> {
        let path = storage.place(MANIFEST);
        let text = storage::get(storage, MANIFEST).map_err(|error| error::io(&path, &error))?;
        let Some(text) = text else { return Ok(None) };
        let mut manifest: Self = serde_json::from_slice(&text).map_err(|error| {
            error::damaged(&path, format!("it is not a manifest: {error}"), COPY_AGAIN)
        })?;
        if !(FIRST_FORMAT..=FORMAT).contains(&manifest.format) {
            let detail = format!("its format is {}, and {FORMAT} is known", manifest.format);
            return Err(error::damaged(&path, detail, "read it with the readmill that wrote it"));
        }
        manifest.check().map_err(|detail| error::damaged(&path, detail, COPY_AGAIN))?;
        if manifest.format == FIRST_FORMAT {
            let entries = manifest.topics.values_mut().flat_map(BTreeMap::values_mut);
            entries.for_each(|entry| entry.to = entry.copied_to());
        }
        Ok(Some(manifest))
    }

    /// Changes the manifest as it stands, while nobody else does.
    pub(super) fn update<T>(
        storage: &dyn Storage,
        change: impl FnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let lock = storage.lock(MANIFEST_LOCK, true);
        let _lock = lock.map_err(|error| error::io(&storage.place(MANIFEST_LOCK), &error))?;
        let mut manifest = Self::find(storage)?.unwrap_or_default();
        let before = manifest.clone();
        let done = change(&mut manifest)?;
        if manifest != before {
            manifest.write(storage)?;
        }
        Ok(done)
    }

    /// Writes it in place of what stands there.
    pub(super) fn write(&mut self, storage: &dyn Storage) -> Result<(), Fault> {
        let is_anew = |entry: &PartitionEntry| entry.files.iter().any(|file| file.edition > 0);
        let is_anew = self.partitions().any(|(_, entry)| is_anew(entry));
        self.format = if is_anew { FORMAT } else { FORMAT_AS_COPIED };
        self.id = self.hash();
        let text = serde_json::to_vec_pretty(&self).map_err(std::io::Error::other);
        text.and_then(|text| storage::put(storage, MANIFEST, &text))
            .map_err(|error| error::io(&storage.place(MANIFEST), &error))
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

    /// What a file was written anew as since it was listed so; none if it was not.
    pub(super) fn anew(
        storage: &dyn Storage,
        partition: &Partition,
        file: &FileEntry,
    ) -> Result<Option<FileEntry>, Fault> {
        let now = Self::of(storage)?;
        let is_it = |known: &&FileEntry| {
            (known.first_offset, known.next_offset) == (file.first_offset, file.next_offset)
                && known.edition > file.edition
        };
        let entry = now.partition(partition);
        Ok(entry.and_then(|entry| entry.files.iter().find(is_it)).cloned())
    }

    /// One partition.
    pub fn partition(&self, partition: &Partition) -> Option<&PartitionEntry> {
        self.topics.get(&*partition.topic)?.get(&partition.index)
    }

    pub(super) fn partition_mut(&mut self, partition: &Partition) -> Option<&mut PartitionEntry> {
        self.topics.get_mut(&*partition.topic)?.get_mut(&partition.index)
    }

    /// By what positions in it are known: they hold while it grows, and in no other archive.
    pub fn name(&self) -> &str {
        self.lineage.as_ref().or(self.known_as.as_ref()).unwrap_or(&self.id)
    }

    /// The hash over everything that is listed.
    pub(super) fn hash(&self) -> String {
        if self.format == FIRST_FORMAT {
            return self.first_hash();
        }
        let whole = (&self.lineage, &self.schemas, &self.unknown_schemas, &self.topics);
        // Maps with text and numbers as keys can always be written.
        let mut text = serde_json::to_vec(&whole).unwrap_or_default();
        text.extend(self.known_as.iter().flat_map(|id| id.bytes()));
        format!("{:032x}", xxh3_128(&text))
    }

    fn first_hash(&self) -> String {
        let mut hash = Xxh3::new();
        for (partition, entry) in self.partitions() {
            hash.update(partition.to_string().as_bytes());
            for file in &entry.files {
                hash.update(file.xxh3.as_bytes());
            }
        }
        format!("{:032x}", hash.digest128())
    }

    /// What is wrong with it.
    fn check(&self) -> Result<(), String> {
        // A topic names a directory: it must not lead out of the archive.
        let inside = self.topics.keys().all(|topic| is_topic(topic));
        let sound = self.partitions().all(|(_, entry)| entry.is_in_order());
        if !inside || !sound || self.hash() != self.id {
            return Err("it contradicts itself".to_owned());
        }
        for (partition, entry) in self.partitions().filter(|_| self.format != FIRST_FORMAT) {
            if let Some(Gap { from, to }) = entry.hole() {
                return Err(format!(
                    "{partition} has a hole from {from} to {to} that is not recorded as a gap"
                ));
            }
        }
        Ok(())
    }
}

impl PartitionEntry {
    /// One past its last record, or where it begins.
    pub fn copied_to(&self) -> i64 {
        self.files.last().map_or(self.from, |file| file.next_offset)
    }

    /// How long its files are.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// The earliest and the latest time of a record, where they are known.
    pub fn times_ms(&self) -> Option<(i64, i64)> {
        let times = self.files.iter().filter_map(|file| file.times_ms);
        times.reduce(|(old, new), (older, newer)| (old.min(older), new.max(newer)))
    }

    fn is_in_order(&self) -> bool {
        let files = || self.files.iter();
        let sound =
            |file: &FileEntry| 0 <= file.first_offset && file.first_offset < file.next_offset;
        files().all(sound)
            && files().zip(files().skip(1)).all(|(a, b)| a.next_offset <= b.first_offset)
            && files().map(|file| file.records).sum::<u64>() == self.records
            && self.gaps.iter().all(|gap| gap.from < gap.to)
    }

    /// The first place that is neither covered by a file nor recorded as a gap.
    fn hole(&self) -> Option<Gap> {
        let mut gaps = self.gaps.iter().peekable();
        let mut at = self.from;
        let mut pass = |at: &mut i64, until: i64| {
            while let Some(gap) = gaps.next_if(|gap| gap.from >= *at && gap.to <= until) {
                *at = gap.to;
            }
        };
        for file in &self.files {
            let after = file.after.unwrap_or(at);
            pass(&mut at, after);
            if at != after || file.first_offset < at {
                return Some(Gap { from: at, to: after });
            }
            at = file.next_offset;
        }
        pass(&mut at, self.to);
        (at > self.to || gaps.next().is_some()).then_some(Gap { from: at, to: self.to })
    }
}

/// As serde asks it.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_first(edition: &u32) -> bool {
    *edition == 0
}
