//! The topics: partitions of records with offsets, of which some never existed.

use std::collections::BTreeMap;

use readmill_core::{Offset, Partition, Position};
use readmill_engine::Record;

use crate::relay::{About, Publication};

/// All partitions.
#[derive(Debug, Default)]
pub struct Topics {
    partitions: BTreeMap<Partition, Vec<Published>>,
}

/// A record in its partition.
#[derive(Debug, Clone)]
pub struct Published {
    /// What it is.
    pub about: About,
    /// The record.
    pub record: Record,
}

impl Topics {
    /// Makes a partition.
    pub fn create(&mut self, partition: Partition) {
        self.partitions.entry(partition).or_default();
    }

    /// Appends a record. Answers its offset.
    pub fn append(&mut self, publication: Publication, hole: i64, timestamp_ms: i64) -> Position {
        let Publication { partition, about, key, value, .. } = publication;
        let offset = Offset(self.end(&partition) + hole);
        let position = Position { partition: partition.clone(), offset };
        let headers = Vec::new();
        let record = Record { position: position.clone(), timestamp_ms, key, value, headers };
        self.partitions.entry(partition).or_default().push(Published { about, record });
        position
    }

    /// The offset behind the last record.
    pub fn end(&self, partition: &Partition) -> i64 {
        let last = self.partitions.get(partition).and_then(|records| records.last());
        last.map_or(0, |last| last.record.position.offset.0 + 1)
    }

    /// Up to `limit` records at or behind an offset.
    pub fn fetch(&self, partition: &Partition, from: i64, limit: usize) -> Vec<Record> {
        self.between(partition, from, i64::MAX).take(limit).map(|p| p.record.clone()).collect()
    }

    /// The records of `from..to`.
    pub fn between(
        &self,
        partition: &Partition,
        from: i64,
        to: i64,
    ) -> impl Iterator<Item = &Published> {
        let records = self.partitions.get(partition).map_or(&[][..], Vec::as_slice);
        let first = records.partition_point(|known| known.record.position.offset.0 < from);
        records.iter().skip(first).take_while(move |known| known.record.position.offset.0 < to)
    }

    /// All partitions.
    pub fn partitions(&self) -> impl Iterator<Item = &Partition> {
        self.partitions.keys()
    }

    /// What the record at a position is.
    pub fn about(&self, position: &Position) -> Option<About> {
        let Position { partition, offset } = position;
        self.between(partition, offset.0, offset.0 + 1).next().map(|published| published.about)
    }

    /// All records.
    pub fn all(&self) -> impl Iterator<Item = &Published> {
        self.partitions.values().flatten()
    }
}
