//! The embedded store with few keys and with many.

use std::path::PathBuf;
use std::time::Duration;

use readmill_connectors::embedded::{Embedded, EmbeddedConfig, EmbeddedStore};
use tempfile::TempDir;

use super::batches::{Batch, Documents, put};
use super::lab::size;

const BATCH: usize = 250;
const SIDE_BY_SIDE: usize = 4;

/// One directory with so many documents.
pub struct Depot {
    _directory: TempDir,
    config: EmbeddedConfig,
    documents: Documents,
}

/// What a round was like.
pub struct Round {
    /// Documents a second.
    pub rate: f64,
    /// The most memory that the process has had, in MiB.
    pub peak_mib: f64,
}

impl Depot {
    /// Writes all documents once.
    pub async fn filled(many: usize) -> Self {
        let at = std::env::var_os("READMILL_STORES_DIR").map_or(std::env::temp_dir(), PathBuf::from);
        let directory = TempDir::new_in(at).unwrap();
        let config = EmbeddedConfig::at(directory.path());
        let mut depot = Self { _directory: directory, config, documents: Documents::new(many) };
        let store = depot.open();
        for first in (0..many).step_by(BATCH * 40) {
            let rows = (first..many.min(first + BATCH * 40)).step_by(BATCH);
            let batches: Vec<Batch> =
                rows.map(|first| depot.documents.row(first, BATCH.min(many - first))).collect();
            put(&store, &batches, SIDE_BY_SIDE).await;
        }
        depot
    }

    fn open(&self) -> EmbeddedStore {
        let embedded = Embedded::open(&self.config).unwrap();
        embedded.documents("pebbles", 1).unwrap()
    }

    /// Opens the directory and writes documents drawn by lot, and closes it again.
    pub async fn round(&mut self, updates: usize) -> Round {
        let store = self.open();
        reset_peak();
        let mut took = Duration::ZERO;
        for _ in 0..updates / (BATCH * SIDE_BY_SIDE) {
            let batches: Vec<Batch> =
                (0..SIDE_BY_SIDE).map(|_| self.documents.some(BATCH)).collect();
            took += put(&store, &batches, SIDE_BY_SIDE).await;
        }
        Round { rate: updates as f64 / took.as_secs_f64(), peak_mib: peak_mib() }
    }
}

/// Few and many, in turns.
pub async fn few_and_many() -> (Vec<f64>, Vec<f64>) {
    let many = size("READMILL_STORES_KEYS", 1_000_000) as usize;
    let updates = size("READMILL_STORES_UPDATES", 200_000) as usize;
    let (mut few, mut many) = (Depot::filled(1_000).await, Depot::filled(many).await);
    let (mut of_few, mut of_many) = (Vec::new(), Vec::new());
    for round in 1..=size("READMILL_STORES_ROUNDS", 3) {
        for (name, depot, rates) in
            [("1e3", &mut few, &mut of_few), ("1e6", &mut many, &mut of_many)]
        {
            let Round { rate, peak_mib } = depot.round(updates).await;
            println!("  round {round} embedded {name} {rate:9.0} documents/s, {peak_mib:.0} MiB");
            rates.push(rate);
        }
    }
    (of_few, of_many)
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
