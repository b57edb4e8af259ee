//! The configuration of the schema registry.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;

use crate::address;

/// `[registry]`: a schema registry with Confluent's API.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistryConfig {
    /// The addresses of the API, asked in this order until one answers; Apicurio's ends in
    /// `/apis/ccompat/v7`.
    pub urls: Vec<String>,
    /// The user, where the registry wants one.
    #[serde(default)]
    pub username: Option<String>,
    /// The user's password.
    #[serde(default)]
    pub password: Option<String>,
    /// How long one request may take, in milliseconds.
    #[serde(default = "default_request_limit_ms")]
    pub request_limit_ms: u64,
    /// How long an id that the registry does not know is asked for again, in milliseconds: a
    /// registry's replicas may lag behind the producer.
    #[serde(default = "default_unknown_limit_ms")]
    pub unknown_limit_ms: u64,
    /// How long an unknown id is believed to be unknown afterwards, in milliseconds.
    #[serde(default = "default_unknown_age_ms")]
    pub unknown_age_ms: u64,
}

impl RegistryConfig {
    /// The defaults, at this address.
    pub fn at(url: impl Into<String>) -> Self {
        Self {
            urls: vec![url.into()],
            username: None,
            password: None,
            request_limit_ms: default_request_limit_ms(),
            unknown_limit_ms: default_unknown_limit_ms(),
            unknown_age_ms: default_unknown_age_ms(),
        }
    }

    /// The addresses without a slash at their end, which would double in every request.
    pub(super) fn trimmed(&self) -> Vec<String> {
        self.urls.iter().map(|url| url.trim_end_matches('/').to_owned()).collect()
    }

    pub(super) const fn request_limit(&self) -> Duration {
        Duration::from_millis(self.request_limit_ms)
    }
}

/// Without the password.
impl fmt::Debug for RegistryConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let urls: Vec<String> = self.urls.iter().map(|url| address::told(url)).collect();
        f.debug_struct("RegistryConfig")
            .field("urls", &urls)
            .field("username", &self.username)
            .field("request_limit_ms", &self.request_limit_ms)
            .field("unknown_limit_ms", &self.unknown_limit_ms)
            .field("unknown_age_ms", &self.unknown_age_ms)
            .finish_non_exhaustive()
    }
}

const fn default_request_limit_ms() -> u64 {
    2_000
}

const fn default_unknown_limit_ms() -> u64 {
    3_000
}

const fn default_unknown_age_ms() -> u64 {
    30_000
}
