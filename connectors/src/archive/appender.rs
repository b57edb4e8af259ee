//! An archive that grows: files end by size and age, and the manifest follows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use readmill_core::{Offset, Partition, Record, ResumeAt};
use readmill_engine::Fault;
use readmill_schemas::SchemaId;
use readmill_schemas::writer::WriterSchema;
use xxhash_rust::xxh3::xxh3_128;

use super::erase::sweep_editions;
use super::error;
use super::file::GrowingFile;
use super::layout::{self, WRITER_LOCK};
use super::manifest::{FileEntry, Gap, Manifest, PartitionEntry};
use super::record::Parts;
use super::shelf;
use super::storage::{Lock, Storage};
use super::writer::{Roll, out_of_order, require_topic, unwritable};

/// Appends to an archive. What is not saved is not there: whoever opens it again goes on behind
/// what was saved last.
#[derive(Debug)]
pub struct Appender {
    storage: Arc<dyn Storage>,
    roll: Roll,
    age: Duration,
    lines: BTreeMap<Partition, Line>,
    changes: Vec<Change>,
    _lock: Lock,
}

/// The end of one partition.
#[derive(Debug)]
struct Line {
    /// Where the last file or gap ends.
    after: i64,
    /// Whatever the log has before is appended.
    to: i64,
    file: Option<(GrowingFile, Instant)>,
    /// A file could not be written: what it had is not there, and nothing may come behind it.
    is_broken: bool,
}

/// What the manifest does not say yet.
#[derive(Debug)]
enum Change {
    Begin(Partition, i64),
    File(Partition, FileEntry),
    Gap(Partition, Gap),
    To(Partition, i64),
    Unknown(SchemaId),
    Known(SchemaId, String),
}

impl Appender {
    /// Opens an archive to be appended to, or begins one. Files end by `roll`, and when they are
    /// older than `age`.
    ///
    /// # Errors
    /// When another process appends to it, it was written at once, or it cannot be written.
    pub fn open(storage: Arc<dyn Storage>, roll: Roll, age: Duration) -> Result<Self, Fault> {
        let locked = storage.lock(WRITER_LOCK, false);
        let locked = locked.map_err(|error| error::io(&storage.place(WRITER_LOCK), &error))?;
        let lock = locked.ok_or_else(|| Fault::Refused {
            service: "archive",
            detail: format!("another process appends to {}", storage.place("").display()),
            hint: "let it go on, or stop it first",
        })?;
        let manifest = Manifest::update(&*storage, |manifest| {
            if manifest.lineage.is_none() && !manifest.id.is_empty() {
                return Err(written_at_once(&*storage));
            }
            manifest.lineage.get_or_insert_with(lineage);
            Ok(manifest.clone())
        })?;
        sweep_editions(&*storage)?;
        let mut lines = BTreeMap::new();
        for (partition, entry) in manifest.partitions() {
            clean(&*storage, &partition, entry)?;
            lines.insert(partition, Line::of(entry));
        }
        Ok(Self { storage, roll, age, lines, changes: Vec::new(), _lock: lock })
    }

    /// Where a partition goes on; none if the archive does not know it.
    pub fn end(&self, partition: &Partition) -> Option<ResumeAt> {
        self.lines.get(partition).map(|line| ResumeAt::stored(line.to))
    }

    /// Begins a partition with what the log has from `from` on.
    ///
    /// # Errors
    /// When its topic is no topic's name, or its directory cannot be written.
    pub fn begin(&mut self, partition: &Partition, from: i64) -> Result<(), Fault> {
        if !self.lines.contains_key(partition) {
            require_topic(&*self.storage, partition)?;
            // Files of which no manifest knows may be all that is left of another archive.
            let entry = PartitionEntry::default();
            layout::refuse_strangers(&*self.storage, partition, &entry, false)?;
            let line = Line { after: from, to: from, file: None, is_broken: false };
            self.lines.insert(partition.clone(), line);
            self.changes.push(Change::Begin(partition.clone(), from));
        }
        Ok(())
    }

