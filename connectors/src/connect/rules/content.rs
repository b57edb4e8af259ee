//! Rules about what is in the records: which changes and columns, exact values, snapshots.

use super::sight::Sight;
use super::{Findings, set, table};

/// The one that Readmill knows a large value by that was not sent.
const PLACEHOLDER: &str = "__debezium_unavailable_value";
/// What an outbox row must have.
const COLUMNS: [&str; 6] = ["id", "aggregate_type", "aggregate_id", "version", "type", "payload"];

pub fn judge(sight: &Sight<'_>, found: &mut Findings) {
    operations(sight, found);
    columns(sight, found);
    values(sight, found);
    snapshot(sight, found);
}

fn operations(sight: &Sight<'_>, found: &mut Findings) {
    let option = "skipped.operations";
    let skipped = sight.list(option);
    let ordinary = sight.has_ordinary_tables();
    let matters = |operation: &&&str| match **operation {
        "c" => true,
        "u" | "d" => ordinary,
        _ => false,
    };
    let lost: Vec<&str> = skipped.iter().filter(matters).copied().collect();
    if !lost.is_empty() {
        let what = format!("{option} has {}", lost.join(", "));
        found.note(&table::OPERATIONS_SKIPPED, what, set(option, "none"));
    }
    // Without the option truncates are skipped.
    if ordinary && (skipped.is_empty() || skipped.contains(&"t")) {
        let what = format!("{option} is {}", sight.get(option).unwrap_or("not set, which is t"));
        found.note(&table::TRUNCATE_SKIPPED, what, set(option, "none"));
    }
}

fn columns(sight: &Sight<'_>, found: &mut Findings) {
    if sight.outboxes().is_empty() {
        return;
    }
    let option = "column.exclude.list";
    for excluded in sight.list(option) {
        let column = excluded.rsplit('.').next().unwrap_or(excluded);
        if COLUMNS.contains(&column) {
            let what = format!("{option} has {excluded}");
            found.note(&table::COLUMN_MISSING, what, format!("take {excluded} out of {option}"));
        }
    }
    let masks = ["column.mask.", "column.truncate.to."];
    for (option, columns) in masks.iter().flat_map(|mask| sight.beginning(mask)) {
        let named = |column: &&&str| columns.split(',').any(|c| c.trim().ends_with(**column));
        if let Some(column) = ["aggregate_id", "payload"].iter().find(named) {
            let what = format!("{option} changes {column}");
            found.note(&table::COLUMN_MISSING, what, format!("take {column} out of {option}"));
        }
    }
}

fn values(sight: &Sight<'_>, found: &mut Findings) {
    let option = "unavailable.value.placeholder";
    if sight.get(option).is_some_and(|placeholder| placeholder != PLACEHOLDER) {
        let what = format!("{option} is another one");
        found.note(&table::PLACEHOLDER_CHANGED, what, set(option, PLACEHOLDER));
    }
    let option = "decimal.handling.mode";
    if sight.is(option, "double") {
        found.note(&table::DECIMAL_INEXACT, format!("{option} is double"), set(option, "precise"));
    }
    let option = "time.precision.mode";
    if sight.is(option, "connect") {
        let mend = set(option, "adaptive_time_microseconds");
        found.note(&table::TIME_COARSE, format!("{option} is connect"), mend);
    }
    let option = "binary.handling.mode";
    if let Some(mode) = sight.get(option).filter(|mode| *mode != "bytes")
        && !sight.outboxes().is_empty()
    {
        found.note(&table::PAYLOAD_TEXT, format!("{option} is {mode}"), set(option, "bytes"));
    }
}

fn snapshot(sight: &Sight<'_>, found: &mut Findings) {
    let option = "snapshot.mode";
    let Some(mode) = sight.get(option) else { return };
    let rule = match mode.to_ascii_lowercase().as_str() {
        "initial_only" => &table::SNAPSHOT_ONLY,
        "never" | "no_data" | "schema_only" => &table::SNAPSHOT_NONE,
        "always" => &table::SNAPSHOT_ALWAYS,
        _ => return,
    };
    found.note(rule, format!("{option} is {mode}"), set(option, "initial"));
}
