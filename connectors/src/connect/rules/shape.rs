//! Rules about the shape of records: routed, flattened, and what becomes of deletes.

use super::sight::{Shape, Sight};
use super::{Findings, set, table};

/// What tells a repeat from a change in a flattened row.
const COORDINATES: [&str; 5] =
    ["op", "source.ts_ms", "source.lsn", "source.sequence", "source.snapshot"];
const VERSION_HEADER: &str = "version:header:aggregateVersion";

pub fn judge(sight: &Sight<'_>, found: &mut Findings) {
    match sight.shape() {
        Shape::Routed(alias) => router(sight, &alias, found),
        Shape::Flattened(alias) => flattened(sight, &alias, found),
        Shape::Envelope => {}
    }
    deletes(sight, found);
}

fn router(sight: &Sight<'_>, alias: &str, found: &mut Findings) {
    let option = "table.fields.additional.placement";
    let placed = sight.of(alias, option).unwrap_or_default();
    let is_version = |field: &str| field.trim().ends_with(":aggregateVersion");
    if !placed.split(',').any(is_version) {
        let what = format!("the router's {option} puts no version into a header");
        let mend = set(
            &format!("transforms.{alias}.{option}"),
            &format!("type:header:eventType,{VERSION_HEADER}"),
        );
        found.note(&table::ROUTER_VERSION_MISSING, what, mend);
    }
    let option = "table.expand.json.payload";
    if sight.of(alias, option) == Some("true") {
        let mend = set(&format!("transforms.{alias}.{option}"), "false");
        let what = format!("the router's {option} is true");
        found.note(&table::ROUTER_PAYLOAD_WRAPPED, what, mend);
    }
}

fn flattened(sight: &Sight<'_>, alias: &str, found: &mut Findings) {
    let modern = "delete.tombstone.handling.mode";
    let keeps = |mode: &str| matches!(mode, "rewrite" | "rewrite-with-tombstone");
    let modern_mode = sight.of(alias, modern);
    let older_mode = sight.of(alias, "delete.handling.mode");
    if !modern_mode.or(older_mode).is_some_and(keeps) {
        let what = format!("{modern} of {alias} is {}", modern_mode.unwrap_or("not set"));
        let mend = set(&format!("transforms.{alias}.{modern}"), "rewrite");
        found.note(&table::DELETES_DROPPED, what, mend);
    }
    coordinates(sight, alias, found);
}

/// A row of an outbox is known by its id and version; a row of a table only by its coordinates.
fn coordinates(sight: &Sight<'_>, alias: &str, found: &mut Findings) {
    let added: Vec<&str> =
        sight.of(alias, "add.fields").unwrap_or_default().split(',').map(str::trim).collect();
    let is_needed = |field: &&&str| **field == "op" || sight.has_ordinary_tables();
    let missing: Vec<&str> = COORDINATES
        .iter()
        .filter(is_needed)
        .filter(|field| !is_added(&added, field))
        .copied()
        .collect();
    if !missing.is_empty() {
        let what = format!("add.fields of {alias} lacks {}", missing.join(", "));
        let mend = set(&format!("transforms.{alias}.add.fields"), &COORDINATES.join(","));
        found.note(&table::COORDINATES_MISSING, what, mend);
    }
}

/// The binary log has a file, a place in it and a row, where PostgreSQL has an LSN and a sequence.
fn is_added(added: &[&str], field: &str) -> bool {
    let instead = match field {
        "source.lsn" => "source.pos",
        "source.sequence" => "source.file",
        other => other,
    };
    added.contains(&field) || added.contains(&instead)
}

fn deletes(sight: &Sight<'_>, found: &mut Findings) {
    let routed = matches!(sight.shape(), Shape::Routed(_));
    if sight.is("tombstones.on.delete", "false") && !routed {
        let what = "tombstones.on.delete is false";
        found.note(&table::TOMBSTONES_OFF, what, set("tombstones.on.delete", "true"));
    }
    if sight.outboxes().is_empty() {
        return;
    }
    let option = "topic.creation.default.cleanup.policy";
    if let Some(policy) = sight.get(option).filter(|policy| policy.contains("compact")) {
        let what = format!("{option} is {policy}");
        found.note(&table::EVENTS_COMPACTED, what, set(option, "delete"));
    }
}
