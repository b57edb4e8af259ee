//! Each rule fires on a bad definition and says what mends it; those that are shipped break none.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use super::{RULES, judge, judge_together};
use crate::connect::Definition;
use crate::elsewhere::Elsewhere;

/// What the shipped definitions want to be told.
struct Wanted;

impl Elsewhere for Wanted {
    fn variable(&self, name: &str) -> Option<String> {
        let value = match name {
            "REGISTRY_NATIVE_URL" => "http://registry:8080/apis/registry/v2",
            "REGISTRY_URL" => "http://registry:8081",
            "POSTGRES_HOST" | "MARIADB_HOST" | "MYSQL_HOST" => "db",
            "POSTGRES_PORT" | "MARIADB_PORT" | "MYSQL_PORT" => "1",
            "KAFKA_BROKERS" => "kafka:9092",
            "DEBEZIUM_PASSWORD" | "SINK_PASSWORD" => "s3cret",
            "HELD_TOPIC" | "REACTIONS_TOPIC" | "TOPICS" => "a.topic",
            "FILE" => "/srv/lines",
            _ => return None,
        };
        Some(value.to_owned())
    }

    fn file(&self, _: &Path) -> io::Result<String> {
        Err(io::ErrorKind::NotFound.into())
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("debezium")
}

#[track_caller]
fn read(file: &str) -> Definition {
    let text = std::fs::read_to_string(folder().join(file)).unwrap();
    Definition::read(file, &text, &Wanted).unwrap()
}

/// A shipped definition with some options set, or taken out where the value is empty.
#[track_caller]
pub fn changed(file: &str, changes: &[(&str, &str)]) -> Definition {
    let mut definition = read(file);
    for (option, value) in changes {
        if value.is_empty() {
            assert!(definition.options.remove(*option).is_some(), "{file} has no {option}");
        } else {
            definition.options.insert((*option).to_owned(), (*value).to_owned());
        }
    }
    definition
}

/// The rules that a definition breaks.
pub fn ids(definition: &Definition) -> Vec<&'static str> {
    judge(definition).iter().map(|finding| finding.rule.id).collect()
}

/// All shipped definitions.
fn shipped() -> Vec<String> {
    let mut files = Vec::new();
    for database in ["postgres", "mariadb", "mysql"] {
        for entry in std::fs::read_dir(folder().join(database)).into_iter().flatten() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".json") {
                files.push(format!("{database}/{name}"));
            }
        }
    }
    files.sort();
    files
}

#[test]
fn shipped_definitions_break_no_rule() {
    let files = shipped();
    assert!(files.len() >= 6, "{files:?}");
    for file in files {
        assert_eq!(judge(&read(&file)), [], "{file}");
    }
}

pub const OUTBOX: &str = "postgres/outbox.json";
const ROUTER: &str = "postgres/router.json";
const TABLES: &str = "postgres/tables.json";
const FLAT: &str = "postgres/tables_flattened.json";
const FLAT_OUTBOX: &str = "postgres/flattened.json";
const MARIADB: &str = "mariadb/outbox.json";

