//! The configuration of Redis.

use std::fmt;

use serde::Deserialize;

use crate::{address, life};

/// `[redis]` and `[mirror.redis]`: one Redis primary, with or without replicas. A cluster is
/// not supported.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisConfig {
    /// The address, such as `redis://user:password@host:6379/0`.
    pub uri: String,
    /// What every key of documents and held records begins with.
    #[serde(default = "default_prefix")]
    pub prefix: String,
    /// How long the tombstone of an ended document stands, in hours. It must be longer than any
    /// topic keeps its records, or a replay could raise the dead. 0 is for ever.
    #[serde(default = "default_tombstone_life_hours")]
    pub tombstone_life_hours: u32,
    /// How long a connection may take, in milliseconds.
    #[serde(default = "default_connect_limit_ms")]
    pub connect_limit_ms: u64,
    /// How long an answer may take, in milliseconds.
    #[serde(default = "default_response_limit_ms")]
    pub response_limit_ms: u64,
}

impl RedisConfig {
    /// The defaults, at this address.
    pub fn at(uri: impl Into<String>) -> Self {
        Self {
            uri: uri.into(),
            prefix: default_prefix(),
            tombstone_life_hours: default_tombstone_life_hours(),
            connect_limit_ms: default_connect_limit_ms(),
            response_limit_ms: default_response_limit_ms(),
        }
    }
}

impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConfig")
            .field("uri", &address::told(&self.uri))
            .field("prefix", &self.prefix)
            .field("tombstone_life_hours", &self.tombstone_life_hours)
            .field("connect_limit_ms", &self.connect_limit_ms)
            .field("response_limit_ms", &self.response_limit_ms)
            .finish()
    }
}

fn default_prefix() -> String {
    "rm:".to_owned()
}

const fn default_tombstone_life_hours() -> u32 {
    life::DEFAULT_HOURS
}

const fn default_connect_limit_ms() -> u64 {
    5_000
}

const fn default_response_limit_ms() -> u64 {
    5_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_shows_no_password_and_knows_its_settings() {
        let config = RedisConfig::at("redis://:secret@host");
        assert!(!format!("{config:?}").contains("secret"));
        assert!(serde_json::from_str::<RedisConfig>(r#"{"uri": "x", "ttl": 3}"#).is_err());
    }
}
