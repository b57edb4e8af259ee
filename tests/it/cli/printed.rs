//! What commands print: with `--json` one value, or one a line, and nothing else on stdout.

use std::process::Output;

use serde_json::Value;

use super::place::Place;
use crate::mill::readmill;

/// The values that were printed, a line each; a command that failed has said why on stderr.
#[track_caller]
fn values(args: &[&str], output: &Output, code: i32) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {text}{said}");
    let read = |line: &str| {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{args:?}: {error}: {line}"))
    };
    text.lines().map(read).collect()
}

/// Each command prints one value with these fields, and ends with this code.
#[track_caller]
fn check(table: &[(String, i32, &str)], ask: impl Fn(&[&str]) -> Output) {
    for (line, code, fields) in table {
        let args: Vec<&str> = line.split(' ').collect();
        let printed = values(&args, &ask(&args), *code);
        assert_eq!(printed.len(), 1, "{line}: {printed:?}");
        for field in fields.split(' ') {
            let value = field.split('.').fold(&printed[0], |value, name| &value[name]);
            assert!(!value.is_null(), "{line}: no {field} in {}", printed[0]);
        }
    }
}

#[test]
fn offline_each_command_prints_one_object() {
    let place = Place::new();
    let (file, archive, dir) = (place.file(), place.path("archive"), place.dir().display());
    std::fs::write(place.path("bad.toml"), "[source]\nkind = \"kafca\"\n").unwrap();
    let held = readmill(&["held", "list", "-c", &file, "-m", "points", "--json", "--limit", "1"]);
    let held = values(&["held list"], &held, 0);
    let (at, key) = (held[0]["position"].as_str().unwrap(), held[0]["key"].as_str());
    let value = place.path("value");
    std::fs::write(&value, "x").unwrap();
    let named = key.map_or_else(String::new, |key| format!(" --key {key}"));
    let one = format!("-c {file} -m points -p {at}");
    let table = [
        (format!("check -c {file} --json"), 0, "valid source serves models"),
        (format!("check -c {dir}/bad.toml --json"), 2, "mistakes file"),
        (format!("get points m-000001 -c {file} --json"), 0, "model key revision state"),
        (format!("rollup points -c {file} --json"), 0, "model rollups"),
        (format!("rollup points ledger -c {file} --json"), 0, "groups"),
        (format!("generations points -c {file} --json"), 0, "live generations"),
        (format!("explain points m-000001 -c {file} --json"), 0, "steps document stored"),
        (format!("verify points -c {file} --json"), 0, "documents"),
        (format!("heal points -c {file} --check --json"), 0, "documents differed strays"),
        (format!("diff points -c {file} --json"), 0, "model"),
        (format!("held show {one}{named} --json"), 0, "model position reason value"),
        (format!("held edit {one}{named} --value {value} --as-json"), 0, "position bytes edited"),
        (format!("held edit {one}{named} --undo --as-json"), 0, "position bytes"),
        (format!("held retry -c {file} -m points --all --json"), 6, "model stuck_keys stuck"),
        (format!("held drop {one}{named} --json"), 2, "model lost dropped"),
        (format!("held export -c {file} -m points --to {dir}/all --json"), 0, "records file"),
        (format!("archive verify --dir {archive} --json"), 0, "records"),
        (format!("produce --archive {dir}/more --events 10 --json"), 0, "records directory"),
        (format!("demo --events 500 --exit --json --dir {dir}/demo"), 0, "digest documents"),
        (format!("man {dir} --json"), 0, "directory pages"),
        (format!("rebuild points -c {file} --detach --json"), 0, "generation begun"),
        (format!("rebuild points -c {file} --pause --json"), 0, "generation paused"),
        (format!("retire points 2 -c {file} --json"), 0, "generation gone"),
    ];
    check(&table, readmill);
    let lists = [
        "models --json".to_owned(),
        format!("held list -c {file} -m points --json"),
        format!("waiting -c {file} -m points --json"),
        format!("archive list --dir {archive} --json"),
    ];
    for line in lists {
        let args: Vec<&str> = line.split(' ').collect();
        values(&args, &readmill(&args), 0);
    }
}

#[test]
fn bash_completes_commands_options_and_models() {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("readmill.bash");
    std::fs::write(&script, readmill(&["completions", "bash"]).stdout).unwrap();
    let table = [
        ("readmill com", "completions"),
        ("readmill held re", "retry"),
        ("readmill top --on", "--once"),
        ("readmill get store", "store_stats"),
        ("readmill completions z", "zsh"),
    ];
    for (line, wanted) in table {
        let words: Vec<&str> = line.split(' ').collect();
        let (last, at) = (words[words.len() - 1], words.len() - 1);
        let asked = format!(
            "source {}; COMP_WORDS=({line}); COMP_CWORD={at}; COMPREPLY=(); \
             _readmill readmill '{last}' '{}'; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            script.display(),
            words[at - 1],
        );
        let bash = std::process::Command::new("bash").args(["-c", &asked]).output().unwrap();
        let (told, said) = (bash.stdout, String::from_utf8_lossy(&bash.stderr));
        let told = String::from_utf8(told).unwrap();
        assert!(told.lines().any(|line| line.trim() == wanted), "{line}: {told}{said}");
    }
}
