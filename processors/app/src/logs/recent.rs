//! What happened lately: lines of the log of level INFO and above, of this project's own crates,
//! as many as fit into a bounded memory.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use readmill_engine::Clock as _;
use readmill_schemas::Timestamp;
use serde_json::{Value, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::ports::SystemClock;

/// So many are remembered.
const MOST_EVENTS: usize = 200;
/// One that is like one of so many before it is counted together with it.
const LOOK_BACK: usize = 16;
/// So much of a message or a field, and so many fields, are remembered.
const LONGEST_TEXT: usize = 400;
const MOST_FIELDS: usize = 16;
/// All crates of the project begin with it.
const OWN: &str = "readmill";

/// What this process remembers: it has one log.
static RECENT: LazyLock<Recent> = LazyLock::new(Recent::default);

/// What this process remembers of what happened lately.
pub fn recent() -> &'static Recent {
    &RECENT
}

/// The layer that remembers.
pub fn layer<S: Subscriber + for<'a> LookupSpan<'a>>() -> impl Layer<S> {
    let filter = filter_fn(is_of_interest).with_max_level_hint(LevelFilter::INFO);
    Remembering.with_filter(filter)
}

fn is_of_interest(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= Level::INFO && metadata.target().starts_with(OWN)
}

/// What happened, once or several times in a row.
#[derive(Debug, Clone)]
struct Happened {
    /// Its number; another one each time that it happens again.
    id: u64,
    /// Its number when it happened first.
    first: u64,
    at_ms: i64,
    since_ms: i64,
    times: u64,
    level: &'static str,
    message: String,
    /// Of the last time.
    fields: BTreeMap<&'static str, String>,
}

impl Happened {
    fn is_like(&self, other: &Self) -> bool {
        let of = |one: &Self| one.fields.get("model").cloned();
        self.level == other.level && self.message == other.message && of(self) == of(other)
    }

    fn shown(&self) -> Value {
        let time = |ms| Timestamp::from_millis(ms).to_string();
        json!({
            "id": self.id, "first": self.first, "at": time(self.at_ms),
            "since": time(self.since_ms), "times": self.times, "level": self.level,
            "message": self.message, "fields": self.fields,
        })
    }
}

#[derive(Debug, Default)]
struct Kept {
    last_id: u64,
    /// The oldest first.
    events: VecDeque<Happened>,
}

/// A bounded memory of what happened.
#[derive(Debug, Default)]
pub struct Recent(Mutex<Kept>);

impl Recent {
    fn note(&self, mut event: Happened) {
        let mut kept = self.kept();
        kept.last_id += 1;
        (event.id, event.first) = (kept.last_id, kept.last_id);
        let like = |other: &Happened| other.is_like(&event);
        let near = kept.events.len().saturating_sub(LOOK_BACK);
        let at = kept.events.iter().skip(near).position(like).map(|at| at + near);
        if let Some(before) = at.and_then(|at| kept.events.remove(at)) {
            event.first = before.first;
            event.since_ms = before.since_ms;
            event.times += before.times;
        }
        kept.events.push_back(event);
        if kept.events.len() > MOST_EVENTS {
            kept.events.pop_front();
        }
    }

    /// What has happened since the event of that number, the oldest first; what had happened before
    /// and has happened again is among it, under its first number.
    pub fn after(&self, id: u64) -> Value {
        let kept = self.kept();
        let later = kept.events.iter().filter(|event| event.id > id);
        let events: Vec<Value> = later.map(Happened::shown).collect();
        json!({ "newest": kept.last_id, "events": events })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Remembering;

impl<S: Subscriber> Layer<S> for Remembering {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut told = Told::default();
        event.record(&mut told);
        let at_ms = SystemClock.now_ms();
        let level = event.metadata().level().as_str();
        let Told { message, fields } = told;
        let (id, first, times) = (0, 0, 1);
        recent().note(Happened {
            id,
            first,
            at_ms,
            since_ms: at_ms,
            times,
            level,
            message,
            fields,
        });
    }
}

/// What a line of the log says.
#[derive(Default)]
struct Told {
    message: String,
    fields: BTreeMap<&'static str, String>,
}

impl Told {
    fn note(&mut self, field: &Field, text: String) {
        let text = shortened(text);
        if field.name() == "message" {
            self.message = text;
        } else if self.fields.len() < MOST_FIELDS {
            self.fields.insert(field.name(), text);
        }
    }
}

impl Visit for Told {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.note(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.note(field, format!("{value:?}"));
    }
}

fn shortened(mut text: String) -> String {
    if let Some((at, _)) = text.char_indices().nth(LONGEST_TEXT) {
        text.truncate(at);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    fn happened(message: &str, model: &str, at_ms: i64) -> Happened {
        let fields = BTreeMap::from([("model", model.to_owned())]);
        let (message, level) = (message.to_owned(), "INFO");
        let (id, first, times) = (0, 0, 1);
        Happened { id, first, at_ms, since_ms: at_ms, times, level, message, fields }
    }

    #[test]
    fn what_happens_again_and_again_does_not_drive_out_the_rest() {
        let recent = Recent::default();
        recent.note(happened("swapped", "points", 1));
        for n in 0..1_000 {
            recent.note(happened("held", "points", 10 + n));
            recent.note(happened("held", "deals", 10 + n));
        }
        let all = recent.after(0);
        let told: Vec<_> = (all["events"].as_array().unwrap().iter())
            .map(|event| (event["message"].as_str().unwrap(), event["times"].as_u64().unwrap()))
            .collect();
        assert_eq!(told, [("swapped", 1), ("held", 1_000), ("held", 1_000)]);
        assert_eq!(all["events"][1]["since"], "1970-01-01T00:00:00.010Z");
        assert_eq!(all["events"][1]["at"], "1970-01-01T00:00:01.009Z");
        // Whoever has seen all is told only what is new, under the number that it knows.
        let newest = all["newest"].as_u64().unwrap();
        assert_eq!(recent.after(newest)["events"], json!([]));
        recent.note(happened("held", "deals", 9_000));
        let later = recent.after(newest);
        assert_eq!(later["events"][0]["first"], all["events"][2]["first"]);
        assert_eq!(later["events"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn the_memory_is_bounded_and_keeps_the_newest() {
        let recent = Recent::default();
        for n in 0..1_000 {
            recent.note(happened(&format!("event {n}"), "points", n));
        }
        let all = recent.after(0);
        let events = all["events"].as_array().unwrap();
        assert_eq!((events.len(), &events[0]["message"]), (MOST_EVENTS, &json!("event 800")));
        assert_eq!(shortened("ü".repeat(9_999)).chars().count(), LONGEST_TEXT + 1);
    }

    #[test]
    fn our_own_lines_are_remembered_with_their_fields_and_no_others() {
        let logs = tracing_subscriber::registry().with(layer());
        tracing::subscriber::with_default(logs, || {
            tracing::info!(model = "kept-model", generation = 7, fault = %"silent", "kept line");
            tracing::debug!(model = "kept-model", "too fine");
            tracing::info!(target: "librdkafka", model = "kept-model", "of others");
        });
        let all = recent().after(0);
        let events = all["events"].as_array().unwrap();
        let own: Vec<_> =
            events.iter().filter(|event| event["fields"]["model"] == "kept-model").collect();
        let [one] = own[..] else { panic!("{all}") };
        assert_eq!((&one["message"], &one["level"]), (&json!("kept line"), &json!("INFO")));
        let fields = json!({ "model": "kept-model", "generation": "7", "fault": "silent" });
        assert_eq!(one["fields"], fields);
    }
}
