//! Held records at their edges: copies on a topic, the bound, and what a person may get wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use readmill_connectors::kafka::{KafkaConfig, KafkaLog, Membership};
use readmill_engine::{Log, Metrics, Record};
use serde_json::Value as Json;
use tokio::time::timeout;

use crate::mill::{Mill, free_port, readmill, succeed, wait};
use crate::paths::stack;
use crate::real::{Corner, wait_until_quiet};

const LIMIT: Duration = Duration::from_secs(60);

/// Runs `held` and answers its exit code and all that it said.
fn held(file: &str, words: &str) -> (i32, String) {
    let (verb, more) = words.split_once(' ').unwrap_or((words, ""));
    let more: Vec<&str> = more.split(' ').filter(|word| !word.is_empty()).collect();
    let output = readmill(&[&["held", verb, "-c", file][..], &more].concat());
    let told = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(!told.contains("panicked"), "{told}");
    (output.status.code().unwrap(), told)
}

/// A corner whose points have met unreadable rows, and have copied them to a topic.
pub async fn poisoned(name: &str) -> (Corner, Mill, String) {
    let corner = Corner::new(name);
    corner.make_topics().await;
    let points = "store = \"mongo\"\n";
    let copied = format!("{points}held_topic = \"{}.dead\"\n", corner.name);
    let configuration = corner.configuration().replacen(points, &copied, 1);
    let mill = Mill::start(corner.dir(), &configuration);
    mill.wait_for("/readyz", LIMIT);
    let file = corner.dir().join("readmill.toml");
    std::fs::write(&file, configuration).unwrap();
    let file = file.to_str().unwrap().to_owned();
    let workload = ["--events", "2000", "--keys", "50", "--poison-per-mille", "5"];
    succeed(&[&["produce", "--kafka", "-c", &file][..], &workload].concat());
    wait(LIMIT, "the rows to arrive", || mill.metric("readmill_consumed_total") >= Some(2000.0));
    wait_until_quiet(&[&mill], LIMIT);
    (corner, mill, file)
}

/// Every record of a topic, once so many have come.
pub async fn read(corner: &Corner, topic: &str, wanted: usize) -> Vec<Record> {
    let brokers = stack("KAFKA_BROKERS");
    let config = KafkaConfig { brokers, ..KafkaConfig::default() };
    let (group, topics) = (format!("{}.reader", corner.name), vec![topic.to_owned()]);
    let membership = Membership::new("reader", group, topics, Metrics::new().unwrap());
    let join = move || KafkaLog::join(&config, membership);
    let mut log = tokio::task::spawn_blocking(join).await.unwrap().unwrap();
    let (records, mut arriving) = tokio::sync::mpsc::unbounded_channel();
    let mut found = Vec::new();
    while found.len() < wanted {
        tokio::select! {
            feed = timeout(LIMIT, log.assigned()), if true => {
                let mut feed = feed.expect("a partition in time").unwrap().unwrap();
                let records = records.clone();
                tokio::spawn(async move {
                    while let Some(batch) = feed.next(1_000).await {
                        batch.into_iter().for_each(|record| drop(records.send(record)));
                    }
                });
            }
            Some(record) = arriving.recv() => found.push(record),
        }
    }
    log.stop().await.unwrap();
    found
}

