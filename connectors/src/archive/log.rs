//! An archive as a log: every partition is assigned once, read side by side, and comes to its end.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use readmill_core::{Finished, Partition, ResumeAt};
use readmill_engine::feed::{FeedLine, feed};
use readmill_engine::{Fault, Feed, Log};
use serde::Deserialize;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::layout;
use super::local::LocalDir;
use super::manifest::{Manifest, PartitionEntry};
use super::positions::Positions;
use super::reading::{Ended, Reading};

const QUEUED_BATCHES: usize = 8;
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long a stop waits for workers to let go of their feeds.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);
const SAVE_EVERY: Duration = Duration::from_millis(200);

/// Where an archive lies.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveConfig {
    /// The archive's directory, which is only read.
    pub dir: PathBuf,
    /// The directory that keeps the positions to resume at.
    pub state_dir: PathBuf,
    /// These topics are read and no others; never none.
    pub topics: Vec<String>,
}

/// Reads an archive.
#[derive(Debug)]
pub struct ArchiveLog {
    waiting: VecDeque<Waiting>,
    lines: Vec<Line>,
    positions: Positions,
    saved_at: Instant,
}

/// A partition that is not assigned yet.
#[derive(Debug)]
struct Waiting {
    partition: Partition,
    resume_at: ResumeAt,
    /// What is finished beyond.
    finished: Finished,
    reading: Reading,
}

/// One assigned partition.
#[derive(Debug)]
struct Line {
    partition: Partition,
    /// Where it was resumed: settled before this run.
    resumed_at: ResumeAt,
    line: FeedLine,
    reader: Option<JoinHandle<Ended>>,
    /// How reading ended, once it has.
    ended: Option<Ended>,
}

impl ArchiveLog {
    /// Opens an archive and finds where each partition is to be resumed.
    ///
    /// # Errors
    /// When there is no sound archive, no topic is named, a file in it does not belong to it, or
    /// the positions are those of another one.
    pub fn open(config: &ArchiveConfig) -> Result<Self, Fault> {
        let storage = LocalDir::at(&config.dir);
        let manifest = Manifest::of(&*storage)?;
        require_topics(config, &manifest)?;
        let grows = manifest.lineage.is_some();
        let positions = Positions::open(&config.state_dir, manifest.name())?;
        let mut waiting = VecDeque::new();
        for (partition, entry) in manifest.partitions() {
            let wanted = |topic: &String| **topic == *partition.topic;
            if config.topics.iter().any(wanted) {
                layout::refuse_strangers(&*storage, &partition, entry, grows)?;
                let (resume_at, finished) = positions.get(&partition);
                require_what_comes_next(&partition, entry, resume_at)?;
                let reading = Reading::new(&storage, &partition, entry, resume_at);
                waiting.push_back(Waiting { partition, resume_at, finished, reading });
            }
        }
        Ok(Self { waiting, lines: Vec::new(), positions, saved_at: Instant::now() })
    }

    fn assign(&mut self, waiting: Waiting) -> Feed {
        let Waiting { partition, resume_at: resumed_at, finished, reading } = waiting;
        let (line, feed) = feed(partition.clone(), QUEUED_BATCHES);
        let batches = line.batches.clone();
        let reader = tokio::task::spawn_blocking(move || reading.run(&batches));
        let reader = Some(reader);
        self.lines.push(Line { partition, resumed_at, line, reader, ended: None });
        feed.knowing(finished)
    }

    /// Looks after every partition once; true when all have come to their end.
    async fn look(&mut self) -> Result<bool, Fault> {
        let mut all_done = true;
        for line in &mut self.lines {
            line.look().await?;
            if let Some((settled, finished)) = line.line.progress() {
                self.positions.set(&line.partition, settled, &finished);
            }
            all_done &= line.is_done();
            if line.is_done()
                && let Some(fault) = line.take_fault()
            {
                self.positions.save()?;
                return Err(fault);
            }
        }
        if all_done || self.saved_at.elapsed() >= SAVE_EVERY {
            self.positions.save()?;
            self.saved_at = Instant::now();
        }
        Ok(all_done)
    }
}

