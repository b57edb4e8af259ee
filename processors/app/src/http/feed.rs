//! `GET /models/{model}/changes`: what this instance writes, as server-sent events.

use std::convert::Infallible;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::Response;
use futures::stream;
use readmill_engine::Changes;
use readmill_engine::changes::{Change, Heard, Listener, Stands, Told};
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

use super::answer::{answer, problem};
use super::documents::{failed, no_model};
use super::encoded::pairs;
use super::{Served, ServedModel};

/// So many listen at once, or half as many as connections may be open, if that is less.
const MOST_FEEDS: usize = 64;
/// Whoever hears of no change hears so often that there is none.
const BEAT_EVERY: Duration = Duration::from_secs(10);
/// So often it is looked which generation readers see.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// A feed ends after this, so that whoever may listen no more is not heard for ever.
const LIFE: Duration = Duration::from_secs(15 * 60);
/// So many changes are written out at once.
const CHUNK: usize = 32;

const LAST_EVENT_ID: &str = "last-event-id";

/// How many may still listen; cheap to clone.
#[derive(Debug, Clone)]
pub struct Feeds(Arc<Semaphore>);

impl Feeds {
    /// Beside so many connections.
    pub fn beside(connections: NonZeroU32) -> Self {
        let half = usize::try_from(connections.get().div_ceil(2)).unwrap_or(MOST_FEEDS);
        Self(Arc::new(Semaphore::new(MOST_FEEDS.min(half))))
    }
}

/// `GET /models/{model}/changes`
pub async fn changes(
    State(served): State<Served>,
    Path(name): Path<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let Some(model) = served.models.iter().find(|model| model.row().name == name) else {
        return no_model(&served, &name);
    };
    let prefix = match prefix(uri.query().unwrap_or_default()) {
        Ok(prefix) => prefix,
        Err(detail) => return problem(StatusCode::BAD_REQUEST, detail, json!({})),
    };
    let Ok(place) = Arc::clone(&served.feeds.0).try_acquire_owned() else {
        let detail = "as many listen as may: close another feed, or ask another instance";
        let mut response = problem(StatusCode::TOO_MANY_REQUESTS, detail, json!({}));
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("10"));
        return response;
    };
    let model = Arc::clone(model);
    let (generation, changes) = match model.changes().await {
        Ok(found) => found,
        Err(fault) => return failed(&fault),
    };
    let (listener, first) = begin(&changes, headers.get(LAST_EVENT_ID), &name, generation);
    let now = Instant::now();
    let feed = Feed {
        served,
        model,
        prefix,
        generation,
        listener,
        first: Some(first),
        look_at: now + LOOK_EVERY,
        beat_at: now + BEAT_EVERY,
        until: now + LIFE,
        has_ended: false,
        _place: place,
    };
    let told = stream::unfold(feed, |mut feed| async {
        let text = feed.next().await?;
        Some((Ok::<_, Infallible>(text), feed))
    });
    answer(StatusCode::OK, "text/event-stream", Body::from_stream(told))
}

fn prefix(query: &str) -> Result<String, String> {
    let mut prefix = String::new();
    for pair in pairs(query) {
        match pair? {
            ("prefix", value) => prefix = value,
            _ => return Err("there is prefix, and nothing else, to ask by".to_owned()),
        }
    }
    Ok(prefix)
}

/// Listens on where somebody was, or from now on; and what that one hears first.
fn begin(
    changes: &Changes,
    last: Option<&HeaderValue>,
    model: &str,
    generation: u32,
) -> (Listener, String) {
    let resumed = last.and_then(|id| changes.resume(place(id.to_str().ok()?)?));
    if let Some(listener) = resumed {
        return (listener, "retry: 1000\n: resumed\n\n".to_owned());
    }
    let listener = changes.listen();
    let event = match last {
        None => {
            let data = json!({ "model": model, "generation": generation });
            event("start", Some(listener.at()), &data.to_string())
        }
        Some(_) => reset(model, generation, listener.at(), "what was told since is not remembered"),
    };
    (listener, format!("retry: 1000\n{event}"))
}

/// A place as events name it.
fn id(at: Told) -> String {
    format!("{:016x}-{}", at.epoch, at.number)
}

