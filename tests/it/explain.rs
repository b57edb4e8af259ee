//! A document explained: the events that made it, what each changed, and the document as it was.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use futures::future::BoxFuture;
use readmill_connectors::embedded::{Embedded, EmbeddedConfig};
use readmill_core::{Key, ReadModel};
use readmill_engine::Store;
use readmill_models::{ALL, Visit};
use readmill_workload::Table;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::mill::{readmill, succeed};
use crate::paths::root;

/// A model's archive of written rows, with its documents in an embedded store.
pub struct Place {
    dir: TempDir,
    model: String,
    table: String,
}

impl Place {
    /// With these rows; each is committed a second after the one before it.
    pub fn new(model: &str, table: &str, rows: &[Value]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let place = Self { dir, model: model.to_owned(), table: table.to_owned() };
        place.write(rows);
        place
    }

    /// Another log under the same documents.
    pub fn write(&self, rows: &[Value]) {
        let mut text = String::new();
        for (row, second) in rows.iter().zip(1..) {
            let mut row = row.clone();
            row["committed_ms"] = json!(second * 1000);
            row["id"] = row.get("id").cloned().unwrap_or_else(|| json!(format!("e-{second}")));
            writeln!(text, "{row}").unwrap();
        }
        let _ = fs::remove_dir_all(self.path("archive"));
        let _ = fs::remove_dir_all(self.path("state"));
        fs::write(self.path("rows.jsonl"), text).unwrap();
        let (rows, archive) = (self.path("rows.jsonl"), self.path("archive"));
        let (rows, archive) = (rows.to_str().unwrap(), archive.to_str().unwrap());
        succeed(&["produce", "--rows", rows, "--table", &self.table, "--archive", archive]);
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn configuration(&self) -> String {
        let text = format!(
            "[instance]\nstate_dir = \"{dir}/state\"\nhttp_listen = \"127.0.0.1:0\"\n[source]\n\
             kind = \"archive\"\narchive_dir = \"{dir}/archive\"\n[embedded]\n\
             directory = \"{dir}/store\"\n[models.{model}]\n\
             topics = [\"shop.public.{table}\"]\nstore = \"embedded\"\n",
            dir = self.dir.path().display(),
            model = self.model,
            table = self.table,
        );
        let file = self.path("readmill.toml");
        fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    }

    /// Folds the log into the documents.
    pub fn run(&self) {
        succeed(&["run", "-c", &self.configuration()]);
    }

    /// Explains a key, in JSON, and the exit code.
    #[track_caller]
    pub fn explain(&self, key: &str, args: &[&str]) -> (Value, i32) {
        let config = self.configuration();
        let whole = [&["explain", &self.model, key, "-c", &config, "--json"], args].concat();
        let done = readmill(&whole);
        let told = String::from_utf8(done.stdout).unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        let told = serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}: {said}"));
        (told, done.status.code().unwrap())
    }

    /// The state that is stored under a key; nothing where nothing lives.
    pub fn stored(&self, key: &str) -> Value {
        let config = self.configuration();
        let done = readmill(&["get", &self.model, key, "-c", &config]);
        serde_json::from_slice(&done.stdout).unwrap_or_default()
    }
}

/// The rows of a fixture, and the keys of its documents.
fn fixture(name: &str) -> (Vec<Value>, Vec<String>) {
    let case: &Path = &root().join("processors/models/fixtures").join(name);
    let rows = fs::read_to_string(case.join("log.jsonl")).unwrap();
    let rows = rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let expected = fs::read_to_string(case.join("expected.json")).unwrap();
    let expected: Value = serde_json::from_str(&expected).unwrap();
    let keys = expected["documents"].as_object().unwrap().keys().cloned().collect();
    (rows, keys)
}

/// An earn of a member's ledger.
pub fn earned(member: &str, version: i64, lot: &str, points: i64) -> Value {
    json!({"aggregate": member, "version": version, "event": {"PointsEarned": {
        "ledger_id": "l-1", "member_id": member, "occurred_at": "2026-11-01T09:00:00.000Z",
        "lot_id": lot, "points": points, "expires_at": "2027-11-01T00:00:00.000Z",
        "reason": "order", "order_no": null,
    }}})
}

