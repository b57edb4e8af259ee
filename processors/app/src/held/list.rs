//! `held list`: how much is held and why, and then record by record.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use readmill_core::Key;
use readmill_engine::{Held, HeldRecord, HeldStore};
use readmill_schemas::Timestamp;
use serde_json::json;

use super::key_text;
use crate::cli::HeldListArgs;
use crate::exit::Exit;
use crate::out;

/// So many records are listed for a person who does not say how many.
const DEFAULT_LIMIT: usize = 50;
/// Wider keys and reasons are cut in the table; `--json` has them whole.
const WIDEST_KEY: usize = 32;

/// A record without its bytes.
struct Line {
    held_at_ms: i64,
    position: String,
    key: Option<Key>,
    reason: String,
    tries: u32,
    bytes: usize,
    edited: bool,
}

impl Line {
    fn of(held: &HeldRecord) -> Self {
        Self {
            held_at_ms: held.held_at_ms,
            position: held.position().to_string(),
            key: held.key.clone(),
            reason: held.reason.clone(),
            tries: held.tries,
            bytes: held.record.bytes(),
            edited: held.original.is_some(),
        }
    }

    fn json(&self) -> String {
        json!({
            "position": self.position,
            "key": self.key.as_ref().map(Key::as_str),
            "reason": self.reason,
            "held_at": Timestamp::from_millis(self.held_at_ms).to_string(),
            "tries": self.tries,
            "bytes": self.bytes,
            "edited": self.edited,
        })
        .to_string()
    }

    fn cells(&self) -> [String; 6] {
        let edited = if self.edited { "*" } else { "" };
        [
            self.position.clone(),
            cut(&key_text(self.key.as_ref())),
            Timestamp::from_millis(self.held_at_ms).to_string(),
            format!("{}{edited}", self.tries),
            self.bytes.to_string(),
            self.reason.clone(),
        ]
    }
}

const TITLES: [&str; 6] = ["POSITION", "KEY", "HELD SINCE", "TRIES", "BYTES", "REASON"];

fn cut(text: &str) -> String {
    if text.chars().count() <= WIDEST_KEY {
        return text.to_owned();
    }
    text.chars().take(WIDEST_KEY - 1).chain(['…']).collect()
}

/// Obeys the command.
pub async fn list(store: &dyn HeldStore, model: &'static str, args: &HeldListArgs) -> Result<Exit> {
    let mut lines = Vec::new();
    let mut visit = |held: HeldRecord| {
        if is_meant(&held, args) {
            lines.push(Line::of(&held));
        }
    };
    let which = match &args.key {
        Some(key) => Held::Key(Key::from(key.as_str())),
        None if args.keyless => Held::Keyless,
        None => Held::All,
    };
    store.visit(model, &which, &mut visit).await?;
    lines.sort_by(|a, b| (a.held_at_ms, &a.position).cmp(&(b.held_at_ms, &b.position)));
    if args.json {
        lines.iter().take(args.limit.unwrap_or(usize::MAX)).for_each(|line| out::line(line.json()));
    } else {
        tell(model, &lines, args.limit.unwrap_or(DEFAULT_LIMIT));
    }
    Ok(Exit::Done)
}

fn is_meant(held: &HeldRecord, args: &HeldListArgs) -> bool {
    let says = args.reason.as_ref().is_none_or(|text| held.reason.contains(text.as_str()));
    says && args.since.is_none_or(|since| held.held_at_ms >= since.as_millis())
}

fn tell(model: &str, lines: &[Line], limit: usize) {
    let Some(oldest) = lines.first() else {
        out::line(format!("{model}: nothing is held"));
        return;
    };
    let keys: BTreeSet<&Key> = lines.iter().filter_map(|line| line.key.as_ref()).collect();
    let since = Timestamp::from_millis(oldest.held_at_ms);
    let (many, keys) = (lines.len(), keys.len());
    out::line(format!("{model}: {many} records of {keys} keys are held, the oldest since {since}"));
    for row in table(&by_reason(lines)) {
        out::line(row);
    }
    out::line("");
    let rows: Vec<[String; 6]> = lines.iter().take(limit).map(Line::cells).collect();
    for row in table(&[&[TITLES.map(str::to_owned)][..], &rows].concat()) {
        out::line(row);
    }
    if lines.len() > limit {
        out::line(format!("… and {} more: --limit N", lines.len() - limit));
    }
    if lines.iter().any(|line| line.edited) {
        out::line("* edited: what it came with is kept beside it");
    }
}

/// Records, keys and the oldest for each reason, the most frequent first.
fn by_reason(lines: &[Line]) -> Vec<[String; 4]> {
    let mut reasons: BTreeMap<&str, Vec<&Line>> = BTreeMap::new();
    for line in lines {
        reasons.entry(&line.reason).or_default().push(line);
    }
    let mut reasons: Vec<(&str, Vec<&Line>)> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, lines)| std::cmp::Reverse(lines.len()));
    let row = |(reason, lines): (&str, Vec<&Line>)| {
        let keys: BTreeSet<Option<&Key>> = lines.iter().map(|line| line.key.as_ref()).collect();
        let oldest = lines.first().map_or(0, |line| line.held_at_ms);
        let (records, keys) = (lines.len().to_string(), keys.len().to_string());
        [records, keys, Timestamp::from_millis(oldest).to_string(), reason.to_owned()]
    };
    let titles = ["RECORDS", "KEYS", "OLDEST", "REASON"].map(str::to_owned);
    std::iter::once(titles).chain(reasons.into_iter().map(row)).collect()
}

/// Rows with columns under one another; the last is as wide as it is.
fn table<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: [usize; N] = std::array::from_fn(|column| width(column).unwrap_or(0));
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}  "));
        cells.collect::<String>().trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(held_at_ms: i64, key: &str, reason: &str) -> Line {
        Line {
            held_at_ms,
            position: format!("t/0@{held_at_ms}"),
            key: Some(Key::from(key)),
            reason: reason.to_owned(),
            tries: 0,
            bytes: 3,
            edited: false,
        }
    }

    #[test]
    fn reasons_are_counted_and_the_most_frequent_comes_first() {
        let lines =
            [line(1_000, "a", "rare"), line(2_000, "a", "often"), line(3_000, "b", "often")];
        let rows = table(&by_reason(&lines));
        let wanted = [
            "RECORDS  KEYS  OLDEST                    REASON",
            "2        2     1970-01-01T00:00:02.000Z  often",
            "1        1     1970-01-01T00:00:01.000Z  rare",
        ];
        assert_eq!(rows, wanted);
    }

    #[test]
    fn long_keys_are_cut_in_the_table_alone() {
        let long = line(0, &"배".repeat(80), "r");
        assert_eq!(long.cells()[1].chars().count(), WIDEST_KEY);
        assert!(long.json().contains(&"배".repeat(80)));
    }
}
