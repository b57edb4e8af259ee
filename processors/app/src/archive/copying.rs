//! The copying itself: what the log has behind the archive's end, until it is all there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use readmill_connectors::archive::{Appender, ArchiveReader, Gap};
use readmill_connectors::kafka::{Pulled, Tail};
use readmill_core::{Partition, Record, ResumeAt};
use readmill_engine::{Fault, Remedy};
use tokio::sync::watch;

use super::schemas::Schemas;

const POLL_STEP: Duration = Duration::from_millis(50);
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// So many records are taken at a time.
const PULLED_TOGETHER: usize = 1000;
/// When nothing comes for so long, it is looked whether there is anything at all.
const SILENCE: Duration = Duration::from_secs(3);
/// A copy that is to end is given up when nothing comes for so long.
const STALL_LIMIT: Duration = Duration::from_secs(60);

/// How it is to be done.
#[derive(Debug, Clone)]
pub struct Manner {
    /// The topics.
    pub topics: BTreeSet<String>,
    /// Go on with what comes.
    pub follow: bool,
    /// Go on where the log has lost records.
    pub accept_gap: bool,
    /// How often it is looked for new partitions.
    pub growth_step: Duration,
}

/// Topics on their way into an archive.
#[derive(Debug)]
pub struct Copying {
    manner: Manner,
    tail: Tail,
    appender: Appender,
    schemas: Schemas,
    /// Where each partition ended when it was begun, as far as it is not there yet.
    ends: BTreeMap<Partition, i64>,
    /// Whether some partition's log has not what comes next.
    lost: bool,
    bar: ProgressBar,
    done: Done,
    moved: Instant,
}

/// What was done.
#[derive(Debug, Default)]
pub struct Done {
    /// How many records were copied.
    pub records: u64,
    /// How many files were finished.
    pub files: usize,
    /// How many schemas the records name.
    pub schemas: usize,
    /// The gaps that were recorded.
    pub gaps: Vec<(Partition, Gap)>,
    /// The partitions that have not come to their end.
    pub left: usize,
}

impl Copying {
    /// Nothing is read yet.
    pub fn new(
        manner: Manner,
        tail: Tail,
        appender: Appender,
        schemas: Schemas,
        bar: ProgressBar,
    ) -> Self {
        let (ends, done, moved) = (BTreeMap::new(), Done::default(), Instant::now());
        Self { manner, tail, appender, schemas, ends, lost: false, bar, done, moved }
    }

    /// Begins every partition where the archive ends. What the archive says last must still be
    /// what the log says.
    ///
    /// # Errors
    /// When a topic does not exist, was made anew, or has lost what comes next.
    pub fn begin(&mut self, archive: &ArchiveReader) -> Result<(), Fault> {
        for topic in self.manner.topics.clone() {
            let Some(count) = self.tail.partitions(&topic)? else { return Err(absent(&topic)) };
            for index in 0..count {
                let partition = Partition::new(topic.as_str(), index);
                if let Some(last) = known(archive, &partition)? {
                    self.compare(&last, archive.is_erased_at_end(&partition))?;
                }
                self.begin_partition(&partition)?;
            }
        }
        Ok(())
    }

    /// The log has the archive's last record of a partition where the archive has it, unless it
    /// has lost or compacted it since. Where records were taken out of the archive's end, it has
    /// the last one's time at least.
    fn compare(&self, last: &Record, is_erased: bool) -> Result<(), Fault> {
        let at = &last.position;
        let (first, end) = self.tail.log(&at.partition)?;
        if at.offset.0 < first || at.offset.0 >= end {
            return Ok(());
        }
        match self.tail.record(at)? {
            Some(found) if found.timestamp_ms == last.timestamp_ms && is_erased => Ok(()),
            Some(found) if found != *last => Err(Fault::Refused {
                service: "kafka",
                detail: format!(
                    "{at}: the log has another record there than the archive: the topic was made \
                     anew"
                ),
                hint: ANEW,
            }),
            Some(_) | None => Ok(()),
        }
    }

