//! The configuration of the embedded store.

use std::path::PathBuf;

use serde::Deserialize;

/// `[embedded]`: documents, views, held records and reactions in one directory of this
/// machine. One process at a time may have it open; others ask that process over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddedConfig {
    /// The directory; it is made if it does not exist, and belongs to the store alone.
    pub directory: PathBuf,
    /// Memory for blocks read back from disk, in MiB.
    #[serde(default = "default_cache_mib")]
    pub cache_mib: u64,
    /// The most that is kept in journals before it moves to its tables, in MiB; at least 64.
    #[serde(default = "default_journal_mib")]
    pub journal_mib: u64,
}

impl EmbeddedConfig {
    /// The defaults, in this directory.
    pub fn at(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            cache_mib: default_cache_mib(),
            journal_mib: default_journal_mib(),
        }
    }
}

const fn default_cache_mib() -> u64 {
    64
}

const fn default_journal_mib() -> u64 {
    256
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_setting_is_refused() {
        let good: EmbeddedConfig = serde_json::from_str(r#"{"directory": "/data"}"#).unwrap();
        assert_eq!(good, EmbeddedConfig::at("/data"));
        let misspelt = r#"{"directory": "/data", "cache_mb": 1}"#;
        assert!(serde_json::from_str::<EmbeddedConfig>(misspelt).is_err());
    }
}
