//! Reading one partition of an archive from a position on, in bounded batches.

use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use readmill_core::{Offset, Partition, ResumeAt};
use readmill_engine::{Fault, Record};
use tokio::sync::mpsc;

use super::container::{Blocks, Unreadable};
use super::error::{self, COPY_AGAIN};
use super::layout;
use super::manifest::{FileEntry, Manifest, PartitionEntry};
use super::record;
use super::storage::Storage;

const BATCH_RECORDS: usize = 1000;
const BATCH_BYTES: usize = 1 << 20;
/// So much of a file is read at a time.
pub const BUFFER_BYTES: usize = 256 << 10;

/// A partition to be read.
#[derive(Debug)]
pub struct Reading {
    storage: Arc<dyn Storage>,
    partition: Partition,
    files: Vec<FileEntry>,
    resume_at: ResumeAt,
    /// Nothing from here on is read.
    until: ResumeAt,
}

/// How reading came to its end.
#[derive(Debug)]
pub struct Ended {
    /// One past the last record that was sent, or where reading began.
    pub next: ResumeAt,
    /// Why the rest was not read.
    pub fault: Option<Fault>,
}

/// Reading ends here.
enum Stop {
    Fault(Fault),
    /// Nobody takes records any more.
    Released,
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Reading {
    /// Reads from `resume_at` on; whole files before it are skipped by their names.
    pub fn new(
        storage: &Arc<dyn Storage>,
        partition: &Partition,
        entry: &PartitionEntry,
        resume_at: ResumeAt,
    ) -> Self {
        let ahead = |file: &&FileEntry| file.next_offset > resume_at.value();
        Self {
            storage: Arc::clone(storage),
            partition: partition.clone(),
            files: entry.files.iter().filter(ahead).cloned().collect(),
            resume_at,
            until: ResumeAt::stored(i64::MAX),
        }
    }

    /// Reads no further; whole files from there on are skipped by their names.
    #[must_use]
    pub fn up_to(mut self, until: ResumeAt) -> Self {
        self.files.retain(|file| file.first_offset < until.value());
        Self { until, ..self }
    }

    /// Sends every record, blocking the thread while nobody takes them.
    pub fn run(self, to: &mpsc::Sender<Vec<Record>>) -> Ended {
        let mut outflow = Outflow { to, batch: Vec::new(), bytes: 0, next: self.resume_at };
        let stopped = self.files.iter().try_for_each(|file| self.file(file, &mut outflow));
        // What was read before a damaged place is sound, and is folded all the same.
        let sent = outflow.send();
        let fault = match stopped.and(sent) {
            Err(Stop::Fault(fault)) => Some(fault),
            Ok(()) | Err(Stop::Released) => None,
        };
        Ended { next: outflow.next, fault }
    }

    fn file(&self, entry: &FileEntry, outflow: &mut Outflow<'_>) -> Result<(), Stop> {
        let (entry, file) = self.open(entry)?;
        let name = layout::file_path(&self.partition, entry.first_offset, entry.edition);
        let told = |cause| Stop::Fault(explain(&*self.storage, &name, &entry, cause));
        let mut blocks =
            Blocks::open(BufReader::with_capacity(BUFFER_BYTES, file)).map_err(told)?;
        let mut tracker = Tracker::new(&entry);
        while let Some((count, body)) = blocks.next_block().map_err(told)? {
            let records = self.block(&body, count, &mut tracker).map_err(|why| told(why.into()))?;
            for record in records {
                outflow.push(record)?;
            }
        }
        if tracker.is_at_end_of(&entry) { Ok(()) } else { Err(told(Unreadable::CutOff)) }
    }

    /// The file, or what it was written anew as since the manifest was read.
    fn open(&self, entry: &FileEntry) -> Result<(FileEntry, Box<dyn Read + Send>), Fault> {
        let mut entry = entry.clone();
        loop {
            let name = layout::file_path(&self.partition, entry.first_offset, entry.edition);
            let error = match self.storage.read(&name, 0) {
                Ok(file) => return Ok((entry, file)),
                Err(error) => error,
            };
            let is_gone = error.kind() == io::ErrorKind::NotFound;
            let anew = || Manifest::anew(&*self.storage, &self.partition, &entry);
            match if is_gone { anew()? } else { None } {
                Some(newer) => entry = newer,
                None => return Err(error::io(&self.storage.place(&name), &error)),
            }
        }
    }

    /// All records of a block that are ahead; a block is taken as a whole or not at all.
    fn block(
        &self,
        body: &[u8],
        count: u64,
        tracker: &mut Tracker,
    ) -> Result<Vec<Record>, &'static str> {
        let mut records = Vec::new();
        record::block(body, count, &self.partition, |record| {
            tracker.pass(record.position.offset)?;
            let offset = record.position.offset;
            if !self.resume_at.covers(offset) && self.until.covers(offset) {
                records.push(record);
            }
            Ok(())
        })?;
        Ok(records)
    }
}

/// Follows a file's offsets.
pub struct Tracker {
    next: i64,
    records: u64,
}

impl Tracker {
    /// At the beginning of a file.
    pub const fn new(entry: &FileEntry) -> Self {
        Self { next: entry.first_offset, records: 0 }
    }

    /// Passes a record.
    pub fn pass(&mut self, offset: Offset) -> Result<(), &'static str> {
        if offset.0 < self.next || offset.0 == i64::MAX {
            return Err("offsets are out of order");
        }
        self.next = offset.0 + 1;
        self.records += 1;
        Ok(())
    }

    /// Whether all of the file was passed.
    pub fn is_at_end_of(&self, entry: &FileEntry) -> bool {
        (self.records, self.next) == (entry.records, entry.next_offset)
    }
}

/// What is wrong with a file.
pub fn explain(storage: &dyn Storage, name: &str, entry: &FileEntry, cause: Unreadable) -> Fault {
    let path: &Path = &storage.place(name);
    match cause {
        Unreadable::Broken(why) => error::damaged(path, why, COPY_AGAIN),
        Unreadable::Io(error) => error::io(path, &error),
        Unreadable::CutOff => {
            let copied = storage.read(name, 0).and_then(|mut f| io::copy(&mut f, &mut io::sink()));
            let found = copied.unwrap_or_default();
            let detail = format!(
                "it is not complete: {found} of {} bytes are there; the records before were read",
                entry.bytes
            );
            error::damaged(path, detail, COPY_AGAIN)
        }
    }
}

/// Gathers records into batches.
struct Outflow<'a> {
    to: &'a mpsc::Sender<Vec<Record>>,
    batch: Vec<Record>,
    bytes: usize,
    next: ResumeAt,
}

impl Outflow<'_> {
    fn push(&mut self, record: Record) -> Result<(), Stop> {
        self.bytes += record.bytes();
        self.batch.push(record);
        let full = self.batch.len() >= BATCH_RECORDS || self.bytes >= BATCH_BYTES;
        if full { self.send() } else { Ok(()) }
    }

    fn send(&mut self) -> Result<(), Stop> {
        let Some(last) = self.batch.last() else {
            return Ok(());
        };
        let next = ResumeAt::stored(last.position.offset.0 + 1);
        self.bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        self.to.blocking_send(batch).map_err(|_| Stop::Released)?;
        self.next = next;
        Ok(())
    }
}