fn outcomes(told: &Value) -> Vec<String> {
    let steps = told["steps"].as_array().unwrap();
    let outcome = |step: &Value| {
        let (outcome, then) = (&step["outcome"], &step["then"]["outcome"]);
        [outcome, then].iter().filter_map(|word| word.as_str()).collect::<Vec<_>>().join(" ")
    };
    steps.iter().map(outcome).collect()
}

#[test]
fn what_each_record_of_a_key_did_is_told_in_its_order() {
    let late = earned("m-1", 3, "c", 7);
    let (mut first, other) = (earned("m-1", 1, "a", 100), earned("m-2", 1, "a", 9));
    first["id"] = json!("the-first");
    let rows = [
        first.clone(),
        other,
        late.clone(),
        late,
        earned("m-1", 2, "b", 20),
        first,
        earned("m-1", 4, "a", 5),
        earned("m-1", 5, "d", 1),
    ];
    let place = Place::new("points", "points_outbox", &rows);
    place.run();
    let (told, code) = place.explain("m-1", &[]);
    let wanted =
        ["applied", "waiting applied", "duplicate", "applied", "duplicate", "held", "held"];
    assert_eq!(outcomes(&told), wanted, "{told:#}");
    let steps = told["steps"].as_array().unwrap();
    assert_eq!((&steps[0]["event_id"], &steps[0]["version"]), (&json!("the-first"), &json!(1)));
    assert_eq!(steps[0]["event"], "readmill.points.PointsEarned");
    assert_eq!(steps[0]["committed_at"], "1970-01-01T00:00:01.000Z");
    assert_eq!(steps[1]["then"]["by"], steps[3]["position"]);
    assert!(steps[1]["changed"].as_array().unwrap().is_empty());
    let changed = steps[3]["changed"].as_array().unwrap();
    let available = json!({"path": "available", "from": 100, "to": 127});
    assert!(changed.contains(&available), "{changed:#?}");
    assert!(steps[5]["why"].as_str().unwrap().contains("stands already"), "{told:#}");
    assert_eq!((&told["stored"]["is"], code), (&json!("equal"), 0), "{told:#}");
    assert_eq!((&told["document"]["held"], &told["whole"]), (&json!(true), &json!(true)));
    assert_eq!(told["document"]["state"], place.stored("m-1"));
    // The lines for people say the same.
    let config = place.configuration();
    let text = succeed(&["explain", "points", "m-1", "-c", &config]);
    for words in [
        "version 3  waiting (earlier versions of its aggregate are missing), then applied by shop",
        "    available: 100 -> 127",
        "held (",
        "what is stored is equal",
    ] {
        assert!(text.contains(words), "no {words:?} in\n{text}");
    }
    let text = succeed(&["explain", "points", "m-1", "-c", &config, "--field", "available"]);
    let set: Vec<&str> = text.lines().filter(|line| line.starts_with("available was")).collect();
    assert!(set[0].contains("set last by") && set[0].contains("version 2"), "{text}");
    assert!(set[1].contains("set before that by") && set[1].contains("version 1"), "{text}");
    let nobody = readmill(&["explain", "points", "nobody", "-c", &config]);
    assert_eq!(nobody.status.code(), Some(5));
    let table = [
        ("elsewhere/0@1", 2, "elsewhere is none of the topics of points"),
        ("points@1", 2, "must be topic, partition and offset"),
        ("yesterday", 2, "or TOPIC/PARTITION@OFFSET"),
        ("shop.public.points_outbox/99@1", 5, "nothing was read of shop.public.points_outbox/99"),
    ];
    for (when, code, words) in table {
        let done = readmill(&["explain", "points", "m-1", "-c", &config, "--as-of", when]);
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.code() == Some(code) && said.contains(words), "{when}: {said}");
    }
}

