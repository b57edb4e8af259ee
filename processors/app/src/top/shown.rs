//! What `top` shows, as values: the frames draw it, and `--json` prints it.

use readmill_core::Counts;
use serde::Serialize;

use super::told::{HotModel, LaneTold};

/// An instance, as it is now.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Shown {
    /// Its address.
    pub instance: String,
    /// Its version.
    pub version: String,
    /// For how long it has run.
    pub uptime_seconds: f64,
    /// Rates and freshness are those of so much time.
    pub window_seconds: f64,
    /// Whether nothing ails it.
    pub healthy: bool,
    /// Whether it is ready.
    pub ready: bool,
    /// Whether it is about to end.
    pub stopping: bool,
    /// The stations.
    pub river: Vec<Station>,
    /// The models.
    pub models: Vec<Model>,
    /// The lanes.
    pub lanes: Vec<LaneTold>,
    /// The generations of all models.
    pub generations: Vec<Generation>,
    /// Hot keys; none where the instance does not look for them.
    pub hot_keys: Option<Vec<HotModel>>,
    /// What a person should look at, the gravest first.
    pub warnings: Vec<Warning>,
    /// Records a second, look by look.
    #[serde(skip)]
    pub trend: Vec<f64>,
}

/// A station.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Station {
    /// Its number.
    pub number: u64,
    /// Its name.
    pub name: String,
    /// What it counts.
    pub unit: String,
    /// What has passed it.
    pub total: u64,
    /// How many a second.
    pub per_second: Option<f64>,
}

/// A model.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Model {
    /// Its name.
    pub model: String,
    /// What it is doing.
    pub state: String,
    /// Why it stopped.
    pub why: Option<String>,
    /// The generation that readers see.
    pub generation: Option<u32>,
    /// How many records came a second.
    pub records_per_second: Option<f64>,
    /// Half of what came lately was durable within so long.
    pub freshness_p50_seconds: Option<f64>,
    /// And 99 of a hundred within so long.
    pub freshness_p99_seconds: Option<f64>,
    /// Records that its log has beyond those that are settled; unknown of an archive.
    pub lag_records: Option<u64>,
    /// Records held now.
    pub held_records: Option<u64>,
    /// Records that wait in documents.
    pub waiting_records: u64,
    /// What the last verification and the last comparison with the origin found.
    pub findings: u64,
    /// How often records or writes were lost before it.
    pub losses: u64,
    /// What became of its records.
    pub counts: Counts,
    /// Whether that adds up.
    pub add_up: bool,
    /// Documents written.
    pub documents_written: u64,
    /// Partitions in work.
    pub partitions: u64,
}

/// A generation.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Generation {
    /// Of which model.
    pub model: String,
    /// Its number.
    pub generation: u32,
    /// Whether readers see it.
    pub live: bool,
    /// When it was begun.
    pub begun: String,
    /// With what.
    pub from: String,
    /// Whether it rests.
    pub paused: bool,
    /// When it was verified.
    pub verified: Option<String>,
    /// Whether readers are about to see it.
    pub swapping: bool,
    /// Records that are still to be read; unknown of an archive.
    pub behind_records: Option<u64>,
    /// Records that its log has in all.
    pub of_records: Option<u64>,
    /// How many it reads in a second.
    pub records_per_second: Option<f64>,
    /// When it will be at the end of its log, if it comes closer.
    pub eta_seconds: Option<f64>,
    /// How many instances fold it.
    pub instances: u64,
    /// How much it has of its share where it has least.
    pub share_percent: Option<u64>,
    /// Why it stopped.
    pub failed: Vec<String>,
}

impl Generation {
    /// How much of its log it has read, and how much there is.
    pub fn read(&self) -> Option<(u64, u64)> {
        let (behind, of) = self.behind_records.zip(self.of_records)?;
        Some((of.saturating_sub(behind), of))
    }
}

/// Something that a person should look at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Warning {
    /// Whether it is only to be known.
    pub minor: bool,
    /// In words.
    pub what: String,
}