/// A definition, what is changed in it, and the rule that is broken then.
pub type Case = (&'static str, &'static [(&'static str, &'static str)], &'static str);

/// A definition, what is changed in it, and the rule that is broken then.
const CASES: &[Case] = &[
    (OUTBOX, &[("connector.class", "org.example.Other")], "class-unjudged"),
    (OUTBOX, &[("connector.class", "")], "class-unjudged"),
    (OUTBOX, &[("topic.prefix", "")], "prefix-missing"),
    (OUTBOX, &[("tasks.max", "4")], "tasks-many"),
    (OUTBOX, &[("message.key.columns", "")], "key-not-aggregate"),
    (OUTBOX, &[("message.key.columns", "public.points_outbox:id")], "key-not-aggregate"),
    (OUTBOX, &[("message.key.columns", "(.*)_outbox(.*):aggregate_id,id")], "key-not-aggregate"),
    (OUTBOX, &[("message.key.columns", "public.points_outbox:aggregate_id")], "key-not-aggregate"),
    (ROUTER, &[("transforms.outbox.table.field.event.key", "id")], "key-not-aggregate"),
    (
        OUTBOX,
        &[
            ("transforms", "r"),
            ("transforms.r.type", "io.debezium.transforms.ByLogicalTableRouter"),
        ],
        "key-per-table",
    ),
    (
        OUTBOX,
        &[
            ("transforms", "p"),
            ("transforms.p.type", "io.debezium.transforms.partitions.PartitionRouting"),
        ],
        "partition-overridden",
    ),
    (OUTBOX, &[("producer.override.partitioner.class", "x")], "partition-overridden"),
    (OUTBOX, &[("producer.override.partitioner.ignore.keys", "true")], "partition-overridden"),
    (OUTBOX, &[("producer.override.enable.idempotence", "false")], "producer-unordered"),
    (OUTBOX, &[("signal.data.collection", "public.debezium_signal")], "signals-lose-rows"),
    (OUTBOX, &[("errors.tolerance", "all")], "records-dropped"),
    (OUTBOX, &[("event.processing.failure.handling.mode", "skip")], "records-dropped"),
    (OUTBOX, &[("heartbeat.interval.ms", "")], "heartbeat-missing"),
    (MARIADB, &[("heartbeat.interval.ms", "0")], "heartbeat-missing"),
    (OUTBOX, &[("heartbeat.action.query", "")], "heartbeat-passive"),
    (OUTBOX, &[("flush.lsn.source", "false")], "wal-kept"),
    (OUTBOX, &[("plugin.name", "")], "plugin-not-pgoutput"),
    (OUTBOX, &[("slot.name", "")], "slot-missing"),
    (OUTBOX, &[("slot.name", "Readmill-outbox")], "slot-unfit"),
    (OUTBOX, &[("slot.drop.on.stop", "true")], "slot-dropped"),
    (OUTBOX, &[("publication.name", "")], "publication-missing"),
    (OUTBOX, &[("publication.autocreate.mode", "")], "publication-open"),
    (OUTBOX, &[("publication.autocreate.mode", "all_tables")], "publication-open"),
    (MARIADB, &[("database.server.id", "")], "server-id-missing"),
    (MARIADB, &[("schema.history.internal.kafka.topic", "")], "history-missing"),
    (
        OUTBOX,
        &[("replica.identity.autoset.values", "public.points_outbox:DEFAULT")],
        "before-missing",
    ),
    (OUTBOX, &[("column.exclude.list", "public.points_outbox.payload")], "column-missing"),
    (OUTBOX, &[("column.mask.with.8.chars", "public.a_outbox.aggregate_id")], "column-missing"),
    (TABLES, &[("tombstones.on.delete", "false")], "tombstones-off"),
    (OUTBOX, &[("topic.creation.default.cleanup.policy", "compact,delete")], "events-compacted"),
    (FLAT, &[("transforms.flatten.delete.tombstone.handling.mode", "")], "deletes-dropped"),
    (FLAT, &[("transforms.flatten.delete.tombstone.handling.mode", "drop")], "deletes-dropped"),
    (FLAT, &[("transforms.flatten.add.fields", "op,source.ts_ms")], "coordinates-missing"),
    (FLAT_OUTBOX, &[("transforms.flatten.add.fields", "")], "coordinates-missing"),
    (TABLES, &[("skipped.operations", "d")], "operations-skipped"),
    (OUTBOX, &[("skipped.operations", "c,t")], "operations-skipped"),
    (TABLES, &[("skipped.operations", "")], "truncate-skipped"),
    (TABLES, &[("unavailable.value.placeholder", "?")], "placeholder-changed"),
    (TABLES, &[("decimal.handling.mode", "double")], "decimal-inexact"),
    (TABLES, &[("time.precision.mode", "connect")], "time-coarse"),
    (OUTBOX, &[("binary.handling.mode", "base64")], "payload-text"),
    (OUTBOX, &[("snapshot.mode", "initial_only")], "snapshot-only"),
    (OUTBOX, &[("snapshot.mode", "no_data")], "snapshot-none"),
    (OUTBOX, &[("snapshot.mode", "always")], "snapshot-always"),
    (OUTBOX, &[("value.converter", "")], "converter-missing"),
    (ROUTER, &[("key.converter", "")], "converter-missing"),
    (
        OUTBOX,
        &[("value.converter", "org.apache.kafka.connect.json.JsonConverter")],
        "converter-unfit",
    ),
    (OUTBOX, &[("value.converter.apicurio.registry.url", "")], "registry-missing"),
    (OUTBOX, &[("value.converter", "io.confluent.connect.avro.AvroConverter")], "registry-missing"),
    (
        OUTBOX,
        &[("key.converter.apicurio.registry.url", "http://r/apis/ccompat/v7")],
        "registry-unfit",
    ),
    (OUTBOX, &[("key.converter.apicurio.registry.url", "r:8080")], "registry-unfit"),
    (OUTBOX, &[("value.converter.apicurio.registry.as-confluent", "")], "framing-unfit"),
    (OUTBOX, &[("value.converter.apicurio.registry.headers.enabled", "true")], "framing-unfit"),
    (OUTBOX, &[("schema.name.adjustment.mode", "")], "names-unfit"),
    (
        ROUTER,
        &[("transforms.outbox.table.fields.additional.placement", "type:header:eventType")],
        "router-version-missing",
    ),
    (
        ROUTER,
        &[("value.converter", "org.apache.kafka.connect.json.JsonConverter")],
        "router-payload-wrapped",
    ),
    (OUTBOX, &[("exactly.once.support", "")], "exactly-once-off"),
];

/// Each rule fires on its definition, says what mends it, and tells no secret.
#[track_caller]
pub fn each_fires(cases: &[Case]) {
    for (file, changes, wanted) in cases {
        let definition = changed(file, changes);
        let found = ids(&definition);
        assert!(found.contains(wanted), "{file} with {changes:?}: {found:?}");
        for finding in judge(&definition) {
            assert!(!finding.mend.is_empty() && !finding.what.is_empty(), "{finding:?}");
            assert!(!format!("{finding:?}").contains("s3cret"), "{finding:?}");
        }
    }
}

#[test]
fn each_rule_fires_on_a_definition_that_breaks_it_and_says_what_mends_it() {
    each_fires(CASES);
    // An open list of tables is judged with all else that depends on tables.
    assert!(ids(&changed(OUTBOX, &[("table.include.list", "")])).contains(&"tables-open"));
}

#[test]
fn no_rule_is_without_a_case() {
    let mut shown: BTreeSet<&str> = CASES.iter().map(|(_, _, id)| *id).collect();
    shown.extend(["tables-open", "placeholder-unset", "secret-in-file"]);
    shown.extend(super::facts_tests::CASES.iter().map(|(_, id)| *id));
    shown.extend(super::sink_tests::CASES.iter().map(|(.., id)| *id));
    shown.insert("file-shared");
    shown.extend(TOGETHER.iter().map(|(_, id)| *id));
    let all: BTreeSet<&str> = RULES.iter().map(|rule| rule.id).collect();
    assert_eq!(shown, all);
    assert_eq!(all.len(), RULES.len(), "two rules have one id");
}

#[test]
fn what_is_not_wrong_is_not_told() {
    let table: [(&str, &[(&str, &str)]); 8] = [
        (OUTBOX, &[("message.key.columns", r"public\.(.*)_outbox(.*):aggregate_id")]),
        // A pattern that is not understood is believed.
        (OUTBOX, &[("message.key.columns", r"public\.\w+:aggregate_id")]),
        (OUTBOX, &[("message.key.columns", "(.*)_outbox(.*):aggregate_id;shop.x:id,b")]),
        (OUTBOX, &[("decimal.handling.mode", "string"), ("skipped.operations", "u,d,t")]),
        (OUTBOX, &[("snapshot.mode", "when_needed")]),
        (TABLES, &[("message.key.columns", "public.coupon:id,code")]),
        (FLAT, &[("transforms.flatten.delete.tombstone.handling.mode", "rewrite-with-tombstone")]),
        (ROUTER, &[("tombstones.on.delete", "false")]),
    ];
    for (file, changes) in table {
        assert_eq!(ids(&changed(file, changes)), [""; 0], "{file} with {changes:?}");
    }
}

const TOGETHER: [(&str, &str); 5] = [
    ("name", "name-shared"),
    ("topic.prefix", "prefix-shared"),
    ("slot.name", "slot-shared"),
    ("database.server.id", "server-id-shared"),
    ("schema.history.internal.kafka.topic", "history-shared"),
];

#[test]
fn what_is_one_connectors_alone_is_not_anothers() {
    for (option, wanted) in TOGETHER {
        let file = if option.starts_with("slot") { OUTBOX } else { MARIADB };
        let one = read(file);
        let mut two = read(file);
        two.name = if option == "name" { one.name.clone() } else { "other".to_owned() };
        for (own, _) in TOGETHER.iter().filter(|(own, _)| *own != option) {
            if let Some(value) = two.options.get_mut(*own) {
                *value += "0";
            }
        }
        let found = judge_together(&[one, two]);
        let [(1, finding)] = &found[..] else { panic!("{option}: {found:?}") };
        assert_eq!(finding.rule.id, wanted);
        assert!(finding.what.contains(file), "{finding:?}");
    }
    assert_eq!(judge_together(&[read(OUTBOX), changed(MARIADB, &[("topic.prefix", "m")])]), []);
}

#[test]
fn placeholders_and_secrets_are_judged_before_all_else() {
    let text = r#"{"name": "a", "config": {"database.hostname": "${NOWHERE}",
                   "database.password": "plain-s3cret", "tasks.max": 1}}"#;
    let definition = Definition::read("f", text, &Wanted).unwrap();
    let found = judge(&definition);
    assert_eq!(ids(&definition), ["placeholder-unset", "secret-in-file"], "{found:?}");
    assert!(found[0].what.contains("NOWHERE") && found[0].what.contains("database.hostname"));
    assert!(!format!("{found:?} {:?}", definition.secrets).contains("s3cret"));
}

#[test]
fn the_page_about_connectors_names_every_rule() {
    let page = folder().join("../../docs/connectors.md");
    let page = std::fs::read_to_string(page).unwrap();
    for rule in RULES {
        let row = format!("| `{}` | {} |", rule.id, rule.severity.word());
        assert!(page.contains(&row), "docs/connectors.md lacks {row}");
    }
}
