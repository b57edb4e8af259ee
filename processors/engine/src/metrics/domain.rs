//! What values a label may have: each has a domain, and none grows with what comes in.

use std::borrow::Cow;

/// The values of a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Domain {
    /// These words, and `other` for any that is not among them.
    Words(&'static [&'static str]),
    /// As many as something that is configured or declared; in words, what.
    AsMany(&'static str),
    /// At most so many; in words, of what.
    AtMost(usize, &'static str),
}

/// What stands for a word that is none of the domain's.
pub const OTHER: &str = "other";

/// Every label that a metric has, and its domain.
pub const DOMAINS: &[(&str, Domain)] = &[
    ("model", Domain::AsMany("the models of the configuration")),
    ("topic", Domain::AsMany("the topics of the configuration")),
    ("partition", Domain::AsMany("the partitions of a topic that the instance has")),
    ("lane", Domain::AsMany("the lanes of the configuration, and `live` and `rebuild`")),
    ("rollup", Domain::AsMany("the roll-ups that `rollup_gauges` names")),
    ("group", Domain::AtMost(200, "groups of a roll-up; with more it is not shown")),
    ("slot", Domain::AtMost(16, "slots of the origin's database, those that keep most first")),
    ("outcome", Domain::Words(&["skipped", "duplicate", "stale", "applied", "held"])),
    (
        "station",
        Domain::Words(&["intake", "wire", "envelope", "event", "route", "fold", "write", "settle"]),
    ),
    ("by", Domain::Words(&["coalescing", "cache"])),
    (
        "reason",
        Domain::Words(&[
            "foreign_name",
            "web_page",
            "body_size",
            "timeout",
            "no_token",
            "wrong_token",
            "guesses",
            "role",
            "rate",
        ]),
    ),
    ("kind", Domain::Words(&["missing", "changed", "stale", "duplicate", "unintended"])),
    ("call", Domain::Words(&["load", "put", "hold", "show", "say"])),
    ("change", Domain::Words(&["assigned", "revoked", "lost", "failed"])),
    ("result", Domain::Words(&["known", "found", "unknown", "silent", "refused", "unusable"])),
    ("state", Domain::Words(&["folding", "resting", "failed", "ended"])),
    ("verdict", Domain::Words(&["equal", "different", "failed"])),
    ("fate", Domain::Words(&["sent", "dropped", "failed"])),
    ("version", Domain::AtMost(1, "this build's")),
    ("rustc", Domain::AtMost(1, "this build's")),
    ("commit", Domain::AtMost(1, "this build's")),
    ("features", Domain::AtMost(1, "this build's")),
];

/// The domain of a label; one without is named by a test.
pub fn domain(label: &str) -> Option<Domain> {
    DOMAINS.iter().find(|(name, _)| *name == label).map(|(_, domain)| *domain)
}

/// Keeps the values of a metric's labels within their words.
#[derive(Debug, Clone, Copy)]
pub struct Fits {
    labels: &'static [&'static str],
    /// The place of the label that has words, of which a metric has at most one, and those.
    closed: Option<(usize, &'static [&'static str])>,
}

impl Fits {
    /// Of a metric with these labels.
    pub fn of(labels: &'static [&'static str]) -> Self {
        let closed = labels.iter().enumerate().find_map(|(at, label)| match domain(label) {
            Some(Domain::Words(words)) => Some((at, words)),
            Some(Domain::AsMany(_) | Domain::AtMost(..)) | None => None,
        });
        Self { labels, closed }
    }

    /// The labels of all series, if they are `model` with this value, where one is given, and then
    /// at most one of words; none otherwise.
    pub fn all_after<'a>(self, model: &[&'a str]) -> Vec<Vec<&'a str>> {
        let rest = match model {
            [] => Some(self.labels),
            [_, ..] => self.labels.strip_prefix(&["model"]),
        };
        match (rest, self.closed) {
            (Some([]), _) => vec![model.to_vec()],
            (Some([_]), Some((_, words))) => {
                words.iter().map(|word| [model, &[word]].concat()).collect()
            }
            (Some(_) | None, _) => Vec::new(),
        }
    }

    /// The values as they are, or with `other` in place of a word that is none of the domain's.
    pub fn fit<'a>(self, values: &'a [&'a str]) -> Cow<'a, [&'a str]> {
        let Some((at, words)) = self.closed else { return Cow::Borrowed(values) };
        if values.get(at).is_none_or(|value| words.contains(value)) {
            return Cow::Borrowed(values);
        }
        let mut values = values.to_vec();
        if let Some(value) = values.get_mut(at) {
            *value = OTHER;
        }
        Cow::Owned(values)
    }
}
