//! The seats of instances: what each has seen of the roster, and how far its generations are.

use std::collections::BTreeMap;

use readmill_core::kept::{Kept, KeptAsDocuments};
use serde::{Deserialize, Serialize};

use super::Places;

/// What an instance tells the others about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat {
    /// The revision of the roster by which it acts now.
    pub seen: i64,
    /// One more with every sign of life.
    pub beat: u64,
    /// What it works on.
    pub works: Vec<Works>,
}

/// How one generation stands in one instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Works {
    /// The generation.
    pub generation: u32,
    /// Whether nothing of it is open, and no more is taken.
    pub rests: bool,
    /// Where its partitions stand that are worked on here.
    pub places: Places,
    /// How much it has here of what it would have if the live streams were fresh; none for one that
    /// readers see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share_percent: Option<u32>,
    /// Why it stopped, if it did by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

impl Seat {
    /// How a generation stands here, if it is worked on.
    pub fn works_on(&self, generation: u32) -> Option<&Works> {
        self.works.iter().find(|works| works.generation == generation)
    }
}

/// The seats of a model, by the names of their instances: together, so that whoever looks at all of
/// them looks at one document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// The seats.
    #[serde(default)]
    pub seats: BTreeMap<String, Seat>,
}

impl Kept for Table {
    const NAME: &'static str = "seats";
    const ABOUT: &'static str = "what each instance works on";
}

/// Seats as documents, those of each model under its name.
pub type Seats = KeptAsDocuments<Table>;
