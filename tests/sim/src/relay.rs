//! The relay: committed rows become records in partitions, with everything that real relays do.

use std::collections::BTreeMap;

use readmill_core::Partition;
use readmill_schemas::row::RowOp;
use readmill_workload::Rng;

use crate::faults::{Fates, Kind};
use crate::source::{CARDS, Row, What};
use crate::wire;

/// A record on its way to a partition.
#[derive(Debug, Clone)]
pub struct Publication {
    /// When it arrives.
    pub at_ms: u64,
    /// Where.
    pub partition: Partition,
    /// What it is, for those who check.
    pub about: About,
    /// The record's key.
    pub key: Option<Vec<u8>>,
    /// The record's value.
    pub value: Option<Vec<u8>>,
    /// Whether offsets before it never existed.
    pub hole: bool,
}

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// A committed row, by its place among the rows.
    Row(usize),
    /// A row as a snapshot read it.
    Snapshot(usize),
    /// Nothing for any document.
    Nothing,
    /// Bytes that nobody can read.
    Junk,
}

/// How fast rows are committed and published.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// From one row to the next.
    pub row_ms: u64,
    /// Partitions of each topic.
    pub partitions: i32,
}

/// Everything that will be published, in the order in which it arrives.
pub fn publications(seed: u64, rows: &[Row], pace: Pace, fates: &mut Fates) -> Vec<Publication> {
    let mut relay = Relay { seed, pace, fates, lag: BTreeMap::new(), out: Vec::new() };
    for (at, row) in rows.iter().enumerate() {
        relay.row(at, row);
    }
    relay.swap(rows);
    relay.late(rows);
    relay.replay();
    let mut out = relay.out;
    out.sort_by_key(|publication| publication.at_ms);
    out
}

struct Relay<'f> {
    seed: u64,
    pace: Pace,
    fates: &'f mut Fates,
    lag: BTreeMap<&'static str, u64>,
    out: Vec<Publication>,
}

impl Relay<'_> {
    /// What a row's own publication brings with it.
    fn row(&mut self, at: usize, row: &Row) {
        let place = row.number as u64;
        let lag = self.lag(row);
        let at_ms = row.number as u64 * self.pace.row_ms + lag;
        let first = self.record(at, row, at_ms);
        self.out.push(first.clone());
        if self.fates.strikes_at(Kind::Repeat, place) {
            self.out.push(Publication { at_ms: at_ms + 1, ..first.clone() });
        }
        if self.fates.strikes_at(Kind::Junk, place) {
            let value = Some(b"{\"no\": \"frame\"}".to_vec());
            self.out.push(Publication { value, about: About::Junk, ..first.clone() });
        }
        let is_card = matches!(row.what, What::Card { .. });
        if is_card && self.fates.strikes_at(Kind::Tombstone, place) {
            self.out.push(Publication { value: None, about: About::Nothing, ..first.clone() });
        }
        if !is_card && self.fates.strikes_at(Kind::Cleanup, place) {
            let value = Some(wire::cleanup(row));
            self.out.push(Publication { value, about: About::Nothing, ..first });
        }
    }

    /// Topics run ahead of one another; each keeps its own order.
    fn lag(&mut self, row: &Row) -> u64 {
        let more = if self.fates.strikes_at(Kind::LaneAhead, row.number as u64) {
            self.fates.between(100, 3_000)
        } else {
            0
        };
        let lag = self.lag.entry(row.topic).or_default();
        *lag = lag.saturating_sub(self.pace.row_ms / 2) + more;
        *lag
    }

    fn record(&mut self, at: usize, row: &Row, at_ms: u64) -> Publication {
        let own = row.key == row.aggregate || row.version.is_some();
        let mut rng = Rng::new(self.seed, 1_000 + row.number as u64);
        let later = own && rng.chance(300);
        Publication {
            at_ms,
            partition: Partition::new(row.topic, partition(self.seed, row, self.pace.partitions)),
            about: About::Row(at),
            key: Some(row.aggregate.clone().into_bytes()),
            value: Some(wire::value(row, later)),
            hole: self.fates.strikes_at(Kind::Hole, row.number as u64),
        }
    }

    /// Rows with versions are overtaken by those behind them.
    fn swap(&mut self, rows: &[Row]) {
        for publication in &mut self.out {
            let About::Row(at) = publication.about else { continue };
            let Some(row) = rows.get(at).filter(|row| row.may_swap()) else { continue };
            if self.fates.strikes_at(Kind::Swap, row.number as u64) {
                publication.at_ms += drawn(self.seed, row, 1, 8) * self.pace.row_ms;
            }
        }
    }

    /// Rows come again, long after; snapshots show what has changed since.
    fn late(&mut self, rows: &[Row]) {
        let end_ms = self.out.iter().map(|known| known.at_ms).max().unwrap_or(0);
        let known: Vec<Publication> = self.out.clone();
        for publication in known {
            let About::Row(at) = publication.about else { continue };
            let Some(row) = rows.get(at) else { continue };
            let span = end_ms.saturating_sub(publication.at_ms) + 500;
            let at_ms = publication.at_ms + 1 + drawn(self.seed, row, 0, span);
            let place = row.number as u64;
            if self.fates.strikes_at(Kind::LateRepeat, place) {
                self.out.push(Publication { at_ms, ..publication.clone() });
            }
            if let What::Card { op, mark } = row.what
                && op != RowOp::Delete
                && self.fates.strikes_at(Kind::LateSnapshot, place)
            {
                let value = Some(wire::snapshot(row, mark));
                let about = About::Snapshot(at);
                self.out.push(Publication { at_ms, value, about, ..publication });
            }
        }
    }

    /// A relay that lost its place publishes a stretch again.
    fn replay(&mut self) {
        self.out.sort_by_key(|publication| publication.at_ms);
        let mut copies = Vec::new();
        for (at, last) in self.out.iter().enumerate() {
            if !self.fates.strikes(Kind::Replay) {
                continue;
            }
            let stretch = self.out.iter().take(at + 1).rev();
            let stretch = stretch.filter(|known| known.partition == last.partition);
            let mut stretch: Vec<&Publication> = stretch.take(6).collect();
            stretch.reverse();
            let again = |known: &Publication| Publication { at_ms: last.at_ms, ..known.clone() };
            copies.extend(stretch.into_iter().map(again));
        }
        self.out.extend(copies);
    }
}

/// A number of `from..=to` that belongs to a row.
fn drawn(seed: u64, row: &Row, from: i64, to: u64) -> u64 {
    let to = i64::try_from(to).unwrap_or(i64::MAX);
    Rng::new(seed, 2_000_000 + row.number as u64).between(from, to).unsigned_abs()
}

/// An aggregate's partition never changes.
fn partition(seed: u64, row: &Row, partitions: i32) -> i32 {
    let stream = row.aggregate.bytes().fold(7, |sum: u64, byte| sum * 31 + u64::from(byte));
    let mut rng = Rng::new(seed, stream);
    let last = i64::from(partitions - 1);
    i32::try_from(rng.between(0, last)).unwrap_or(0)
}

/// All partitions of a life.
pub fn partitions(rows: &[Row], pace: Pace) -> Vec<Partition> {
    let mut topics: Vec<&'static str> = crate::source::OUTBOXES.to_vec();
    if rows.iter().any(|row| row.topic == CARDS) {
        topics.push(CARDS);
    }
    let indexes =
        |topic: &'static str| (0..pace.partitions).map(move |index| Partition::new(topic, index));
    topics.into_iter().flat_map(indexes).collect()
}
