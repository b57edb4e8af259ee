//! The configuration of the schema registry.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::address;
use crate::renewed::Written;
use crate::tls::Files;

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
    /// A bearer token, instead of a user and a password.
    #[serde(default)]
    pub token: Option<String>,
    /// The certificates of the authorities to trust, in PEM; without it those that the system
    /// trusts.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// The certificate to show to a registry that demands one, in PEM.
    #[serde(default)]
    pub client_cert_file: Option<PathBuf>,
    /// Its key, in PEM and not encrypted.
    #[serde(default)]
    pub client_key_file: Option<PathBuf>,
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
    /// How long the start of a model may wait for the latest schemas of its topics, in
    /// milliseconds; 0 leaves every schema to the first record that needs it.
    #[serde(default = "default_warm_up_limit_ms")]
    pub warm_up_limit_ms: u64,
    /// What of these settings files fill in.
    #[serde(skip)]
    pub written: Written,
}

impl RegistryConfig {
    /// The defaults, at this address.
    pub fn at(url: impl Into<String>) -> Self {
        Self {
            urls: vec![url.into()],
            username: None,
            password: None,
            token: None,
            ca_file: None,
            client_cert_file: None,
            client_key_file: None,
            request_limit_ms: default_request_limit_ms(),
            unknown_limit_ms: default_unknown_limit_ms(),
            unknown_age_ms: default_unknown_age_ms(),
            warm_up_limit_ms: default_warm_up_limit_ms(),
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

    /// The addresses that are not protected by TLS, without what they must not tell.
    pub fn open_urls(&self) -> Vec<String> {
        let open = self.urls.iter().filter(|url| !url.starts_with("https://"));
        open.map(|url| address::told(url)).collect()
    }

    /// The addresses without a slash at their end, which would double in every request.
    pub(super) fn trimmed(&self) -> Vec<String> {
        self.urls.iter().map(|url| url.trim_end_matches('/').to_owned()).collect()
    }

    pub(super) const fn request_limit(&self) -> Duration {
        Duration::from_millis(self.request_limit_ms)
    }
}

/// Without the password and the token.
impl fmt::Debug for RegistryConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let urls: Vec<String> = self.urls.iter().map(|url| address::told(url)).collect();
        f.debug_struct("RegistryConfig")
            .field("urls", &urls)
            .field("username", &self.username)
            .field("files", &self.files())
            .field("request_limit_ms", &self.request_limit_ms)
            .field("unknown_limit_ms", &self.unknown_limit_ms)
            .field("unknown_age_ms", &self.unknown_age_ms)
            .field("warm_up_limit_ms", &self.warm_up_limit_ms)
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

const fn default_warm_up_limit_ms() -> u64 {
    3_000
}
