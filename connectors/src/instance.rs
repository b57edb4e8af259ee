//! A running instance of readmill, asked over its HTTP API.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use readmill_engine::Fault;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Method, Url};
use serde_json::Value;

use crate::address;
use crate::connect::faults::innermost;
use crate::registry::handshake;
use crate::tls::{self, Files};

const SERVICE: &str = "the instance";
/// One answer takes no longer: what does, goes on without whoever asked.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
const BAD_URL: &str = "give its address as http://host:port or https://host:port";
const BAD_TOKEN: &str = "a token is letters, digits and -._~+/ in one line";
const BAD_FILES: &str = "name the authority that issued the instance's certificate: --ca-file";

/// Where an instance is, and what is shown to it.
#[derive(Clone, Default)]
pub struct InstanceConfig {
    /// Its address.
    pub url: String,
    /// The token, where it wants one.
    pub token: Option<String>,
    /// The certificates of the authorities to trust, in PEM; without it those that the system
    /// trusts.
    pub ca_file: Option<PathBuf>,
}

/// Without the token.
impl fmt::Debug for InstanceConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = address::told(&self.url);
        f.debug_struct("InstanceConfig").field("url", &url).finish_non_exhaustive()
    }
}

/// What an instance answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body, which is JSON.
    pub body: Value,
}

/// A running instance.
#[derive(Clone)]
pub struct Instance {
    base: Url,
    http: reqwest::Client,
    shown: Option<HeaderValue>,
}

/// Without the token.
impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = address::told(self.base.as_str());
        f.debug_struct("Instance").field("url", &url).finish_non_exhaustive()
    }
}

impl Instance {
    /// Makes the client; nothing is asked yet.
    ///
    /// # Errors
    /// When the address, the token or the file for TLS cannot be used.
    pub fn new(config: &InstanceConfig) -> Result<Self, Fault> {
        let bad_url = || refused("its address is none".to_owned(), BAD_URL);
        let base = Url::parse(&config.url).map_err(|_| bad_url())?;
        let has_account = !base.username().is_empty() || base.password().is_some();
        if !["http", "https"].contains(&base.scheme()) || !base.has_host() || has_account {
            return Err(bad_url());
        }
        let shown = config.token.as_ref().map(|token| {
            let header = HeaderValue::try_from(format!("Bearer {token}"));
            // The value is not told: it is the token.
            let mut header =
                header.map_err(|_| refused("it cannot be shown".to_owned(), BAD_TOKEN))?;
            header.set_sensitive(true);
            Ok::<_, Fault>(header)
        });
        let files = Files { ca: config.ca_file.as_deref(), ..Files::default() };
        let read = |path: &Path| std::fs::read_to_string(path);
        let trust = files.load(read).map_err(|unfit| {
            let told = unfit.iter().map(|unfit| unfit.what.clone());
            refused(told.collect::<Vec<_>>().join("; "), BAD_FILES)
        })?;
        tls::install();
        // Whoever is asked is asked directly, and nobody else is shown the token.
        let builder = reqwest::Client::builder()
            .timeout(ANSWER_LIMIT)
            .connect_timeout(CONNECT_LIMIT)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none());
        let http = trust
            .give(builder, base.scheme() == "https")
            .and_then(reqwest::ClientBuilder::build)
            .map_err(|error| refused(innermost(&error), BAD_FILES))?;
        Ok(Self { base, http, shown: shown.transpose()? })
    }

    /// Whether what is shown to it can be read on the way.
    pub fn is_overheard(&self) -> bool {
        let here = match self.base.host_str() {
            Some("localhost") => true,
            Some(host) => {
                let host = host.trim_start_matches('[').trim_end_matches(']');
                host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
            }
            None => false,
        };
        self.shown.is_some() && self.base.scheme() == "http" && !here
    }

    /// Asks for something; the parts of the path and of the query may have any letters.
    ///
    /// # Errors
    /// When it does not answer, or not as an instance would.
    pub async fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Answer, Fault> {
        self.ask(Method::GET, path, query, None).await
    }

    /// Asks it to do something.
    ///
    /// # Errors
    /// When it does not answer, or not as an instance would.
    pub async fn post(&self, path: &[&str], body: &Value) -> Result<Answer, Fault> {
        self.ask(Method::POST, path, &[], Some(body)).await
    }

    /// Puts something in the place of what is there.
    ///
    /// # Errors
    /// When it does not answer, or not as an instance would.
    pub async fn put(&self, path: &[&str], body: &Value) -> Result<Answer, Fault> {
        self.ask(Method::PUT, path, &[], Some(body)).await
    }

    /// Asks for something that is text: the status, and the text.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn text(&self, path: &[&str]) -> Result<(u16, String), Fault> {
        self.send(Method::GET, path, &[], None).await
    }

    async fn ask(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Answer, Fault> {
        let (status, text) = self.send(method, path, query, body).await?;
        let body = serde_json::from_str(&text).map_err(|_| {
            let told = address::told(self.base.as_str());
            let detail = format!("{told} answers {status}, and not as an instance would");
            refused(detail, "give the address that `readmill run` listens on: http.listen")
        })?;
        Ok(Answer { status, body })
    }

    async fn send(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<(u16, String), Fault> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| refused("its address is none".to_owned(), BAD_URL))?
            .pop_if_empty()
            .extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
            // A blank as forms have it is a plus sign to everybody else.
            let plain = url.query().map(|query| query.replace('+', "%20"));
            url.set_query(plain.as_deref());
        }
        let told = address::told(self.base.as_str());
        let mut asking = self.http.request(method, url);
        if let Some(shown) = &self.shown {
            asking = asking.header(AUTHORIZATION, shown.clone());
        }
        if let Some(body) = body {
            asking = asking.json(body);
        }
        let answer = asking.send().await.map_err(|error| unanswered(&told, error))?;
        let status = answer.status().as_u16();
        let text = answer.text().await.map_err(|error| unanswered(&told, error))?;
        Ok((status, text))
    }
}

