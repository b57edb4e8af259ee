//! Taking records out of an archive: files that have some are written anew, and the old ones go.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufReader};
use std::sync::Arc;

use readmill_core::{Partition, Record};
use readmill_engine::Fault;

use super::container::{Blocks, Unreadable};
use super::error;
use super::file::GrowingFile;
use super::layout::{ERASER_LOCK, WRITER_LOCK, file_path, index_path, strangers};
use super::manifest::{FileEntry, Manifest};
use super::reading::{BUFFER_BYTES, Tracker, explain};
use super::record::{self, Parts};
use super::storage::{Lock, Storage};
use super::writer::unwritable;

/// What is to become of a record. Its place and its time stay in any case.
#[derive(Debug)]
pub enum Fate {
    /// It stays as it is.
    Keep,
    /// It loses its key, its value and its headers: it is as good as a tombstone without a key.
    Empty,
    /// It gets the key, the value and the headers of this one.
    Replace(Record),
}

/// Who decides about records.
pub type Judge<'j> = dyn FnMut(&Record) -> Result<Fate, Fault> + 'j;

/// What was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Erased {
    /// How many files were written anew.
    pub files: u64,
    /// How many records were emptied.
    pub emptied: u64,
    /// How many records were replaced.
    pub replaced: u64,
    /// Whether somebody appends to the archive: what is in a file that has not ended was not looked
    /// at.
    pub is_growing: bool,
}

/// Goes through an archive and takes out what the judge says. `told` hears of the bytes that were
/// looked through.
///
/// A file in which nothing changes stays. Any other is written anew beside itself; then the
/// manifest lists the new one in place of the old one; then the old one is deleted. A crash between
/// any two steps leaves an archive that has each record either as it was or as it is to be, and
/// whoever erases, prunes or appends next deletes what it left. Others may read, append and prune
/// meanwhile; who else erases is waited for.
///
/// # Errors
/// When a file is not as it was written, or something cannot be written. What was done stays done.
pub fn erase(
    storage: &Arc<dyn Storage>,
    judge: &mut Judge<'_>,
    told: &mut dyn FnMut(u64),
) -> Result<Erased, Fault> {
    Manifest::of(&**storage)?;
    let _lock = lock(&**storage, ERASER_LOCK, true)?;
    clean(&**storage)?;
    let mut erasing = Erasing { storage, judge, told, done: Erased::default() };
    let mut seen = BTreeSet::new();
    loop {
        let files = unseen(&Manifest::of(&**storage)?, &seen);
        // A writer may have finished more meanwhile.
        if files.is_empty() {
            break;
        }
        for (partition, file) in files {
            match erasing.file(&partition, &file) {
                Err(fault) if is_listed(&**storage, &partition, &file)? => return Err(fault),
                // It was pruned meanwhile: what was begun in its place goes, too.
                Err(_) => clean(&**storage)?,
                Ok(()) => {}
            }
            seen.insert((partition, file.first_offset));
        }
    }
    let is_growing = lock(&**storage, WRITER_LOCK, false)?.is_none();
    Ok(Erased { is_growing, ..erasing.done })
}

fn unseen(manifest: &Manifest, seen: &BTreeSet<(Partition, i64)>) -> Vec<(Partition, FileEntry)> {
    let files = manifest.partitions().flat_map(|(partition, entry)| {
        entry.files.iter().map(move |file| (partition.clone(), file.clone()))
    });
    files.filter(|(at, file)| !seen.contains(&(at.clone(), file.first_offset))).collect()
}

fn is_listed(
    storage: &dyn Storage,
    partition: &Partition,
    file: &FileEntry,
) -> Result<bool, Fault> {
    let manifest = Manifest::of(storage)?;
    Ok(manifest.partition(partition).is_some_and(|entry| entry.files.contains(file)))
}

/// Deletes what others have left behind when they were interrupted: it may have what is to go.
fn clean(storage: &dyn Storage) -> Result<(), Fault> {
    // While somebody appends, what stands behind the end is theirs.
    let writer = lock(storage, WRITER_LOCK, false)?;
    let manifest = Manifest::of(storage)?;
    let may_grow = manifest.lineage.is_some();
    for (partition, entry) in manifest.partitions() {
        for stranger in strangers(storage, &partition, entry)? {
            let is_left = stranger.is_pruned || writer.is_some() && stranger.passes;
            if stranger.is_edition || may_grow && is_left {
                delete(storage, &stranger.path)?;
            }
        }
    }
    Ok(())
}

/// Deletes what an interrupted erasing has left, unless one is at work.
pub fn sweep_editions(storage: &dyn Storage) -> Result<(), Fault> {
    let Some(_lock) = lock(storage, ERASER_LOCK, false)? else { return Ok(()) };
    let Some(manifest) = Manifest::find(storage)? else { return Ok(()) };
    for (partition, entry) in manifest.partitions() {
        for stranger in strangers(storage, &partition, entry)? {
            if stranger.is_edition {
                delete(storage, &stranger.path)?;
            }
        }
    }
    Ok(())
}