fn place(id: &str) -> Option<Told> {
    let (epoch, number) = id.trim().split_once('-')?;
    Some(Told { epoch: u64::from_str_radix(epoch, 16).ok()?, number: number.parse().ok()? })
}

fn event(kind: &str, at: Option<Told>, data: &str) -> String {
    let id = at.map(|at| format!("id: {}\n", id(at))).unwrap_or_default();
    format!("event: {kind}\n{id}data: {data}\n\n")
}

fn reset(model: &str, generation: u32, at: Told, why: &str) -> String {
    let data = json!({ "model": model, "generation": generation, "reason": why });
    event("reset", Some(at), &data.to_string())
}

fn change(change: &Change, at: Told) -> String {
    let (key, revision) = (Value::from(change.key.as_str()), change.revision);
    let stands = match &change.stands {
        Stands::State(state) => format!("\"state\":{state}"),
        Stands::TooLarge => "\"too_large\":true".to_owned(),
        Stands::Gone => "\"gone\":true".to_owned(),
    };
    event("change", Some(at), &format!("{{\"key\":{key},\"revision\":{revision},{stands}}}"))
}

/// One that listens.
struct Feed {
    served: Served,
    model: Arc<dyn ServedModel>,
    prefix: String,
    generation: u32,
    listener: Listener,
    first: Option<String>,
    look_at: Instant,
    beat_at: Instant,
    until: Instant,
    has_ended: bool,
    _place: OwnedSemaphorePermit,
}

impl Feed {
    /// What it hears next; none at the end.
    async fn next(&mut self) -> Option<String> {
        if self.has_ended {
            return None;
        }
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        let mut stopping = self.served.stopping.clone();
        loop {
            if Instant::now() >= self.look_at
                && let Some(told) = self.look().await
            {
                return Some(told);
            }
            tokio::select! {
                biased;
                _ = stopping.wait_for(|stopping| *stopping) => {
                    return Some(self.end("end", "the process stops: go on with another instance"));
                }
                heard = self.listener.next(CHUNK) => {
                    if let Some(told) = self.hear(heard) {
                        return Some(told);
                    }
                }
                () = sleep_until(self.look_at) => {}
            }
        }
    }

    /// What there is to say of changes. Of those that are not asked for there is nothing, but that
    /// they have passed: the next beat says so.
    fn hear(&mut self, heard: Heard) -> Option<String> {
        let name = self.model.row().name;
        match heard {
            Heard::Changes(changes) => {
                let asked = changes.iter().filter(|(_, one)| one.key.0.starts_with(&self.prefix));
                let epoch = self.listener.at().epoch;
                let told: String = asked
                    .map(|(number, one)| change(one, Told { epoch, number: *number }))
                    .collect();
                if told.is_empty() {
                    return None;
                }
                self.beat_at = Instant::now() + BEAT_EVERY;
                Some(told)
            }
            Heard::BrokenOff => {
                let why = "a write was broken off, or a person was forgotten: read again";
                Some(reset(name, self.generation, self.listener.at(), why))
            }
            Heard::Behind => {
                Some(self.end("behind", "you are too slow: come back, and read again"))
            }
        }
    }

    /// Looks whether the feed is to end, or to follow another generation, or has been silent.
    async fn look(&mut self) -> Option<String> {
        let now = Instant::now();
        self.look_at = now + LOOK_EVERY;
        if now >= self.until {
            return Some(self.end("end", "a feed has an end: come back, and it goes on"));
        }
        let live = self.model.generation();
        if live.is_some_and(|live| live != self.generation)
            && let Ok((generation, changes)) = self.model.changes().await
            && generation != self.generation
        {
            (self.generation, self.listener) = (generation, changes.listen());
            let (name, at) = (self.model.row().name, self.listener.at());
            return Some(reset(name, generation, at, "readers see another generation: read again"));
        }
        if now >= self.beat_at {
            self.beat_at = now + BEAT_EVERY;
            // An id without an event is remembered, too.
            return Some(format!(": nothing else\nid: {}\n\n", id(self.listener.at())));
        }
        None
    }

    /// The last event. It has no id, so that whoever comes back goes on where it was.
    fn end(&mut self, kind: &str, why: &str) -> String {
        self.has_ended = true;
        event(kind, None, &json!({ "reason": why }).to_string())
    }
}