fn hex(bytes: &[u8]) -> String {
    readmill_connectors::avro_json::hex_text(bytes)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_held_record_has_a_copy_with_the_same_bytes() {
    let (corner, mill, file) = poisoned("dead").await;
    let to = corner.dir().join("held.jsonl");
    let to = to.to_str().unwrap();
    let (code, told) = held(&file, &format!("export --model points --to {to}"));
    assert_eq!(code, 0, "{told}");
    let text = std::fs::read_to_string(to).unwrap();
    let exported: Vec<Json> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert!(exported.len() > 5, "{told}");
    let letters = read(&corner, &format!("{}.dead", corner.name), exported.len()).await;
    let header = |letter: &Record, name: &str| {
        let name = format!("__connect.errors.{name}");
        let found = letter.headers.iter().find(|(known, _)| *known == name);
        String::from_utf8(found.unwrap().1.clone()).unwrap()
    };
    let place = |letter: &Record| {
        let of = |name| header(letter, name);
        format!("{}/{}@{}", of("topic"), of("partition"), of("offset"))
    };
    let letters: BTreeMap<String, &Record> = letters.iter().map(|l| (place(l), l)).collect();
    assert_eq!(letters.len(), exported.len());
    for held in &exported {
        let position =
            format!("{}/{}@{}", held["topic"].as_str().unwrap(), held["partition"], held["offset"]);
        let letter = letters[&position];
        assert_eq!(held["value"], hex(letter.value.as_ref().unwrap()), "{position}");
        assert_eq!(held["record_key"], hex(letter.key.as_ref().unwrap()), "{position}");
        assert_eq!(held["reason"], header(letter, "exception.message"));
        assert_eq!(header(letter, "connector.name"), "readmill.points");
    }
    assert_eq!(mill.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_stops_at_its_bound_and_says_what_to_do() {
    let corner = Corner::new("bound");
    corner.make_topics().await;
    let file = corner.configuration_file();
    let workload = ["--events", "3000", "--keys", "50", "--poison-per-mille", "20"];
    let target = ["produce", "--kafka", "-c", file.to_str().unwrap()];
    succeed(&[&target[..], &workload].concat());
    let bound = "store = \"mongo\"\nheld_limit_records = 5\n";
    let listen = format!("[instance]\nhttp_listen = \"127.0.0.1:{}\"\n", free_port());
    let text = listen + &corner.configuration().replacen("store = \"mongo\"\n", bound, 1);
    let file = corner.dir().join("bound.toml");
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    let output = readmill(&["run", "-c", file]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{told}");
    for words in ["points", "the bound is 5 records", "readmill held list", "held_limit_records"] {
        assert!(told.contains(words), "no {words:?} in {told}");
    }
    let (_, told) = held(file, "list --model points --json");
    assert!(told.lines().count() <= 5, "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_gets_wrong_is_answered() {
    let (corner, mill, file) = poisoned("wrong").await;
    let (_, listed) = held(&file, "list --model points --json");
    let first: Json = serde_json::from_str(listed.lines().next().unwrap()).unwrap();
    let (position, key) = (first["position"].as_str().unwrap(), first["key"].as_str().unwrap());
    let junk = corner.dir().join("junk");
    std::fs::write(&junk, "{\"after\": 1}").unwrap();
    let junk = junk.to_str().unwrap();
    let table = [
        ("list --model point".to_owned(), 2, "did you mean \"points\"?"),
        ("list --model points --since yesterday".to_owned(), 2, "an age such as 10m"),
        ("show --model points --position nowhere".to_owned(), 2, "topic, partition and offset"),
        ("show --model points --position t/0@1".to_owned(), 5, "no record of points is held"),
        ("retry --model points".to_owned(), 2, "--key"),
        ("retry --model points --key nobody".to_owned(), 5, "nothing is held under \"nobody\""),
        ("retry --model points --all".to_owned(), 6, "keys are stuck"),
        ("drop --model points --key nobody --yes".to_owned(), 5, "is held under \"nobody\""),
        (format!("drop --model points --key {key}"), 2, "nothing was dropped"),
        (format!("edit --model points --position {position}"), 2, "--json"),
        (format!("edit --model points --position {position} --undo"), 5, "has not been edited"),
        (format!("edit --model points --position {position} --json {junk}"), 1, "does not fit"),
        (format!("edit --model points --position {position} --value /no"), 2, "/no cannot be read"),
        (format!("export --model points --to {junk}"), 2, "File exists"),
    ];
    for (words, wanted, said) in &table {
        let (code, told) = held(&file, words);
        assert!(code == *wanted && told.contains(said), "{words}: {code}, no {said:?} in\n{told}");
    }
    let (code, told) =
        held(&file, &format!("edit --model points --position {position} --value {junk}"));
    assert!(code == 0 && told.contains("bytes and is 12"), "{told}");
    let (_, told) = held(&file, "list --model points");
    assert!(told.contains("REASON") && told.contains("edited"), "{told}");
    let (_, told) = held(&file, &format!("show --model points --position {position}"));
    let shown: Json = serde_json::from_str(&told).unwrap();
    assert!(shown["value"]["unreadable"].is_string(), "{told}");
    assert!(shown["original"]["value"]["json"]["after"].is_object(), "{told}");
    let (code, told) = held(&file, &format!("edit --model points --position {position} --undo"));
    assert!(code == 0 && told.contains("as it came"), "{told}");
    assert_eq!(mill.stop(), Some(0));
}

#[test]
fn the_embedded_store_is_dealt_with_while_nothing_runs() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("readmill.toml");
    let text = "[source]\nkind = \"archive\"\narchive_dir = \"DIR/log\"\n\
                [embedded]\ndirectory = \"DIR/data\"\n\
                [models.points]\ntopics = [\"shop.public.points_outbox\"]\nstore = \"embedded\"\n";
    let text = text.replace("DIR", dir.path().to_str().unwrap());
    std::fs::write(&file, &text).unwrap();
    let (log, file) = (dir.path().join("log"), file.to_str().unwrap());
    let workload = ["--events", "2000", "--keys", "50", "--poison-per-mille", "5"];
    succeed(&[&["produce", "--archive", log.to_str().unwrap()][..], &workload].concat());
    let mill = Mill::start(dir.path(), &text);
    mill.wait_for("/healthz", LIMIT);
    let (code, told) = held(file, "list --model points");
    // The archive may have been read to its end already, and with it the run.
    if code == 3 {
        assert!(told.contains("while `readmill run` is stopped"), "{told}");
        assert!(told.contains("in use by another process"), "{told}");
    }
    wait(LIMIT, "the archive to be folded", || mill.ask("/healthz").is_none());
    let (code, told) = held(file, "list --model points");
    assert!(code == 0 && told.contains("records of"), "{told}");
    let (code, told) = held(file, "retry --model points --all");
    assert!(code == 6 && told.contains("keys are stuck"), "{told}");
}
