//! The relay behind the outbox: rows become records, with the faults that real relays make.
//!
//! It repeats records, at once or later, and it swaps neighbours of one key. Neither changes what
//! the documents must be at the end: a repeat is known by its identity, and only rows with
//! versions are swapped, since without one nothing tells their order.

use std::collections::VecDeque;

use readmill_schemas::SchemaId;
use xxhash_rust::xxh3::xxh3_64;

use crate::backlog::{Copies, HeldBack};
use crate::knobs::Knobs;
use crate::rng::Rng;
use crate::row::{SourceRow, Table};
use crate::wire::{MissingSchema, Wire};

/// How many records may overtake one that is kept back for a swap.
const LONGEST_SWAP_RECORDS: u64 = 512;
/// How many records may lie between a record and its late copy.
const LONGEST_REPEAT_RECORDS: u64 = 2_000;
/// From the commit to the broker's stamp, in the simulated time.
const PUBLISH_DELAY_MS: i64 = 20;

/// What the relay did to a record, for the counts of a generator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Twist {
    /// Nothing.
    Plain,
    /// It was published before already.
    Repeat,
    /// Its successor was published before it.
    Swapped,
}

/// A record as it is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emission {
    /// The table, and with it the topic.
    pub table: Table,
    /// The partition, decided by the aggregate alone.
    pub partition: i32,
    /// When it is published, in milliseconds since 1970.
    pub timestamp_ms: i64,
    /// The key's bytes.
    pub key: Vec<u8>,
    /// The value's bytes.
    pub value: Vec<u8>,
    /// What the relay did to it.
    pub twist: Twist,
}

/// Turns rows into records.
#[derive(Debug)]
pub struct Relay<I> {
    rows: I,
    wire: Wire,
    rng: Rng,
    partitions: u32,
    duplicates_per_mille: u32,
    swaps_per_mille: u32,
    seen: u64,
    /// Swaps that are wanted and have not found a pair yet.
    wanted_swaps: u64,
    held_back: HeldBack,
    copies: Copies,
    out: VecDeque<Emission>,
}

impl<I: Iterator<Item = SourceRow>> Relay<I> {
    /// A relay that publishes every table to `partitions` partitions, at least one. The ids of
    /// what [`crate::written_schemas`] lists are asked for by the record's full name.
    ///
    /// # Errors
    /// A schema without an id.
    pub fn new(
        rows: I,
        knobs: &Knobs,
        partitions: u32,
        ids: &dyn Fn(&str) -> Option<SchemaId>,
    ) -> Result<Self, MissingSchema> {
        Ok(Self {
            rows,
            wire: Wire::new(ids)?,
            rng: Rng::new(knobs.seed, 4),
            partitions: partitions.max(1),
            duplicates_per_mille: knobs.duplicates_per_mille,
            swaps_per_mille: knobs.swaps_per_mille,
            seen: 0,
            wanted_swaps: 0,
            held_back: HeldBack::default(),
            copies: Copies::default(),
            out: VecDeque::new(),
        })
    }

    fn take(&mut self, row: &SourceRow) {
        self.seen += 1;
        self.wanted_swaps += u64::from(self.rng.chance(self.swaps_per_mille));
        let emission = self.emission(row);
        let key = (row.table, row.aggregate_id.clone());
        if let Some(overtaken) = self.held_back.overtaken(&key) {
            self.publish(emission);
            self.publish(Emission { twist: Twist::Swapped, ..overtaken });
        } else if self.wanted_swaps > 0 && row.version.is_some() {
            self.wanted_swaps -= 1;
            self.held_back.keep(self.seen + LONGEST_SWAP_RECORDS, key, emission);
        } else {
            self.publish(emission);
        }
        self.publish_due(self.seen);
    }

    fn publish_due(&mut self, now: u64) {
        while let Some(alone) = self.held_back.overdue(now) {
            self.wanted_swaps += 1;
            self.publish(alone);
        }
        while let Some(copy) = self.copies.due(now) {
            self.out.push_back(copy);
        }
    }

    fn publish(&mut self, emission: Emission) {
        if self.rng.chance(self.duplicates_per_mille) {
            let copy = Emission { twist: Twist::Repeat, ..emission.clone() };
            let later = if self.rng.chance(500) { 0 } else { LONGEST_REPEAT_RECORDS };
            let due = self.seen + self.rng.below(later);
            self.copies.keep(due, self.rng.bits(), copy);
        }
        self.out.push_back(emission);
    }

    fn emission(&self, row: &SourceRow) -> Emission {
        let (key, value) = self.wire.record(row);
        Emission {
            table: row.table,
            partition: partition(&row.aggregate_id, self.partitions),
            timestamp_ms: row.committed_ms + PUBLISH_DELAY_MS,
            key,
            value,
            twist: Twist::Plain,
        }
    }
}