    /// Goes on at `to`, since the log has lost what is before.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn leave_gap(&mut self, partition: &Partition, to: i64) -> Result<(), Fault> {
        self.seal(partition)?;
        if let Some(line) = self.lines.get_mut(partition).filter(|line| line.to < to) {
            let gap = Gap { from: line.to, to };
            (line.after, line.to) = (to, to);
            self.changes.push(Change::Gap(partition.clone(), gap));
        }
        Ok(())
    }

    /// Appends a record at its own offset.
    ///
    /// # Errors
    /// When it does not come behind the last one, or cannot be written.
    pub fn append(&mut self, record: &Record) -> Result<(), Fault> {
        let (partition, offset) = (&record.position.partition, record.position.offset);
        self.require_whole(partition)?;
        let Some(line) = self.lines.get_mut(partition).filter(|line| line.to <= offset.0) else {
            let to = self.end(partition).map_or(0, ResumeAt::value);
            return Err(out_of_order(partition, offset, Offset(to)));
        };
        let (storage, roll) = (&self.storage, self.roll);
        let mut append = || {
            let (file, _) = match &mut line.file {
                Some(file) => file,
                none => {
                    let new = GrowingFile::create(storage, partition, offset, line.after)?;
                    none.insert((new, Instant::now()))
                }
            };
            file.append(offset, Parts::of(record), roll.block_bytes)?;
            Ok(roll.is_due(file))
        };
        let appended = append();
        line.is_broken |= appended.is_err();
        let is_due = appended.map_err(|error| unwritable(&**storage, partition, &error))?;
        line.to = offset.0 + 1;
        if is_due { self.seal(partition) } else { Ok(()) }
    }

    /// The log has nothing more before `to`.
    pub fn looked_up_to(&mut self, partition: &Partition, to: i64) {
        let whole = |line: &&mut Line| line.to < to && !line.is_broken;
        if let Some(line) = self.lines.get_mut(partition).filter(whole) {
            line.to = to;
            if line.file.is_none() {
                self.changes.push(Change::To(partition.clone(), to));
            }
        }
    }

    /// Ends files that are old enough.
    ///
    /// # Errors
    /// When one cannot be written.
    pub fn seal_old(&mut self, now: Instant) -> Result<(), Fault> {
        let age = self.age;
        let is_old = |line: &Line| {
            line.file.as_ref().is_some_and(|(_, since)| now.duration_since(*since) >= age)
        };
        self.seal_all(is_old)
    }

    /// Ends every file.
    ///
    /// # Errors
    /// When one cannot be written.
    pub fn seal_every(&mut self) -> Result<(), Fault> {
        self.seal_all(|line| line.file.is_some())
    }

    fn seal_all(&mut self, which: impl Fn(&Line) -> bool) -> Result<(), Fault> {
        let meant = self.lines.iter().filter(|(_, line)| which(line));
        let meant: Vec<Partition> = meant.map(|(partition, _)| partition.clone()).collect();
        meant.iter().try_for_each(|partition| self.seal(partition))
    }

    /// Ends the file of a partition.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn seal(&mut self, partition: &Partition) -> Result<(), Fault> {
        self.require_whole(partition)?;
        let Some(line) = self.lines.get_mut(partition) else { return Ok(()) };
        let Some((file, _)) = line.file.take() else { return Ok(()) };
        let ended = file.finish();
        line.is_broken |= ended.is_err();
        let entry = ended.map_err(|error| unwritable(&*self.storage, partition, &error))?;
        line.after = entry.next_offset;
        let (to, is_more) = (line.to, line.to > entry.next_offset);
        self.changes.push(Change::File(partition.clone(), entry));
        if is_more {
            self.changes.push(Change::To(partition.clone(), to));
        }
        Ok(())
    }

    fn require_whole(&self, partition: &Partition) -> Result<(), Fault> {
        match self.lines.get(partition).filter(|line| line.is_broken) {
            None => Ok(()),
            Some(_) => Err(Fault::Refused {
                service: "archive",
                detail: format!("a file of {partition} could not be written"),
                hint: "mend what was told before, and begin again: it goes on behind what is there",
            }),
        }
    }

    /// Keeps a schema that records name, before they are appended.
    ///
    /// # Errors
    /// When another schema has its id already, or it cannot be written.
    pub fn keep(&mut self, id: SchemaId, schema: &WriterSchema) -> Result<(), Fault> {
        let hash = shelf::keep(&*self.storage, id, schema)?;
        self.changes.push(Change::Known(id, hash));
        Ok(())
    }

    /// Notes that records name a schema which nobody knows.
    pub fn note_unknown(&mut self, id: SchemaId) {
        self.changes.push(Change::Unknown(id));
    }

    /// Makes everything visible that has ended since the last time, and answers how many files.
    ///
    /// # Errors
    /// When the manifest cannot be written.
    pub fn save(&mut self) -> Result<usize, Fault> {
        if self.changes.is_empty() {
            return Ok(0);
        }
        Manifest::update(&*self.storage, |manifest| {
            self.changes.iter().for_each(|change| change.apply(manifest));
            Ok(())
        })?;
        let files = self.changes.iter().filter(|change| matches!(change, Change::File(..)));
        let files = files.count();
        self.changes.clear();
        Ok(files)
    }
}

