//! How a document's history is told: in lines for people, or in one JSON object.

use readmill_core::identity::Place;
use readmill_core::{Document, Identity, Key, ReadModel};
use readmill_engine::Fault;
use readmill_schemas::Timestamp;
use serde_json::{Value as Json, json};

use super::compare::Compared;
use super::steps::{Step, state};
use super::{Explaining, Story};
use crate::cli::When;
use crate::exit::Exit;
use crate::fields::{Changed, concerns, shortened};
use crate::out;

/// So many records are shown to a person who does not say how many.
const DEFAULT_LIMIT: usize = 50;
/// So many changed fields of one record, and of a difference.
const SHOWN_FIELDS: usize = 20;

impl Explaining {
    /// Tells the story, and answers how it ends.
    ///
    /// # Errors
    /// A state that cannot be written as JSON.
    pub(super) fn tell<M: ReadModel>(
        &self,
        story: &Story<M>,
        compared: &Compared,
    ) -> Result<Exit, Fault> {
        let document = story.document.as_ref().map(state).transpose()?.flatten();
        if self.args.json {
            out::line(self.json(story, document, compared).to_string());
        } else {
            self.text(story, document, compared);
        }
        let is_unknown = story.steps.is_empty() && matches!(compared, Compared::Equal);
        let exit = if is_unknown || (story.steps.is_empty() && self.args.as_of.is_some()) {
            Exit::NotFound
        } else if story.is_whole() && !differences(compared).is_empty() {
            Exit::Differs
        } else {
            Exit::Done
        };
        Ok(exit)
    }

    /// The story as an instance answers it.
    ///
    /// # Errors
    /// A state that cannot be written as JSON.
    pub(super) fn answer<M: ReadModel>(
        &self,
        story: &Story<M>,
        compared: &Compared,
    ) -> Result<Json, Fault> {
        let document = story.document.as_ref().map(state).transpose()?.flatten();
        let mut whole = self.json(story, document, compared);
        whole["found"] = story.steps.len().into();
        Ok(whole)
    }

    fn text<M: ReadModel>(&self, story: &Story<M>, document: Option<Json>, compared: &Compared) {
        let (model, key) = (M::NAME, &self.args.key);
        let many = story.steps.len();
        out::line(format!("{model} {key}: {many} of the {} records that were read", story.records));
        for (partition, bounds) in story.bounds.iter().filter(|(_, bounds)| bounds.from.value() > 0)
        {
            let from = bounds.from.value();
            out::line(format!(
                "  {partition} was read from offset {from}: what came before is missing"
            ));
        }
        if story.keyless > 0 {
            let told = "could not be read, and nobody knows their keys: see `readmill held list`";
            out::line(format!("  {} records {told}", story.keyless));
        }
        if let Some(field) = &self.args.field {
            tell_field(field, &story.steps);
            return;
        }
        let limit = self.args.limit.unwrap_or(DEFAULT_LIMIT);
        let skipped = many.saturating_sub(limit);
        if skipped > 0 {
            out::line(format!(
                "  {skipped} earlier ones are not shown: --limit, or --json for all"
            ));
        }
        story.steps.iter().skip(skipped).for_each(tell_step);
        match &self.args.as_of {
            None => out::line("the document that the log folds to:"),
            Some(When::At(position)) => out::line(format!("the document as of {position}:")),
            Some(When::By(time)) => out::line(format!("the document as of {time}:")),
        }
        out::line(stands(story.document.as_ref(), document));
        tell_compared(compared);
    }

