//! Planted differences between stored documents and a fold of the log: `diff` and `explain` name
//! them, and nothing else; on the embedded store, and on Kafka and MongoDB.

use std::process::{Command, Stdio};
use std::time::Duration;

use readmill_connectors::embedded::{Embedded, EmbeddedConfig};
use readmill_core::{Document, Key};
use readmill_engine::{Put, Store, Write};
use readmill_models::Points;
use readmill_workload::{Knobs, Source, oracle};
use serde_json::{Value, json};

use crate::explain::{Place, earned};
use crate::mill::{Mill, readmill, succeed, wait};
use crate::real::{Corner, settled};

const LIMIT: Duration = Duration::from_secs(120);

/// Stores a document that differs from what is stored under the key.
async fn plant(store: &impl Store<Points>, key: &str, change: impl FnOnce(&mut Document<Points>)) {
    let key = Key::from(key);
    let found = store.load(std::slice::from_ref(&key)).await.unwrap().remove(0);
    let mut document = found.unwrap_or_default();
    let expected = document.stamp.revision;
    change(&mut document);
    document.stamp.revision += 1;
    let writes = [Write { key: &key, expected, document: &document }];
    assert_eq!(store.put(&writes).await.unwrap(), [Put::Done]);
}

#[track_caller]
fn diff(config: &str, args: &[&str]) -> (Value, i32) {
    diff_of("points", config, args)
}