    fn begin_partition(&mut self, partition: &Partition) -> Result<(), Fault> {
        let (first, end) = self.tail.log(partition)?;
        let at = match self.appender.end(partition) {
            Some(at) => self.weigh(partition, at, (first, end))?,
            None => ResumeAt::stored(first),
        };
        self.appender.begin(partition, at.value())?;
        // The archive knows the partition before anything of it is written.
        self.appender.save()?;
        let ahead = u64::try_from(end - at.value()).unwrap_or_default();
        self.bar.inc_length(ahead);
        if ahead > 0 || self.manner.follow {
            self.tail.add(partition, at)?;
            self.ends.insert(partition.clone(), end);
        }
        Ok(())
    }

    /// Where a partition goes on, of which the log has these offsets.
    fn weigh(
        &mut self,
        partition: &Partition,
        at: ResumeAt,
        (first, end): (i64, i64),
    ) -> Result<ResumeAt, Fault> {
        let at = at.value();
        if at > end {
            return Err(Fault::Refused {
                service: "kafka",
                detail: format!(
                    "{partition}: the archive ends at {at}, and the log ends at {end}: the topic \
                     was made anew, or has lost its end"
                ),
                hint: ANEW,
            });
        }
        if at < first {
            if !self.manner.accept_gap {
                return Err(gap(partition, at, first));
            }
            self.appender.leave_gap(partition, first)?;
            self.done.gaps.push((partition.clone(), Gap { from: at, to: first }));
            tracing::warn!(%partition, from = at, to = first, "going on behind a gap");
        }
        Ok(ResumeAt::stored(at.max(first)))
    }

    /// Copies until everything is there, or it is to stop.
    ///
    /// # Errors
    /// What only a person can mend. What was copied before is there.
    pub fn run(mut self, stop: &watch::Receiver<bool>) -> Result<Done, Fault> {
        let copied = match self.copy(stop) {
            Err(Fault::Abandoned) => Ok(()),
            copied => copied,
        };
        // What was copied is sound, whatever came after it.
        let sealed = self.appender.seal_every().and_then(|()| self.save());
        copied.and(sealed)?;
        self.done.left = if self.manner.follow { 0 } else { self.ends.len() };
        self.done.schemas = self.schemas.count();
        Ok(self.done)
    }

    fn copy(&mut self, stop: &watch::Receiver<bool>) -> Result<(), Fault> {
        let (mut looked, mut grown) = (Instant::now(), Instant::now());
        while !*stop.borrow() && (self.manner.follow || !self.ends.is_empty()) {
            self.pull()?;
            if looked.elapsed() >= LOOK_EVERY {
                looked = Instant::now();
                self.look()?;
                self.appender.seal_old(looked)?;
                self.save()?;
            }
            if self.manner.follow && grown.elapsed() >= self.manner.growth_step {
                grown = Instant::now();
                self.look_for_growth()?;
            }
        }
        Ok(())
    }

    fn pull(&mut self) -> Result<(), Fault> {
        let mut patience = POLL_STEP;
        for _ in 0..PULLED_TOGETHER {
            match self.tail.pull(patience)? {
                Pulled::Record(record) => self.take(&record)?,
                Pulled::Lost => self.lost = true,
                Pulled::Nothing => break,
            }
            patience = Duration::ZERO;
        }
        Ok(())
    }

    fn take(&mut self, record: &Record) -> Result<(), Fault> {
        let (partition, offset) = (&record.position.partition, record.position.offset);
        let Some(end) = self.ends.get(partition).copied() else { return Ok(()) };
        // A new place to read from brings some records twice.
        if self.appender.end(partition).is_none_or(|at| at.covers(offset)) {
            return Ok(());
        }
        self.moved = Instant::now();
        let is_later = !self.manner.follow && offset.0 >= end;
        if !is_later {
            self.schemas.keep(record, &mut self.appender)?;
            self.appender.append(record)?;
            self.done.records += 1;
            self.bar.inc(1);
        }
        if !self.manner.follow && offset.0 + 1 >= end {
            self.finish(partition, end)
        } else {
            Ok(())
        }
    }

