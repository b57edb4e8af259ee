//! The configuration of the outbox writer.

use std::fmt;

use serde::Deserialize;

use crate::address;
use crate::renewed::Written;

/// Rows for the outbox tables of a PostgreSQL database.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutboxConfig {
    /// The connection string, such as `postgresql://app:password@127.0.0.1:5432/shop`. TLS is as
    /// `sslmode` and `sslrootcert` in it say.
    pub url: String,
    /// How many connections write side by side; the rows of one aggregate stay on one of them.
    #[serde(default = "default_connections")]
    pub connections: usize,
    /// Transactions in a thousand that are first written and rolled back: nobody may see them.
    #[serde(default)]
    pub rollbacks_per_mille: u32,
    /// How long to wait for a connection, in milliseconds.
    #[serde(default = "default_connect_limit_ms")]
    pub connect_limit_ms: u64,
    /// What of these settings files fill in.
    #[serde(skip)]
    pub written: Written,
}

impl OutboxConfig {
    /// The defaults, at this address.
    pub fn at(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            connections: default_connections(),
            rollbacks_per_mille: 0,
            connect_limit_ms: default_connect_limit_ms(),
            written: Written::default(),
        }
    }
}

/// Without the password.
impl fmt::Debug for OutboxConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboxConfig")
            .field("url", &address::told(&self.url))
            .field("connections", &self.connections)
            .field("rollbacks_per_mille", &self.rollbacks_per_mille)
            .field("connect_limit_ms", &self.connect_limit_ms)
            .finish()
    }
}

const fn default_connections() -> usize {
    4
}

const fn default_connect_limit_ms() -> u64 {
    5_000
}