#[track_caller]
fn diff_of(model: &str, config: &str, args: &[&str]) -> (Value, i32) {
    let done = readmill(&[&["diff", model, "-c", config, "--json"], args].concat());
    let said = String::from_utf8_lossy(&done.stderr);
    let told = serde_json::from_slice(&done.stdout);
    (told.unwrap_or_else(|error| panic!("{error}: {said}")), done.status.code().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rehearsal_names_what_was_planted_in_the_embedded_store() {
    let members = ["m-1", "m-2", "m-3", "m-4"];
    let mut rows: Vec<Value> =
        members.iter().flat_map(|m| [earned(m, 1, "a", 100), earned(m, 2, "b", 20)]).collect();
    rows.push(earned("m-3", 3, "a", 1));
    let place = Place::new("points", "points_outbox", &rows);
    place.run();
    let config = place.configuration();
    let (told, code) = diff(&config, &[]);
    assert_eq!((&told["equal"], &told["different"], code), (&json!(4), &json!({}), 0), "{told:#}");
    assert_eq!(told["held_reasons"], json!({"a lot with this id stands already": 1}), "{told:#}");
    {
        let embedded = Embedded::open(&EmbeddedConfig::at(place.path("store"))).unwrap();
        let store = embedded.documents("points", 1).unwrap();
        plant(&store, "m-1", |document| {
            document.state.as_mut().unwrap().available = 7;
        })
        .await;
        plant(&store, "m-9", |document| document.state = Some(Default::default())).await;
        Store::<Points>::erase(&store, &[Key::from("m-2")]).await.unwrap();
        plant(&store, "m-3", |document| document.free()).await;
    }
    let (told, code) = diff(&config, &[]);
    let different = json!({"differs": 1, "held_by_fold": 1, "only_folded": 1, "only_stored": 1});
    assert_eq!((&told["different"], code), (&different, 7), "{told:#}");
    assert_eq!((&told["equal"], &told["fields"]), (&json!(1), &json!({"available": 1})));
    let changed = json!([{"path": "available", "stored": 7, "folded": 120}]);
    assert_eq!(told["examples"]["differs"], json!([{"key": "m-1", "changed": changed}]));
    let text = readmill(&["diff", "points", "-c", &config]).stdout;
    let text = String::from_utf8(text).unwrap();
    for words in ["1 equal, 4 different", "    m-1\n      available: 7 -> 120", "  1 available"] {
        assert!(text.contains(words), "no {words:?} in\n{text}");
    }
    assert!(!place.path("state/scratch").read_dir().unwrap().any(|_| true), "it cleans up");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rehearsal_of_a_window_compares_only_what_began_in_it() {
    let rows = [
        earned("m-1", 1, "a", 100),
        earned("m-2", 1, "a", 100),
        earned("m-2", 2, "b", 20),
        earned("m-3", 1, "a", 100),
    ];
    let place = Place::new("points", "points_outbox", &rows);
    place.run();
    let config = place.configuration();
    let (told, code) = diff(&config, &["--from", "1970-01-01T00:00:02.900Z"]);
    assert_eq!((&told["equal"], code), (&json!(1), 0), "{told:#}");
    let not_compared = json!({"begin_before": 2, "moved_on": 0, "held": 0});
    assert_eq!((&told["not_compared"], &told["whole"]), (&not_compared, &json!(false)));
    let (told, code) = diff(&config, &["--hours", "1"]);
    assert_eq!((&told["equal"], code), (&json!(0), 0), "{told:#}");
}

/// Of a service without versions, a document remembers the last 32 events: of one that has had
/// more, nobody can tell whether they are all in the window.
#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_may_have_older_events_is_not_compared() {
    let event = |member: &str, lot: usize| {
        let mut row = earned(member, 0, &format!("l{lot}"), 1);
        row["version"] = Value::Null;
        row
    };
    let mut rows: Vec<Value> = (0..5).map(|lot| event("m-1", lot)).collect();
    rows.extend((5..45).map(|lot| event("m-1", lot)));
    rows.extend((0..3).map(|lot| event("m-2", lot)));
    let place = Place::new("points", "points_outbox", &rows);
    place.run();
    let config = place.configuration();
    let (told, code) = diff(&config, &["--from", "1970-01-01T00:00:05.900Z"]);
    assert_eq!((&told["different"], code), (&json!({}), 0), "{told:#}");
    let not_compared = json!({"begin_before": 1, "moved_on": 0, "held": 0});
    assert_eq!((&told["equal"], &told["not_compared"]), (&json!(1), &not_compared));
    let (told, code) = diff(&config, &[]);
    assert_eq!((&told["equal"], code), (&json!(2), 0), "{told:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn under_load_nothing_is_taken_for_wrong() {
    let corner = Corner::new("rehearsed");
    corner.make_topics().await;
    let file = corner.configuration_file();
    let config = file.to_str().unwrap();
    let mill = corner.start();
    mill.wait_for("/readyz", LIMIT);
    let produce = ["produce", "--kafka", "-c", config, "--events", "400000", "--rate", "1500"];
    let mut load = Command::new(crate::paths::readmill())
        .args(produce)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait(LIMIT, "something to compare", || {
        mill.metric("readmill_consumed_total").is_some_and(|consumed| consumed > 2000.0)
    });
    for _ in 0..2 {
        let (told, code) = diff(config, &[]);
        assert_eq!((&told["different"], code), (&json!({}), 0), "{told:#}");
        assert!(told["equal"].as_u64().unwrap() > 100, "{told:#}");
    }
    assert!(load.try_wait().unwrap().is_none(), "the load was still on");
    load.kill().unwrap();
    load.wait().unwrap();
    assert_eq!(mill.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_planted_in_mongodb_is_named_by_its_path() {
    let corner = Corner::new("rehearsal");
    corner.make_topics().await;
    let file = corner.configuration_file();
    let config = file.to_str().unwrap();
    let mill = corner.start();
    mill.wait_for("/readyz", LIMIT);
    succeed(&["produce", "--kafka", "-c", config, "--events", "8000", "--seed", "11"]);
    let knobs = Knobs { seed: 11, events: 8000, ..Knobs::default() };
    let expected = oracle::fold::<Points>(Source::new(knobs).unwrap());
    let store = corner.mongo().await.documents("points", 1).await.unwrap();
    let (living, digest) = (expected.states.len(), expected.digest().unwrap());
    let found = settled::<Points>(&store, living, digest, LIMIT).await;
    assert_eq!((found.living, found.digest), (living, digest));
    // While it runs, nothing is found: what is not settled yet is not taken for wrong.
    let (told, code) = diff(config, &[]);
    assert_eq!((&told["different"], code), (&json!({}), 0), "{told:#}");
    check_explained(&corner, config, &expected, &store).await;
    assert_eq!(mill.stop(), Some(0));
    // Three topics, one of them of a service without versions, in Redis.
    let (told, code) = diff_of("deliveries", config, &[]);
    assert_eq!((&told["different"], code), (&json!({}), 0), "{told:#}");
    assert!(told["equal"].as_u64().unwrap() > 100, "{told:#}");
    let (told, code) = diff(config, &[]);
    assert_eq!(code, 7, "{told:#}");
    assert_eq!(
        (&told["different"], &told["fields"]),
        (&json!({"differs": 1}), &json!({"available": 1}))
    );
    assert_eq!(
        told["not_compared"],
        json!({"begin_before": 0, "moved_on": 0, "held": 0}),
        "{told:#}"
    );
}

async fn check_explained(
    corner: &Corner,
    config: &str,
    expected: &oracle::Expected<Points>,
    store: &impl Store<Points>,
) {
    let (key, state) = expected.states.iter().next().unwrap();
    let explain = |args: &[&str]| {
        let whole = [&["explain", "points", key.as_str(), "-c", config, "--json"], args].concat();
        let done = readmill(&whole);
        let said = String::from_utf8_lossy(&done.stderr);
        let told = serde_json::from_slice::<Value>(&done.stdout);
        (told.unwrap_or_else(|error| panic!("{error}: {said}")), done.status.code().unwrap())
    };
    let (told, code) = explain(&[]);
    assert_eq!((&told["stored"]["is"], code), (&json!("equal"), 0), "{told:#}");
    assert_eq!(told["document"]["state"], serde_json::to_value(state).unwrap());
    let prefix = format!("{}.public.points_outbox/", corner.name);
    let first = told["steps"][0]["position"].as_str().unwrap().to_owned();
    assert!(first.starts_with(&prefix), "{told:#}");
    let (then, _) = explain(&["--as-of", &first]);
    assert_eq!(then["steps"].as_array().unwrap().len(), 1, "{then:#}");
    let available = state.available;
    plant(store, key.as_str(), |document| {
        document.state.as_mut().unwrap().available = available + 5;
    })
    .await;
    let (told, code) = explain(&[]);
    assert_eq!((&told["stored"]["is"], code), (&json!("different"), 7), "{told:#}");
    let differs = json!([{"path": "available", "from": available, "to": available + 5}]);
    assert_eq!(told["stored"]["differs"], differs);
}

/// A log that has lost its beginning says so, and nothing is taken for wrong.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_has_lost_its_beginning_finds_nothing_wrong() {
    let corner = Corner::new("cut");
    corner.make_topics_of(2).await;
    let file = corner.configuration_file();
    let config = file.to_str().unwrap();
    let mill: Mill = corner.start();
    mill.wait_for("/readyz", LIMIT);
    succeed(&["produce", "--kafka", "-c", config, "--events", "2000", "--seed", "12"]);
    let knobs = Knobs { seed: 12, events: 2000, ..Knobs::default() };
    let expected = oracle::fold::<Points>(Source::new(knobs).unwrap());
    let store = corner.mongo().await.documents("points", 1).await.unwrap();
    let (living, digest) = (expected.states.len(), expected.digest().unwrap());
    settled::<Points>(&store, living, digest, LIMIT).await;
    assert_eq!(mill.stop(), Some(0));
    let topic = corner.topics("points").replace('"', "");
    crate::excerpt::truncate(&topic, &[(0, 300), (1, 300)]).await;
    let (told, code) = diff(config, &[]);
    assert_eq!((&told["different"], code, &told["whole"]), (&json!({}), 0, &json!(false)));
    assert!(told["not_compared"]["begin_before"].as_u64().unwrap() > 10, "{told:#}");
}
