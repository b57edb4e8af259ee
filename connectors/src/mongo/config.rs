//! The configuration of MongoDB.

use std::fmt;

use serde::Deserialize;

use crate::renewed::Written;
use crate::{address, life};

/// `[mongo]`: documents in a MongoDB replica set. Every write is acknowledged by a majority
/// that has it in its journals.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MongoConfig {
    /// The connection string, such as `mongodb://user:password@a,b,c/?replicaSet=rs0`. Its user
    /// needs `readWrite` on the database.
    pub uri: String,
    /// The database.
    #[serde(default = "default_database")]
    pub database: String,
    /// How long the tombstone of an ended document stands, in hours. It must be longer than any
    /// topic keeps its records, or a replay could raise the dead. 0 is for ever.
    #[serde(default = "default_tombstone_life_hours")]
    pub tombstone_life_hours: u32,
    /// How long to look for a primary before it counts as silent, in milliseconds.
    #[serde(default = "default_select_limit_ms")]
    pub select_limit_ms: u64,
    /// How long one command may take, in milliseconds.
    #[serde(default = "default_command_limit_ms")]
    pub command_limit_ms: u32,
    /// How many commands of one batch may be under way side by side.
    #[serde(default = "default_parallel_commands")]
    pub parallel_commands: usize,
    /// What of these settings files fill in.
    #[serde(skip)]
    pub written: Written,
}

impl MongoConfig {
    /// The defaults, at this address.
    pub fn at(uri: impl Into<String>) -> Self {
        Self {
            uri: uri.into(),
            database: default_database(),
            tombstone_life_hours: default_tombstone_life_hours(),
            select_limit_ms: default_select_limit_ms(),
            command_limit_ms: default_command_limit_ms(),
            parallel_commands: default_parallel_commands(),
            written: Written::default(),
        }
    }
}

impl fmt::Debug for MongoConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MongoConfig")
            .field("uri", &address::told(&self.uri))
            .field("database", &self.database)
            .field("tombstone_life_hours", &self.tombstone_life_hours)
            .field("select_limit_ms", &self.select_limit_ms)
            .field("command_limit_ms", &self.command_limit_ms)
            .field("parallel_commands", &self.parallel_commands)
            .finish()
    }
}

fn default_database() -> String {
    "readmill".to_owned()
}

const fn default_tombstone_life_hours() -> u32 {
    life::DEFAULT_HOURS
}

const fn default_select_limit_ms() -> u64 {
    5_000
}

const fn default_command_limit_ms() -> u32 {
    15_000
}

const fn default_parallel_commands() -> usize {
    4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_shows_no_password_and_knows_its_settings() {
        let config = MongoConfig::at("mongodb://me:secret@host/?replicaSet=rs0");
        assert!(!format!("{config:?}").contains("secret"));
        let text = r#"{"uri": "mongodb://host", "tombstone_hours": 3}"#;
        assert!(serde_json::from_str::<MongoConfig>(text).is_err());
    }
}
