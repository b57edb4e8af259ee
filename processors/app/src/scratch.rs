//! A model folded aside: a part of its log through the one river, into documents of its own that
//! nobody else sees, and that go with it.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use indicatif::ProgressBar;
use readmill_connectors::archive::ArchiveLog;
use readmill_connectors::embedded::{Embedded, EmbeddedConfig};
use readmill_connectors::kafka::{KafkaExcerpt, Passage};
use readmill_core::{Counts, Partition, ReadModel};
use readmill_engine::verify::Seen;
use readmill_engine::{
    Bounds, Changes, Fault, Limits, Log, Memory, Metrics, Only, Ports, Pulse, Script, Side, Silent,
    Since, Tally, Until, Watch, Word,
};
use tokio::sync::watch;

use crate::config;
use crate::exit::{Exit, Failure};
use crate::ports::{Opening, SystemClock};

/// Where such documents are, below the directory that is given for them.
const SHELTER: &str = "scratch";
/// What a process that uses one has locked.
const IN_USE: &str = "in-use";
const GENERATION: u32 = 1;
const TICK: Duration = Duration::from_millis(100);

/// A part of a model's log, which ends by itself.
pub struct Excerpt {
    /// The log.
    pub log: Box<dyn Log>,
    /// Where each partition begins and ends.
    pub bounds: BTreeMap<Partition, Bounds>,
}

impl Excerpt {
    /// Opens the log of a model between two places. No group is joined and no position kept.
    ///
    /// # Errors
    /// When the source does not answer, or a topic does not exist.
    pub async fn open(opening: Opening<'_>, since: Since, until: Until) -> Result<Self, Fault> {
        let topics = opening.model.topics.clone();
        match &opening.config.source {
            config::Source::Kafka { kafka, .. } => {
                let (kafka, group) = (Arc::clone(kafka), opening.model.group(kafka));
                let passage = Passage { group, topics, since, until };
                // The brokers are asked first, and that blocks.
                let opening = move || KafkaExcerpt::open(&kafka, &passage);
                let opened = tokio::task::spawn_blocking(opening).await;
                let log = opened.map_err(|error| Fault::defect("opening an excerpt", &error))??;
                let bounds = log.bounds().clone();
                Ok(Self { log: Box::new(log), bounds })
            }
            config::Source::Archive { dir } => {
                let log = ArchiveLog::aside(dir, &topics, &since, &until).await?;
                let bounds = log.bounds().clone();
                Ok(Self { log: Box::new(log), bounds })
            }
        }
    }

    /// How many records it has at most.
    pub fn most_records(&self) -> u64 {
        self.bounds.values().map(|bounds| bounds.most_records()).sum()
    }
}

/// What came of a fold.
#[derive(Debug)]
pub struct Folded {
    /// What became of the records.
    pub counts: Counts,
    /// From where to where was read.
    pub bounds: BTreeMap<Partition, Bounds>,
}

/// A model's documents aside.
#[derive(Debug)]
pub struct Scratch<M: ReadModel> {
    /// The ports of its rivers.
    pub ports: Arc<Ports<M>>,
    limits: Limits,
    // Declared last: it goes when the store is closed.
    _shelter: Shelter,
}

impl<M: ReadModel> Scratch<M> {
    /// Empty documents of a model, in a place of their own below `dir`, into which is folded what
    /// is for these keys alone.
    ///
    /// # Errors
    /// When the directory cannot be used, or the registry does not answer.
    pub async fn open(opening: Opening<'_>, dir: &Path, only: Only) -> Result<Self> {
        let shelter = Shelter::make(dir, M::NAME)?;
        let embedded = Embedded::open(&EmbeddedConfig::at(shelter.dir.join("store")))?;
        let beside = |name: &str| embedded.documents(&format!("{}.{name}", M::NAME), GENERATION);
        let mut side = Side::default();
        if !M::ROLLUPS.is_empty() {
            side.partials = Some(Arc::new(beside("partials")?));
        }
        if M::EMBEDS {
            side.edges = Some(Arc::new(beside("edges")?));
        }
        let ports = Ports {
            script: Script { only, ..opening.script().await? },
            store: Arc::new(embedded.documents(M::NAME, GENERATION)?),
            side,
            held: Arc::new(embedded),
            outlet: Arc::new(Silent),
            word: Word::alone(),
            mirror: None,
            memory: Memory::default(),
            changes: Changes::default(),
            clock: Arc::new(SystemClock),
            metrics: Metrics::new().context("the metrics cannot be registered")?,
        };
        // How long an event waits here says nothing of how long it waited when it came.
        let limits = Limits { waiting_limit_ms: u64::MAX, ..opening.model.limits };
        Ok(Self { ports: Arc::new(ports), limits, _shelter: shelter })
    }

