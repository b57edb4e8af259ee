//! Each rule about sinks fires; those that are shipped break none but the one no file sink escapes.

use super::judge_together;
use super::tests::{Case, changed, each_fires, ids};

const HELD: &str = "../connect/held_file.json";
const ARCHIVE: &str = "../connect/archive_file.json";
const REACTIONS: &str = "../connect/reactions_jdbc.json";
const LETTERS: (&str, &str) = ("errors.deadletterqueue.topic.name", "letters");
const AVRO: &str = "io.apicurio.registry.utils.converter.AvroConverter";

/// A definition, what is changed in it, and the rule that is broken then.
pub const CASES: &[Case] = &[
    (HELD, &[("errors.tolerance", "all")], "sink-drops"),
    (REACTIONS, &[("errors.tolerance", "all")], "sink-drops"),
    (REACTIONS, &[("errors.tolerance", "all"), LETTERS], "sink-letters-bare"),
    (
        REACTIONS,
        &[("errors.tolerance", "all"), ("errors.deadletterqueue.topic.name", "a.topic")],
        "sink-letters-return",
    ),
    (ARCHIVE, &[("consumer.override.isolation.level", "")], "sink-uncommitted"),
    (ARCHIVE, &[("consumer.override.auto.offset.reset", "latest")], "sink-begins-late"),
    (REACTIONS, &[("insert.mode", "")], "sink-doubles"),
    (REACTIONS, &[("insert.mode", "insert")], "sink-doubles"),
    (REACTIONS, &[("primary.key.mode", "")], "sink-keyless"),
    (REACTIONS, &[("primary.key.fields", "")], "sink-keyless"),
    (REACTIONS, &[("primary.key.mode", "kafka")], "sink-keyed-by-place"),
    (REACTIONS, &[("value.converter.apicurio.registry.as-confluent", "")], "framing-unfit"),
    (REACTIONS, &[("value.converter", "")], "converter-missing"),
    (HELD, &[("file", "")], "file-missing"),
    (HELD, &[("consumer.override.isolation.level", "read_committed")], "file-on-a-worker"),
    (HELD, &[("tasks.max", "2")], "file-torn"),
    (ARCHIVE, &[("value.converter", AVRO)], "file-unreadable"),
    (ARCHIVE, &[("value.converter", "")], "converter-missing"),
];

#[test]
fn each_rule_about_sinks_fires_on_a_definition_that_breaks_it() {
    each_fires(CASES);
}

#[test]
fn shipped_sinks_break_no_rule_but_that_a_file_is_on_a_worker() {
    let on_a_worker: &[&str] = &["file-on-a-worker"];
    for (file, wanted) in [(HELD, on_a_worker), (ARCHIVE, on_a_worker), (REACTIONS, &[])] {
        assert_eq!(ids(&changed(file, &[])), wanted, "{file}");
    }
    let headers = ("errors.deadletterqueue.context.headers.enable", "true");
    let letters = changed(REACTIONS, &[("errors.tolerance", "all"), LETTERS, headers]);
    assert_eq!(ids(&letters), [""; 0]);
}

#[test]
fn two_sinks_do_not_write_to_one_file() {
    let found = judge_together(&[changed(HELD, &[]), changed(ARCHIVE, &[])]);
    let [(1, finding)] = &found[..] else { panic!("{found:?}") };
    assert_eq!(finding.rule.id, "file-shared");
    let apart = changed(ARCHIVE, &[("file", "/srv/others")]);
    assert_eq!(judge_together(&[changed(HELD, &[]), apart]), []);
}
