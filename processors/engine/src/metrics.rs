//! Every metric of the product in one enum: nothing else registers or names one.

mod instrument;

use std::fmt;
use std::sync::Arc;

use prometheus::{Encoder, Registry, TextEncoder};
use readmill_core::Partition;

use instrument::{Instrument, register};

/// Upper bounds of freshness and of station times, in seconds.
const SECONDS: [f64; 14] =
    [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0, 10.0, 60.0];
/// Upper bounds of batch sizes, in records.
const RECORDS: [f64; 8] = [1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0];

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
    /// Records handed on in each lane.
    LaneRecords,
    /// Requests to the HTTP API that were refused, by the reason.
    HttpRefused,
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

enum Kind {
    Counter,
    Gauge,
    Histogram(&'static [f64]),
}

struct Spec {
    meter: Meter,
    name: &'static str,
    help: &'static str,
    labels: &'static [&'static str],
    kind: Kind,
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

const PARTITION: &[&str] = &["model", "topic", "partition"];

const GROUP: &[&str] = &["model", "rollup", "group"];
const MODEL: &[&str] = &["model"];

/// Every metric, in the order of the enum.
const METRICS: &[Spec] = &[
    spec(Meter::Consumed, "readmill_consumed_total", "Records taken in", PARTITION, Kind::Counter),
    spec(
        Meter::Ended,
        "readmill_ended_total",
        "Records by their end",
        &["model", "topic", "partition", "outcome"],
        Kind::Counter,
    ),
    spec(Meter::Waiting, "readmill_waiting", "Records that wait", PARTITION, Kind::Gauge),
    spec(
        Meter::WaitingSince,
        "readmill_waiting_since_seconds",
        "Commit of the record that has waited longest, seconds since 1970; or 0",
        MODEL,
        Kind::Gauge,
    ),
    spec(Meter::Held, "readmill_held_records", "Records held now", MODEL, Kind::Gauge),
    spec(
        Meter::Undecided,
        "readmill_undecided_total",
        "Records folded although nothing proved them new",
        MODEL,
        Kind::Counter,
    ),
    spec(Meter::Written, "readmill_written_total", "Documents written", MODEL, Kind::Counter),
    spec(
        Meter::Conflicts,
        "readmill_conflicts_total",
        "Writes refused or unsure",
        MODEL,
        Kind::Counter,
    ),
    spec(
        Meter::PartialsWritten,
        "readmill_partials_written_total",
        "Partial groups of roll-ups written",
        MODEL,
        Kind::Counter,
    ),
    spec(
        Meter::Embedded,
        "readmill_embedded_total",
        "Documents told of a change in one that they embed",
        MODEL,
        Kind::Counter,
    ),
    spec(
        Meter::CacheHits,
        "readmill_cache_hits_total",
        "Documents found in the cache",
        MODEL,
        Kind::Counter,
    ),
    spec(Meter::Loaded, "readmill_loaded_total", "Documents loaded", MODEL, Kind::Counter),
    spec(
        Meter::SavedWrites,
        "readmill_saved_writes_total",
        "Writes saved by folding several events into one",
        MODEL,
        Kind::Counter,
    ),
    spec(
        Meter::SavedBytes,
        "readmill_saved_bytes_total",
        "Bytes that need not be written or read, estimated by samples",
        &["model", "by"],
        Kind::Counter,
    ),
    spec(Meter::Said, "readmill_said_total", "Reactions sent", MODEL, Kind::Counter),
    spec(
        Meter::Retries,
        "readmill_retries_total",
        "Calls made again after a transient fault",
        MODEL,
        Kind::Counter,
    ),
    spec(Meter::Partitions, "readmill_partitions", "Partitions in work", MODEL, Kind::Gauge),
    spec(Meter::ResumeAt, "readmill_resume_at", "Offset to resume at", PARTITION, Kind::Gauge),
    spec(
        Meter::OpenRecords,
        "readmill_open_records",
        "Records that are taken in and not settled",
        PARTITION,
        Kind::Gauge,
    ),
    spec(
        Meter::OpenBytes,
        "readmill_open_bytes",
        "Bytes of the records that are taken in and not settled",
        PARTITION,
        Kind::Gauge,
    ),
    spec(
        Meter::QueuedBytes,
        "readmill_queued_bytes",
        "Bytes that are polled and not in the worker's hands",
        PARTITION,
        Kind::Gauge,
    ),
    spec(
        Meter::Paused,
        "readmill_paused",
        "Whether it is not fetched for now",
        PARTITION,
        Kind::Gauge,
    ),
    spec(
        Meter::LaneRecords,
        "readmill_lane_records_total",
        "Records handed on",
        &["model", "lane"],
        Kind::Counter,
    ),
    spec(
        Meter::HttpRefused,
        "readmill_http_refused_total",
        "Requests to the HTTP API that were refused, by the reason.",
        &["reason"],
        Kind::Counter,
    ),
    spec(
        Meter::RolledBack,
        "readmill_store_rolled_back_total",
        "Partitions begun anew because the store had lost acknowledged writes",
        MODEL,
        Kind::Counter,
    ),
    spec(
        Meter::LogGaps,
        "readmill_log_gaps_total",
        "Times that records were lost before they were read",
        &["model"],
        Kind::Counter,
    ),
    spec(
        Meter::Freshness,
        "readmill_freshness_seconds",
        "Seconds from the source's commit to the durable document",
        MODEL,
        Kind::Histogram(&SECONDS),
    ),
    spec(
        Meter::Station,
        "readmill_station_seconds",
        "Seconds in a station, of a batch or of a sampled record",
        &["model", "station"],
        Kind::Histogram(&SECONDS),
    ),
    spec(
        Meter::Batch,
        "readmill_batch_records",
        "Records a batch",
        MODEL,
        Kind::Histogram(&RECORDS),
    ),
    spec(
        Meter::MirrorHealed,
        "readmill_mirror_healed_total",
        "Documents whose views a heal has shown again",
        MODEL,
        Kind::Counter,
    ),
    spec(
        Meter::MirrorStrays,
        "readmill_mirror_strays_total",
        "Views that no document explained, taken out by a heal",
        MODEL,
        Kind::Counter,
    ),
    spec(
        Meter::MirrorHealing,
        "readmill_mirror_healing_documents",
        "Documents that the present heal has looked at",
        MODEL,
        Kind::Gauge,
    ),
    spec(
        Meter::MirrorMissed,
        "readmill_mirror_missed_documents",
        "Documents whose views the mirror has missed",
        MODEL,
        Kind::Gauge,
    ),
    spec(
        Meter::RollupCount,
        "readmill_rollup_count",
        "Contributions in a group of a roll-up",
        GROUP,
        Kind::Gauge,
    ),
    spec(
        Meter::RollupSum,
        "readmill_rollup_sum",
        "The sum of the values in a group of a roll-up",
        GROUP,
        Kind::Gauge,
    ),
    spec(
        Meter::RollupTooLarge,
        "readmill_rollup_too_large",
        "Whether it has too many groups to be shown",
        &["model", "rollup"],
        Kind::Gauge,
    ),
    spec(
        Meter::VerifiedThrough,
        "readmill_verified_through_seconds",
        "Up to when all that had come was found equal last, seconds since 1970",
        MODEL,
        Kind::Gauge,
    ),
    spec(
        Meter::VerifyFindings,
        "readmill_verify_findings",
        "What the last verification found",
        &["model", "kind"],
        Kind::Gauge,
    ),
    spec(
        Meter::ReconciledThrough,
        "readmill_reconciled_through_seconds",
        "When documents were found equal with their origin last, seconds since 1970",
        MODEL,
        Kind::Gauge,
    ),
    spec(
        Meter::ReconcileFindings,
        "readmill_reconcile_findings",
        "What the last comparison with the origin found",
        &["model", "kind"],
        Kind::Gauge,
    ),
    spec(Meter::Build, "readmill_build_info", "This build", &["version"], Kind::Gauge),
];

const fn spec(
    meter: Meter,
    name: &'static str,
    help: &'static str,
    labels: &'static [&'static str],
    kind: Kind,
) -> Spec {
    Spec { meter, name, help, labels, kind }
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