impl<I: Iterator<Item = SourceRow>> Iterator for Relay<I> {
    type Item = Emission;

    fn next(&mut self) -> Option<Emission> {
        while self.out.is_empty() {
            match self.rows.next() {
                Some(row) => self.take(&row),
                None => {
                    self.publish_due(u64::MAX);
                    break;
                }
            }
        }
        self.out.pop_front()
    }
}

/// The partition of an aggregate: the same in every process and on every machine.
fn partition(aggregate_id: &str, partitions: u32) -> i32 {
    let partition = xxh3_64(aggregate_id.as_bytes()) % u64::from(partitions);
    i32::try_from(partition).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use readmill_schemas::debezium::OutboxEnvelope;
    use readmill_schemas::{Plan, WriterSchema, framing};

    use super::*;
    use crate::source::Source;
    use crate::wire::written_schemas;

    fn knobs() -> Knobs {
        Knobs { events: 30_000, members: 500, ..Knobs::default() }
    }

    fn ids(name: &str) -> Option<SchemaId> {
        let at = written_schemas().iter().position(|schema| schema.name == name)?;
        Some(SchemaId(100 + u32::try_from(at).ok()?))
    }

    fn relay(knobs: &Knobs) -> Relay<Source> {
        Relay::new(Source::new(knobs.clone()).unwrap(), knobs, 4, &ids).unwrap()
    }

    fn count(emissions: &[Emission], twist: Twist) -> usize {
        emissions.iter().filter(|emission| emission.twist == twist).count()
    }

    #[test]
    fn the_seed_decides_every_byte() {
        let once: Vec<Emission> = relay(&knobs()).collect();
        assert_eq!(once, relay(&knobs()).collect::<Vec<_>>());
        let other = Knobs { seed: 9, ..knobs() };
        assert_ne!(once, relay(&other).collect::<Vec<_>>());
    }

    #[test]
    fn faults_come_at_the_asked_rate_and_lose_nothing() {
        for (duplicates_per_mille, swaps_per_mille) in [(0, 0), (10, 5), (200, 100)] {
            let knobs = Knobs { duplicates_per_mille, swaps_per_mille, ..knobs() };
            let all: Vec<Emission> = relay(&knobs).collect();
            let near = |found: usize, per_mille: u32| {
                let wanted = 30 * usize::try_from(per_mille).unwrap();
                found.abs_diff(wanted) <= wanted / 5
            };
            assert!(near(count(&all, Twist::Repeat), duplicates_per_mille));
            assert!(near(count(&all, Twist::Swapped), swaps_per_mille));
            assert_eq!(all.len() - count(&all, Twist::Repeat), 30_000);
        }
    }

    #[test]
    fn an_aggregate_stays_in_its_partition_and_a_swap_moves_a_record_by_one() {
        let knobs = Knobs { duplicates_per_mille: 0, swaps_per_mille: 50, ..knobs() };
        let plans: BTreeMap<SchemaId, Plan> = written_schemas()
            .iter()
            .filter(|schema| schema.name.contains("_outbox"))
            .filter(|schema| schema.name.ends_with(".Envelope"))
            .map(|schema| {
                let writer = WriterSchema::parse(&schema.text).unwrap();
                let plan = Plan::compile(&writer, &OutboxEnvelope::CONTRACT).unwrap();
                (ids(&schema.name).unwrap(), plan)
            })
            .collect();
        let mut partitions = BTreeMap::new();
        let mut versions: BTreeMap<(Table, String), Vec<i64>> = BTreeMap::new();
        for emission in relay(&knobs) {
            let framed = framing::read(&emission.value).unwrap();
            let envelope: OutboxEnvelope<'_> = plans[&framed.schema].read(framed.body).unwrap();
            let row = envelope.after.unwrap();
            let key = (emission.table, row.aggregate_id.to_owned());
            assert_eq!(
                *partitions.entry(key.clone()).or_insert(emission.partition),
                emission.partition
            );
            versions.entry(key).or_default().extend(row.version);
        }
        for versions in versions.values() {
            for (at, version) in (1_i64..).zip(versions) {
                assert!(at.abs_diff(*version) <= 1, "version {version} at place {at}");
            }
        }
    }

    #[test]
    fn a_schema_without_an_id_is_named() {
        let rows = Source::new(knobs()).unwrap();
        let error = Relay::new(rows, &knobs(), 1, &|_| None).unwrap_err();
        assert_eq!(error.name, "shop.public.points_outbox.Key");
    }
}
