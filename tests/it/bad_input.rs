//! Bad input is answered: what, where and what to do, with an exit code that a script can tell.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use crate::mill::{self, readmill, succeed};
use crate::paths::stack;
use crate::real::Corner;

/// Runs a command that must fail with this code, and say all of this.
#[track_caller]
fn fails(args: &[&str], code: i32, said: &[&str]) {
    let output = readmill(args);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "readmill {args:?}\n{told}");
    for words in said {
        assert!(told.contains(words), "no {words:?} in:\n{told}");
    }
    assert!(!told.contains("panicked"), "{told}");
}

/// A sound configuration with something replaced, run until it fails.
#[track_caller]
fn run_fails(corner: &Corner, from: &str, to: &str, said: &[&str]) {
    let configuration = corner.configuration();
    assert!(configuration.contains(from), "no {from} in {configuration}");
    let file = corner.dir().join("bad.toml");
    let listen = format!("[instance]\nhttp_listen = \"127.0.0.1:{}\"\n", mill::free_port());
    fs::write(&file, listen + &configuration.replace(from, to)).unwrap();
    fails(&["run", "-c", file.to_str().unwrap()], 3, said);
}

#[test]
fn a_configuration_is_told_all_its_mistakes_with_their_lines() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bad.toml");
    let text = "[source]\nkind = \"kafka\"\n\n[kafka]\nbrokers = 7\nbroker = \"x\"\n\n\
                [models.point]\ntopics = [\"t\"]\nstore = \"mongo\"\n\n\
                [models.points]\ntopics = []\nstore = \"redis\"\n";
    fs::write(&file, text).unwrap();
    let name = file.to_str().unwrap();
    let said = [
        "bad.toml:5:",
        "bad.toml:6:",
        "bad.toml:8:",
        "did you mean \"points\"?",
        "bad.toml:13:",
        "hint:",
    ];
    fails(&["check", "-c", name], 2, &said);
    fails(&["run", "-c", name], 2, &said);
}

#[test]
fn mistakes_in_lanes_are_told_with_their_lines() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("lanes.toml");
    let text = "[source]\nkind = \"kafka\"\n[kafka]\n[registry]\nurls = [\"http://r\"]\n\
                [embedded]\ndirectory = \"d\"\n\
                [lanes.online]\npriority = -1\n\
                [lanes.batch]\nleast_share_percent = 0\nrate_records_per_s = 0\n\
                [lanes.bulk]\nleast_share_percent = 101\nrate_records_per_sec = 5\n\
                [lanes.\"a b\"]\n\
                [models.points]\ntopics = [\"a\", \"b\"]\nstore = \"embedded\"\n\
                lanes = { \"a\" = \"onlin\", \"c\" = \"batch\" }\n\
                versions_of = { \"a\" = \"d\", \"b\" = \"a\" }\n";
    fs::write(&file, text).unwrap();
    let name = file.to_str().unwrap();
    let said = [
        "lanes.toml:9: lanes.online.priority: integer `-1` is out of range, where a whole number",
        "lanes.toml:11: lanes.batch.least_share_percent: least_share_percent must be from 1 to 100",
        "lanes.toml:12: lanes.batch.rate_records_per_s: integer `0` is out of range, where",
        "lanes.toml:14: lanes.bulk.least_share_percent: least_share_percent must be from 1 to 100",
        "lanes.toml:15: lanes.bulk.rate_records_per_sec: there is no such setting; did you mean \
         \"rate_records_per_s\"?",
        "lanes.toml:16: lanes.a b: a lane's name is letters, digits",
        "lanes.toml:20: models.points.lanes: there is no [lanes.onlin]",
        "lanes.toml:20: models.points.lanes: \"c\" is none of its topics; did you mean \"a\"?",
        "lanes.toml:21: models.points.versions_of: \"d\" is none of its topics",
        "lanes.toml:21: models.points.versions_of: \"a\" has no versions of its own: name the",
        "hint: `readmill check --example`",
    ];
    fails(&["check", "-c", name], 2, &said);
    let told = readmill(&["check", "-c", name]).stderr;
    let told = String::from_utf8_lossy(&told).matches("error: ").count();
    assert_eq!(told, said.len() - 1, "each mistake is told once");
}

#[test]
fn malformed_toml_a_missing_file_and_an_unknown_model_are_usage() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bad.toml");
    fs::write(&file, "[models.points\nstore = 1\n").unwrap();
    fails(&["check", "-c", file.to_str().unwrap()], 2, &["bad.toml:1:"]);
    fails(&["run", "-c", "/nowhere/readmill.toml"], 2, &["/nowhere/readmill.toml"]);
    fails(&["get", "point", "k", "--dir", "d"], 2, &["did you mean \"points\"?"]);
}

#[test]
fn the_example_is_sound() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("readmill.toml");
    fs::write(&file, succeed(&["check", "--example"])).unwrap();
    assert!(succeed(&["check", "-c", file.to_str().unwrap()]).contains("is valid"));
}

