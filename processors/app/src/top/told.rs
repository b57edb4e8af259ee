//! What an instance tells, as far as `top` and `status` show it: its status, generations, hot keys
//! and metrics.

use std::collections::BTreeMap;

use readmill_core::Counts;
use readmill_engine::Meter;
use serde::{Deserialize, Serialize};

use crate::http::{Exposition, Histogram};

/// `/status.json`, as far as it is shown. A newer instance may tell more.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Status {
    /// The version of the instance.
    pub version: String,
    /// For how long it has run.
    pub uptime_seconds: f64,
    /// Whether nothing ails it.
    pub healthy: bool,
    /// What ails it.
    pub ailments: Vec<String>,
    /// Whether it is ready.
    pub ready: bool,
    /// Why it is not.
    pub obstacles: Vec<String>,
    /// Whether it is about to end.
    pub stopping: bool,
    /// The stations, with what has passed them.
    pub stations: Vec<StationTold>,
    /// The lanes.
    pub lanes: Vec<LaneTold>,
    /// The models.
    pub models: Vec<ModelTold>,
}

/// A station.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct StationTold {
    /// Its number.
    pub number: u64,
    /// Its name.
    pub name: String,
    /// What has passed it.
    pub total: u64,
    /// Of what.
    pub unit: String,
}

/// A lane.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LaneTold {
    /// Its name.
    pub name: String,
    /// Lanes with a lower number go first.
    pub priority: u32,
    /// The most that it hands on in a second.
    pub rate_records_per_s: Option<u64>,
    /// What passes of it however busy others are.
    pub least_share_percent: u32,
    /// For how long more urgent work may be in hand before this lane has less.
    pub freshness_limit_ms: Option<u64>,
    /// Whether anything in it is not settled.
    pub busy: bool,
    /// Whether it gives way now.
    pub gives_way: bool,
    /// How much it has of what it would have.
    pub share_percent: u32,
}

/// A model in `/status.json`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ModelTold {
    /// Its name.
    pub name: String,
    /// What it is doing.
    pub state: String,
    /// Why it stopped.
    pub why: Option<String>,
    /// The generation that readers see.
    pub generation: Option<u32>,
    /// What became of its records.
    pub counts: Counts,
    /// Whether the counts add up.
    pub add_up: bool,
    /// Documents written.
    pub written: u64,
    /// Partitions in work.
    pub partitions: u64,
}

/// `/generations/{model}`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Generations {
    /// The one that readers are about to see.
    pub swapping_to: Option<u32>,
    /// All of them.
    pub generations: Vec<GenerationTold>,
}

/// A generation.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct GenerationTold {
    /// Its number.
    pub generation: u32,
    /// Whether readers see it.
    pub live: bool,
    /// When it was begun.
    pub begun: String,
    /// With what it began.
    pub from: String,
    /// Whether it rests.
    pub paused: bool,
    /// When it was verified, and how.
    pub verified: Option<VerifiedTold>,
    /// Records that are still to be read.
    pub behind_records: Option<u64>,
    /// Records that its log has in all.
    pub of_records: Option<u64>,
    /// How many instances fold it.
    pub instances: u64,
    /// How much it has of its share where it has least.
    pub share_percent: Option<u64>,
    /// Why it stopped.
    pub failed: Vec<String>,
}

/// A verification.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct VerifiedTold {
    /// When.
    pub at: String,
}

/// `/hot`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct HotTold {
    /// Of each model.
    pub models: Vec<HotModel>,
}

/// The hot keys of a model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HotModel {
    /// Its name.
    pub model: String,
    /// How many events were looked at.
    pub seen: u64,
    /// Its hottest keys, the hottest first.
    pub keys: Vec<HotKey>,
}

/// A hot key.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HotKey {
    /// The key.
    pub key: String,
    /// How often it came, at most.
    pub count: u64,
    /// It may have come so much less often.
    pub at_most_over_by: u64,
    /// Its part of all.
    pub share_percent: f64,
}

/// What the metrics say of a model.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    /// Records that its log has beyond those that are settled.
    pub lag_records: Option<u64>,
    /// Records held now.
    pub held: Option<u64>,
    /// Records that wait in documents.
    pub waiting: u64,
    /// What the last verification and the last comparison with the origin found.
    pub findings: u64,
    /// How often its log went on beyond records that were lost, and its store had lost writes.
    pub losses: u64,
    /// From commit to durable document.
    pub freshness: Histogram,
}

/// What the metrics say of these models.
pub fn measured<'n>(
    metrics: &str,
    names: impl Iterator<Item = &'n str>,
) -> BTreeMap<String, Measured> {
    let exposition = Exposition::read(metrics);
    let one = |name: &'n str| {
        let gauge =
            |meter| exposition.known(meter, name).map(|value| u64::try_from(value).unwrap_or(0));
        let sum = |meter| gauge(meter).unwrap_or(0);
        let measured = Measured {
            lag_records: gauge(Meter::LagRecords),
            held: gauge(Meter::Held),
            waiting: sum(Meter::Waiting),
            findings: sum(Meter::VerifyFindings) + sum(Meter::ReconcileFindings),
            losses: sum(Meter::LogGaps) + sum(Meter::RolledBack),
            freshness: exposition.histogram(Meter::Freshness, name),
        };
        (name.to_owned(), measured)
    };
    names.map(one).collect()
}
