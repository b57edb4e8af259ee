//! Every metric of the product in one enum: nothing else registers or names one.

mod advice;
mod document;
mod domain;
mod hot;
mod instrument;
mod table;

use std::fmt;
use std::sync::Arc;

use prometheus::{Encoder, Registry, TextEncoder};
use readmill_core::Partition;

use instrument::{Instrument, register};
use table::all;

use crate::traces::{Kept, Tracer};

pub use document::document;
pub use hot::{HALF_LIFE_MS, HotKey, HotKeys, Seen};
pub use instrument::Observer;

/// A metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Meter {
    /// Records taken in at station 1.
    Consumed,
    /// Records by their end; together with `Waiting` they add up to `Consumed`.
    Ended,
    /// Records that wait in documents, of those that this process took in.
    Waiting,
    /// When the source committed the record that waits longest, of those; 0 if none waits.
    WaitingSince,
    /// Records that are held now, by whichever process.
    Held,
    /// Records folded although nothing proved that they were new.
    Undecided,
    /// Documents written.
    Written,
    /// Writes refused because another writer came first, or left unsure by a fault.
    Conflicts,
    /// Partial groups of roll-ups written.
    PartialsWritten,
    /// Documents told that one which they embed has changed.
    Embedded,
    /// Documents found in the cache of hot documents.
    CacheHits,
    /// Documents loaded from the store.
    Loaded,
    /// Writes that were saved because several events were folded into one.
    SavedWrites,
    /// Bytes that need not be written, or read, by what saved them; estimated by samples.
    SavedBytes,
    /// Reactions sent, repeats included.
    Said,
    /// Calls made again after a transient fault.
    Retries,
    /// Partitions in work.
    Partitions,
    /// The offset at which each partition would resume.
    ResumeAt,
    /// Records of each partition that are taken in and not settled.
    OpenRecords,
    /// Their bytes.
    OpenBytes,
    /// Bytes of each partition that are polled and not in the worker's hands yet.
    QueuedBytes,
    /// Whether each partition is not fetched for now, because its queue is full.
    Paused,
    /// Records that the log has beyond those that are settled.
    LagRecords,
    /// Records handed on in each lane.
    LaneRecords,
    /// Requests to the HTTP API that were refused, by the reason.
    HttpRefused,
    /// How much a generation that readers do not see has of what it would have if all live streams
    /// were fresh.
    RebuildShare,
    /// Times that a partition began anew because the store had lost acknowledged writes.
    RolledBack,
    /// Times that a log went on beyond records that were lost before they were read.
    LogGaps,
    /// Seconds from the source's commit to the durable document.
    Freshness,
    /// Seconds that a batch, or a sampled record, spent in a station.
    Station,
    /// Records in a batch.
    Batch,
    /// Documents whose views a heal has shown again.
    MirrorHealed,
    /// Views that no document explained, taken out by a heal.
    MirrorStrays,
    /// Documents that the present heal has looked at; 0 when there is none.
    MirrorHealing,
    /// Documents whose views a mirror has missed, and that are not healed yet.
    MirrorMissed,
    /// Contributions in groups of roll-ups that are shown, merged by their first dimensions.
    RollupCount,
    /// The sums of their values.
    RollupSum,
    /// Whether a roll-up that is to be shown has too many groups for that.
    RollupTooLarge,
    /// When what was found equal last had come, in seconds since 1970.
    VerifiedThrough,
    /// What the last verification found, by its kind.
    VerifyFindings,
    /// Up to when documents were found equal with their origin, in seconds since 1970.
    ReconciledThrough,
    /// What the last comparison with the origin found, by its kind.
    ReconcileFindings,
    /// What this process is; always 1.
    Build,
    /// Seconds from the source's commit to the durable document, by the lane of the topic.
    LaneFreshness,
    /// Seconds that a call of a store, a mirror or a topic took.
    Store,
    /// Documents that ended, and left a version tombstone.
    Tombstones,
    /// For how long the oldest record of each partition has been in the log that is polled and not
    /// settled.
    LagSeconds,
    /// How many partitions a topic has.
    TopicPartitions,
    /// Times that partitions came and went.
    Rebalances,
    /// Seconds that work in hand took when partitions were given back.
    Drain,
    /// Partitions whose work in hand took longer than it might.
    DrainGivenUp,
    /// Commits that the brokers did not take.
    CommitFailures,
    /// Loops that have made no progress for longer than they may.
    StalledLoops,
    /// For how long the slowest loop with work in hand has made no progress.
    StalledSeconds,
    /// What became of questions for schemas.
    RegistryAnswers,
    /// Seconds that the registry took for an answer.
    RegistrySeconds,
    /// Schemas that are kept.
    RegistrySchemas,
    /// The generation that readers see.
    LiveGeneration,
    /// Records taken in by the generations that readers do not see.
    RebuildDone,
    /// Records that those have not settled.
    RebuildLag,
    /// How many of those are in which state.
    RebuildState,
    /// Verifications by their result.
    VerifyRounds,
    /// Documents compared by the verification that is under way, or was last.
    VerifyDocuments,
    /// Seconds that the last verification took.
    VerifySeconds,
    /// What share of the records that came lately was for the hottest key.
    HottestShare,
    /// Bytes of its log that a database keeps for a replication slot.
    SlotRetained,
    /// Whether somebody reads a replication slot.
    SlotActive,
    /// Bytes of memory that the process has.
    ProcessMemory,
    /// Bytes of memory that it may have.
    MemoryLimit,
    /// Files and sockets that it has open.
    ProcessFiles,
    /// How many it may have open.
    ProcessFilesLimit,
    /// Threads that it has.
    ProcessThreads,
    /// Processor time that it has used.
    ProcessCpu,
    /// When it began, in seconds since 1970.
    ProcessStart,
    /// Spans of single records, by what became of them.
    Spans,
}

