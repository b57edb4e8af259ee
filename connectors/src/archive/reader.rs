//! Looking for records in an archive: of one key, from a time on, within offsets.

use std::io::{BufReader, Read};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use readmill_core::{Partition, Record};
use readmill_engine::Fault;
use xxhash_rust::xxh3::xxh3_128;

use super::container::{Blocks, Unreadable};
use super::error::{self, COPY_AGAIN};
use super::index::{self, BlockEntry};
use super::layout::{file_path, index_path};
use super::local::LocalDir;
use super::manifest::{FileEntry, Gap, Manifest};
use super::reading::explain;
use super::record;
use super::storage::{self, Storage};

/// Which records are wanted. What is not said is no condition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Those with this key.
    pub key: Option<Vec<u8>>,
    /// Those with this time or a later one, wherever they stand.
    pub from_ms: Option<i64>,
    /// Those at this offset or behind it.
    pub from: Option<i64>,
    /// Those before this offset.
    pub until: Option<i64>,
}

/// What was looked at to find them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Skimmed {
    /// Files of which at least the index was read.
    pub files_read: u64,
    /// Files that were skipped by what the manifest says.
    pub files_skipped: u64,
    /// Blocks that were read.
    pub blocks_read: u64,
    /// Blocks that were skipped by what the index says.
    pub blocks_skipped: u64,
    /// Records that were wanted.
    pub records: u64,
    /// Gaps among what was looked at: what is wanted may have been lost there.
    pub gaps: Vec<(Partition, Gap)>,
}

/// A visitor of records, who may have enough.
pub type Visit<'v> = dyn FnMut(Record) -> ControlFlow<()> + 'v;

/// Finds records in an archive as it stands when it is opened.
#[derive(Debug)]
pub struct ArchiveReader {
    storage: Arc<dyn Storage>,
    manifest: Manifest,
}

/// So much of a file is read at a time: about a block.
const LOOK_BYTES: usize = 64 << 10;

/// One file that is looked through.
type Input = BufReader<Box<dyn Read + Send>>;

impl ArchiveReader {
    /// Opens the archive in the directory `dir`.
    ///
    /// # Errors
    /// When there is no sound archive.
    pub fn open(dir: &Path) -> Result<Self, Fault> {
        Self::of(LocalDir::at(dir))
    }

    /// Opens an archive.
    ///
    /// # Errors
    /// When there is no sound archive.
    pub fn of(storage: Arc<dyn Storage>) -> Result<Self, Fault> {
        let manifest = Manifest::of(&*storage)?;
        Ok(Self { storage, manifest })
    }

    /// What belongs to it.
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Visits what is wanted of all partitions of a topic, one after another.
    ///
    /// # Errors
    /// When a file is not as it was written, or cannot be read.
    pub fn visit_topic(
        &self,
        topic: &str,
        wanted: &Wanted,
        visit: &mut Visit<'_>,
    ) -> Result<Skimmed, Fault> {
        let mut skimmed = Skimmed::default();
        for index in self.manifest.topics.get(topic).into_iter().flat_map(|topic| topic.keys()) {
            let partition = Partition::new(topic, *index);
            if self.skim(&partition, wanted, visit, &mut skimmed)?.is_break() {
                break;
            }
        }
        Ok(skimmed)
    }

    /// Visits what is wanted of a partition, in the order of the offsets.
    ///
    /// # Errors
    /// When a file is not as it was written, or cannot be read.
    pub fn visit(
        &self,
        partition: &Partition,
        wanted: &Wanted,
        visit: &mut Visit<'_>,
    ) -> Result<Skimmed, Fault> {
        let mut skimmed = Skimmed::default();
        // Whether the visitor had enough or there is no more is all the same here.
        let _ = self.skim(partition, wanted, visit, &mut skimmed)?;
        Ok(skimmed)
    }

