//! The configuration of Kafka Connect.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::address;
use crate::tls::Files;

/// `[connect]`: the cluster of Kafka Connect that runs the connectors.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectConfig {
    /// The address of its REST API, of any of its workers.
    pub url: String,
    /// The user, where Connect wants one.
    #[serde(default)]
    pub username: Option<String>,
    /// The user's password.
    #[serde(default)]
    pub password: Option<String>,
    /// The certificates of the authorities to trust, in PEM; without it those that the system
    /// trusts.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// The certificate to show to a Connect that demands one, in PEM.
    #[serde(default)]
    pub client_cert_file: Option<PathBuf>,
    /// Its key, in PEM and not encrypted.
    #[serde(default)]
    pub client_key_file: Option<PathBuf>,
    /// How long one request may take, in milliseconds: validating asks the source database, too.
    #[serde(default = "default_request_limit_ms")]
    pub request_limit_ms: u64,
    /// How long a connector may take until it and all of its tasks run, in milliseconds.
    #[serde(default = "default_ready_limit_ms")]
    pub ready_limit_ms: u64,
}

impl ConnectConfig {
    /// The defaults, at this address.
    pub fn at(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            username: None,
            password: None,
            ca_file: None,
            client_cert_file: None,
            client_key_file: None,
            request_limit_ms: default_request_limit_ms(),
            ready_limit_ms: default_ready_limit_ms(),
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

    /// Whether TLS protects the way there.
    pub fn is_protected(&self) -> bool {
        self.url.starts_with("https://")
    }

    pub(super) const fn request_limit(&self) -> Duration {
        Duration::from_millis(self.request_limit_ms)
    }

    /// How long a connector may take until it runs.
    pub const fn ready_limit(&self) -> Duration {
        Duration::from_millis(self.ready_limit_ms)
    }
}

/// Without the password.
impl fmt::Debug for ConnectConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectConfig")
            .field("url", &address::told(&self.url))
            .field("username", &self.username)
            .field("request_limit_ms", &self.request_limit_ms)
            .field("ready_limit_ms", &self.ready_limit_ms)
            .finish_non_exhaustive()
    }
}

const fn default_request_limit_ms() -> u64 {
    30_000
}

const fn default_ready_limit_ms() -> u64 {
    90_000
}