const fn refused(detail: String, hint: &'static str) -> Fault {
    Fault::Refused { service: SERVICE, detail, hint }
}

fn unanswered(told: &str, error: reqwest::Error) -> Fault {
    let error = error.without_url();
    if let Some((refused_by, _)) = handshake::refusal(&error) {
        return refused(format!("{told}: {refused_by}"), BAD_FILES);
    }
    let why = if error.is_timeout() { "no answer in time".to_owned() } else { innermost(&error) };
    Fault::Silent { service: SERVICE, detail: format!("{told}: {why}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(url: &str, token: Option<&str>) -> Result<Instance, Fault> {
        let token = token.map(str::to_owned);
        Instance::new(&InstanceConfig { url: url.to_owned(), token, ca_file: None })
    }

    #[test]
    fn addresses_are_judged_and_tokens_are_never_told() {
        let token = "tells-nobody-anything";
        let table = [
            // address, whether it is one, whether a token would be overheard
            ("http://127.0.0.1:9464", true, false),
            ("http://localhost:9464/", true, false),
            ("http://[::1]:9464", true, false),
            ("http://readmill.example:9464", true, true),
            ("https://readmill.example/base", true, false),
            ("ftp://readmill.example", false, false),
            ("readmill.example:9464", false, false),
            ("http://me:secret@readmill.example", false, false),
        ];
        for (url, is_one, overheard) in table {
            match at(url, Some(token)) {
                Ok(instance) => {
                    assert!(is_one, "{url}");
                    assert_eq!(instance.is_overheard(), overheard, "{url}");
                    assert!(!format!("{instance:?}").contains(token));
                }
                Err(fault) => {
                    assert!(!is_one, "{url}: {fault}");
                    assert!(!fault.to_string().contains("secret"), "{fault}");
                }
            }
        }
        let fault = at("http://127.0.0.1:1", Some("line\nbreak-in-it")).unwrap_err();
        assert!(!fault.to_string().contains("break-in-it"), "{fault}");
        let config =
            InstanceConfig { url: "http://h".to_owned(), token: Some(token.into()), ca_file: None };
        assert!(!format!("{config:?}").contains(token));
    }
}