    fn json<M: ReadModel>(
        &self,
        story: &Story<M>,
        document: Option<Json>,
        compared: &Compared,
    ) -> Json {
        let skipped = story.steps.len().saturating_sub(self.args.limit.unwrap_or(usize::MAX));
        let steps: Vec<Json> = story.steps.iter().skip(skipped).map(Step::json).collect();
        let log = story.bounds.iter().map(|(partition, bounds)| {
            let (from, to) = (bounds.from.value(), bounds.to.value());
            json!({"partition": partition.to_string(), "from": from, "to": to})
        });
        let stamp = story.document.as_ref().map(|document| &document.stamp);
        let mut whole = json!({
            "model": M::NAME,
            "key": self.args.key,
            "log": log.collect::<Vec<_>>(),
            "whole": story.is_whole(),
            "records": story.records,
            "keyless": story.keyless,
            "steps": steps,
            "document": {
                "state": document,
                "revision": stamp.map_or(0, |stamp| stamp.revision),
                "gone": stamp.is_some_and(|stamp| stamp.gone),
                "held": stamp.is_some_and(|stamp| stamp.is_held()),
                "waiting": stamp.map_or(0, |stamp| stamp.waiting.len()),
            },
            "stored": compared.json(),
        });
        if let (Some(field), Some(object)) = (&self.args.field, whole.as_object_mut()) {
            let setters: Vec<Json> = setters(field, &story.steps).map(Step::json).collect();
            let told = json!({"path": field, "set_by": setters});
            object.insert("field".to_owned(), told);
        }
        whole
    }
}

impl<M: ReadModel> Story<M> {
    /// Whether all that ever was in the log was read.
    fn is_whole(&self) -> bool {
        self.bounds.values().all(|bounds| bounds.from.value() == 0)
    }
}

/// The records that set a field, the last one first.
fn setters<'s>(field: &'s str, steps: &'s [Step]) -> impl Iterator<Item = &'s Step> {
    let sets = move |step: &&Step| step.changed.iter().any(|c| concerns(&c.path, field));
    steps.iter().rev().filter(sets).take(2)
}

fn tell_field(field: &str, steps: &[Step]) {
    let mut found = setters(field, steps).peekable();
    if found.peek().is_none() {
        out::line(format!("no record has ever set {field}"));
    }
    for (step, when) in found.zip(["last", "before that"]) {
        out::line(format!("{field} was set {when} by {}", step.line()));
        let changed = step.changed.iter().filter(|changed| concerns(&changed.path, field));
        tell_changed(changed);
    }
}

fn tell_step(step: &Step) {
    out::line(step.line());
    tell_changed(step.changed.iter());
}

fn tell_changed<'c>(changed: impl Iterator<Item = &'c Changed>) {
    let mut changed = changed.peekable();
    for changed in changed.by_ref().take(SHOWN_FIELDS) {
        out::line(format!("    {}", changed.text()));
    }
    if changed.peek().is_some() {
        out::line(format!("    and {} more fields", changed.count()));
    }
}

fn stands<M: ReadModel>(document: Option<&Document<M>>, state: Option<Json>) -> String {
    match (document, state) {
        (Some(document), Some(state)) => {
            let stamp = &document.stamp;
            let held = if stamp.is_held() { ", its key is held" } else { "" };
            let waiting = match stamp.waiting.len() {
                0 => String::new(),
                many => format!(", {many} events wait in it"),
            };
            format!("{state:#}\nrevision {}{held}{waiting}", stamp.revision)
        }
        (Some(document), None) if document.stamp.gone => {
            format!("it has ended, at revision {}", document.stamp.revision)
        }
        (Some(document), None) if document.stamp.is_held() => {
            "nothing was folded: its key is held".to_owned()
        }
        (Some(_), None) => "nothing was folded: all events of it wait".to_owned(),
        (None, _) => "there is none".to_owned(),
    }
}

impl Step {
    fn line(&self) -> String {
        let at = self.committed_ms.unwrap_or(self.came_ms);
        let at = Timestamp::from_millis(at);
        let of = self.of.as_ref().map(|key| format!("  of {key}, which it embeds"));
        let (position, event) = (&self.position, self.event.unwrap_or("unreadable"));
        let change = self.identity.as_ref().map(|identity| format!("  {}", self.change(identity)));
        let (of, change) = (of.unwrap_or_default(), change.unwrap_or_default());
        format!("{at}  {position}  {event}{change}  {}{of}", self.end())
    }

    /// How the change is known.
    fn change(&self, identity: &Identity) -> String {
        match identity.place {
            Place::Version(version) => format!("version {version}"),
            Place::Event { .. } => format!("event {}", self.event_id),
            Place::Row { .. } => "change of a row".to_owned(),
            Place::Log(_) => "known by its place".to_owned(),
        }
    }