#[tokio::test]
async fn services_that_are_not_there_or_refuse_are_named_with_a_remedy() {
    let corner = Corner::new("refused");
    corner.make_topics().await;
    let dead = format!("127.0.0.1:{}", mill::free_port());
    let (kafka, registry) = (stack("KAFKA_BROKERS"), stack("REGISTRY_URL"));
    let (mongo, redis) = (stack("MONGO_URI"), stack("REDIS_URL"));
    run_fails(&corner, &kafka, &dead, &["kafka", &dead, "hint:"]);
    run_fails(&corner, &registry, &format!("http://{dead}"), &["registry", "hint:"]);
    run_fails(&corner, &registry, &format!("{registry}/nothing"), &["registry", "hint:"]);
    let silent = format!("mongodb://{dead}/?replicaSet=rs0");
    run_fails(&corner, &mongo, &silent, &["mongo", &dead, "hint:"]);
    run_fails(&corner, &redis, &format!("redis://{dead}/"), &["Redis", &dead, "hint:"]);
    let stranger = mongo.replace("mongodb://", "mongodb://nobody:wrong-secret@");
    run_fails(&corner, &mongo, &stranger, &["mongo", "hint:"]);
    let another = corner.topics("points").replace('"', "");
    let said = ["points: its live generation 1", "topics no.such.topic instead of", "rebuild"];
    run_fails(&corner, &another, "no.such.topic", &said);
    let fresh = Corner::new("refusedtopic");
    let missing = fresh.topics("points").replace('"', "");
    run_fails(&fresh, &missing, "no.such.topic", &["no.such.topic", "does not exist", "hint:"]);
}

#[test]
fn a_wrong_password_is_never_printed() {
    let corner = Corner::new("secret");
    let mongo = stack("MONGO_URI");
    let stranger = mongo.replace("mongodb://", "mongodb://nobody:wrong-secret@");
    let configuration = corner.configuration().replace(&mongo, &stranger);
    let file = corner.dir().join("secret.toml");
    fs::write(&file, configuration).unwrap();
    let file = file.to_str().unwrap();
    for args in [["check", "-c", file], ["run", "-c", file]] {
        let output = readmill(&args);
        let told = [output.stdout, output.stderr].concat();
        assert!(!String::from_utf8_lossy(&told).contains("wrong-secret"), "{args:?}");
    }
}

#[test]
fn a_candidate_schema_that_breaks_a_model_is_named() {
    let corner = Corner::new("candidate");
    let configuration = corner.configuration_file();
    let candidate = corner.dir().join("EarnCancelled.avsc");
    let fields = ["ledger_id", "member_id", "lot_id"];
    let fields = fields.map(|name| format!(r#"{{"name": "{name}", "type": "string"}}"#)).join(", ");
    let text = format!(
        r#"{{"type": "record", "name": "EarnCancelled", "namespace": "readmill.points",
             "fields": [{fields}]}}"#
    );
    fs::write(&candidate, text).unwrap();
    let (configuration, candidate) = (configuration.to_str().unwrap(), candidate.to_str().unwrap());
    let args = ["schemas", "check", "-c", configuration, "--candidate", candidate];
    fails(&args, 1, &["would break", "hint:"]);
    assert!(String::from_utf8_lossy(&readmill(&args).stdout).contains("occurred_at"));
    let all = succeed(&["schemas", "check", "-c", configuration]);
    assert!(all.contains("none of them breaks"), "{all}");
}

#[test]
fn an_address_in_use_is_said() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().to_str().unwrap();
    let args = ["demo", "--events", "100", "--dir", dir, "--listen", &address];
    fails(&args, 3, &[&address, "in use", "hint:"]);
}

#[test]
fn a_place_that_cannot_be_written_is_said() {
    // Root may write anywhere, so the place is one where nobody can make a directory.
    let file = tempfile::NamedTempFile::new().unwrap();
    let inside = file.path().join("demo");
    let args = ["demo", "--events", "100", "--exit", "--dir", inside.to_str().unwrap()];
    fails(&args, 3, &[inside.to_str().unwrap(), "hint:"]);
    fails(&["demo", "--events", "100", "--exit", "--dir", "/proc/demo"], 3, &["hint:"]);
}

#[test]
fn a_full_disk_is_said() {
    // Every write there fails for want of room, whoever writes.
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("readmill.toml");
    std::os::unix::fs::symlink("/dev/full", dir.path().join("workload.json")).unwrap();
    let args = ["demo", "--events", "100", "--exit", "--dir", dir.path().to_str().unwrap()];
    fails(&args, 3, &["No space left", "hint:"]);
    assert!(!place.exists());
}

/// The largest file below a directory.
fn largest(dir: &Path) -> std::path::PathBuf {
    let mut files = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { dirs.push(path) } else { files.push(path) }
        }
    }
    files.into_iter().max_by_key(|file| fs::metadata(file).unwrap().len()).unwrap()
}

#[test]
fn a_truncated_archive_is_named_and_what_is_before_the_damage_is_folded() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().to_str().unwrap();
    let demo = ["demo", "--events", "5000", "--seed", "3", "--exit", "--dir", place];
    succeed(&demo);
    for kept in ["state", "store"] {
        fs::remove_dir_all(dir.path().join(kept)).unwrap();
    }
    let damaged = largest(&dir.path().join("archive/shop.public.points_outbox"));
    let whole = fs::metadata(&damaged).unwrap().len();
    fs::File::options().write(true).open(&damaged).unwrap().set_len(whole / 2).unwrap();
    fails(&demo, 4, &[damaged.to_str().unwrap(), "hint:"]);
}
