//! `held list`: how much is held and why, and then record by record.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Result;
use readmill_engine::{Fault, HeldRecord, HeldStore, SchemaBook};
use serde::{Deserialize, Serialize};

use super::deeds::{Line, chosen};
use super::{key_text, sight};
use crate::exit::{Exit, Failure};
use crate::out;
use crate::table::{Cell, Table, numbers, words};

/// So many records are listed for a person who does not say how many.
const DEFAULT_LIMIT: usize = 50;
/// Wider keys and reasons are cut in the table; `--json` has them whole.
const WIDEST_KEY: usize = 32;

/// Which are to be listed.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct List {
    /// Only those that hold this key.
    pub key: Option<String>,
    /// Only those of which no key is known.
    pub keyless: bool,
    /// Only those whose reason contains this text.
    pub reason: Option<String>,
    /// Only those held since then: a time, or an age.
    pub since: Option<String>,
    /// At most so many, the oldest first.
    pub limit: Option<usize>,
    /// With what their values say.
    pub values: bool,
}

/// What is held.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Listed {
    /// Of which model.
    pub model: String,
    /// How many records.
    pub records: usize,
    /// Under how many keys.
    pub keys: usize,
    /// For which reasons, the most frequent first.
    pub reasons: Vec<Reason>,
    /// The oldest of them, as many as were asked for.
    pub listed: Vec<Line>,
}

/// A reason, and how much is held for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    reason: String,
    records: usize,
    keys: usize,
    oldest: String,
}

/// Obeys the command.
pub async fn list(
    store: &dyn HeldStore,
    model: &'static str,
    wanted: &List,
    schemas: impl AsyncFnOnce() -> Result<Arc<dyn SchemaBook>, Fault>,
) -> Result<Listed> {
    let since = wanted.since.as_deref().map(crate::cli::since).transpose();
    let since = since.map_err(|why| {
        Failure::new(Exit::Usage, format!("since {why}"), "leave it out to list them all")
    })?;
    let which = chosen(wanted.key.as_deref(), wanted.keyless)?;
    let is_meant = |held: &HeldRecord| {
        let says = wanted.reason.as_ref().is_none_or(|text| held.reason.contains(text.as_str()));
        says && since.is_none_or(|since| held.held_at_ms >= since.as_millis())
    };
    let mut lines = Vec::new();
    let mut visit = |held: HeldRecord| {
        if is_meant(&held) {
            lines.push((held.held_at_ms, Line::of(&held)));
        }
    };
    store.visit(model, &which, &mut visit).await?;
    lines.sort_by(|(a, one), (b, other)| (a, &one.position).cmp(&(b, &other.position)));
    let mut lines: Vec<Line> = lines.into_iter().map(|(_, line)| line).collect();
    let (records, reasons) = (lines.len(), by_reason(&lines));
    let keys = lines.iter().filter_map(|line| line.key.as_ref()).collect::<BTreeSet<_>>().len();
    lines.truncate(wanted.limit.unwrap_or(usize::MAX));
    if wanted.values && !lines.is_empty() {
        let mut whole = BTreeMap::new();
        let asked: BTreeSet<&String> = lines.iter().map(|line| &line.position).collect();
        let mut visit = |held: HeldRecord| {
            let at = held.position().to_string();
            if asked.contains(&at) {
                whole.insert((at, held.key.as_ref().map(|key| key.0.clone())), held.record);
            }
        };
        store.visit(model, &which, &mut visit).await?;
        let schemas = schemas().await?;
        for line in &mut lines {
            if let Some(record) = whole.get(&(line.position.clone(), line.key.clone())) {
                line.value = Some(sight::value(&*schemas, record).await);
            }
        }
    }
    Ok(Listed { model: model.to_owned(), records, keys, reasons, listed: lines })
}

/// Records, keys and the oldest for each reason, the most frequent first.
fn by_reason(lines: &[Line]) -> Vec<Reason> {
    let mut reasons: BTreeMap<&str, Vec<&Line>> = BTreeMap::new();
    for line in lines {
        reasons.entry(&line.reason).or_default().push(line);
    }
    let reason = |(reason, lines): (&str, Vec<&Line>)| {
        let keys: BTreeSet<_> = lines.iter().map(|line| line.key.as_ref()).collect();
        let oldest = lines.first().map_or_else(String::new, |line| line.held_at.clone());
        Reason { reason: reason.to_owned(), records: lines.len(), keys: keys.len(), oldest }
    };
    let mut reasons: Vec<Reason> = reasons.into_iter().map(reason).collect();
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.records));
    reasons
}

