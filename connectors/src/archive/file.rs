//! One file of a partition while it is written, and its index.

use std::fmt;
use std::io::{self, Write as _};
use std::sync::Arc;

use readmill_core::{Offset, Partition};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use super::container::{self, Marker};
use super::index::{self, BlockEntry, GrowingBlock};
use super::layout::{file_path, index_path};
use super::manifest::{FileEntry, IndexEntry};
use super::record::{self, Parts};
use super::storage::{NewFile, Storage, put};

/// A file that grows. When something could not be written, it must not be finished.
pub struct GrowingFile {
    storage: Arc<dyn Storage>,
    file: Box<dyn NewFile>,
    partition: Partition,
    marker: Marker,
    hash: Box<Xxh3>,
    body: Vec<u8>,
    block: GrowingBlock,
    blocks: Vec<BlockEntry>,
    entry: FileEntry,
}

impl fmt::Debug for GrowingFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrowingFile").field("entry", &self.entry).finish_non_exhaustive()
    }
}

impl GrowingFile {
    /// Begins a file whose first record will be at `first`, and which covers all behind `after`.
    pub fn create(
        storage: &Arc<dyn Storage>,
        partition: &Partition,
        first: Offset,
        after: i64,
    ) -> io::Result<Self> {
        Self::begin(storage, partition, first.0, Some(after), 0)
    }

    /// Begins a file that is to stand for one that is there, with other records at its offsets.
    pub fn anew(
        storage: &Arc<dyn Storage>,
        partition: &Partition,
        old: &FileEntry,
    ) -> io::Result<Self> {
        Self::begin(storage, partition, old.first_offset, old.after, old.edition + 1)
    }

    fn begin(
        storage: &Arc<dyn Storage>,
        partition: &Partition,
        first: i64,
        after: Option<i64>,
        edition: u32,
    ) -> io::Result<Self> {
        // Equal archives have equal bytes: the marker is not left to chance.
        let marker = xxh3_128(format!("{partition}@{first}").as_bytes()).to_le_bytes();
        let mut growing = Self {
            storage: Arc::clone(storage),
            file: storage.write(&file_path(partition, first, edition))?,
            partition: partition.clone(),
            marker,
            hash: Box::new(Xxh3::new()),
            body: Vec::new(),
            block: GrowingBlock::default(),
            blocks: Vec::new(),
            entry: FileEntry {
                first_offset: first,
                next_offset: first,
                edition,
                records: 0,
                bytes: 0,
                xxh3: String::new(),
                after,
                times_ms: None,
                index: None,
            },
        };
        growing.write(&container::header(&marker))?;
        Ok(growing)
    }

    /// Appends a record.
    pub fn append(
        &mut self,
        offset: Offset,
        parts: Parts<'_>,
        block_bytes: usize,
    ) -> io::Result<()> {
        record::write(offset, parts, &mut self.body);
        self.block.note(offset.0, parts);
        self.entry.records += 1;
        self.entry.next_offset = offset.0 + 1;
        if self.body.len() >= block_bytes { self.end_block() } else { Ok(()) }
    }

    /// Its length so far, without the open block.
    pub const fn bytes(&self) -> u64 {
        self.entry.bytes
    }

    /// How many records it has.
    pub const fn records(&self) -> u64 {
        self.entry.records
    }

    /// Gives the file its name, once it is durable, and then its index.
    pub fn finish(mut self) -> io::Result<FileEntry> {
        self.end_block()?;
        self.file.finish()?;
        self.entry.xxh3 = format!("{:032x}", self.hash.digest128());
        self.entry.times_ms = self
            .blocks
            .iter()
            .map(|block| (block.oldest_ms, block.newest_ms))
            .reduce(|(old, new), (older, newer)| (old.min(older), new.max(newer)));
        let index = index::write(&self.blocks);
        let (first, edition) = (self.entry.first_offset, self.entry.edition);
        put(&*self.storage, &index_path(&self.partition, first, edition), &index)?;
        let xxh3 = format!("{:032x}", xxh3_128(&index));
        self.entry.index = Some(IndexEntry { bytes: index.len() as u64, xxh3 });
        Ok(self.entry)
    }

    /// Ends the block that is open, if it has anything.
    pub fn end_block(&mut self) -> io::Result<()> {
        let grown = std::mem::take(&mut self.block);
        let records = grown.records();
        if let Some(entry) = grown.end(self.entry.bytes) {
            self.blocks.push(entry);
            let body = std::mem::take(&mut self.body);
            let block = container::block(records, body, &self.marker)?;
            self.write(&block)?;
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.entry.bytes += bytes.len() as u64;
        self.file.write_all(bytes)
    }
}