    /// All of a partition is there that is to be there.
    fn finish(&mut self, partition: &Partition, end: i64) -> Result<(), Fault> {
        self.tail.remove(partition)?;
        self.appender.seal(partition)?;
        self.appender.looked_up_to(partition, end);
        self.ends.remove(partition);
        Ok(())
    }

    /// Looks how far partitions were read of which nothing comes: what stands at their end may be
    /// the end of a transaction, which is no record.
    fn look(&mut self) -> Result<(), Fault> {
        if self.lost {
            self.find_places()?;
        }
        for (partition, at) in self.tail.passed()? {
            let end = self.ends.get(&partition).copied();
            match end {
                Some(end) if !self.manner.follow && at >= end => self.finish(&partition, end)?,
                Some(_) => self.appender.looked_up_to(&partition, at),
                None => {}
            }
        }
        let silent = self.moved.elapsed();
        if self.manner.follow || self.ends.is_empty() || silent < SILENCE {
            return Ok(());
        }
        for (partition, end) in self.ends.clone() {
            let at = self.appender.end(&partition).unwrap_or(ResumeAt::START);
            if self.tail.is_empty(&partition, at, end) {
                self.finish(&partition, end)?;
            }
        }
        match self.ends.first_key_value() {
            Some((partition, end)) if silent >= STALL_LIMIT => Err(Fault::Silent {
                service: "kafka",
                detail: format!(
                    "nothing came for {} s, and {partition} ends at {end}",
                    silent.as_secs()
                ),
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// Some partition's log has not what comes next; which one is not said.
    fn find_places(&mut self) -> Result<(), Fault> {
        let partitions: Vec<Partition> = self.ends.keys().cloned().collect();
        for partition in partitions {
            let at = self.appender.end(&partition).unwrap_or(ResumeAt::START);
            let Some(log) = later(self.tail.log(&partition))? else { return Ok(()) };
            let to = self.weigh(&partition, at, log)?;
            self.tail.jump(&partition, to);
        }
        self.lost = false;
        Ok(())
    }

    fn look_for_growth(&mut self) -> Result<(), Fault> {
        for topic in self.manner.topics.clone() {
            let Some(count) = later(self.tail.partitions(&topic))? else { return Ok(()) };
            for index in 0..count.unwrap_or(0) {
                let partition = Partition::new(topic.as_str(), index);
                if !self.ends.contains_key(&partition) {
                    tracing::info!(%partition, "the topic has grown");
                    later(self.begin_partition(&partition))?;
                }
            }
        }
        Ok(())
    }

    fn save(&mut self) -> Result<(), Fault> {
        self.done.files += self.appender.save()?;
        Ok(())
    }
}

/// What nobody answers now is asked again later.
fn later<T>(asked: Result<T, Fault>) -> Result<Option<T>, Fault> {
    match asked {
        Ok(answer) => Ok(Some(answer)),
        Err(fault) if fault.remedy() == Remedy::Retry => {
            tracing::warn!(%fault, "will ask again");
            Ok(None)
        }
        Err(fault) => Err(fault),
    }
}

const ANEW: &str = "copy it into another archive: offsets of two topics cannot share one";

/// The last record that the archive has of a partition.
fn known(archive: &ArchiveReader, partition: &Partition) -> Result<Option<Record>, Fault> {
    match archive.manifest().partition(partition) {
        Some(_) => archive.last(partition),
        None => Ok(None),
    }
}

fn absent(topic: &str) -> Fault {
    Fault::Refused {
        service: "kafka",
        detail: format!("topic {topic} does not exist"),
        hint: "check the topics, or apply the connector that fills them",
    }
}

fn gap(partition: &Partition, from: i64, to: i64) -> Fault {
    Fault::Refused {
        service: "kafka",
        detail: format!(
            "{partition}: the archive ends at {from}, and the log begins at {to}: records from \
             {from} to {to} were deleted before they were copied"
        ),
        hint: "go on without them with --accept-gap, which records the gap; and archive more often \
               than the topic's retention, or with --follow",
    }
}
