//! The table of all metrics: their names, their words, their labels.

mod beside;

use super::Meter;

/// Upper bounds of freshness and of station times, in seconds.
const SECONDS: [f64; 14] =
    [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0, 10.0, 60.0];
/// Upper bounds of batch sizes, in records.
const RECORDS: [f64; 8] = [1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0];

/// What sort of instrument it is.
pub enum Kind {
    /// It only goes up.
    Counter,
    /// It only goes up, and counts parts of a second.
    SecondsTotal,
    /// It goes up and down.
    Gauge,
    /// It goes up and down, and knows parts of a second.
    Seconds,
    /// It counts values below these bounds.
    Histogram(&'static [f64]),
}

/// A metric as it is registered.
pub struct Spec {
    /// Which.
    pub meter: Meter,
    /// Its name, as Prometheus sees it.
    pub name: &'static str,
    /// What it is, in words.
    pub help: &'static str,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// Its sort.
    pub kind: Kind,
}

const PARTITION: &[&str] = &["model", "topic", "partition"];

const GROUP: &[&str] = &["model", "rollup", "group"];
const MODEL: &[&str] = &["model"];

/// Every metric, in the order of the enum.
pub fn all() -> impl Iterator<Item = &'static Spec> {
    METRICS.iter().chain(beside::METRICS)
}

/// Those of the river.
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
        Meter::LagRecords,
        "readmill_lag_records",
        "Records that the log has beyond those that are settled",
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
        "Requests to the HTTP API that were refused, by the reason",
        &["reason"],
        Kind::Counter,
    ),
    spec(
        Meter::RebuildShare,
        "readmill_rebuild_share_percent",
        "What a rebuild has of its share, so that live streams stay fresh",
        MODEL,
        Kind::Gauge,
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
    spec(
        Meter::Build,
        "readmill_build_info",
        "This build; always 1",
        &["version", "rustc", "commit", "features"],
        Kind::Gauge,
    ),
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
