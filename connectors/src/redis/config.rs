//! The configuration of Redis.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::renewed::Written;
use crate::tls::Files;
use crate::{address, life};

/// `[redis]`: one primary, one that sentinels name, or a cluster; for documents and for mirrors.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisConfig {
    /// The address, such as `redis://user:password@host:6379/0`; `rediss://` with TLS. With
    /// sentinels or a cluster it names some of them: `redis://a:26379,b:26379,c:26379`.
    pub uri: String,
    /// Who is at the address.
    #[serde(default)]
    pub mode: Mode,
    /// What the sentinels call the primary.
    #[serde(default = "default_primary")]
    pub primary: String,
    /// The user of the sentinels, where they want one.
    #[serde(default)]
    pub sentinel_username: Option<String>,
    /// The password of the sentinels, where they want one.
    #[serde(default)]
    pub sentinel_password: Option<String>,
    /// The certificates of the authorities to trust, in PEM; without it those that the system
    /// trusts.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// The certificate to show to a server that demands one, in PEM.
    #[serde(default)]
    pub client_cert_file: Option<PathBuf>,
    /// Its key, in PEM and not encrypted.
    #[serde(default)]
    pub client_key_file: Option<PathBuf>,
    /// How many replicas must have received a document before it counts as durable. With 0 a
    /// fail-over may lose documents; that is noticed, and what is lost is read again.
    #[serde(default)]
    pub replicas: u32,
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
    /// How long an answer may take, in milliseconds; replicas may take half of it.
    #[serde(default = "default_response_limit_ms")]
    pub response_limit_ms: u64,
    /// What of these settings files fill in.
    #[serde(skip)]
    pub written: Written,
}

/// Who is at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The primary itself.
    #[default]
    Single,
    /// Sentinels, who know the primary.
    Sentinel,
    /// Nodes of a cluster, who know all others.
    Cluster,
}

impl RedisConfig {
    /// The defaults, at this address.
    pub fn at(uri: impl Into<String>) -> Self {
        Self {
            uri: uri.into(),
            mode: Mode::default(),
            primary: default_primary(),
            sentinel_username: None,
            sentinel_password: None,
            ca_file: None,
            client_cert_file: None,
            client_key_file: None,
            replicas: 0,
            prefix: default_prefix(),
            tombstone_life_hours: default_tombstone_life_hours(),
            connect_limit_ms: default_connect_limit_ms(),
            response_limit_ms: default_response_limit_ms(),
            written: Written::default(),
        }
    }

    /// The files for TLS.
    pub fn files(&self) -> Files<'_> {
        Files {
            ca: self.ca_file.as_deref(),
            client_cert: self.client_cert_file.as_deref(),
            client_key: self.client_key_file.as_deref(),
        }
    }

    /// What cannot be meant: the setting, and what would be right.
    pub fn unfit(&self) -> Option<(&'static str, &'static str)> {
        let many = self.uri.contains(',');
        let tls = self.uri.starts_with("rediss://");
        let tcp = tls || self.uri.starts_with("redis://");
        if many && self.mode == Mode::Single {
            return Some(("uri", "names several: set mode = \"sentinel\" or mode = \"cluster\""));
        }
        if !tcp && self.mode != Mode::Single {
            return Some(("uri", "must begin with redis:// or rediss:// in this mode"));
        }
        if self.files().any() && !tls {
            return Some(("uri", "is not rediss://, and certificates would protect nothing there"));
        }
        None
    }

    pub(super) const fn connect_limit(&self) -> Duration {
        Duration::from_millis(self.connect_limit_ms)
    }

    pub(super) const fn response_limit(&self) -> Duration {
        Duration::from_millis(self.response_limit_ms)
    }
}

/// Without passwords.
impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConfig")
            .field("uri", &address::told(&self.uri))
            .field("mode", &self.mode)
            .field("primary", &self.primary)
            .field("files", &self.files())
            .field("replicas", &self.replicas)
            .field("prefix", &self.prefix)
            .field("tombstone_life_hours", &self.tombstone_life_hours)
            .field("connect_limit_ms", &self.connect_limit_ms)
            .field("response_limit_ms", &self.response_limit_ms)
            .finish_non_exhaustive()
    }
}

fn default_primary() -> String {
    "mymaster".to_owned()
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
        let mut config = RedisConfig::at("redis://:secret@host");
        config.sentinel_password = Some("secret".to_owned());
        assert!(!format!("{config:?}").contains("secret"));
        assert!(serde_json::from_str::<RedisConfig>(r#"{"uri": "x", "ttl": 3}"#).is_err());
        let config: RedisConfig =
            serde_json::from_str(r#"{"uri": "redis://a,b", "mode": "cluster"}"#).unwrap();
        assert_eq!(config.mode, Mode::Cluster);
    }

    #[test]
    fn settings_that_contradict_each_other_are_named() {
        let unfit = |uri: &str, mode, files| {
            let mut config = RedisConfig::at(uri);
            config.mode = mode;
            config.ca_file = Some(PathBuf::from("ca.pem")).filter(|_| files);
            config.unfit().map(|(setting, _)| setting)
        };
        assert_eq!(unfit("redis://a", Mode::Single, false), None);
        assert_eq!(unfit("rediss://a,b", Mode::Cluster, true), None);
        assert_eq!(unfit("redis://a,b", Mode::Single, false), Some("uri"));
        assert_eq!(unfit("unix:///s", Mode::Sentinel, false), Some("uri"));
        assert_eq!(unfit("redis://a", Mode::Single, true), Some("uri"));
    }
}