#[test]
fn stale_events_and_an_ended_document_are_told() {
    let (rows, keys) = fixture("deliveries/late_and_swapped");
    let place = Place::new("deliveries", "deliveries_outbox_c", &rows);
    place.run();
    for key in &keys {
        let (told, code) = place.explain(key, &[]);
        assert_eq!((&told["stored"]["is"], code), (&json!("equal"), 0), "{told:#}");
    }
    let (told, _) = place.explain("d-1", &[]);
    assert_eq!(outcomes(&told).last().map(String::as_str), Some("stale"), "{told:#}");
    assert_eq!(told["document"]["gone"], true);
}

#[test]
fn a_store_that_differs_is_behind_or_ahead_is_told_apart() {
    let rows = [earned("m-1", 1, "a", 100), earned("m-1", 2, "b", 20), earned("m-1", 3, "c", 3)];
    let place = Place::new("points", "points_outbox", &rows[..2]);
    place.run();
    place.write(&rows);
    let (told, code) = place.explain("m-1", &[]);
    assert_eq!((&told["stored"]["is"], code), (&json!("behind"), 0), "{told:#}");
    assert_eq!((&told["stored"]["records"], &told["stored"]["differs"]), (&json!(1), &json!([])));
    place.write(&rows[..1]);
    assert_eq!(place.explain("m-1", &[]).0["stored"]["is"], "ahead");
    // The source says now that it was another amount: what is stored is not what the log folds to.
    let mut forged = rows.clone();
    forged[1]["event"]["PointsEarned"]["points"] = json!(21);
    place.write(&forged[..2]);
    let (told, code) = place.explain("m-1", &[]);
    assert_eq!((&told["stored"]["is"], code), (&json!("different"), 7), "{told:#}");
    let differs = told["stored"]["differs"].as_array().unwrap();
    assert!(differs.contains(&json!({"path": "available", "from": 121, "to": 120})), "{told:#}");
    place.write(&forged);
    let (told, code) = place.explain("m-1", &[]);
    assert_eq!((&told["stored"]["is"], code), (&json!("behind"), 7), "{told:#}");
    assert!(!told["stored"]["differs"].as_array().unwrap().is_empty(), "{told:#}");
}

#[test]
fn a_store_that_another_process_has_is_not_compared() {
    let place = Place::new("points", "points_outbox", &[earned("m-1", 1, "a", 100)]);
    place.run();
    let mut all = fs::read_dir(place.path("store")).unwrap().flatten().map(|entry| entry.path());
    let lock = all.find(|path| path.to_string_lossy().contains("lock"));
    let lock = fs::File::open(lock.expect("a lock")).unwrap();
    lock.lock().unwrap();
    let (told, code) = place.explain("m-1", &[]);
    assert_eq!((&told["stored"]["is"], code), (&json!("unseen"), 0), "{told:#}");
    assert_eq!(told["document"]["state"]["available"], 100);
}

/// Every prefix of a log, as of its last record and of its time, is what a run over that prefix
/// alone makes of it.
#[track_caller]
fn check_prefixes(name: &str, table: &str) {
    let (rows, keys) = fixture(name);
    let model = name.split('/').next().unwrap();
    let whole = Place::new(model, table, &rows);
    for many in 1..=rows.len() {
        let prefix = Place::new(model, table, &rows[..many]);
        prefix.run();
        // A record comes 50 ms after it is committed, and the next a second later.
        let time = format!("1970-01-01T00:00:{many:02}.900Z");
        for key in &keys {
            let (told, _) = whole.explain(key, &["--as-of", &time]);
            assert_eq!(told["document"]["state"], prefix.stored(key), "{key} of {name} at {time}");
            let Some(last) = told["steps"].as_array().unwrap().last() else { continue };
            let place = last["position"].as_str().unwrap();
            let (again, _) = whole.explain(key, &["--as-of", place]);
            assert_eq!(again["document"], told["document"], "{key} of {name} at {place}");
        }
    }
}

#[test]
fn every_prefix_of_a_ledger_is_the_document_as_of_then() {
    check_prefixes("points/ledger", "points_outbox");
    check_prefixes("points/cancel_before_earn", "points_outbox");
}

#[test]
fn every_prefix_of_an_ended_document_is_the_document_as_of_then() {
    check_prefixes("deliveries/late_and_swapped", "deliveries_outbox_c");
    check_prefixes("members/withdrawn", "members_outbox");
}

