//! The guards before the routes: under which name, from which page, with which token, how large,
//! how often and for how long.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use readmill_engine::{Meter, Metrics};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::timeout;

use super::answer::problem;
use super::doors::Peer;
use super::encoded::decoded;
use super::keys::{Keys, Role};
use super::rate::{Bucket, Guesses};
use crate::config::{Http, is_loopback_name};

const FETCH_SITE: &str = "sec-fetch-site";

/// Why a request was refused, as the metric's label has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    ForeignName,
    WebPage,
    BodySize,
    Timeout,
    NoToken,
    WrongToken,
    Guesses,
    Role,
    Rate,
}

impl Refused {
    const fn label(self) -> &'static str {
        match self {
            Self::ForeignName => "foreign_name",
            Self::WebPage => "web_page",
            Self::BodySize => "body_size",
            Self::Timeout => "timeout",
            Self::NoToken => "no_token",
            Self::WrongToken => "wrong_token",
            Self::Guesses => "guesses",
            Self::Role => "role",
            Self::Rate => "rate",
        }
    }
}

/// What the guards go by; cheap to clone.
#[derive(Debug, Clone)]
pub struct Guard(Arc<Post>);

#[derive(Debug)]
struct Post {
    http: Http,
    keys: watch::Receiver<Arc<Keys>>,
    metrics: Metrics,
    known: Bucket,
    strangers: Bucket,
    guesses: Guesses,
}

impl Guard {
    /// With these tokens.
    pub fn new(http: Http, keys: watch::Receiver<Arc<Keys>>, metrics: Metrics) -> Self {
        let per_second = http.limits.requests_per_second.get();
        let (known, strangers) = (Bucket::of(per_second), Bucket::of(per_second));
        let guesses = Guesses::default();
        Self(Arc::new(Post { http, keys, metrics, known, strangers, guesses }))
    }

    fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.0.keys.borrow())
    }

    /// Whether there are tokens.
    pub fn has_tokens(&self) -> bool {
        !self.keys().is_empty()
    }

    fn refuse(&self, why: Refused, status: StatusCode, detail: impl Into<String>) -> Response {
        self.0.metrics.add(Meter::HttpRefused, &[why.label()], 1);
        problem(status, detail, json!({}))
    }

    fn later(&self, why: Refused, wait: Duration, detail: &str) -> Response {
        let mut response = self.refuse(why, StatusCode::TOO_MANY_REQUESTS, detail);
        let seconds = wait.as_secs_f64().ceil().max(1.0);
        if let Ok(seconds) = HeaderValue::try_from(seconds.to_string()) {
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response
    }

    fn too_often(&self, wait: Duration) -> Response {
        let detail = "more requests came than http.limit_requests_per_second";
        self.later(Refused::Rate, wait, detail)
    }

    /// Who asks may do this much; everything, where there are no tokens.
    fn role_of(&self, keys: &Keys, request: &Request) -> Result<Role, Box<Response>> {
        if keys.is_empty() {
            return Ok(Role::Operate);
        }
        let Some(shown) = shown(request.headers()) else {
            self.0.strangers.take().map_err(|wait| Box::new(self.too_often(wait)))?;
            let detail = "a token is needed: send it as `Authorization: Bearer <token>`";
            let refused = self.refuse(Refused::NoToken, StatusCode::UNAUTHORIZED, detail);
            return Err(Box::new(challenge(refused, "Bearer realm=\"readmill\"")));
        };
        let from = request.extensions().get::<Peer>().map(|Peer(address)| *address);
        let may = from.map_or(Ok(()), |from| self.0.guesses.may(from));
        may.map_err(|wait| {
            let detail = "too many wrong tokens came from this address: none is looked at for now";
            Box::new(self.later(Refused::Guesses, wait, detail))
        })?;
        keys.role_of(shown).ok_or_else(|| {
            if let Some(from) = from {
                self.0.guesses.note(from);
            }
            let detail = "this token is not known, or not any more";
            let refused = self.refuse(Refused::WrongToken, StatusCode::UNAUTHORIZED, detail);
            Box::new(challenge(refused, "Bearer realm=\"readmill\", error=\"invalid_token\""))
        })
    }
}

/// The token that is shown.
fn shown(headers: &HeaderMap) -> Option<&[u8]> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

fn challenge(mut response: Response, words: &'static str) -> Response {
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(words));
    response
}

/// Before everything: what a request may look like, and how long it may take.
pub async fn bounds(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let Http { host_names, limits, .. } = &guard.0.http;
    // A token is not sent by itself, as a name or a page might have it.
    if guard.keys().is_empty() {
        if !is_for_us(request.headers(), host_names) {
            let detail = "without tokens this server answers to localhost, loopback addresses and \
                          http.host_names only";
            return guard.refuse(Refused::ForeignName, StatusCode::MISDIRECTED_REQUEST, detail);
        }
        let scheme = if guard.0.http.tls.is_some() { "https://" } else { "http://" };
        let foreign = is_of_a_page(request.headers()) && !is_of_our_page(request.headers(), scheme);
        if is_change(request.method()) && foreign {
            let detail = "without tokens no web page but this server's own may change anything";
            return guard.refuse(Refused::WebPage, StatusCode::FORBIDDEN, detail);
        }
    }
    let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
    if let Err(detail) = decoded(path).and_then(|_| decoded(query)) {
        return problem(StatusCode::BAD_REQUEST, detail, json!({}));
    }
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|text| text.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > limits.body_bytes) {
        let detail = format!("the body is larger than {} KiB", limits.body_bytes / 1024);
        return guard.refuse(Refused::BodySize, StatusCode::PAYLOAD_TOO_LARGE, detail);
    }
    match timeout(limits.request, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let detail = "it was not answered within http.request_timeout_ms";
            guard.refuse(Refused::Timeout, StatusCode::SERVICE_UNAVAILABLE, detail)
        }
    }
}

