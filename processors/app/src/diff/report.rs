//! What a rehearsal found: counts, fields and examples, all of them bounded.

use std::collections::BTreeMap;

use readmill_core::{Counts, Key};
use serde_json::{Value as Json, json};

use super::judge::Verdict;
use crate::fields::{Changed, general, shortened};
use crate::out;

/// No more keys that have moved on are looked at again.
pub const MOST_MOVED: usize = 100_000;
/// So many paths are counted, and so many reasons.
const MOST_NAMES: usize = 1000;
/// So many of them are shown to a person.
const SHOWN_NAMES: usize = 20;
/// So many fields of an example are shown.
const SHOWN_FIELDS: usize = 10;

/// The kinds of differences, and how they are told.
const KINDS: [(&str, &str); 7] = [
    ("differs", "differ in fields"),
    ("only_stored", "are only stored: the fold makes no document of them"),
    ("only_folded", "are only in the fold: nothing is stored"),
    ("held_by_fold", "would have a record held"),
    ("held_where_stored", "are held where they are stored, and would not be"),
    ("takes_in_less", "would not take in events that are in the stored ones"),
    ("takes_in_more", "would take in events that are not in the stored ones"),
];

/// What was found.
#[derive(Debug)]
pub struct Report {
    /// What became of the records that were folded.
    pub counts: Counts,
    /// Documents that have taken in more than could be folded.
    pub moved_on: u64,
    whole: bool,
    equal: u64,
    begins_before: u64,
    held: u64,
    kinds: BTreeMap<&'static str, u64>,
    fields: BTreeMap<String, u64>,
    reasons: BTreeMap<String, u64>,
    examples: BTreeMap<&'static str, Vec<(Key, Vec<Changed>)>>,
    most_examples: usize,
}

impl Report {
    /// Nothing is found yet.
    pub fn new(most_examples: usize, whole: bool) -> Self {
        Self {
            counts: Counts::default(),
            moved_on: 0,
            whole,
            equal: 0,
            begins_before: 0,
            held: 0,
            kinds: BTreeMap::new(),
            fields: BTreeMap::new(),
            reasons: BTreeMap::new(),
            examples: BTreeMap::new(),
            most_examples,
        }
    }

    /// Notes a judgement.
    pub fn note(&mut self, key: &Key, verdict: Verdict) {
        match verdict {
            Verdict::Equal => self.equal += 1,
            Verdict::BeginsBefore => self.begins_before += 1,
            Verdict::MovedOn => self.moved_on += 1,
            Verdict::Held => self.held += 1,
            Verdict::Differs(changed) => {
                for changed in &changed {
                    count(&mut self.fields, general(&changed.path));
                }
                self.found("differs", key, changed);
            }
            Verdict::OnlyStored => self.found("only_stored", key, Vec::new()),
            Verdict::OnlyFolded => self.found("only_folded", key, Vec::new()),
            Verdict::HeldByFold => self.found("held_by_fold", key, Vec::new()),
            Verdict::HeldWhereStored => self.found("held_where_stored", key, Vec::new()),
            Verdict::TakesInLess => self.found("takes_in_less", key, Vec::new()),
            Verdict::TakesInMore => self.found("takes_in_more", key, Vec::new()),
        }
    }

    fn found(&mut self, kind: &'static str, key: &Key, changed: Vec<Changed>) {
        *self.kinds.entry(kind).or_default() += 1;
        let examples = self.examples.entry(kind).or_default();
        if examples.len() < self.most_examples {
            examples.push((key.clone(), changed));
        }
    }

    /// Notes why the fold holds a record.
    pub fn note_held(&mut self, reason: &str) {
        count(&mut self.reasons, reason.to_owned());
    }

    /// Whether any document would differ.
    pub fn differs(&self) -> bool {
        !self.kinds.is_empty()
    }