#[test]
fn every_prefix_with_copies_of_other_documents_is_the_document_as_of_then() {
    check_prefixes("deals/pointed_elsewhere", "deals_outbox");
}

#[test]
fn a_copy_is_explained_by_the_records_of_what_it_is_of() {
    let (rows, _) = fixture("deals/pointed_elsewhere");
    let place = Place::new("deals", "deals_outbox", &rows);
    place.run();
    let (told, code) = place.explain("deal/d-1", &["--field", "deal.product"]);
    assert_eq!((&told["stored"]["is"], code), (&json!("equal"), 0), "{told:#}");
    let of: Vec<&Value> = told["steps"].as_array().unwrap().iter().map(|s| &s["of"]).collect();
    assert!(of.contains(&&json!("product/p-2")), "{told:#}");
    assert_eq!(told["field"]["set_by"].as_array().unwrap().len(), 2, "{told:#}");
}

/// Keys of every model that a demo has folded.
#[derive(Default)]
struct Keys(Vec<(&'static str, Vec<Key>)>);

/// Some keys of one model in a demo's store, one that is held among them if there is one.
struct Sample(Embedded);

impl Visit for Sample {
    type Out = BoxFuture<'static, Vec<Key>>;

    fn visit<M: ReadModel>(self) -> Self::Out {
        Box::pin(async move {
            let store = self.0.documents(M::NAME, 1).unwrap();
            let page = Store::<M>::scan_range(&store, "", None, 400).await.unwrap();
            let held = page.iter().find(|(_, document)| document.stamp.is_held()).cloned();
            let some = page.into_iter().step_by(133).chain(held);
            some.map(|(key, _)| key).collect()
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_of_every_model_are_explained_as_they_are_stored() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().to_str().unwrap();
    let demo = ["demo", "--events", "12000", "--seed", "4", "--exit", "--dir", place];
    succeed(&[&demo[..], &["--poison-per-mille", "5"]].concat());
    let mut keys = Keys::default();
    {
        let embedded = Embedded::open(&EmbeddedConfig::at(dir.path().join("store"))).unwrap();
        for row in ALL.iter().filter(|row| Table::of_model(row.name).next().is_some()) {
            let found = readmill_models::visit(row.name, Sample(embedded.clone())).unwrap().await;
            assert!(!found.is_empty(), "{}", row.name);
            keys.0.push((row.name, found));
        }
    }
    let mut text = format!(
        "[instance]\nstate_dir = \"{place}/state\"\n[source]\nkind = \"archive\"\n\
         archive_dir = \"{place}/archive\"\n[embedded]\ndirectory = \"{place}/store\"\n"
    );
    for (model, _) in &keys.0 {
        let topics = Table::of_model(model).map(|table| format!("{:?}", table.topic()));
        let topics = topics.collect::<Vec<_>>().join(", ");
        writeln!(text, "[models.{model}]\ntopics = [{topics}]\nstore = \"embedded\"").unwrap();
    }
    let file = dir.path().join("all.toml");
    fs::write(&file, text).unwrap();
    let config = file.to_str().unwrap();
    assert_eq!(keys.0.len(), ALL.len());
    let mut held = 0;
    for (model, keys) in &keys.0 {
        for key in keys {
            let done = readmill(&["explain", model, key.as_str(), "-c", config, "--json"]);
            let told: Value = serde_json::from_slice(&done.stdout).unwrap();
            let is_held = told["document"]["held"] == true;
            held += usize::from(is_held);
            // Of several topics, other records may have come before the one that holds the key.
            if is_held && told["stored"]["is"] == "ahead" {
                continue;
            }
            let is = (&told["stored"]["is"], done.status.code());
            assert_eq!(is, (&json!("equal"), Some(0)), "{model} {key}: {told:#}");
        }
        let done = readmill(&["diff", model, "-c", config, "--json"]);
        let told: Value = serde_json::from_slice(&done.stdout).unwrap();
        let found = (&told["different"], &told["not_compared"]["moved_on"], done.status.code());
        assert_eq!(found, (&json!({}), &json!(0), Some(0)), "{model}: {told:#}");
    }
    assert!(held > 1, "{held}");
}
