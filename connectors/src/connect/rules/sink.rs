//! Rules about sinks: what they leave out, what they write twice, and where it lands.

use std::collections::BTreeSet;

use super::sight::{Sight, Source};
use super::{Findings, set, table, wire};

const LETTERS: &str = "errors.deadletterqueue.topic.name";
const LETTER_HEADERS: &str = "errors.deadletterqueue.context.headers.enable";
const ISOLATION: &str = "consumer.override.isolation.level";
const RESET: &str = "consumer.override.auto.offset.reset";
const KEY_MODE: &str = "primary.key.mode";
const KEY_FIELDS: &str = "primary.key.fields";
const BYTES: &str = "org.apache.kafka.connect.converters.ByteArrayConverter";
/// Those that leave a line of text as it is, or bytes for a transform to make one of.
const PLAIN: [&str; 3] = [
    BYTES,
    "org.apache.kafka.connect.storage.StringConverter",
    "io.debezium.converters.ByteArrayConverter",
];

pub fn judge(sight: &Sight<'_>, found: &mut Findings) {
    match sight.source() {
        Source::FileSink => file(sight, found),
        Source::JdbcSink => {
            jdbc(sight, found);
            wire::avro(sight, "value.converter", found);
        }
        Source::Postgres | Source::MariaDb | Source::MySql | Source::Other => {}
    }
    left_out(sight, found);
    if !sight.is(ISOLATION, "read_committed") {
        let told = sight.get(ISOLATION).unwrap_or("not set");
        let what = format!("{ISOLATION} is {told}");
        found.note(&table::SINK_UNCOMMITTED, what, set(ISOLATION, "read_committed"));
    }
    if sight.is(RESET, "latest") {
        let what = format!("{RESET} is latest");
        found.note(&table::SINK_BEGINS_LATE, what, set(RESET, "earliest"));
    }
}

/// What becomes of records that cannot be written.
fn left_out(sight: &Sight<'_>, found: &mut Findings) {
    let letters = sight.get(LETTERS);
    if sight.is("errors.tolerance", "all") && letters.is_none() {
        let what = format!("errors.tolerance is all, and {LETTERS} is not set");
        let mend = set("errors.tolerance", "none") + ", or " + &set(LETTERS, "a topic of its own");
        found.note(&table::SINK_DROPS, what, mend);
    }
    let Some(letters) = letters else { return };
    if !sight.is(LETTER_HEADERS, "true") {
        let what = format!("{LETTER_HEADERS} is not true");
        found.note(&table::SINK_LETTERS_BARE, what, set(LETTER_HEADERS, "true"));
    }
    if sight.list("topics").contains(&letters) {
        let what = format!("{LETTERS} is {letters}, which the sink reads");
        found.note(&table::SINK_LETTERS_RETURN, what, set(LETTERS, "a topic of its own"));
    }
}

fn file(sight: &Sight<'_>, found: &mut Findings) {
    let what = "a file is written by whichever worker has the task";
    let mend = "one worker, a folder that all of them mount, or a sink into a store of objects";
    found.note(&table::FILE_ON_A_WORKER, what, mend);
    if sight.get("file").is_none() {
        found.note(&table::FILE_MISSING, "file is not set", set("file", "/a/folder/file"));
    }
    if let Some(tasks) = sight.get("tasks.max").filter(|tasks| *tasks != "1") {
        found.note(&table::FILE_TORN, format!("tasks.max is {tasks}"), set("tasks.max", "1"));
    }
    let converter = "value.converter";
    match sight.get(converter) {
        Some(class) if PLAIN.contains(&class) => {}
        Some(class) => {
            let what = format!("{converter} is {class}");
            found.note(&table::FILE_UNREADABLE, what, set(converter, BYTES));
        }
        None => {
            let what = format!("{converter} is not set");
            found.note(&table::CONVERTER_MISSING, what, set(converter, BYTES));
        }
    }
}

fn jdbc(sight: &Sight<'_>, found: &mut Findings) {
    // Debezium's default is to insert.
    let mode = sight.get("insert.mode").unwrap_or("insert");
    if !mode.eq_ignore_ascii_case("upsert") {
        let what = format!("insert.mode is {mode}");
        found.note(&table::SINK_DOUBLES, what, set("insert.mode", "upsert"));
    }
    let fields: BTreeSet<&str> = sight.list(KEY_FIELDS).into_iter().collect();
    match sight.get(KEY_MODE).unwrap_or("none") {
        "kafka" => {
            let what = format!("{KEY_MODE} is kafka");
            found.note(&table::SINK_KEYED_BY_PLACE, what, set(KEY_MODE, "record_value"));
        }
        "record_value" | "record_header" if fields.is_empty() => {
            let what = format!("{KEY_FIELDS} is not set");
            found.note(&table::SINK_KEYLESS, what, set(KEY_FIELDS, "reaction_id"));
        }
        "record_value" | "record_header" | "record_key" => {}
        other => {
            let what = format!("{KEY_MODE} is {other}");
            found.note(&table::SINK_KEYLESS, what, set(KEY_MODE, "record_value"));
        }
    }
}