    /// Tells it, in lines or as one JSON object.
    pub fn tell(&self, model: &str, as_json: bool) {
        if as_json {
            out::line(self.json(model).to_string());
        } else {
            self.text(model);
        }
    }

    fn text(&self, model: &str) {
        let Counts { consumed, applied, held, .. } = self.counts;
        let how = if self.whole { "all that the log has" } else { "a part of the log" };
        out::line(format!(
            "{model}: {consumed} records folded aside, {how}: {applied} applied, {held} held"
        ));
        let different: u64 = self.kinds.values().sum();
        out::line(format!(
            "{} documents compared: {} equal, {different} different",
            self.equal + different,
            self.equal
        ));
        for (kind, told) in KINDS {
            if let Some(many) = self.kinds.get(kind) {
                out::line(format!("  {many} {told}"));
            }
            for (key, changed) in self.examples.get(kind).into_iter().flatten() {
                out::line(format!("    {key}"));
                for changed in changed.iter().take(SHOWN_FIELDS) {
                    out::line(format!("      {}", changed.text()));
                }
                if changed.len() > SHOWN_FIELDS {
                    out::line(format!("      and {} more fields", changed.len() - SHOWN_FIELDS));
                }
            }
        }
        tell_names("fields that differ, by the number of documents and places", &self.fields);
        tell_names("why records would be held", &self.reasons);
        if self.begins_before > 0 {
            let why = "what they are made of is not all in the window, or nobody can tell";
            out::line(format!("{} documents not compared: {why}", self.begins_before));
        }
        if self.held > 0 {
            let why = "they are held here and there, and what came before depends on the reading";
            out::line(format!("{} documents not compared: {why}", self.held));
        }
        if self.moved_on > 0 {
            let why =
                "they have taken in what was not folded: the model runs, or the log has lost it";
            out::line(format!("{} documents not compared: {why}", self.moved_on));
        }
    }

    fn json(&self, model: &str) -> Json {
        let Counts { consumed, applied, duplicate, stale, waiting, held, skipped } = self.counts;
        let examples = self.examples.iter().map(|(kind, examples)| {
            let examples = examples.iter().map(|(key, changed)| {
                let changed: Vec<Json> = changed.iter().map(json_of).collect();
                json!({"key": key, "changed": changed})
            });
            ((*kind).to_owned(), examples.collect::<Json>())
        });
        json!({
            "model": model,
            "whole": self.whole,
            "records": {
                "consumed": consumed, "applied": applied, "duplicate": duplicate, "stale": stale,
                "waiting": waiting, "held": held, "skipped": skipped,
            },
            "equal": self.equal,
            "different": self.kinds,
            "fields": self.fields,
            "held_reasons": self.reasons,
            "examples": examples.collect::<serde_json::Map<_, _>>(),
            "not_compared": {
                "begin_before": self.begins_before, "moved_on": self.moved_on,
                "held": self.held,
            },
        })
    }
}

fn json_of(changed: &Changed) -> Json {
    let value = |value: &Option<Json>| value.as_ref().map(shortened);
    json!({"path": changed.path, "stored": value(&changed.from), "folded": value(&changed.to)})
}

fn count(counts: &mut BTreeMap<String, u64>, name: String) {
    if counts.len() < MOST_NAMES || counts.contains_key(&name) {
        *counts.entry(name).or_default() += 1;
    }
}

fn tell_names(what: &str, counts: &BTreeMap<String, u64>) {
    let mut all: Vec<(&String, &u64)> = counts.iter().collect();
    all.sort_by(|(a, most), (b, other)| (other, a).cmp(&(most, b)));
    if !all.is_empty() {
        out::line(format!("{what}:"));
    }
    for (name, many) in all.iter().take(SHOWN_NAMES) {
        out::line(format!("  {many} {name}"));
    }
    if all.len() > SHOWN_NAMES {
        out::line(format!("  and {} more: --json", all.len() - SHOWN_NAMES));
    }
}