/// The labels of what is measured by partition, for one of them.
#[derive(Debug)]
pub struct PartitionLabels<'a> {
    model: &'a str,
    topic: &'a str,
    index: String,
}

impl<'a> PartitionLabels<'a> {
    /// Of a partition of a model.
    pub fn of(model: &'a str, partition: &'a Partition) -> Self {
        Self { model, topic: &partition.topic, index: partition.index.to_string() }
    }

    /// In their order.
    pub fn as_array(&self) -> [&str; 3] {
        [self.model, self.topic, &self.index]
    }
}

impl Meter {
    /// The metric's name, as Prometheus sees it.
    pub fn name(self) -> &'static str {
        all().find(|spec| spec.meter == self).map_or("", |spec| spec.name)
    }
}

/// The registered metrics; cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    /// In the order of the enum; none where nothing is measured.
    instruments: Arc<[Instrument]>,
    hot: HotKeys,
    tracer: Tracer,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// Registers every metric.
    ///
    /// # Errors
    /// When two metrics share a name, which a test excludes.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let instruments = all().map(|spec| register(&registry, spec));
        let instruments = instruments.collect::<Result<_, _>>()?;
        let metrics =
            Self { registry, instruments, hot: HotKeys::default(), tracer: Tracer::default() };
        metrics.begin_counters(&[]);
        Ok(metrics)
    }

    /// Lets the counters of a model begin at 0: a rate does not see what a counter was born with.
    pub fn begin(&self, model: &str) {
        self.begin_counters(&[model]);
    }

    /// Those that have these labels first, and then at most one of words.
    fn begin_counters(&self, of: &[&str]) {
        for instrument in self.instruments.iter() {
            if let Instrument::Counter(fits, counter) = instrument {
                for labels in fits.all_after(of) {
                    counter.with_label_values(&labels).inc_by(0);
                }
            }
        }
    }

    /// Metrics that measure nothing, so that it can be measured what measuring costs.
    pub fn off() -> Self {
        let (registry, instruments) = (Registry::new(), Arc::new([]));
        Self { registry, instruments, hot: HotKeys::off(), tracer: Tracer::default() }
    }

    /// The same metrics, with whoever makes spans of single records.
    #[must_use]
    pub fn tracing(self, tracer: Tracer) -> Self {
        Self { tracer, ..self }
    }

    /// Who makes spans of single records; by default nobody.
    pub const fn tracer(&self) -> &Tracer {
        &self.tracer
    }

    /// Counts a span for which there was no room.
    pub fn note_span(&self, kept: Kept) {
        if kept == Kept::Dropped {
            self.add(Meter::Spans, &["dropped"], 1);
        }
    }

    /// The keys that most records are for.
    pub const fn hot(&self) -> &HotKeys {
        &self.hot
    }

    /// Adds to a counter.
    pub fn add(&self, meter: Meter, labels: &[&str], n: u64) {
        if let Some(Instrument::Counter(fits, counter)) = self.instrument(meter) {
            counter.with_label_values(fits.fit(labels).as_ref()).inc_by(n);
        }
    }

    /// Lets a counter of seconds rise to a total.
    pub fn rise(&self, meter: Meter, labels: &[&str], total: f64) {
        if let Some(Instrument::SecondsTotal(fits, counter)) = self.instrument(meter) {
            let counter = counter.with_label_values(fits.fit(labels).as_ref());
            counter.inc_by((total - counter.get()).max(0.0));
        }
    }

    /// Moves a gauge up or down.
    pub fn shift(&self, meter: Meter, labels: &[&str], by: i64) {
        if let Some(Instrument::Gauge(fits, gauge)) = self.instrument(meter) {
            gauge.with_label_values(fits.fit(labels).as_ref()).add(by);
        }
    }

    /// Sets a gauge.
    pub fn set(&self, meter: Meter, labels: &[&str], value: i64) {
        if let Some(Instrument::Gauge(fits, gauge)) = self.instrument(meter) {
            gauge.with_label_values(fits.fit(labels).as_ref()).set(value);
        }
    }

    /// Sets a gauge of seconds.
    pub fn set_seconds(&self, meter: Meter, labels: &[&str], seconds: f64) {
        if let Some(Instrument::Seconds(fits, gauge)) = self.instrument(meter) {
            gauge.with_label_values(fits.fit(labels).as_ref()).set(seconds);
        }
    }

    /// Observes a value in a histogram.
    pub fn observe(&self, meter: Meter, labels: &[&str], value: f64) {
        self.observer(meter, labels).observe(value);
    }

    /// One series of a histogram, for whoever observes many values.
    pub fn observer(&self, meter: Meter, labels: &[&str]) -> Observer {
        match self.instrument(meter) {
            Some(Instrument::Histogram(fits, histogram)) => {
                Observer::of(histogram.with_label_values(fits.fit(labels).as_ref()))
            }
            Some(_) | None => Observer::default(),
        }
    }

    /// Forgets one series of a gauge.
    pub fn remove(&self, meter: Meter, labels: &[&str]) {
        // A series that was never set is as good as removed.
        match self.instrument(meter) {
            Some(Instrument::Gauge(fits, gauge)) => {
                let _ = gauge.remove_label_values(fits.fit(labels).as_ref());
            }
            Some(Instrument::Seconds(fits, gauge)) => {
                let _ = gauge.remove_label_values(fits.fit(labels).as_ref());
            }
            Some(_) | None => {}
        }
    }

    /// The sum over all series of a gauge; none if there are none.
    pub fn total(&self, meter: Meter) -> Option<i64> {
        match self.instrument(meter) {
            Some(Instrument::Gauge(_, gauge)) => instrument::total(gauge),
            Some(_) | None => None,
        }
    }

    /// The exposition text for a scrape.
    ///
    /// # Errors
    /// When a metric cannot be written as text.
    pub fn render(&self) -> Result<String, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        String::from_utf8(text).map_err(|error| prometheus::Error::Msg(error.to_string()))
    }

    fn instrument(&self, meter: Meter) -> Option<&Instrument> {
        self.instruments.get(meter as usize)
    }
}

#[cfg(test)]
mod tests;
