//! Rules about the order of events: keys, partitions, tasks, and what may be dropped in between.

use super::sight::{Shape, Sight, Table};
use super::{Findings, set, table};
use crate::connect::pattern;

const KEY_COLUMNS: &str = "message.key.columns";
const KEY_EXAMPLE: &str = "(.*).(.*)_outbox(.*):aggregate_id";
const LOGICAL_ROUTERS: [&str; 2] =
    ["io.debezium.transforms.ByLogicalTableRouter", "io.debezium.transforms.ToLogicalTopicRouter"];
const PARTITION_ROUTER: &str = "io.debezium.transforms.partitions.PartitionRouting";
const PRODUCER: &str = "producer.override.";

pub fn judge(sight: &Sight<'_>, found: &mut Findings) {
    tasks(sight, found);
    match sight.shape() {
        Shape::Routed(alias) => router_key(sight, &alias, found),
        Shape::Envelope | Shape::Flattened(_) => outbox_keys(sight, found),
    }
    signals(sight, found);
    transforms(sight, found);
    producer(sight, found);
    drops(sight, found);
}

fn tasks(sight: &Sight<'_>, found: &mut Findings) {
    if let Some(tasks) = sight.get("tasks.max").filter(|tasks| *tasks != "1") {
        let what = format!("tasks.max is {tasks}");
        found.note(&table::TASKS_MANY, what, set("tasks.max", "1"));
    }
}

/// Whether a column is the aggregate's, however it is spelt.
fn is_aggregate(column: &str) -> bool {
    let letters = column.chars().filter(|c| *c != '_');
    letters.collect::<String>().eq_ignore_ascii_case("aggregateid")
}

fn outbox_keys(sight: &Sight<'_>, found: &mut Findings) {
    let outboxes = sight.outboxes();
    if outboxes.is_empty() {
        return;
    }
    let mend = set(KEY_COLUMNS, KEY_EXAMPLE);
    let Some(columns) = sight.get(KEY_COLUMNS) else {
        let what = format!("{KEY_COLUMNS} is not set: {} keyed by the row's id", told(&outboxes));
        return found.note(&table::KEY_NOT_AGGREGATE, what, mend);
    };
    let entries: Vec<(&str, Vec<&str>)> = columns.split(';').filter_map(entry).collect();
    let other = entries.iter().find(|(_, columns)| {
        let [column] = columns[..] else { return true };
        !is_aggregate(column)
    });
    if let Some((pattern, columns)) = other.filter(|(pattern, _)| concerns(pattern, &outboxes)) {
        let what = format!("{pattern} is keyed by {}", columns.join(", "));
        return found.note(&table::KEY_NOT_AGGREGATE, what, mend);
    }
    let is_left_out = |outbox: &&Table| {
        let misses = |name: &str, pattern: &str| pattern::matches(pattern, name) == Some(false);
        let name = outbox.name.as_deref();
        name.is_some_and(|name| entries.iter().all(|(pattern, _)| misses(name, pattern)))
    };
    let left_out: Vec<Table> = outboxes.iter().filter(is_left_out).cloned().collect();
    if entries.is_empty() || !left_out.is_empty() {
        let what = format!("{KEY_COLUMNS} leaves out {}", told(&left_out));
        found.note(&table::KEY_NOT_AGGREGATE, what, mend);
    }
}

/// `pattern:column,column`; columns cannot have a colon, patterns can.
fn entry(text: &str) -> Option<(&str, Vec<&str>)> {
    let (pattern, columns) = text.trim().rsplit_once(':')?;
    Some((pattern, columns.split(',').map(str::trim).collect()))
}

/// Whether an entry is about any of the outboxes, as far as that is understood.
fn concerns(pattern: &str, outboxes: &[Table]) -> bool {
    outboxes.iter().any(|outbox| match &outbox.name {
        Some(name) => pattern::matches(pattern, name) != Some(false),
        None => true,
    })
}

