//! Who we are to the brokers, and whom we trust: TLS and SASL out of the `[kafka]` stanza.

use std::fmt;
use std::io;
use std::path::Path;

use rdkafka::ClientConfig;
use serde::Deserialize;

use super::config::KafkaConfig;
use crate::tls::{Files, Unfit};

/// How we prove to the brokers who we are, beside or instead of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum SaslMechanism {
    /// A password that the brokers see.
    #[serde(rename = "PLAIN")]
    Plain,
    /// A password that the brokers never see.
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    /// The same with a longer hash.
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
    /// A token that somebody else issues.
    #[serde(rename = "OAUTHBEARER")]
    OauthBearer,
}

impl SaslMechanism {
    /// Its name in the protocol.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
            Self::OauthBearer => "OAUTHBEARER",
        }
    }
}

impl fmt::Display for SaslMechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl KafkaConfig {
    /// The files for TLS to the brokers.
    pub fn files(&self) -> Files<'_> {
        Files {
            ca: self.ca_file.as_deref(),
            client_cert: self.client_cert_file.as_deref(),
            client_key: self.client_key_file.as_deref(),
        }
    }

    /// Whether the brokers are to know who we are, or we who they are.
    pub const fn is_secured(&self) -> bool {
        self.tls || self.sasl_mechanism.is_some()
    }

    /// Everything that is wrong with these settings; files are read by `read`.
    pub fn unfit(&self, read: impl Fn(&Path) -> io::Result<String>) -> Vec<Unfit> {
        let mut unfit = self.files().load(&read).err().unwrap_or_default();
        let others = Files { ca: self.oauth_ca_file.as_deref(), ..Files::default() };
        let others = others.load(&read).err().unwrap_or_default();
        unfit.extend(others.into_iter().map(|unfit| Unfit { setting: "oauth_ca_file", ..unfit }));
        let mut note = |setting, what: String| unfit.push(Unfit { setting, what });
        let given = |table: &[(&'static str, bool)]| {
            table.iter().find(|(_, given)| *given).map(|(setting, _)| *setting)
        };
        let files = [
            ("ca_file", self.ca_file.is_some()),
            ("client_cert_file", self.client_cert_file.is_some()),
            ("client_key_file", self.client_key_file.is_some()),
        ];
        if let Some(setting) = given(&files).filter(|_| !self.tls) {
            note(setting, "protects nothing without `tls = true`".to_owned());
        }
        let account =
            [("username", self.username.is_some()), ("password", self.password.is_some())];
        let oauth = self.oauth_settings();
        match self.sasl_mechanism {
            None => {
                if let Some(setting) = given(&account).or_else(|| given(&oauth)) {
                    note(setting, format!("is used by no one without `sasl_mechanism`: {ALL}"));
                }
                return unfit;
            }
            Some(mechanism @ SaslMechanism::OauthBearer) => {
                for (setting, _) in oauth.iter().take(NEEDED).filter(|(_, given)| !given) {
                    note("sasl_mechanism", format!("{mechanism} needs `{setting}`, too"));
                }
                if let Some(setting) = given(&account) {
                    note(setting, format!("is for the other mechanisms, not for {mechanism}"));
                }
            }
            Some(mechanism) => {
                for (setting, _) in account.iter().filter(|(_, given)| !given) {
                    note("sasl_mechanism", format!("{mechanism} needs `{setting}`, too"));
                }
                if let Some(setting) = given(&oauth) {
                    note(setting, format!("is for OAUTHBEARER, not for {mechanism}"));
                }
            }
        }
        unfit.extend(self.open_ways());
        unfit
    }

    /// The settings for tokens, those first without which there are none.
    const fn oauth_settings(&self) -> [(&'static str, bool); 5] {
        [
            ("oauth_token_url", self.oauth_token_url.is_some()),
            ("oauth_client_id", self.oauth_client_id.is_some()),
            ("oauth_client_secret", self.oauth_client_secret.is_some()),
            ("oauth_scope", self.oauth_scope.is_some()),
            ("oauth_ca_file", self.oauth_ca_file.is_some()),
        ]
    }

    /// Where secrets would go over a network that others may read.
    fn open_ways(&self) -> Vec<Unfit> {
        let mut open = Vec::new();
        if !self.tls && !self.allow_plain_text {
            let what = "would send credentials that others on the network can read: set \
                        `tls = true`, or `allow_plain_text = true` where nobody else listens";
            open.push(Unfit { setting: "sasl_mechanism", what: what.to_owned() });
        }
        if let Some(url) = &self.oauth_token_url {
            let what = if !["http://", "https://"].iter().any(|scheme| url.starts_with(scheme)) {
                Some("must begin with https://, or with http://")
            } else if url.starts_with("http://") && !self.allow_plain_text {
                Some(
                    "is not https://, and would send the client's secret as it is; or set \
                     `allow_plain_text = true`",
                )
            } else {
                None
            };
            let setting = "oauth_token_url";
            open.extend(what.map(|what| Unfit { setting, what: what.to_owned() }));
        }
        open
    }

    /// Tells the client library.
    pub(super) fn secure(&self, client: &mut ClientConfig) {
        let protocol = match (self.tls, self.sasl_mechanism) {
            (false, None) => return,
            (true, None) => "ssl",
            (false, Some(_)) => "sasl_plaintext",
            (true, Some(_)) => "sasl_ssl",
        };
        client.set("security.protocol", protocol);
        if self.tls {
            let ca = self.ca_file.as_deref().map(Path::to_string_lossy);
            // The library is linked with its own OpenSSL, which knows no system's certificates.
            client.set("ssl.ca.location", ca.as_deref().unwrap_or("probe"));
        }
        let files = [
            ("ssl.certificate.location", &self.client_cert_file),
            ("ssl.key.location", &self.client_key_file),
        ];
        for (setting, path) in files {
            if let Some(path) = path {
                client.set(setting, path.to_string_lossy());
            }
        }
        let Some(mechanism) = self.sasl_mechanism else { return };
        client.set("sasl.mechanisms", mechanism.name());
        if let (Some(name), Some(password)) = (&self.username, self.password_now()) {
            client.set("sasl.username", name).set("sasl.password", password);
        }
    }

    /// The password as its file has it now, for a new client.
    pub(super) fn password_now(&self) -> Option<String> {
        let password = self.password.as_ref()?;
        Some(self.written.now("password", password.reveal()))
    }
}

const ALL: &str = "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER";
/// So many of the settings for tokens must be there.
const NEEDED: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn given(change: impl FnOnce(&mut KafkaConfig)) -> KafkaConfig {
        let mut config = KafkaConfig::default();
        change(&mut config);
        config
    }

    fn account(config: &mut KafkaConfig) {
        config.tls = true;
        config.sasl_mechanism = Some(SaslMechanism::ScramSha512);
        config.username = Some("mill".to_owned());
        config.password = Some("s3cret".into());
    }

    fn tokens(config: &mut KafkaConfig) {
        config.tls = true;
        config.sasl_mechanism = Some(SaslMechanism::OauthBearer);
        config.oauth_token_url = Some("https://id.example/token".to_owned());
        config.oauth_client_id = Some("mill".to_owned());
        config.oauth_client_secret = Some("s3cret".into());
    }

    #[test]
    fn settings_that_belong_together_are_asked_for() {
        let table: [(KafkaConfig, &[&str]); 10] = [
            (given(|_| ()), &[]),
            (given(account), &[]),
            (given(tokens), &[]),
            (given(|c| c.ca_file = Some("/ca.pem".into())), &["ca_file"]),
            (given(|c| c.username = Some("mill".to_owned())), &["username"]),
            (
                given(|c| {
                    account(c);
                    c.password = None;
                }),
                &["sasl_mechanism"],
            ),
            (
                given(|c| {
                    account(c);
                    c.tls = false;
                }),
                &["sasl_mechanism"],
            ),
            (
                given(|c| {
                    account(c);
                    (c.tls, c.allow_plain_text) = (false, true);
                }),
                &[],
            ),
            (
                given(|c| {
                    tokens(c);
                    c.oauth_token_url = Some("http://id.example/token".to_owned());
                }),
                &["oauth_token_url"],
            ),
            (
                given(|c| {
                    tokens(c);
                    c.username = Some("mill".to_owned());
                    c.oauth_client_secret = None;
                }),
                &["sasl_mechanism", "username"],
            ),
        ];
        let ca = rcgen::generate_simple_self_signed(Vec::new()).unwrap().cert.pem();
        for (config, wanted) in table {
            let unfit = config.unfit(|_| Ok(ca.clone()));
            let found: Vec<&str> = unfit.iter().map(|unfit| unfit.setting).collect();
            assert_eq!(found, wanted, "{unfit:?}");
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        for config in [given(account), given(tokens)] {
            let told = format!("{config:?}{:?}", config.client());
            assert!(told.contains("mill") && !told.contains("s3cret"), "{told}");
        }
    }
}
