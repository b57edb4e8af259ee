//! Every metric of the product in one enum: nothing else registers or names one.

mod instrument;
mod table;

use std::fmt;
use std::sync::Arc;

use prometheus::{Encoder, Registry, TextEncoder};
use readmill_core::Partition;

use instrument::{Instrument, register};
use table::METRICS;

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
        METRICS.iter().find(|spec| spec.meter == self).map_or("", |spec| spec.name)
    }
}

/// The registered metrics; cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    instruments: Arc<[Instrument]>,
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
        let instruments = METRICS.iter().map(|spec| register(&registry, spec));
        let instruments = instruments.collect::<Result<_, _>>()?;
        let metrics = Self { registry, instruments };
        metrics.set(Meter::Build, &[env!("CARGO_PKG_VERSION")], 1);
        Ok(metrics)
    }

    /// Adds to a counter.
    pub fn add(&self, meter: Meter, labels: &[&str], n: u64) {
        if let Some(Instrument::Counter(counter)) = self.instrument(meter) {
            counter.with_label_values(labels).inc_by(n);
        }
    }

    /// Moves a gauge up or down.
    pub fn shift(&self, meter: Meter, labels: &[&str], by: i64) {
        if let Some(Instrument::Gauge(gauge)) = self.instrument(meter) {
            gauge.with_label_values(labels).add(by);
        }
    }

    /// Sets a gauge.
    pub fn set(&self, meter: Meter, labels: &[&str], value: i64) {
        if let Some(Instrument::Gauge(gauge)) = self.instrument(meter) {
            gauge.with_label_values(labels).set(value);
        }
    }

    /// Observes a value in a histogram.
    pub fn observe(&self, meter: Meter, labels: &[&str], value: f64) {
        if let Some(Instrument::Histogram(histogram)) = self.instrument(meter) {
            histogram.with_label_values(labels).observe(value);
        }
    }

    /// Forgets one series of a gauge.
    pub fn remove(&self, meter: Meter, labels: &[&str]) {
        if let Some(Instrument::Gauge(gauge)) = self.instrument(meter) {
            // A series that was never set is as good as removed.
            let _ = gauge.remove_label_values(labels);
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
