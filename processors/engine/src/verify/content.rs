//! Content compared by JSON paths, with what is ignored and what may differ a little.

use std::str::FromStr;

use readmill_core::{Document, ReadModel};
use readmill_schemas::Timestamp;
use serde_json::Value;

/// Of one document so many paths are named.
pub const NAMED_PATHS: usize = 16;

/// Where two contents differ.
#[derive(Debug, Clone, PartialEq)]
pub struct Departure {
    /// The path, such as `lots[2].left`; empty for the whole.
    pub path: String,
    /// What is on the left; none if there is nothing.
    pub left: Option<Value>,
    /// What is on the right.
    pub right: Option<Value>,
}

/// A path in which names and places may be left open: `lots[].left`, `*.price`. It means all that
/// is within it, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Vec<Option<String>>);

/// How much two numbers, or two instants, may differ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Allowance {
    /// By so much.
    Absolute(f64),
    /// By such a part of the greater one.
    Relative(f64),
    /// By so many milliseconds.
    Millis(i64),
}

/// What is ignored, and what may differ a little.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tolerances {
    /// These are not looked at.
    pub ignored: Vec<Pattern>,
    /// These may differ by so much.
    pub allowed: Vec<(Pattern, Allowance)>,
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let opened = text.replace('[', ".").replace(']', "");
        let steps: Vec<Option<String>> = opened
            .split('.')
            .map(|step| (!step.is_empty() && step != "*").then(|| step.to_owned()))
            .collect();
        if text.is_empty() || steps.first().is_some_and(Option::is_none) && !text.starts_with('*') {
            return Err("must be a path of fields, such as total, owner.name or lots[].left".into());
        }
        Ok(Self(steps))
    }
}

impl Pattern {
    fn means(&self, path: &[String]) -> bool {
        let steps = self.0.iter().zip(path);
        self.0.len() <= path.len()
            && steps.into_iter().all(|(wanted, step)| wanted.as_ref().is_none_or(|w| w == step))
    }
}

impl FromStr for Allowance {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0);
        let allowance = if let Some(millis) = text.strip_suffix("ms") {
            millis.parse().ok().filter(|millis| *millis >= 0).map(Self::Millis)
        } else if let Some(percent) = text.strip_suffix('%') {
            number(percent).map(|percent| Self::Relative(percent / 100.0))
        } else {
            number(text).map(Self::Absolute)
        };
        allowance.ok_or_else(|| "must be a number, a percentage such as 1%, or 500ms".to_owned())
    }
}

impl Allowance {
    fn covers(self, left: &Value, right: &Value) -> bool {
        let numbers = || number(left).zip(number(right));
        match self {
            Self::Absolute(most) => numbers().is_some_and(|(l, r)| (l - r).abs() <= most),
            Self::Relative(part) => {
                numbers().is_some_and(|(l, r)| (l - r).abs() <= part * l.abs().max(r.abs()))
            }
            Self::Millis(most) => {
                let both = millis(left).zip(millis(right));
                both.is_some_and(|(l, r)| l.abs_diff(r) <= most.unsigned_abs())
            }
        }
    }
}

/// Decimals are texts.
fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

fn millis(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| Some(value.as_str()?.parse::<Timestamp>().ok()?.as_millis()))
}

impl Tolerances {
    /// Where two contents differ, the first of the places.
    pub fn departures(&self, left: Option<&Value>, right: Option<&Value>) -> Vec<Departure> {
        let mut found = Vec::new();
        self.walk(&mut Vec::new(), left, right, &mut found);
        found
    }

    fn walk(
        &self,
        path: &mut Vec<String>,
        left: Option<&Value>,
        right: Option<&Value>,
        found: &mut Vec<Departure>,
    ) {
        if left == right || found.len() >= NAMED_PATHS || self.is_ignored(path) {
            return;
        }
        match (left, right) {
            (Some(Value::Object(one)), Some(Value::Object(other))) => {
                let names = one.keys().chain(other.keys().filter(|name| !one.contains_key(*name)));
                for name in names {
                    self.step(path, name.clone(), (one.get(name), other.get(name)), found);
                }
            }
            (Some(Value::Array(one)), Some(Value::Array(other))) => {
                for at in 0..one.len().max(other.len()) {
                    self.step(path, at.to_string(), (one.get(at), other.get(at)), found);
                }
            }
            (left, right) => {
                let both = left.zip(right);
                if !both.is_some_and(|(left, right)| self.is_allowed(path, left, right)) {
                    let path = written(path);
                    found.push(Departure { path, left: left.cloned(), right: right.cloned() });
                }
            }
        }
    }

    fn step(
        &self,
        path: &mut Vec<String>,
        step: String,
        (left, right): (Option<&Value>, Option<&Value>),
        found: &mut Vec<Departure>,
    ) {
        path.push(step);
        self.walk(path, left, right, found);
        path.pop();
    }

    fn is_ignored(&self, path: &[String]) -> bool {
        self.ignored.iter().any(|pattern| pattern.means(path))
    }

