//! One file of a partition while it is written: `*.partial` until every byte of it is on the disk.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use readmill_core::{Offset, Partition};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use super::container::{self, Marker};
use super::layout::{FileEntry, file_name};
use super::record::{self, Parts};

/// A file that grows.
pub struct GrowingFile {
    file: File,
    partial: PathBuf,
    path: PathBuf,
    marker: Marker,
    hash: Box<Xxh3>,
    block: Vec<u8>,
    block_records: u64,
    entry: FileEntry,
}

impl fmt::Debug for GrowingFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrowingFile").field("path", &self.path).finish_non_exhaustive()
    }
}

impl GrowingFile {
    /// Begins a file whose first record will be at `first`.
    pub fn create(dir: &Path, partition: &Partition, first: Offset) -> io::Result<Self> {
        let path = dir.join(file_name(first));
        let partial = path.with_extension("avro.partial");
        // Equal archives have equal bytes: the marker is not left to chance.
        let marker = xxh3_128(format!("{partition}@{}", first.0).as_bytes()).to_le_bytes();
        let mut growing = Self {
            file: File::create(&partial)?,
            partial,
            path,
            marker,
            hash: Box::new(Xxh3::new()),
            block: Vec::new(),
            block_records: 0,
            entry: FileEntry {
                first_offset: first.0,
                next_offset: first.0,
                records: 0,
                bytes: 0,
                xxh3: String::new(),
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
        record::write(offset, parts, &mut self.block);
        self.block_records += 1;
        self.entry.records += 1;
        self.entry.next_offset = offset.0 + 1;
        if self.block.len() >= block_bytes { self.flush() } else { Ok(()) }
    }

    /// Its length so far, without the open block.
    pub const fn bytes(&self) -> u64 {
        self.entry.bytes
    }

    /// How many records it has.
    pub const fn records(&self) -> u64 {
        self.entry.records
    }

    /// Gives the file its name, once it is on the disk.
    pub fn finish(mut self) -> io::Result<FileEntry> {
        self.flush()?;
        self.file.sync_all()?;
        fs::rename(&self.partial, &self.path)?;
        self.entry.xxh3 = format!("{:032x}", self.hash.digest128());
        Ok(self.entry)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.block_records > 0 {
            let body = std::mem::take(&mut self.block);
            let block = container::block(self.block_records, body, &self.marker)?;
            self.block_records = 0;
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
