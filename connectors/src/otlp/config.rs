//! The configuration of traces.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use readmill_engine::traces::Sampling;
use serde::Deserialize;

use crate::address;
use crate::tls::Files;

/// `[traces]`: spans of single records along the stations, for a collector.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TracesConfig {
    /// Where the collector takes OTLP over HTTP, with the path.
    pub endpoint: String,
    /// The certificates of the authorities to trust, in PEM; without it those that the system
    /// trusts.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Of records whose header `traceparent` says that their trace is sampled, so many of a
    /// thousand; the others are passed over.
    #[serde(default = "all_per_mille")]
    pub sampled_per_mille: u32,
    /// Of records without such a header, so many of a thousand; each begins a trace.
    #[serde(default)]
    pub others_per_mille: u32,
    /// So many spans wait for the collector; what comes beyond is dropped, and counted.
    #[serde(default = "default_queue_spans")]
    pub queue_spans: u32,
    /// How long one request may take, in milliseconds.
    #[serde(default = "default_request_limit_ms")]
    pub request_limit_ms: u64,
}

impl TracesConfig {
    /// The defaults, at this address.
    pub fn at(endpoint: impl Into<String>) -> Self {
        Self {
            endpoint: endpoint.into(),
            ca_file: None,
            sampled_per_mille: all_per_mille(),
            others_per_mille: 0,
            queue_spans: default_queue_spans(),
            request_limit_ms: default_request_limit_ms(),
        }
    }

    /// The files for TLS.
    pub fn files(&self) -> Files<'_> {
        Files { ca: self.ca_file.as_deref(), ..Files::default() }
    }

    /// Whether TLS protects the way there.
    pub fn is_protected(&self) -> bool {
        self.endpoint.starts_with("https://")
    }

    /// Of which records spans are made.
    pub const fn sampling(&self) -> Sampling {
        let Self { sampled_per_mille, others_per_mille, .. } = self;
        Sampling { sampled_per_mille: *sampled_per_mille, others_per_mille: *others_per_mille }
    }

    pub(super) fn queue_spans(&self) -> usize {
        usize::try_from(self.queue_spans).unwrap_or(usize::MAX).max(1)
    }

    pub(super) const fn request_limit(&self) -> Duration {
        Duration::from_millis(self.request_limit_ms)
    }
}

/// Without what the address may hide.
impl fmt::Debug for TracesConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TracesConfig")
            .field("endpoint", &address::told(&self.endpoint))
            .field("sampling", &self.sampling())
            .field("queue_spans", &self.queue_spans)
            .finish_non_exhaustive()
    }
}

const fn all_per_mille() -> u32 {
    1000
}

const fn default_queue_spans() -> u32 {
    8192
}

const fn default_request_limit_ms() -> u64 {
    5_000
}