#[async_trait]
impl Log for ArchiveLog {
    /// Answers `None` when everything that was read is settled, and its positions are kept.
    async fn assigned(&mut self) -> Result<Option<Feed>, Fault> {
        if let Some(waiting) = self.waiting.pop_front() {
            return Ok(Some(self.assign(waiting)));
        }
        while !self.look().await? {
            sleep(LOOK_EVERY).await;
        }
        Ok(None)
    }

    /// Workers end after the batch in their hands; readers end when nobody takes their records.
    async fn stop(&mut self) -> Result<(), Fault> {
        self.waiting.clear();
        for line in &self.lines {
            line.line.close();
        }
        let asked = Instant::now();
        let in_work = |line: &Line| line.reader.is_some() && !line.line.released();
        while self.lines.iter().any(in_work) && asked.elapsed() < DRAIN_LIMIT {
            sleep(LOOK_EVERY).await;
        }
        for line in &self.lines {
            if let Some((settled, finished)) = line.line.progress() {
                self.positions.set(&line.partition, settled, &finished);
            }
        }
        self.positions.save()
    }
}

impl Line {
    /// Takes the reader's word once it has ended; the worker then finishes what is queued.
    async fn look(&mut self) -> Result<(), Fault> {
        if let Some(reader) = self.reader.take_if(|reader| reader.is_finished()) {
            let ended = reader.await.map_err(|error| Fault::Damaged {
                what: format!("the reader of {}", self.partition),
                detail: error.to_string(),
                hint: "this is a defect of readmill: keep the archive, and report it",
            })?;
            if let Some(fault) = &ended.fault {
                tracing::error!(partition = %self.partition, %fault, "reading ended early");
            }
            self.ended = Some(ended);
            // The feed ends with its last sender, and the settled position stays in sight.
            self.line.batches = tokio::sync::mpsc::channel(1).0;
        }
        Ok(())
    }

    /// Whether all that was read is settled.
    fn is_done(&self) -> bool {
        let settled = self.line.settled().unwrap_or(self.resumed_at);
        self.ended.as_ref().is_some_and(|ended| settled >= ended.next)
    }

    fn take_fault(&mut self) -> Option<Fault> {
        self.ended.as_mut().and_then(|ended| ended.fault.take())
    }
}

/// Refuses to go on where files were pruned before they were read, and tells of gaps.
fn require_what_comes_next(
    partition: &Partition,
    entry: &PartitionEntry,
    resume_at: ResumeAt,
) -> Result<(), Fault> {
    let at = resume_at.value();
    if at > 0 && at < entry.from {
        return Err(Fault::Refused {
            service: "archive",
            detail: format!(
                "{partition}: the next record is at {at}, and the archive begins at {}",
                entry.from
            ),
            hint: "records were pruned before they were read: rebuild the model as a new \
                   generation, from an archive or a log that has them",
        });
    }
    for gap in entry.gaps.iter().filter(|gap| gap.to > at) {
        let (from, to) = (gap.from, gap.to);
        tracing::warn!(%partition, from, to, "the archive has a gap: the log had lost these");
    }
    Ok(())
}

fn require_topics(config: &ArchiveConfig, manifest: &Manifest) -> Result<(), Fault> {
    if config.topics.is_empty() {
        return Err(refused(format!("no topic of {} is named", config.dir.display())));
    }
    match config.topics.iter().find(|topic| !manifest.topics.contains_key(*topic)) {
        None => Ok(()),
        Some(missing) => Err(absent(&config.dir, missing, manifest)),
    }
}

fn absent(dir: &Path, missing: &str, manifest: &Manifest) -> Fault {
    let known: Vec<&str> = manifest.topics.keys().map(String::as_str).collect();
    refused(format!("{} has no topic {missing}, only {}", dir.display(), known.join(", ")))
}

fn refused(detail: String) -> Fault {
    Fault::Refused { service: "archive", detail, hint: "name topics that the archive has" }
}