    /// What became of it.
    fn end(&self) -> String {
        let why = self.why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        let undecided = if self.undecided { ", nothing proves that it is new" } else { "" };
        let then = self.then.as_ref();
        let then = then.map(|(outcome, by)| format!(", then {} by {by}", outcome.name()));
        format!("{}{why}{undecided}{}", self.outcome.name(), then.unwrap_or_default())
    }

    fn json(&self) -> Json {
        let then = self
            .then
            .as_ref()
            .map(|(outcome, by)| json!({"outcome": outcome.name(), "by": by.to_string()}));
        json!({
            "position": self.position.to_string(),
            "of": self.of.as_ref().map(Key::as_str),
            "came_at": Timestamp::from_millis(self.came_ms).to_string(),
            "committed_at": self.committed_ms.map(|ms| Timestamp::from_millis(ms).to_string()),
            "event": self.event,
            "event_id": (!self.event_id.is_empty()).then_some(&self.event_id),
            "version": self.identity.as_ref().and_then(Identity::as_version),
            "line": self.identity.as_ref().map(|identity| &identity.line),
            "outcome": self.outcome.name(),
            "why": self.why,
            "undecided": self.undecided,
            "then": then,
            "revision": self.revision,
            "changed": self.changed.iter().map(json_of).collect::<Vec<_>>(),
        })
    }
}

fn json_of(changed: &Changed) -> Json {
    let value = |value: &Option<Json>| value.as_ref().map(shortened);
    json!({"path": changed.path, "from": value(&changed.from), "to": value(&changed.to)})
}

/// In which fields the stored document is wrong.
fn differences(compared: &Compared) -> &[Changed] {
    match compared {
        Compared::Differs(differs) | Compared::Behind { differs, .. } => differs,
        Compared::NotAsked
        | Compared::Unseen(_)
        | Compared::Equal
        | Compared::Ahead
        | Compared::OtherCopies(_)
        | Compared::Held { .. } => &[],
    }
}

fn tell_compared(compared: &Compared) {
    let told = match compared {
        Compared::NotAsked => return,
        Compared::Unseen(why) => format!("what is stored could not be looked at: {why}"),
        Compared::Equal => "what is stored is equal, and has taken in the same".to_owned(),
        Compared::Differs(_) => {
            "what is stored has taken in the same and differs (folded -> stored):".to_owned()
        }
        Compared::Behind { records, first, differs } => {
            let equal = if differs.is_empty() {
                "up to there it is equal"
            } else {
                "up to there it differs (folded -> stored):"
            };
            format!("what is stored is behind by {records} records, from {first} on; {equal}")
        }
        Compared::Ahead => {
            "what is stored has taken in what was not read: the log has lost it, or \
                            a person has brought or dropped it"
                .to_owned()
        }
        Compared::OtherCopies(keys) => {
            let keys: Vec<&str> = keys.iter().take(SHOWN_FIELDS).map(Key::as_str).collect();
            format!("what is stored has other revisions of what it embeds: {}", keys.join(", "))
        }
        Compared::Held { by_stored: true } => {
            "what is stored is held, and the log alone does not hold it: see `readmill held list`"
                .to_owned()
        }
        Compared::Held { by_stored: false } => {
            "what is stored is not held: a person has dealt with what could not be folded"
                .to_owned()
        }
    };
    out::line(told);
    tell_changed(differences(compared).iter());
}

impl Compared {
    fn json(&self) -> Json {
        let differs: Vec<Json> = differences(self).iter().map(json_of).collect();
        match self {
            Self::NotAsked => Json::Null,
            Self::Unseen(why) => json!({"is": "unseen", "why": why}),
            Self::Equal => json!({"is": "equal"}),
            Self::Differs(_) => json!({"is": "different", "differs": differs}),
            Self::Behind { records, first, .. } => json!({
                "is": "behind", "records": records, "first": first.to_string(), "differs": differs,
            }),
            Self::Ahead => json!({"is": "ahead"}),
            Self::OtherCopies(keys) => json!({"is": "other copies", "of": keys}),
            Self::Held { by_stored } => json!({"is": "held", "by_stored": by_stored}),
        }
    }
}
