//! Proving an archive: every byte is read, and compared with what the manifest says.

use std::collections::BTreeSet;
use std::io::{self, BufReader, Read};

use readmill_core::{Partition, Record};
use readmill_engine::Fault;
use readmill_schemas::SchemaId;
use xxhash_rust::xxh3::Xxh3;

use super::container::{Blocks, Unreadable};
use super::index::{BlockEntry, GrowingBlock};
use super::layout::{file_path, schema_path, strangers};
use super::manifest::{FileEntry, Gap, Manifest, PartitionEntry};
use super::names::Names;
use super::reader::read_index;
use super::reading::{BUFFER_BYTES, Tracker, explain};
use super::record::{self, Parts};
use super::shelf;
use super::storage::Storage;

/// What was found.
#[derive(Debug, Default)]
pub struct Report {
    /// How many files were read.
    pub files: u64,
    /// How many records they have.
    pub records: u64,
    /// How long they are.
    pub bytes: u64,
    /// How many schemas the records name.
    pub schemas: usize,
    /// Gaps that are recorded: nothing is wrong with them, and yet something may be missing.
    pub gaps: Vec<(Partition, Gap)>,
    /// What is wrong, and where.
    pub wrong: Vec<String>,
}

/// Reads an archive through; `told` hears of the bytes as they are read.
///
/// # Errors
/// When there is no manifest, or it contradicts itself: then nothing can be said of the files.
pub fn verify(storage: &dyn Storage, told: &mut dyn FnMut(u64)) -> Result<Report, Fault> {
    let manifest = Manifest::of(storage)?;
    let mut proof = Proof {
        storage,
        manifest: &manifest,
        names: Names::default(),
        missing: BTreeSet::new(),
        report: Report::default(),
    };
    for (id, hash) in &manifest.schemas {
        proof.schema(SchemaId(*id), hash);
    }
    for (partition, entry) in manifest.partitions() {
        proof.partition(&partition, entry, told)?;
    }
    proof.report.schemas = proof.names.count();
    Ok(proof.report)
}

struct Proof<'a> {
    storage: &'a dyn Storage,
    manifest: &'a Manifest,
    names: Names,
    missing: BTreeSet<SchemaId>,
    report: Report,
}