/// Before what needs a token: to look needs one role, to change anything the other.
pub async fn admit(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    let keys = guard.keys();
    let role = match guard.role_of(&keys, &request) {
        Ok(role) => role,
        Err(refused) => return *refused,
    };
    let needed = if is_change(request.method()) { Role::Operate } else { Role::Read };
    if role < needed {
        return lacks(&guard, needed);
    }
    if let Err(wait) = guard.0.known.take() {
        return guard.too_often(wait);
    }
    // Nobody behind this door needs it, and what is not there cannot be told.
    request.headers_mut().remove(header::AUTHORIZATION);
    request.extensions_mut().insert(role);
    request.extensions_mut().insert(guard);
    next.run(request).await
}

/// Before what needs none, and is asked too often.
pub async fn tolerate(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    match guard.0.strangers.take() {
        Ok(()) => next.run(request).await,
        Err(wait) => guard.too_often(wait),
    }
}

/// The answer to whoever may not do so much.
pub fn lacks(guard: &Guard, needed: Role) -> Response {
    let detail = format!("this needs a token of the role {}", needed.name());
    let refused = guard.refuse(Refused::Role, StatusCode::FORBIDDEN, detail);
    challenge(refused, "Bearer realm=\"readmill\", error=\"insufficient_scope\"")
}

/// Everything but looking is a change, also what is not known.
fn is_change(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD)
}

/// Whether a browser sends it for a web page.
fn is_of_a_page(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ORIGIN)
        || headers.get(FETCH_SITE).is_some_and(|site| site != "none")
}

/// Whether it is this server's own page that asks. The browser says so twice, and no page of
/// another origin can have it say either: where the page is from, to the port, and that this is
/// the same place as where the request goes to.
fn is_of_our_page(headers: &HeaderMap, scheme: &str) -> bool {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let from = text(header::ORIGIN.as_str()).and_then(|origin| origin.strip_prefix(scheme));
    from.is_some_and(|from| text(header::HOST.as_str()) == Some(from))
        && text(FETCH_SITE) == Some("same-origin")
}

/// Whether a request names this server. A web page elsewhere may have its own name lead here, and
/// would then be free to read the documents through the browser of this machine.
fn is_for_us(headers: &HeaderMap, host_names: &[String]) -> bool {
    let host = headers.get(header::HOST);
    host.is_none_or(|host| host.to_str().is_ok_and(|host| is_ours(host, host_names)))
}

fn is_ours(host: &str, host_names: &[String]) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    is_loopback_name(name) || host_names.iter().any(|ours| ours.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_answered() {
        let table = [
            ("localhost:9464", true),
            ("127.0.0.1", true),
            ("127.8.0.1:1", true),
            ("[::1]:9464", true),
            ("Mill.Example:80", true),
            ("evil.example:9464", false),
            ("localhost.evil.example", false),
            ("192.168.0.1", false),
            ("", false),
        ];
        for (host, wanted) in table {
            assert_eq!(is_ours(host, &["mill.example".to_owned()]), wanted, "{host}");
        }
    }

    #[test]
    fn only_our_own_page_is_told_from_others() {
        let table = [
            // host, origin, Sec-Fetch-Site, whether it is ours
            ("localhost:9464", "http://localhost:9464", "same-origin", true),
            ("127.0.0.1:9464", "http://127.0.0.1:9464", "same-origin", true),
            ("localhost:9464", "http://localhost:3000", "same-site", false),
            ("localhost:9464", "http://localhost:3000", "same-origin", false),
            ("localhost:9464", "http://localhost:9464", "same-site", false),
            ("localhost:9464", "http://localhost:9464", "", false),
            ("localhost:9464", "https://localhost:9464", "same-origin", false),
            ("localhost:9464", "http://localhost", "same-origin", false),
            ("localhost:9464", "http://127.0.0.1:9464", "same-origin", false),
            ("localhost:9464", "http://localhost:9464.evil.example", "same-origin", false),
            ("localhost:9464", "null", "same-origin", false),
            ("localhost:9464", "", "same-origin", false),
        ];
        for (host, origin, site, wanted) in table {
            let mut headers = HeaderMap::new();
            let all = [("host", host), ("origin", origin), (FETCH_SITE, site)];
            for (name, value) in all.into_iter().filter(|(_, value)| !value.is_empty()) {
                headers.insert(name, HeaderValue::from_static(value));
            }
            let found = is_of_our_page(&headers, "http://");
            assert_eq!(found, wanted, "{host} {origin} {site}");
        }
    }

    #[test]
    fn tokens_are_found_in_their_header() {
        let table: [(&str, Option<&str>); 7] = [
            ("Bearer abc", Some("abc")),
            ("bearer  abc ", Some("abc")),
            ("Bearer ", Some("")),
            ("Bearer", None),
            ("Basic abc", None),
            ("Bearerabc", None),
            ("", None),
        ];
        for (text, wanted) in table {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, HeaderValue::from_str(text).unwrap());
            assert_eq!(shown(&headers), wanted.map(str::as_bytes), "{text:?}");
        }
    }
}
