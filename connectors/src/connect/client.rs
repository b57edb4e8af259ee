//! The REST API of Kafka Connect.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use readmill_engine::Fault;
use reqwest::{Method, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep};

use super::answers::{Plugin, Status, Validated, Validation};
use super::config::ConnectConfig;
use super::definition::Definition;
use super::faults::{self, BAD_FILES, BAD_URL};
use crate::tls;

/// Connect answers 409 while it shares out its work anew, and 503 while it starts.
const BUSY: [u16; 2] = [409, 503];
const BUSY_PAUSE: Duration = Duration::from_millis(500);
const NO_SUCH: u16 = 404;

/// A cluster of Kafka Connect, by one of its workers.
#[derive(Clone)]
pub struct Connect {
    base: Url,
    http: reqwest::Client,
    account: Option<(String, Option<String>)>,
    busy_limit: Duration,
}

/// Without the password.
impl std::fmt::Debug for Connect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let url = crate::address::told(self.base.as_str());
        f.debug_struct("Connect").field("url", &url).finish_non_exhaustive()
    }
}

/// What became of a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// There was none of its name.
    Created,
    /// It took the place of another one.
    Replaced,
}

/// An answer that is not judged yet.
struct Answer {
    url: String,
    status: u16,
    body: String,
}

impl Connect {
    /// Makes the client; nothing is asked yet.
    ///
    /// # Errors
    /// When the address or a file for TLS cannot be used.
    pub fn new(config: &ConnectConfig) -> Result<Self, Fault> {
        let mut base = Url::parse(config.url.trim_end_matches('/'))
            .map_err(|_| faults::refused("its address is none".to_owned(), BAD_URL))?;
        let in_url = (!base.username().is_empty())
            .then(|| (base.username().to_owned(), base.password().map(str::to_owned)));
        // What stays in the address would be told with every error.
        let clean = base.set_username("").and_then(|()| base.set_password(None));
        clean.map_err(|()| faults::refused("its address is none".to_owned(), BAD_URL))?;
        let read = |path: &Path| std::fs::read_to_string(path);
        let trust = config.files().load(read).map_err(|unfit| {
            let told = unfit.iter().map(|unfit| format!("`{}`: {}", unfit.setting, unfit.what));
            faults::refused(told.collect::<Vec<_>>().join("; "), BAD_FILES)
        })?;
        tls::install();
        let builder = reqwest::Client::builder().timeout(config.request_limit());
        let http = trust
            .give(builder, config.is_protected())
            .and_then(reqwest::ClientBuilder::build)
            .map_err(|error| faults::refused(faults::innermost(&error), BAD_FILES))?;
        let account = config.username.clone().map(|name| (name, config.password.clone()));
        let account = account.or(in_url);
        Ok(Self { base, http, account, busy_limit: config.request_limit() })
    }

    /// How all connectors are, by name.
    ///
    /// # Errors
    /// When Connect does not answer or refuses.
    pub async fn statuses(&self) -> Result<BTreeMap<String, Status>, Fault> {
        #[derive(serde::Deserialize)]
        struct Expanded {
            status: Status,
        }
        let mut url = self.url(&["connectors"])?;
        url.query_pairs_mut().append_pair("expand", "status");
        let answer = self.patiently(Method::GET, url, None::<&()>).await?;
        let all: BTreeMap<String, Expanded> = answer.read()?;
        Ok(all.into_iter().map(|(name, expanded)| (name, expanded.status)).collect())
    }

    /// How a connector is; `None` if there is none, or nobody knows yet.
    ///
    /// # Errors
    /// When Connect does not answer or refuses.
    pub async fn status(&self, name: &str) -> Result<Option<Status>, Fault> {
        self.find(&["connectors", name, "status"]).await
    }

    /// The options that a connector runs with; `None` if there is none.
    ///
    /// # Errors
    /// When Connect does not answer or refuses.
    pub async fn options(&self, name: &str) -> Result<Option<BTreeMap<String, String>>, Fault> {
        self.find(&["connectors", name, "config"]).await
    }

    /// The topics that a connector has written to since it was made, or they were reset.
    ///
    /// # Errors
    /// When Connect does not answer or refuses.
    pub async fn topics(&self, name: &str) -> Result<BTreeSet<String>, Fault> {
        #[derive(serde::Deserialize)]
        struct Written {
            topics: BTreeSet<String>,
        }
        let written: Option<BTreeMap<String, Written>> =
            self.find(&["connectors", name, "topics"]).await?;
        let written = written.and_then(|mut written| written.remove(name));
        Ok(written.map(|written| written.topics).unwrap_or_default())
    }

    /// The kinds of connectors that there are.
    ///
    /// # Errors
    /// When Connect does not answer or refuses.
    pub async fn plugins(&self) -> Result<Vec<Plugin>, Fault> {
        let url = self.url(&["connector-plugins"])?;
        self.patiently(Method::GET, url, None::<&()>).await?.read()
    }