    /// What was folded, for whoever compares others with it.
    pub fn seen(&self) -> Seen<M> {
        let store = Arc::clone(&self.ports.store);
        Seen { store, side: self.ports.side.clone(), counts_forgotten: false }
    }

    /// Folds an excerpt to its ends, behind all that was folded before.
    ///
    /// # Errors
    /// A fault that needs a person.
    pub async fn fold(&self, excerpt: Excerpt, bar: &ProgressBar) -> Result<Folded, Fault> {
        let Excerpt { log, bounds } = excerpt;
        let tally = Tally::new(M::NAME, self.ports.metrics.clone());
        let (_open, stop) = watch::channel(false);
        let watch = Watch::new(tally.clone(), Pulse::default(), stop);
        let run = readmill_engine::run(Arc::clone(&self.ports), log, self.limits, watch);
        let counts = tokio::select! {
            counts = run => counts?,
            never = show(&tally, bar) => match never {},
        };
        Ok(Folded { counts, bounds })
    }
}

/// Shows how many records are taken in, for ever.
pub async fn show(tally: &Tally, bar: &ProgressBar) -> std::convert::Infallible {
    loop {
        bar.set_position(tally.counts().consumed);
        tokio::time::sleep(TICK).await;
    }
}

/// A directory of this process alone, which is removed with it.
#[derive(Debug)]
struct Shelter {
    dir: PathBuf,
    _lock: File,
}

impl Shelter {
    /// Makes one below `dir`, and removes those that killed processes have left there.
    fn make(dir: &Path, model: &str) -> Result<Self, Failure> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let all = dir.join(SHELTER);
        remove_abandoned(&all);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = all.join(format!("{model}-{}-{n}", std::process::id()));
        match lock(&dir) {
            Ok(lock) => Ok(Self { dir, _lock: lock }),
            Err(error) => {
                let told = format!("{} cannot be written: {error}", dir.display());
                Err(Failure::new(Exit::Service, told, "name a directory with room in --dir"))
            }
        }
    }
}

impl Drop for Shelter {
    fn drop(&mut self) {
        // What cannot be removed now, the next one removes.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Makes a directory, and locks it. Another process may have taken it for abandoned just before.
fn lock(dir: &Path) -> io::Result<File> {
    loop {
        fs::create_dir_all(dir)?;
        let lock = match File::create(dir.join(IN_USE)) {
            Err(_) if !dir.exists() => continue,
            lock => lock?,
        };
        lock.lock()?;
        if dir.join(IN_USE).exists() {
            return Ok(lock);
        }
    }
}

/// Removes directories that no living process has locked.
fn remove_abandoned(all: &Path) {
    for entry in fs::read_dir(all).into_iter().flatten().flatten() {
        let Ok(lock) = File::open(entry.path().join(IN_USE)) else { continue };
        match lock.try_lock() {
            Ok(()) => drop(fs::remove_dir_all(entry.path())),
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_process_left_is_removed_and_what_is_in_use_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let left = dir.path().join(SHELTER).join("points-1-0");
        fs::create_dir_all(&left).unwrap();
        fs::write(left.join(IN_USE), "").unwrap();
        let first = Shelter::make(dir.path(), "points").unwrap();
        assert!(!left.exists());
        let second = Shelter::make(dir.path(), "points").unwrap();
        assert!(first.dir.exists() && second.dir.exists() && first.dir != second.dir);
        let path = first.dir.clone();
        drop(first);
        assert!(!path.exists());
    }
}