/// An incremental snapshot keeps one row of each key in a chunk, the last; an outbox has many.
fn signals(sight: &Sight<'_>, found: &mut Findings) {
    let keyed = sight.get(KEY_COLUMNS).is_some() && !sight.outboxes().is_empty();
    if let Some(table) = sight.get("signal.data.collection").filter(|_| keyed) {
        let what = format!("signals come by {table}, and an outbox is keyed by {KEY_COLUMNS}");
        let mend = "take signal.data.collection out; an outbox is read again by another connector";
        found.note(&table::SIGNALS_LOSE_ROWS, what, mend);
    }
}

fn told(tables: &[Table]) -> String {
    let names: Vec<&str> = tables.iter().map(|table| table.written.as_str()).collect();
    match names[..] {
        [one] => format!("{one} is"),
        _ => format!("{} are", names.join(", ")),
    }
}

fn router_key(sight: &Sight<'_>, alias: &str, found: &mut Findings) {
    let option = "table.field.event.key";
    // Debezium's own default is the aggregate, under a name of its own.
    let column = sight.of(alias, option).unwrap_or("aggregateid");
    if !is_aggregate(column) {
        let what = format!("the router's key is {column}");
        let mend = set(&format!("transforms.{alias}.{option}"), "aggregate_id");
        found.note(&table::KEY_NOT_AGGREGATE, what, mend);
    }
}

fn transforms(sight: &Sight<'_>, found: &mut Findings) {
    for (alias, class) in sight.transforms() {
        let unique = sight.of(alias, "key.enforce.uniqueness").unwrap_or("true");
        let renames_key = sight.of(alias, "key.field.regex").is_some() || unique != "false";
        let splits = !sight.outboxes().is_empty() && LOGICAL_ROUTERS.contains(&class);
        if splits && renames_key {
            let option = format!("transforms.{alias}.key.enforce.uniqueness");
            let what = format!("{alias} puts the name of the table into the key");
            found.note(&table::KEY_PER_TABLE, what, set(&option, "false"));
        }
        if class == PARTITION_ROUTER {
            let what = format!("{alias} chooses partitions by itself");
            let mend = format!("take {alias} out of \"transforms\"");
            found.note(&table::PARTITION_OVERRIDDEN, what, mend);
        }
    }
}

fn producer(sight: &Sight<'_>, found: &mut Findings) {
    let set_to = |option: &str| sight.get(&format!("{PRODUCER}{option}"));
    let partitioner = set_to("partitioner.class");
    let ignores = set_to("partitioner.ignore.keys").filter(|ignores| *ignores == "true");
    for (option, value) in
        [("partitioner.class", partitioner), ("partitioner.ignore.keys", ignores)]
    {
        if value.is_some() {
            let what = format!("{PRODUCER}{option} is set");
            found.note(&table::PARTITION_OVERRIDDEN, what, format!("take {PRODUCER}{option} out"));
        }
    }
    let one = set_to("max.in.flight.requests.per.connection") == Some("1");
    if set_to("enable.idempotence") == Some("false") && !one {
        let what = format!("{PRODUCER}enable.idempotence is false");
        let mend = set(&format!("{PRODUCER}enable.idempotence"), "true");
        found.note(&table::PRODUCER_UNORDERED, what, mend);
    }
}

fn drops(sight: &Sight<'_>, found: &mut Findings) {
    if sight.is("errors.tolerance", "all") {
        let what = "errors.tolerance is all";
        found.note(&table::RECORDS_DROPPED, what, set("errors.tolerance", "none"));
    }
    let options = [
        "event.processing.failure.handling.mode",
        "event.converting.failure.handling.mode",
        "inconsistent.schema.handling.mode",
    ];
    for option in options {
        if let Some(mode) = sight.get(option).filter(|mode| *mode != "fail") {
            let what = format!("{option} is {mode}");
            found.note(&table::RECORDS_DROPPED, what, set(option, "fail"));
        }
    }
}
