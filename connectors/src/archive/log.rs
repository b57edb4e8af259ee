//! An archive as a log: every partition is assigned once, read side by side, and comes to its end.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use readmill_core::{Finished, Partition, ResumeAt};
use readmill_engine::feed::{FeedLine, feed};
use readmill_engine::{Bounds, Fault, Feed, Log, Since, Until};
use serde::Deserialize;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::layout;
use super::local::LocalDir;
use super::manifest::{Manifest, PartitionEntry};
use super::positions::Positions;
use super::reading::{Ended, Reading};
use super::storage::Storage;
use super::time;

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
    bounds: BTreeMap<Partition, Bounds>,
    /// None where nobody is to resume it.
    positions: Option<Positions>,
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
        require_topics(&config.dir, &config.topics, &manifest)?;
        let positions = Positions::open(&config.state_dir, manifest.name())?;
        let begin = |partition: &Partition| positions.get(partition);
        let log = Self::begin(&storage, &config.topics, &manifest, begin, &Until::Now)?;
        Ok(Self { positions: Some(positions), ..log })
    }

    /// Opens an archive for one reading, of which no positions are kept.
    ///
    /// # Errors
    /// When there is no sound archive, no topic is named, or a file in it does not belong to it.
    pub async fn aside(
        dir: &Path,
        topics: &[String],
        since: &Since,
        until: &Until,
    ) -> Result<Self, Fault> {
        let storage = LocalDir::at(dir);
        let manifest = Manifest::of(&*storage)?;
        require_topics(dir, topics, &manifest)?;
        let places = match since {
            Since::Beginning => BTreeMap::new(),
            Since::Places(places) => places.clone(),
            Since::Time(since_ms) => time::places(&storage, topics, &manifest, *since_ms).await?,
        };
        let begin = |partition: &Partition| {
            let at = places.get(partition).copied().unwrap_or(ResumeAt::START);
            (at, Finished::default())
        };
        Self::begin(&storage, topics, &manifest, begin, until)
    }

    fn begin(
        storage: &Arc<dyn Storage>,
        topics: &[String],
        manifest: &Manifest,
        begin: impl Fn(&Partition) -> (ResumeAt, Finished),
        until: &Until,
    ) -> Result<Self, Fault> {
        let grows = manifest.lineage.is_some();
        let (mut waiting, mut bounds) = (VecDeque::new(), BTreeMap::new());
        for (partition, entry) in manifest.partitions_of(topics) {
            layout::refuse_strangers(&**storage, &partition, entry, grows)?;
            let (resume_at, finished) = begin(&partition);
            require_what_comes_next(&partition, entry, resume_at)?;
            let span = bounds_of(&partition, entry, resume_at, until);
            let reading = Reading::new(storage, &partition, entry, resume_at).up_to(span.to);
            bounds.insert(partition.clone(), span);
            waiting.push_back(Waiting { partition, resume_at, finished, reading });
        }
        let (lines, saved_at) = (Vec::new(), Instant::now());
        Ok(Self { waiting, lines, bounds, positions: None, saved_at })
    }

    /// How far each partition is settled, by the positions that are kept.
    ///
    /// # Errors
    /// When there is no sound archive, or the positions are those of another one.
    pub fn settled(config: &ArchiveConfig) -> Result<BTreeMap<Partition, ResumeAt>, Fault> {
        let manifest = Manifest::read(&config.dir)?;
        let positions = Positions::open(&config.state_dir, manifest.name())?;
        let partitions = manifest.partitions_of(&config.topics).map(|(partition, _)| partition);
        let place = |partition: Partition| {
            let (at, _) = positions.get(&partition);
            (partition, at)
        };
        Ok(partitions.map(place).collect())
    }

    /// Where each partition begins and ends.
    pub const fn bounds(&self) -> &BTreeMap<Partition, Bounds> {
        &self.bounds
    }

    fn save(&mut self) -> Result<(), Fault> {
        self.saved_at = Instant::now();
        self.positions.as_mut().map_or(Ok(()), Positions::save)
    }

    /// Notes how far each partition is settled.
    fn note(&mut self) {
        let Some(positions) = &mut self.positions else { return };
        for line in &self.lines {
            if let Some((settled, finished)) = line.line.progress() {
                positions.set(&line.partition, settled, &finished);
            }
        }
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
        let mut broken = None;
        for line in &mut self.lines {
            line.look().await?;
            all_done &= line.is_done();
            if line.is_done() {
                broken = broken.or_else(|| line.take_fault());
            }
        }
        self.note();
        if all_done || broken.is_some() || self.saved_at.elapsed() >= SAVE_EVERY {
            self.save()?;
        }
        broken.map_or(Ok(all_done), Err)
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
        self.note();
        self.save()
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
            self.line.end();
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

fn bounds_of(
    partition: &Partition,
    entry: &PartitionEntry,
    from: ResumeAt,
    until: &Until,
) -> Bounds {
    let first = entry.files.first().map_or(0, |file| file.first_offset);
    let end = entry.files.last().map_or(0, |file| file.next_offset);
    Bounds::within(first, until.within(partition, end), Some(from))
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

fn require_topics(dir: &Path, topics: &[String], manifest: &Manifest) -> Result<(), Fault> {
    if topics.is_empty() {
        return Err(refused(format!("no topic of {} is named", dir.display())));
    }
    match topics.iter().find(|topic| !manifest.topics.contains_key(*topic)) {
        None => Ok(()),
        Some(missing) => Err(absent(dir, missing, manifest)),
    }
}

fn absent(dir: &Path, missing: &str, manifest: &Manifest) -> Fault {
    let known: Vec<&str> = manifest.topics.keys().map(String::as_str).collect();
    refused(format!("{} has no topic {missing}, only {}", dir.display(), known.join(", ")))
}

fn refused(detail: String) -> Fault {
    Fault::Refused { service: "archive", detail, hint: "name topics that the archive has" }
}