fn lock(storage: &dyn Storage, name: &str, waits: bool) -> Result<Option<Lock>, Fault> {
    storage.lock(name, waits).map_err(|error| error::io(&storage.place(name), &error))
}

fn delete(storage: &dyn Storage, name: &str) -> Result<(), Fault> {
    storage.delete(name).map_err(|error| error::io(&storage.place(name), &error))
}

struct Erasing<'a, 'j> {
    storage: &'a Arc<dyn Storage>,
    judge: &'a mut Judge<'j>,
    told: &'a mut dyn FnMut(u64),
    done: Erased,
}

/// What changes in a file, by offset; nothing stands for an emptied record.
type Changes = BTreeMap<i64, Option<Record>>;

impl Erasing<'_, '_> {
    fn file(&mut self, partition: &Partition, file: &FileEntry) -> Result<(), Fault> {
        let changes = self.changes(partition, file)?;
        (self.told)(file.bytes);
        if changes.is_empty() {
            return Ok(());
        }
        let new = self.write(partition, file, &changes)?;
        let is_listed = self.list(partition, file, &new)?;
        let gone = if is_listed { file } else { &new };
        delete(&**self.storage, &file_path(partition, gone.first_offset, gone.edition))?;
        delete(&**self.storage, &index_path(partition, gone.first_offset, gone.edition))?;
        if is_listed {
            let emptied = changes.values().filter(|change| change.is_none()).count() as u64;
            self.done.files += 1;
            self.done.emptied += emptied;
            self.done.replaced += changes.len() as u64 - emptied;
        }
        Ok(())
    }

    fn changes(&mut self, partition: &Partition, file: &FileEntry) -> Result<Changes, Fault> {
        let (judge, mut changes) = (&mut *self.judge, Changes::new());
        blocks(&**self.storage, partition, file, &mut |records| {
            for record in records {
                let new = match judge(&record)? {
                    Fate::Keep => continue,
                    Fate::Empty => None,
                    Fate::Replace(new) => Some(new),
                };
                if parts(&record, new.as_ref()) != Parts::of(&record) {
                    changes.insert(record.position.offset.0, new);
                }
            }
            Ok(())
        })?;
        Ok(changes)
    }

    /// Writes the file anew, block by block.
    fn write(
        &self,
        partition: &Partition,
        file: &FileEntry,
        changes: &Changes,
    ) -> Result<FileEntry, Fault> {
        let told = |error: io::Error| unwritable(&**self.storage, partition, &error);
        let mut new = GrowingFile::anew(self.storage, partition, file).map_err(told)?;
        blocks(&**self.storage, partition, file, &mut |records| {
            for record in &records {
                let parts = match changes.get(&record.position.offset.0) {
                    None => Parts::of(record),
                    Some(new) => parts(record, new.as_ref()),
                };
                new.append(record.position.offset, parts, usize::MAX).map_err(told)?;
            }
            new.end_block().map_err(told)
        })?;
        new.finish().map_err(told)
    }

    /// Lists the new file in place of the old one; not if the old one was pruned meanwhile.
    fn list(&self, partition: &Partition, old: &FileEntry, new: &FileEntry) -> Result<bool, Fault> {
        Manifest::update(&**self.storage, |manifest| {
            let name = manifest.name().to_owned();
            let entry = manifest.partition_mut(partition);
            let Some(place) = entry.and_then(|entry| entry.files.iter_mut().find(|f| *f == old))
            else {
                return Ok(false);
            };
            *place = new.clone();
            // Positions in an archive without a lineage are known by the id that changes now.
            if manifest.lineage.is_none() {
                manifest.known_as = Some(name);
            }
            Ok(true)
        })
    }
}

/// The parts of what stands in place of a record.
fn parts<'r>(record: &Record, new: Option<&'r Record>) -> Parts<'r> {
    let timestamp_ms = record.timestamp_ms;
    let empty = Parts { timestamp_ms, key: None, value: None, headers: &[] };
    new.map_or(empty, |new| Parts { timestamp_ms, ..Parts::of(new) })
}

/// Reads a file block by block.
fn blocks(
    storage: &dyn Storage,
    partition: &Partition,
    file: &FileEntry,
    see: &mut dyn FnMut(Vec<Record>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let name = file_path(partition, file.first_offset, file.edition);
    let told = |cause| explain(storage, &name, file, cause);
    let read = storage.read(&name, 0).map_err(|error| told(Unreadable::Io(error)))?;
    let mut blocks = Blocks::open(BufReader::with_capacity(BUFFER_BYTES, read)).map_err(told)?;
    let mut tracker = Tracker::new(file);
    while let Some((count, body)) = blocks.next_block().map_err(told)? {
        let mut records = Vec::new();
        let read = record::block(&body, count, partition, |record| {
            tracker.pass(record.position.offset)?;
            records.push(record);
            Ok(())
        });
        read.map_err(|broken| told(broken.into()))?;
        see(records)?;
    }
    if tracker.is_at_end_of(file) { Ok(()) } else { Err(told(Unreadable::CutOff)) }
}