    fn is_allowed(&self, path: &[String], left: &Value, right: &Value) -> bool {
        let mut allowed = self.allowed.iter().filter(|(pattern, _)| pattern.means(path));
        allowed.any(|(_, allowance)| allowance.covers(left, right))
    }
}

fn written(path: &[String]) -> String {
    let mut text = String::new();
    for step in path {
        let is_place = step.bytes().all(|byte| byte.is_ascii_digit());
        match (is_place, text.is_empty()) {
            (true, _) => text += &format!("[{step}]"),
            (false, true) => text += step,
            (false, false) => text += &format!(".{step}"),
        }
    }
    text
}

/// What a document says by itself: its state without the copies of others, which are compared with
/// those others.
pub fn own_state<M: ReadModel>(document: &Document<M>) -> Option<M::State> {
    let mut state = document.state.clone()?;
    if M::EMBEDS {
        for key in M::embeds(&state) {
            M::embed(&mut state, &key, None);
        }
    }
    Some(state)
}

/// Where two documents differ in what they say and in what waits; not in how far they reach.
pub fn departures<M: ReadModel>(
    tolerances: &Tolerances,
    left: &Document<M>,
    right: &Document<M>,
) -> Vec<Departure> {
    let mut found = Vec::new();
    let (mine, theirs) = (own_state(left), own_state(right));
    if mine != theirs {
        let mine = mine.as_ref().map(value);
        let theirs = theirs.as_ref().map(value);
        found = tolerances.departures(mine.as_ref(), theirs.as_ref());
    }
    let mut stamp = |path: &str, left: Value, right: Value| {
        if left != right {
            let (left, right) = (Some(left), Some(right));
            found.push(Departure { path: format!("stamp.{path}"), left, right });
        }
    };
    stamp("gone", left.stamp.gone.into(), right.stamp.gone.into());
    let names = |document: &Document<M>| {
        Value::from(document.stamp.waiting_names().into_iter().collect::<Vec<_>>())
    };
    stamp("waiting", names(left), names(right));
    found
}

/// As JSON; what cannot be written so is nothing that two documents could have in common.
pub fn value<T: serde::Serialize>(thing: &T) -> Value {
    serde_json::to_value(thing).unwrap_or_else(|error| Value::String(error.to_string()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tolerances(ignored: &[&str], allowed: &[(&str, &str)]) -> Tolerances {
        let allowed = allowed.iter().map(|(path, by)| (path.parse().unwrap(), by.parse().unwrap()));
        Tolerances {
            ignored: ignored.iter().map(|path| path.parse().unwrap()).collect(),
            allowed: allowed.collect(),
        }
    }

    #[track_caller]
    fn check(tolerances: &Tolerances, left: &Value, right: &Value, wanted: &[&str]) {
        let found = tolerances.departures(Some(left), Some(right));
        let found: Vec<&str> = found.iter().map(|departure| departure.path.as_str()).collect();
        assert_eq!(found, wanted);
    }

    #[test]
    fn paths_name_what_differs_but_for_what_is_ignored_or_allowed() {
        let left = json!({"total": 100, "owner": {"name": "a"}, "lots": [{"left": 1}, {"left": 2}],
                          "rate": "1.50", "at": "2026-11-21T18:05:03.000Z", "gone": 1});
        let right = json!({"total": 101, "owner": {"name": "b"}, "lots": [{"left": 1}, {"left": 3},
                           {"left": 4}], "rate": "1.51", "at": "2026-11-21T18:05:03.400Z"});
        let all = ["at", "gone", "lots[1].left", "lots[2]", "owner.name", "rate", "total"];
        check(&tolerances(&[], &[]), &left, &right, &all);
        check(
            &tolerances(&["owner", "lots[].left"], &[]),
            &left,
            &right,
            &["at", "gone", "lots[2]", "rate", "total"],
        );
        let allowed = [("total", "1%"), ("rate", "0.02"), ("at", "500ms"), ("lots[1].left", "1")];
        check(&tolerances(&[], &allowed), &left, &right, &["gone", "lots[2]", "owner.name"]);
        let too_little = [("total", "0.5%"), ("rate", "0.001"), ("at", "300ms")];
        check(
            &tolerances(&["lots"], &too_little),
            &left,
            &right,
            &["at", "gone", "owner.name", "rate", "total"],
        );
    }

    #[test]
    fn a_document_that_is_quite_another_is_named_in_part() {
        let left = Value::from((0..100).collect::<Vec<_>>());
        let right = Value::from((1..101).collect::<Vec<_>>());
        let found = Tolerances::default().departures(Some(&left), Some(&right));
        assert_eq!(found.len(), NAMED_PATHS);
    }

    #[test]
    fn what_is_no_path_or_no_allowance_is_said() {
        assert!("".parse::<Pattern>().is_err() && ".a".parse::<Pattern>().is_err());
        for wrong in ["-1", "x", "1 %", "ms", "nan"] {
            assert!(wrong.parse::<Allowance>().is_err(), "{wrong}");
        }
    }
}