    /// Whether the last records of a partition were taken out, or some of them.
    pub fn is_erased_at_end(&self, partition: &Partition) -> bool {
        let entry = self.manifest.partition(partition);
        entry.and_then(|entry| entry.files.last()).is_some_and(|file| file.edition > 0)
    }

    /// The last record of a partition.
    ///
    /// # Errors
    /// When a file is not as it was written, or cannot be read.
    pub fn last(&self, partition: &Partition) -> Result<Option<Record>, Fault> {
        let entry = self.manifest.partition(partition);
        let Some(file) = entry.and_then(|entry| entry.files.last()) else { return Ok(None) };
        let wanted = Wanted { from: Some(file.next_offset - 1), ..Wanted::default() };
        let mut last = None;
        let mut take = |record| {
            last = Some(record);
            ControlFlow::Continue(())
        };
        self.visit(partition, &wanted, &mut take)?;
        Ok(last)
    }

    fn skim(
        &self,
        partition: &Partition,
        wanted: &Wanted,
        visit: &mut Visit<'_>,
        skimmed: &mut Skimmed,
    ) -> Result<ControlFlow<()>, Fault> {
        let Some(entry) = self.manifest.partition(partition) else {
            return Err(Fault::Refused {
                service: "archive",
                detail: format!("{} has no {partition}", self.storage.place("").display()),
                hint: "`readmill archive list` shows what it has",
            });
        };
        let gaps = entry.gaps.iter().filter(|gap| wanted.may_be_in(gap.from, gap.to));
        skimmed.gaps.extend(gaps.map(|gap| (partition.clone(), *gap)));
        for file in &entry.files {
            if wanted.is_not_in(file) {
                skimmed.files_skipped += 1;
                continue;
            }
            skimmed.files_read += 1;
            if self.look(partition, file, wanted, visit, skimmed)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Looks through one file. If it is written anew meanwhile, the look goes on in what it is
    /// now, behind what was visited.
    fn look(
        &self,
        partition: &Partition,
        file: &FileEntry,
        wanted: &Wanted,
        visit: &mut Visit<'_>,
        skimmed: &mut Skimmed,
    ) -> Result<ControlFlow<()>, Fault> {
        let storage = &*self.storage;
        let (mut file, mut wanted) = (file.clone(), wanted.clone());
        loop {
            let mut from = wanted.from;
            let mut noted = |record: Record| {
                from = Some(record.position.offset.0 + 1);
                visit(record)
            };
            let name = file_path(partition, file.first_offset, file.edition);
            let look = Look { storage, name: &name, file: &file, partition, wanted: &wanted };
            let fault = match look.visit(&mut noted, skimmed) {
                Ok(flow) => return Ok(flow),
                Err(fault) => fault,
            };
            file = Manifest::anew(storage, partition, &file)?.ok_or(fault)?;
            wanted.from = from;
        }
    }
}

/// A look through one file.
struct Look<'a> {
    storage: &'a dyn Storage,
    name: &'a str,
    file: &'a FileEntry,
    partition: &'a Partition,
    wanted: &'a Wanted,
}

impl Look<'_> {
    fn visit(
        &self,
        visit: &mut Visit<'_>,
        skimmed: &mut Skimmed,
    ) -> Result<ControlFlow<()>, Fault> {
        let told = |cause| explain(self.storage, self.name, self.file, cause);
        let index = index_of(self.storage, self.partition, self.file);
        let mut wanted = index.as_ref().map(|index| {
            let numbered = index.iter().enumerate();
            let some: Vec<_> = numbered.filter(|(_, block)| self.wanted.may_have(block)).collect();
            skimmed.blocks_skipped += (index.len() - some.len()) as u64;
            some.into_iter()
        });
        if wanted.as_ref().is_some_and(|blocks| blocks.len() == 0) {
            return Ok(ControlFlow::Continue(()));
        }
        let mut blocks = Blocks::open(self.input(0)?).map_err(told)?;
        let mut next = 0;
        loop {
            let block = match wanted.as_mut().map(Iterator::next) {
                None => None,
                Some(None) => break,
                Some(Some((number, block))) => {
                    if number != next {
                        blocks.jump(self.input(block.at)?);
                    }
                    next = number + 1;
                    Some(block)
                }
            };
            let Some((count, body)) = blocks.next_block().map_err(told)? else { break };
            skimmed.blocks_read += 1;
            for record in self.records(&body, count, block).map_err(told)? {
                skimmed.records += 1;
                if visit(record).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn input(&self, at: u64) -> Result<Input, Fault> {
        let read = self.storage.read(self.name, at);
        let read = read.map_err(|error| error::io(&self.storage.place(self.name), &error))?;
        Ok(BufReader::with_capacity(LOOK_BYTES, read))
    }

    fn records(
        &self,
        body: &[u8],
        count: u64,
        block: Option<&BlockEntry>,
    ) -> Result<Vec<Record>, Unreadable> {
        let mut found = Vec::new();
        let mut first = None;
        record::block(body, count, self.partition, |record| {
            first = first.or(Some(record.position.offset.0));
            if self.wanted.is(&record) {
                found.push(record);
            }
            Ok(())
        })?;
        match block {
            Some(block) if (block.records, Some(block.first_offset)) != (count, first) => {
                Err("its index is that of another file".into())
            }
            Some(_) | None => Ok(found),
        }
    }
}

impl Wanted {
    fn may_be_in(&self, from: i64, to: i64) -> bool {
        self.from.is_none_or(|wanted| to > wanted) && self.until.is_none_or(|wanted| from < wanted)
    }

    fn is_not_in(&self, file: &FileEntry) -> bool {
        let too_early =
            self.from_ms.zip(file.times_ms).is_some_and(|(wanted, (_, new))| new < wanted);
        too_early || !self.may_be_in(file.first_offset, file.next_offset)
    }

    fn may_have(&self, block: &BlockEntry) -> bool {
        self.may_be_in(block.first_offset, block.next_offset)
            && self.from_ms.is_none_or(|wanted| block.newest_ms >= wanted)
            && self.key.as_ref().is_none_or(|key| block.may_have(key))
    }

    fn is(&self, record: &Record) -> bool {
        let offset = record.position.offset.0;
        self.may_be_in(offset, offset + 1)
            && self.from_ms.is_none_or(|wanted| record.timestamp_ms >= wanted)
            && self.key.as_ref().is_none_or(|key| record.key.as_ref() == Some(key))
    }
}

/// The index of a file. Without one, or with one that is not what was written, all blocks are read:
/// that is slower, and finds the same.
fn index_of(
    storage: &dyn Storage,
    partition: &Partition,
    file: &FileEntry,
) -> Option<Vec<BlockEntry>> {
    file.index.as_ref()?;
    let read = read_index(storage, partition, file);
    read.inspect_err(|fault| tracing::warn!(%fault, "the whole file is read")).ok()
}

/// Reads the index of a file.
///
/// # Errors
/// When it is not there, or not what was written.
pub fn read_index(
    storage: &dyn Storage,
    partition: &Partition,
    file: &FileEntry,
) -> Result<Vec<BlockEntry>, Fault> {
    let name = index_path(partition, file.first_offset, file.edition);
    let path = storage.place(&name);
    let damaged = |detail: &str| error::damaged(&path, detail, COPY_AGAIN);
    let bytes = storage::get(storage, &name).map_err(|error| error::io(&path, &error))?;
    let bytes = bytes.ok_or_else(|| damaged("it does not exist"))?;
    let hash = format!("{:032x}", xxh3_128(&bytes));
    if file.index.as_ref().is_none_or(|entry| entry.xxh3 != hash) {
        return Err(damaged("it does not match its checksum"));
    }
    index::read(&bytes).map_err(damaged)
}