fn cells(line: &Line) -> [Cell; 6] {
    let edited = if line.edited { "*" } else { "" };
    [
        line.position.as_str().into(),
        cut(&key_text(line.key.as_deref())).into(),
        line.held_at.as_str().into(),
        format!("{}{edited}", line.tries).into(),
        line.bytes.to_string().into(),
        line.reason.as_str().into(),
    ]
}

fn cut(text: &str) -> String {
    if text.chars().count() <= WIDEST_KEY {
        return text.to_owned();
    }
    text.chars().take(WIDEST_KEY - 1).chain(['…']).collect()
}

/// Prints it: an object a line, or in words.
pub fn print(found: &Listed, as_json: bool, limit: Option<usize>) -> Result<()> {
    if as_json {
        for line in &found.listed {
            out::line(serde_json::to_value(line)?.to_string());
        }
        if found.listed.len() < found.records.min(limit.unwrap_or(usize::MAX)) {
            let more = found.records - found.listed.len();
            out::complain(format!("warning: {more} more are held, and not listed\n"));
        }
        return Ok(());
    }
    tell(found, limit.unwrap_or(DEFAULT_LIMIT));
    Ok(())
}

fn tell(found: &Listed, limit: usize) {
    let Listed { model, records, keys, reasons, listed } = found;
    let Some(oldest) = listed.first().map(|line| &line.held_at) else {
        out::line(format!("{model}: nothing is held"));
        return;
    };
    out::line(format!(
        "{model}: {records} records of {keys} keys are held, the oldest since {oldest}"
    ));
    by_reason_table(reasons).print();
    out::line("");
    let mut table = Table::new([
        words("POSITION"),
        words("KEY"),
        words("HELD SINCE"),
        numbers("TRIES"),
        numbers("BYTES"),
        words("REASON"),
    ]);
    let shown = listed.len().min(limit);
    listed.iter().take(limit).for_each(|line| table.row(cells(line)));
    table.print();
    if *records > shown {
        out::line(format!("… and {} more: --limit N", records - shown));
    }
    if listed.iter().any(|line| line.edited) {
        out::line("* edited: what it came with is kept beside it");
    }
}

fn by_reason_table(reasons: &[Reason]) -> Table<4> {
    let titles = [numbers("RECORDS"), numbers("KEYS"), words("OLDEST"), words("REASON")];
    let mut table = Table::new(titles);
    for Reason { reason, records, keys, oldest } in reasons {
        let (records, keys) = (records.to_string(), keys.to_string());
        table.row([records.into(), keys.into(), oldest.as_str().into(), reason.as_str().into()]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(second: u8, key: &str, reason: &str) -> Line {
        Line {
            held_at: format!("1970-01-01T00:00:0{second}.000Z"),
            position: format!("t/0@{second}"),
            key: Some(key.to_owned()),
            reason: reason.to_owned(),
            tries: 0,
            bytes: 3,
            edited: false,
            value: None,
        }
    }

    #[test]
    fn reasons_are_counted_and_the_most_frequent_comes_first() {
        let lines = [line(1, "a", "rare"), line(2, "a", "often"), line(3, "b", "often")];
        let table = by_reason_table(&by_reason(&lines)).lines();
        let rows: Vec<String> = table.iter().map(crate::line::Line::plain).collect();
        let wanted = [
            "RECORDS  KEYS  OLDEST                    REASON",
            "      2     2  1970-01-01T00:00:02.000Z  often",
            "      1     1  1970-01-01T00:00:01.000Z  rare",
        ];
        assert_eq!(rows, wanted);
    }

    #[test]
    fn long_keys_are_cut_in_the_table_alone() {
        let long = line(0, &"배".repeat(80), "r");
        assert_eq!(cut(&key_text(long.key.as_deref())).chars().count(), WIDEST_KEY);
        assert!(serde_json::to_string(&long).unwrap().contains(&"배".repeat(80)));
    }
}