impl Proof<'_> {
    /// A schema is what was kept.
    fn schema(&mut self, id: SchemaId, hash: &str) {
        let place = self.storage.place(&schema_path(id)).display().to_string();
        let told = match shelf::read(self.storage, id) {
            Ok(Some(read)) if shelf::hash(read.text(), read.reference_texts()) == *hash => return,
            Ok(Some(_)) => format!("{place}: it does not match its checksum"),
            Ok(None) => format!("{place}: it does not exist"),
            Err(fault) => format!("{place}: {}", without_hint(&fault)),
        };
        self.missing.insert(id);
        self.report.wrong.push(told);
    }

    fn partition(
        &mut self,
        partition: &Partition,
        entry: &PartitionEntry,
        told: &mut dyn FnMut(u64),
    ) -> Result<(), Fault> {
        self.report.gaps.extend(entry.gaps.iter().map(|gap| (partition.clone(), *gap)));
        for file in &entry.files {
            match self.latest(partition, file)? {
                Ok(()) => {}
                // Pruned since the manifest was read.
                Err(_) if self.is_gone(partition, file)? => continue,
                Err(fault) => self.report.wrong.push(fault),
            }
            self.report.files += 1;
            self.report.bytes += file.bytes;
            told(file.bytes);
        }
        let grows = self.manifest.lineage.is_some();
        for stranger in strangers(self.storage, partition, entry)? {
            if !(stranger.is_edition || grows && stranger.passes) {
                let place = self.storage.place(&stranger.path);
                let told = format!("{}: the manifest does not list it", place.display());
                self.report.wrong.push(told);
            }
        }
        Ok(())
    }

    fn is_gone(&self, partition: &Partition, file: &FileEntry) -> Result<bool, Fault> {
        let now = Manifest::of(self.storage)?;
        let is_it = |known: &FileEntry| known.first_offset == file.first_offset;
        Ok(!now.partition(partition).is_some_and(|entry| entry.files.iter().any(is_it)))
    }

    /// A file as it is now: it may be written anew while it is read.
    fn latest(
        &mut self,
        partition: &Partition,
        file: &FileEntry,
    ) -> Result<Result<(), String>, Fault> {
        let mut file = file.clone();
        loop {
            let read = self.file(partition, &file);
            if read.is_ok() {
                return Ok(read);
            }
            match Manifest::anew(self.storage, partition, &file)? {
                Some(newer) => file = newer,
                None => return Ok(read),
            }
        }
    }

    fn file(&mut self, partition: &Partition, file: &FileEntry) -> Result<(), String> {
        let (storage, name) = (self.storage, file_path(partition, file.first_offset, file.edition));
        let why = |cause| without_hint(&explain(storage, &name, file, cause));
        let read = storage.read(&name, 0).map_err(|error| why(Unreadable::Io(error)))?;
        let input = Metered::new(BufReader::with_capacity(BUFFER_BYTES, read));
        let mut blocks = Blocks::open(input).map_err(why)?;
        let mut tracker = Tracker::new(file);
        let mut index: Vec<BlockEntry> = Vec::new();
        loop {
            let at = blocks.input().bytes;
            let Some((count, body)) = blocks.next_block().map_err(why)? else { break };
            let mut block = GrowingBlock::default();
            record::block(&body, count, partition, |record| {
                tracker.pass(record.position.offset)?;
                block.note(record.position.offset.0, Parts::of(&record));
                self.report.records += 1;
                self.schemas(&record);
                Ok(())
            })
            .map_err(|broken| why(broken.into()))?;
            index.extend(block.end(at));
        }
        if !tracker.is_at_end_of(file) {
            return Err(why(Unreadable::CutOff));
        }
        if blocks.input().digest() != file.xxh3 {
            return Err(why("it does not match its checksum".into()));
        }
        self.index(partition, file, &index)
    }

    /// The index and the times are what the records say.
    fn index(
        &self,
        partition: &Partition,
        file: &FileEntry,
        index: &[BlockEntry],
    ) -> Result<(), String> {
        let name = file_path(partition, file.first_offset, file.edition);
        let place = self.storage.place(&name).display().to_string();
        let times = index.iter().map(|block| (block.oldest_ms, block.newest_ms));
        let times = times.reduce(|(old, new), (older, newer)| (old.min(older), new.max(newer)));
        if file.times_ms.is_some() && file.times_ms != times {
            return Err(format!("{place}: its times are not those of its records"));
        }
        if file.index.is_none() {
            return Ok(());
        }
        let read = read_index(self.storage, partition, file);
        if read.map_err(|fault| without_hint(&fault))? == index {
            return Ok(());
        }
        Err(format!("{place}: its index is not that of its records"))
    }

    /// The schemas that a record names are there; what is not is told once.
    fn schemas(&mut self, record: &Record) {
        while let Some(id) = self.names.unmet(record) {
            let read = shelf::read(self.storage, id);
            let place = || self.storage.place(&schema_path(id)).display().to_string();
            let named = &record.position;
            let told = match &read {
                Ok(Some(_)) => None,
                Ok(None) if self.manifest.unknown_schemas.contains(&id.0) => None,
                Ok(None) => Some(format!("{}: it does not exist, and {named} names it", place())),
                Err(fault) => Some(format!("{}: {}", place(), without_hint(fault))),
            };
            if self.missing.insert(id) {
                self.report.wrong.extend(told);
            }
            self.names.meet(id, read.ok().flatten().as_ref());
        }
    }
}

/// What is wrong, without what a person could do about it: that is told once for all.
fn without_hint(fault: &Fault) -> String {
    match fault {
        Fault::Damaged { what, detail, .. } => format!("{what}: {detail}"),
        Fault::Silent { .. }
        | Fault::Refused { .. }
        | Fault::UnknownSchema { .. }
        | Fault::UnusableSchema { .. }
        | Fault::RolledBack { .. }
        | Fault::Overslept
        | Fault::Abandoned => fault.to_string(),
    }
}

/// Counts and hashes what is read.
struct Metered<R> {
    inner: R,
    bytes: u64,
    hash: Box<Xxh3>,
}

impl<R> Metered<R> {
    fn new(inner: R) -> Self {
        Self { inner, bytes: 0, hash: Box::new(Xxh3::new()) }
    }

    fn digest(&self) -> String {
        format!("{:032x}", self.hash.digest128())
    }
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.bytes += read as u64;
        self.hash.update(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}
