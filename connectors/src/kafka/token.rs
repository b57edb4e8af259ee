//! Tokens for OAUTHBEARER, asked of whoever issues them by the grant for clients.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rdkafka::client::OAuthToken;
use reqwest::{StatusCode, Url};
use serde::Deserialize;

use super::config::KafkaConfig;
use super::ear::Complaint;
use crate::address;
use crate::secret::Secret;
use crate::tls::{self, Files};

/// A token without a word about how long it is good is asked for again after this time.
const DEFAULT_LIFE_S: u64 = 300;
/// An issuer's own word for what is wrong is told if it is no longer than this.
const WORD_LIMIT: usize = 64;

/// Where tokens come from, and by whom they are asked for.
#[derive(Debug)]
pub struct Tokens {
    url: String,
    id: String,
    secret: Secret,
    scope: Option<String>,
    ca: Option<PathBuf>,
    limit: Duration,
}

/// What an issuer answers.
#[derive(Deserialize)]
struct Issued {
    access_token: String,
    expires_in: Option<u64>,
}

/// What it answers when it does not want to.
#[derive(Deserialize)]
struct Declined {
    error: String,
}

impl Tokens {
    /// If the configuration asks for tokens.
    pub fn of(config: &KafkaConfig) -> Option<Self> {
        Some(Self {
            url: config.oauth_token_url.clone()?,
            id: config.oauth_client_id.clone()?,
            secret: config.oauth_client_secret.clone()?,
            scope: config.oauth_scope.clone(),
            ca: config.oauth_ca_file.clone(),
            limit: config.connect_timeout(),
        })
    }

    /// A new token. The client library asks on threads of its own and of others, so that the
    /// question has a thread to itself.
    ///
    /// # Errors
    /// When nobody answers, or whoever does issues none.
    pub fn ask(&self) -> Result<OAuthToken, Complaint> {
        let asked = thread::scope(|scope| scope.spawn(|| self.ask_here()).join());
        asked.unwrap_or_else(|_| Err(self.silent("the question for a token was given up")))
    }

    fn ask_here(&self) -> Result<OAuthToken, Complaint> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| self.silent(&error.to_string()))?;
        let issued = runtime.block_on(self.fetch())?;
        let life = Duration::from_secs(issued.expires_in.unwrap_or(DEFAULT_LIFE_S));
        let end = SystemTime::now() + life;
        let end_ms = end.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        Ok(OAuthToken {
            token: issued.access_token,
            principal_name: self.id.clone(),
            lifetime_ms: i64::try_from(end_ms).unwrap_or(i64::MAX),
        })
    }

    async fn fetch(&self) -> Result<Issued, Complaint> {
        let mut form = Url::parse(&self.url).map_err(|_| self.refused("it is no address"))?;
        form.query_pairs_mut().clear().append_pair("grant_type", "client_credentials");
        if let Some(scope) = &self.scope {
            form.query_pairs_mut().append_pair("scope", scope);
        }
        let asking = self.client()?.post(&self.url);
        let asking = asking.basic_auth(&self.id, Some(self.secret.reveal()));
        let asking = asking.header("content-type", "application/x-www-form-urlencoded");
        let answer = asking.body(form.query().unwrap_or_default().to_owned()).send().await;
        let answer = answer.map_err(|error| self.unanswered(&error))?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(|error| self.unanswered(&error))?;
        if !status.is_success() {
            let declined = serde_json::from_slice::<Declined>(&body).ok();
            return Err(self.declined(status, declined));
        }
        serde_json::from_slice(&body).map_err(|_| self.refused("it answers without a token"))
    }

    fn client(&self) -> Result<reqwest::Client, Complaint> {
        let files = Files { ca: self.ca.as_deref(), ..Files::default() };
        let trust = files.load(|path: &Path| std::fs::read_to_string(path)).map_err(|unfit| {
            let told: Vec<String> = unfit.into_iter().map(|unfit| unfit.what).collect();
            self.refused(&told.join("; "))
        })?;
        tls::install();
        let builder = reqwest::Client::builder().timeout(self.limit);
        let client = trust.give(builder, self.url.starts_with("https://"));
        let client = client.and_then(reqwest::ClientBuilder::build);
        client.map_err(|error| self.refused(&innermost(&error)))
    }

    /// An issuer that is overloaded or out of order may issue one later.
    fn declined(&self, status: StatusCode, declined: Option<Declined>) -> Complaint {
        let word = declined.map(|declined| declined.error).filter(|word| {
            let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ' ');
            word.len() <= WORD_LIMIT && word.chars().all(letter)
        });
        let word = word.map_or_else(String::new, |word| format!(" {word}"));
        let detail = format!("it answers {}{word}", status.as_u16());
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            self.silent(&detail)
        } else {
            self.refused(&detail)
        }
    }

    fn unanswered(&self, error: &reqwest::Error) -> Complaint {
        let told = innermost(error);
        if told.contains("certificate") { self.refused(&told) } else { self.silent(&told) }
    }

    fn told(&self, what: &str) -> String {
        format!("no token from {}: {what}", address::told(&self.url))
    }

    fn silent(&self, what: &str) -> Complaint {
        Complaint::passing(self.told(what))
    }

    fn refused(&self, what: &str) -> Complaint {
        Complaint::lasting(self.told(what), HINT)
    }
}

const HINT: &str = "look at kafka.oauth_token_url, oauth_client_id, oauth_client_secret, \
                    oauth_scope and oauth_ca_file";

fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