impl Line {
    fn of(entry: &PartitionEntry) -> Self {
        let gap = entry.gaps.last().map_or(0, |gap| gap.to);
        Self { after: gap.max(entry.copied_to()), to: entry.to, file: None, is_broken: false }
    }
}

impl Change {
    fn apply(&self, manifest: &mut Manifest) {
        match self {
            Self::Begin(partition, from) => {
                let topic = manifest.topics.entry(partition.topic.to_string()).or_default();
                let new = PartitionEntry { from: *from, to: *from, ..PartitionEntry::default() };
                topic.entry(partition.index).or_insert(new);
            }
            Self::File(partition, file) => with(manifest, partition, |entry| {
                entry.records += file.records;
                entry.to = entry.to.max(file.next_offset);
                entry.files.push(file.clone());
            }),
            Self::Gap(partition, gap) => with(manifest, partition, |entry| {
                entry.to = entry.to.max(gap.to);
                entry.gaps.push(*gap);
            }),
            Self::To(partition, to) => {
                with(manifest, partition, |entry| entry.to = entry.to.max(*to));
            }
            Self::Unknown(id) => {
                manifest.unknown_schemas.insert(id.0);
            }
            Self::Known(id, hash) => {
                manifest.schemas.insert(id.0, hash.clone());
                manifest.unknown_schemas.remove(&id.0);
            }
        }
    }
}

fn with(manifest: &mut Manifest, partition: &Partition, act: impl FnOnce(&mut PartitionEntry)) {
    if let Some(entry) = manifest.partition_mut(partition) {
        act(entry);
    }
}

/// Deletes what an interrupted writer or pruning has left, and refuses anything else.
fn clean(
    storage: &dyn Storage,
    partition: &Partition,
    entry: &PartitionEntry,
) -> Result<(), Fault> {
    for stranger in layout::strangers(storage, partition, entry)? {
        if stranger.passes {
            let deleted = storage.delete(&stranger.path);
            deleted.map_err(|error| error::io(&storage.place(&stranger.path), &error))?;
        }
    }
    layout::refuse_strangers(storage, partition, entry, false)
}

/// An archive of `produce`, or of an earlier format.
pub fn written_at_once(storage: &dyn Storage) -> Fault {
    Fault::Refused {
        service: "archive",
        detail: format!("{} was written at once, and is whole", storage.place("").display()),
        hint: "name the directory of an archive that `readmill archive` has begun",
    }
}

/// A name that no other archive has.
fn lineage() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let drawn = format!("{} {}", since.as_nanos(), std::process::id());
    format!("{:032x}", xxh3_128(drawn.as_bytes()))
}
