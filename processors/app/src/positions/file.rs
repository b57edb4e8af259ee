//! Positions in a file, with the record that was settled last in each partition.

use std::path::Path;

use readmill_connectors::kafka::Landmark;
use readmill_core::Partition;
use serde::{Deserialize, Serialize};

use crate::exit::{Exit, Failure};

/// Where a group stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exported {
    /// The model.
    pub model: String,
    /// Its group.
    pub group: String,
    /// Where it stands in each partition.
    pub places: Vec<Noted>,
}

/// Where it stands in one partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Noted {
    /// Which.
    #[serde(flatten)]
    pub partition: Partition,
    /// Where it would be resumed.
    pub offset: i64,
    /// Where its log ended.
    pub end: i64,
    /// The last record before; none if nothing was ever settled there, or is there any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Landmark>,
}

impl Exported {
    /// As it is written.
    ///
    /// # Errors
    /// None that is known of.
    pub fn text(&self) -> Result<String, Failure> {
        serde_json::to_string_pretty(self).map_err(|error| {
            Failure::new(Exit::Failed, format!("positions cannot be written: {error}"), "report it")
        })
    }

    /// Writes a file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, file: &Path) -> Result<(), Failure> {
        std::fs::write(file, self.text()? + "\n").map_err(|error| {
            let told = format!("{} cannot be written: {error}", file.display());
            Failure::new(Exit::Service, told, "name a file in a directory that you may write")
        })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or is not one that was exported.
    pub fn read(file: &Path) -> Result<Self, Failure> {
        let unreadable = |error: &dyn std::fmt::Display| {
            let told = format!("{} holds no positions: {error}", file.display());
            Failure::new(Exit::Usage, told, "write one with `readmill positions export`")
        };
        let text = std::fs::read(file).map_err(|error| unreadable(&error))?;
        serde_json::from_slice(&text).map_err(|error| unreadable(&error))
    }
}
