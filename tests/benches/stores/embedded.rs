//! The embedded store with few keys and with many.

use std::path::PathBuf;
use std::time::Duration;

use readmill_connectors::embedded::{Embedded, EmbeddedConfig, EmbeddedStore};
use tempfile::TempDir;

use super::batches::{Batch, Documents, put};
use super::lab::size;

const BATCH: usize = 250;
const SIDE_BY_SIDE: usize = 4;
const QUIET_LOOK: Duration = Duration::from_millis(300);
const QUIET_LOOKS: u32 = 200;

/// One open directory with so many documents.
pub struct Depot {
    _directory: TempDir,
    store: EmbeddedStore,
    documents: Documents,
}

/// What a round was like.
pub struct Round {
    /// Documents a second.
    pub rate: f64,
    /// The most memory that the process has had, in MiB.
    pub peak_mib: f64,
    /// The processor time for each document, with all that it leaves to be done, in microseconds.
    pub cpu_us: f64,
    /// The bytes for each document that went to the disk, likewise.
    pub disk_bytes: f64,
}

impl Depot {
    /// Writes all documents once.
    pub async fn filled(many: usize) -> Self {
        let at =
            std::env::var_os("READMILL_STORES_DIR").map_or(std::env::temp_dir(), PathBuf::from);
        let directory = TempDir::new_in(at).unwrap();
        let embedded = Embedded::open(&EmbeddedConfig::at(directory.path())).unwrap();
        let store = embedded.documents("pebbles", 1).unwrap();
        let mut depot = Self { _directory: directory, store, documents: Documents::new(many) };
        for first in (0..many).step_by(BATCH * 40) {
            let rows = (first..many.min(first + BATCH * 40)).step_by(BATCH);
            let batches: Vec<Batch> =
                rows.map(|first| depot.documents.row(first, BATCH.min(many - first))).collect();
            put(&depot.store, &batches, SIDE_BY_SIDE).await;
        }
        depot
    }

    /// Writes documents drawn by lot, once nothing is left to do for what was written before.
    pub async fn round(&mut self, updates: usize) -> Round {
        quiet().await;
        reset_peak();
        let (ticks_before, bytes_before) = (ticks(), disk_bytes());
        let mut took = Duration::ZERO;
        for _ in 0..updates / (BATCH * SIDE_BY_SIDE) {
            let batches: Vec<Batch> =
                (0..SIDE_BY_SIDE).map(|_| self.documents.some(BATCH)).collect();
            took += put(&self.store, &batches, SIDE_BY_SIDE).await;
        }
        let (rate, peak_mib) = (updates as f64 / took.as_secs_f64(), peak_mib());
        quiet().await;
        let cpu_us = (ticks() - ticks_before) as f64 * 10_000.0 / updates as f64;
        let disk_bytes = (disk_bytes() - bytes_before) as f64 / updates as f64;
        Round { rate, peak_mib, cpu_us, disk_bytes }
    }
}

/// Waits until this process does nothing any more: flushes and compactions are done.
async fn quiet() {
    for _ in 0..QUIET_LOOKS {
        let before = ticks();
        tokio::time::sleep(QUIET_LOOK).await;
        if ticks() <= before + 1 {
            return;
        }
    }
}

/// The processor time that this process has used, in hundredths of a second.
fn ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    fields.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum()
}

/// Few and many, in turns.
pub async fn few_and_many() -> (Vec<f64>, Vec<f64>) {
    let many = size("READMILL_STORES_KEYS", 1_000_000) as usize;
    let updates = size("READMILL_STORES_UPDATES", 300_000) as usize;
    let (mut few, mut many) = (Depot::filled(1_000).await, Depot::filled(many).await);
    let (mut of_few, mut of_many) = (Vec::new(), Vec::new());
    for round in 1..=size("READMILL_STORES_ROUNDS", 3) {
        for (name, depot, rates) in
            [("1e3", &mut few, &mut of_few), ("1e6", &mut many, &mut of_many)]
        {
            let Round { rate, peak_mib, cpu_us, disk_bytes } = depot.round(updates).await;
            println!(
                "  round {round} embedded {name} {rate:9.0} documents/s, {peak_mib:.0} MiB, \
                 {cpu_us:.1} us and {disk_bytes:.0} bytes on disk a document"
            );
            rates.push(rate);
        }
    }
    (of_few, of_many)
}

fn disk_bytes() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|bytes| bytes.parse().ok()).unwrap_or(0)
}

fn reset_peak() {
    // Where the kernel lets nobody do so, the peak is that of the whole run.
    drop(std::fs::write("/proc/self/clear_refs", "5"));
}

fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}
