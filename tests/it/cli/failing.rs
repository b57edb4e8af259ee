//! How commands fail: what, where, what to do about it, and the exit code that is documented.

use super::place::Place;
use crate::mill::{free_port, readmill};

/// A line of the table: the command, its exit code, and what it must say.
type Case = (String, i32, &'static [&'static str]);

#[track_caller]
fn check(table: &[Case]) {
    for (line, code, wanted) in table {
        let args: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
        let output = readmill(&args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(*code), "{line}: {said}");
        for words in *wanted {
            assert!(said.contains(words), "{line}: \"{words}\" is missing in\n{said}");
        }
        assert!(!said.contains("panicked"), "{line}: {said}");
    }
}

/// Every command that takes a configuration, as far as its other arguments must be there.
fn with_configuration() -> Vec<&'static str> {
    vec![
        "run",
        "check",
        "get points m-1",
        "explain points m-1",
        "diff points",
        "rollup points",
        "verify points",
        "reconcile points",
        "heal points",
        "held list -m points",
        "held show -m points -p t/0@1",
        "held retry -m points --all",
        "held edit -m points -p t/0@1 --undo",
        "held drop -m points --keyless",
        "held export -m points --to out",
        "waiting -m points",
        "rebuild points",
        "generations points",
        "swap points",
        "rollback points",
        "retire points 1",
        "forget m-1",
        "positions export points",
        "archive --to out",
        "connectors status",
        "connectors restart --all",
        "doctor",
        "schemas check",
        "produce --kafka",
    ]
}

/// Every command that takes an instance.
const WITH_INSTANCE: [&str; 14] = [
    "top",
    "top --once",
    "status",
    "lanes",
    "lanes set bulk --rate 1",
    "get points m-1",
    "rollup points ledger",
    "held list -m points",
    "held retry -m points --all",
    "held drop -m points --keyless",
    "generations points",
    "rebuild points",
    "swap points",
    "rollback points",
];

#[test]
fn a_configuration_that_is_not_there_is_named() {
    let table: Vec<Case> = with_configuration()
        .into_iter()
        .map(|line| {
            let wanted: &[&str] =
                &["error: ", "nowhere.toml", "cannot be read", "hint: ", "check --example"];
            (format!("{line} -c nowhere.toml"), 2, wanted)
        })
        .collect();
    check(&table);
}

#[test]
fn a_model_that_is_misspelt_is_guessed() {
    let models = with_configuration().into_iter().filter(|line| line.contains("points"));
    let table: Vec<Case> = models
        .map(|line| {
            let wanted: &[&str] = &["there is no such read model", "did you mean \"points\"?"];
            (format!("{} -c nowhere.toml", line.replace("points", "pionts")), 2, wanted)
        })
        .collect();
    check(&table);
}

#[test]
fn an_instance_that_does_not_answer_is_named() {
    let port = free_port();
    let instance = WITH_INSTANCE.into_iter().map(|line| {
        let wanted: &[&str] = &["error: ", "the instance", "127.0.0.1:", "hint: "];
        (format!("{line} --instance http://127.0.0.1:{port}"), 3, wanted)
    });
    check(&instance.collect::<Vec<_>>());
    let strange = WITH_INSTANCE.into_iter().map(|line| {
        let wanted: &[&str] = &["error: ", "the instance", "hint: ", "http://host:port"];
        (format!("{line} --instance nonsense"), 3, wanted)
    });
    check(&strange.collect::<Vec<_>>());
}

#[test]
fn what_is_not_there_ends_with_its_own_code() {
    let place = Place::new();
    let (file, dir, archive) = (place.file(), place.dir().display(), place.path("archive"));
    let table: Vec<Case> = vec![
        (format!("get points nobody -c {file}"), 5, &["no document under that key"]),
        (format!("rollup points nothing -c {file}"), 2, &["hint: ", "readmill rollup points"]),
        (format!("rollup points ledger none -c {file}"), 5, &["ledger"]),
        (format!("held show -c {file} -m points -p t/0@1"), 5, &["hint: ", "held list"]),
        (format!("held retry -c {file} -m points --key nobody"), 5, &[]),
        (format!("held drop -c {file} -m points --key nobody"), 5, &["hint: ", "held list"]),
        (format!("held export -c {file} -m points --to {archive}"), 2, &["hint: ", "a new file"]),
        (format!("explain points nobody -c {file}"), 5, &[]),
        (format!("swap points -c {file}"), 2, &["hint: "]),
        (format!("rollback points -c {file}"), 2, &["hint: "]),
        (format!("retire points 9 -c {file}"), 2, &["hint: "]),
        (format!("retire points 1 -c {file}"), 2, &["hint: "]),
        (format!("archive list --dir {dir}/none"), 4, &["error: ", "hint: "]),
        (format!("archive --to {dir}/copy -c {file}"), 2, &["reads no Kafka", "hint: "]),
        (format!("produce --kafka -c {file}"), 2, &["reads no Kafka", "hint: "]),
        (format!("produce --archive {archive}"), 3, &["hint: "]),
        (format!("connectors status -c {file}"), 2, &["hint: "]),
        (format!("positions export points -c {file}"), 2, &["hint: "]),
        (format!("schemas check -c {file}"), 2, &["hint: ", "--candidate"]),
        (format!("reconcile points -c {file}"), 2, &["hint: "]),
        (format!("man {dir}/none"), 2, &["cannot be written", "hint: "]),
    ];
    check(&table);
}

#[test]
fn services_that_do_not_answer_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("silent.toml");
    let text = "[source]\nkind = \"kafka\"\n[kafka]\nbrokers = \"127.0.0.1:1\"\n\
                [registry]\nurls = [\"http://127.0.0.1:1\"]\n[connect]\n\
                url = \"http://127.0.0.1:1\"\n[redis]\nuri = \"redis://127.0.0.1:1\"\n\
                [models.points]\ntopics = [\"t\"]\nstore = \"redis\"\n";
    std::fs::write(&file, text).unwrap();
    let file = file.display();
    let table: Vec<Case> = vec![
        (format!("get points m-1 -c {file}"), 3, &["error: ", "Redis", "hint: "]),
        (format!("held list -m points -c {file}"), 3, &["error: ", "Redis", "hint: "]),
        (format!("generations points -c {file}"), 3, &["error: ", "Redis", "hint: "]),
        (format!("waiting -m points -c {file}"), 3, &["error: ", "Redis", "hint: "]),
        (format!("schemas check -c {file}"), 3, &["error: ", "registry", "hint: "]),
        (format!("connectors status -c {file}"), 3, &["error: ", "Connect", "hint: "]),
    ];
    check(&table);
}