    /// What Connect finds in a definition; Debezium looks at the database for it.
    ///
    /// # Errors
    /// When Connect does not answer or refuses, or does not have the class.
    pub async fn validate(&self, definition: &Definition) -> Result<Validation, Fault> {
        let class = definition.class().unwrap_or_default();
        let url = self.url(&["connector-plugins", class, "config", "validate"])?;
        let answer = self.patiently(Method::PUT, url, Some(&definition.body())).await?;
        let validated: Validated = answer.read()?;
        Ok(validated.into())
    }

    /// Gives Connect a definition, in place of what runs under its name.
    ///
    /// # Errors
    /// When Connect does not answer or refuses.
    pub async fn put(&self, definition: &Definition) -> Result<Put, Fault> {
        let url = self.url(&["connectors", &definition.name, "config"])?;
        let answer = self.patiently(Method::PUT, url, Some(&definition.body())).await?;
        let is_new = answer.status == 201;
        answer.well()?;
        Ok(if is_new { Put::Created } else { Put::Replaced })
    }

    /// Restarts a connector and its tasks: all of them, or those that have failed.
    ///
    /// # Errors
    /// When Connect does not answer or refuses.
    pub async fn restart(&self, name: &str, only_failed: bool) -> Result<(), Fault> {
        let mut url = self.url(&["connectors", name, "restart"])?;
        url.query_pairs_mut()
            .append_pair("includeTasks", "true")
            .append_pair("onlyFailed", if only_failed { "true" } else { "false" });
        self.patiently(Method::POST, url, None::<&()>).await?.well().map(drop)
    }

    /// Deletes a connector; its offsets stay. `false` if there was none.
    ///
    /// # Errors
    /// When Connect does not answer or refuses.
    pub async fn delete(&self, name: &str) -> Result<bool, Fault> {
        let url = self.url(&["connectors", name])?;
        let answer = self.patiently(Method::DELETE, url, None::<&()>).await?;
        if answer.is_missing() {
            return Ok(false);
        }
        answer.well().map(|_| true)
    }

    async fn find<T: DeserializeOwned>(&self, path: &[&str]) -> Result<Option<T>, Fault> {
        let url = self.url(path)?;
        let answer = self.patiently(Method::GET, url, None::<&()>).await?;
        if answer.is_missing() { Ok(None) } else { answer.read().map(Some) }
    }

    /// Asks again while Connect is busy with itself.
    async fn patiently<B: Serialize + Sync>(
        &self,
        method: Method,
        url: Url,
        body: Option<&B>,
    ) -> Result<Answer, Fault> {
        let since = Instant::now();
        loop {
            let answer = self.once(method.clone(), url.clone(), body).await?;
            if !answer.is_of_the_busy() || since.elapsed() > self.busy_limit {
                return Ok(answer);
            }
            sleep(BUSY_PAUSE).await;
        }
    }

    async fn once<B: Serialize + Sync>(
        &self,
        method: Method,
        url: Url,
        body: Option<&B>,
    ) -> Result<Answer, Fault> {
        let told = url.to_string();
        let mut request = self.http.request(method, url);
        if let Some((name, password)) = &self.account {
            request = request.basic_auth(name, password.as_deref());
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let failed = |error| faults::unanswered(&told, error);
        let answer = request.send().await.map_err(failed)?;
        let status = answer.status().as_u16();
        let body = answer.text().await.map_err(failed)?;
        Ok(Answer { url: told, status, body })
    }

    fn url(&self, path: &[&str]) -> Result<Url, Fault> {
        let mut url = self.base.clone();
        match url.path_segments_mut() {
            Ok(mut segments) => drop(segments.pop_if_empty().extend(path)),
            Err(()) => return Err(faults::refused("its address is none".to_owned(), BAD_URL)),
        }
        Ok(url)
    }
}

impl Answer {
    /// Whether it is to be asked again in a moment. A worker that asks another one for us tells
    /// that one's 409 as a failure of its own.
    fn is_of_the_busy(&self) -> bool {
        BUSY.contains(&self.status) || (self.status == 500 && self.body.contains("rebalance"))
    }

    /// Whether Connect itself says that there is no such thing.
    fn is_missing(&self) -> bool {
        self.status == NO_SUCH && self.body.contains("error_code")
    }

    fn well(self) -> Result<String, Fault> {
        match self.status {
            200..=299 => Ok(self.body),
            status => Err(faults::judged(&self.url, status, &self.body)),
        }
    }

    fn read<T: DeserializeOwned>(self) -> Result<T, Fault> {
        let told = crate::address::told(&self.url);
        let body = self.well()?;
        serde_json::from_str(&body).map_err(|_| {
            faults::refused(format!("{told} answers, and not as Kafka Connect does"), BAD_URL)
        })
    }
}
