//! Rows as a file has them, an event a line: a backfill, or a log that somebody wrote.

use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use crate::rng::Rng;
use crate::row::{SourceEvent, SourceRow, Table};

/// The stream of numbers that names rows which do not name themselves.
const NAMES: u64 = 90;

/// A line of such a file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    aggregate: String,
    #[serde(default)]
    version: Option<i64>,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    committed_ms: Option<i64>,
    event: Value,
}

/// Why a line is no row.
#[derive(Debug, Error)]
pub enum Misread {
    /// It is no JSON object with an aggregate and an event, or has fields that are not known.
    #[error("{0}")]
    Line(#[from] serde_json::Error),
    /// Its event is not under the name of its contract.
    #[error("the event must stand under the name of its contract, as in {{\"PointsEarned\": …}}")]
    Unnamed,
    /// No subject has such an event.
    #[error("no contract of events is called {name}")]
    Unknown {
        /// The name.
        name: String,
    },
    /// The table is not of its subject.
    #[error("{name} does not belong into {table}, whose rows are of other events")]
    Misplaced {
        /// The contract's name.
        name: String,
        /// The table.
        table: &'static str,
    },
}

/// The row that line number `number`, from 1, has for a table. Read again, it is the same row: so
/// that it can be sent again without harm.
///
/// # Errors
/// When it has none.
pub fn row(table: Table, number: u64, line: &str) -> Result<SourceRow, Misread> {
    let Line { aggregate, version, id, committed_ms, event } = serde_json::from_str(line)?;
    let mut named = event.as_object().into_iter().flatten();
    let (Some((name, _)), None) = (named.next(), named.next()) else {
        return Err(Misread::Unnamed);
    };
    let unknown = || Misread::Unknown { name: name.clone() };
    let (subject, read) = SourceEvent::read(name, &event).ok_or_else(unknown)?;
    if !table.models().contains(&subject) {
        return Err(Misread::Misplaced { name: name.clone(), table: table.name() });
    }
    let named = xxhash_rust::xxh3::xxh3_64(format!("{} {number} {line}", table.name()).as_bytes());
    let lsn = i64::try_from(number).unwrap_or(i64::MAX).saturating_mul(16);
    Ok(SourceRow {
        table,
        event_id: id.unwrap_or_else(|| Rng::new(named, NAMES).uuid()),
        aggregate_id: aggregate,
        version,
        event: read?,
        committed_ms: committed_ms.unwrap_or(0),
        tx: number,
        lsn,
        last_commit_lsn: Some(lsn - 8),
        poisoned: false,
    })
}

#[cfg(test)]
mod tests {
    use readmill_core::SourcePosition;

    use super::*;

    const EARNED: &str = r#"{"aggregate": "m-1", "version": 1, "event": {"PointsEarned": {
        "ledger_id": "l", "member_id": "m-1", "occurred_at": "2026-11-01T09:00:00.000Z",
        "lot_id": "a", "points": 5, "expires_at": "2027-11-01T00:00:00.000Z", "reason": "order",
        "order_no": null}}}"#;

    #[test]
    fn a_line_is_the_same_row_whenever_it_is_read() {
        let read = row(Table::Points, 3, EARNED).unwrap();
        assert_eq!((read.event_type(), read.version), ("PointsEarned", Some(1)));
        assert_eq!(row(Table::Points, 3, EARNED).unwrap(), read);
        assert_ne!(row(Table::Points, 4, EARNED).unwrap().event_id, read.event_id);
        let SourcePosition::Postgres { commit, lsn } = read.position() else { panic!("elsewhere") };
        assert!(commit < Some(lsn));
    }

    #[test]
    fn what_is_no_row_is_told() {
        let table = [
            ("{", "EOF"),
            (r#"{"aggregate": "m"}"#, "missing field `event`"),
            (r#"{"aggregate": "m", "event": {}}"#, "under the name of its contract"),
            (r#"{"aggregate": "m", "event": {"Nothing": {}}}"#, "called Nothing"),
            (r#"{"aggregate": "m", "event": {"PointsEarned": {}}}"#, "missing field"),
            (r#"{"aggregate": "m", "version": "1", "event": {}}"#, "expected i64"),
        ];
        for (line, told) in table {
            let error = row(Table::Points, 1, line).unwrap_err().to_string();
            assert!(error.contains(told), "{line}: {error}");
        }
        let error = row(Table::DeliveriesA, 1, EARNED).unwrap_err().to_string();
        assert!(error.contains("does not belong into deliveries_outbox_a"), "{error}");
    }
}
