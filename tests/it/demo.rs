//! The demo: one seed makes one digest, however it was interrupted, and the counts add up.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use readmill_connectors::archive::Manifest;
use readmill_models::{Deliveries, Points};
use readmill_workload::{Knobs, Source, oracle};
use serde_json::Value;

use crate::everything::Expected;
use crate::mill::{self, succeed};
use crate::paths;

const EVENTS: &str = "60000";
/// Unless it is told otherwise, a demo has events of all services.
const OTHERS_PER_MILLE: u32 = 400;

fn arguments<'a>(dir: &'a str, events: &'a str) -> Vec<&'a str> {
    vec!["demo", "--events", events, "--seed", "5", "--exit", "--json", "--dir", dir]
}

fn demo(dir: &Path, events: &str) -> Value {
    let printed = succeed(&arguments(dir.to_str().unwrap(), events));
    serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"))
}

#[track_caller]
fn number(result: &Value, field: &str) -> u64 {
    result[field].as_u64().unwrap_or_else(|| panic!("no number {field} in {result}"))
}

#[track_caller]
fn check_sum(result: &Value) {
    let outcomes = ["applied", "duplicate", "stale", "waiting", "held", "skipped"];
    let sum: u64 = outcomes.iter().map(|outcome| number(result, outcome)).sum();
    assert_eq!(sum, number(result, "events"), "{result}");
}

#[test]
fn two_demos_of_one_seed_print_one_digest_and_it_is_the_oracles() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [first, second] = dirs.each_ref().map(|dir| demo(dir.path(), EVENTS));
    check_sum(&first);
    let archive = Manifest::read(&dirs[0].path().join("archive")).unwrap();
    assert_eq!(number(&first, "events"), archive.records(), "each is consumed by one model, once");
    assert_eq!(number(&first, "skipped"), 0, "{first}");
    assert_eq!(first["digest"], second["digest"]);
    assert_eq!(first["documents"], second["documents"]);
    let events = EVENTS.parse().unwrap();
    let knobs = Knobs { seed: 5, events, others_per_mille: OTHERS_PER_MILLE, ..Knobs::default() };
    let expected = Expected::of(knobs);
    assert_eq!(first["digest"], expected.digest.to_string());
    assert_eq!(number(&first, "documents"), expected.living);
    assert_eq!((number(&first, "waiting"), number(&first, "held")), (0, 0));
    assert!(number(&first, "duplicate") > 100, "the relay repeats: {first}");
}

#[test]
fn a_demo_that_was_killed_goes_on_and_prints_the_same_digest() {
    let whole = tempfile::tempdir().unwrap();
    let expected = demo(whole.path(), EVENTS);
    let cut = tempfile::tempdir().unwrap();
    let dir = cut.path().to_str().unwrap();
    let positions = cut.path().join("state/points.g1/positions.json");
    for round in 0..6 {
        let mut child = Command::new(paths::readmill())
            .args(arguments(dir, EVENTS))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let before = fs::read(&positions).ok();
        mill::wait(Duration::from_secs(60), "something to be settled", || {
            fs::read(&positions).ok() != before || child.try_wait().unwrap().is_some()
        });
        std::thread::sleep(Duration::from_millis(40 * round));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let resumed = demo(cut.path(), EVENTS);
    check_sum(&resumed);
    assert_eq!(resumed["digest"], expected["digest"]);
    assert_eq!(resumed["documents"], expected["documents"]);
}

#[test]
fn rows_that_cannot_be_read_hold_their_keys_and_are_accounted_for() {
    let dir = tempfile::tempdir().unwrap();
    let mut args = arguments(dir.path().to_str().unwrap(), "20000");
    args.extend(["--poison-per-mille", "3", "--others-per-mille", "0"]);
    let result: Value = serde_json::from_str(&succeed(&args)).unwrap();
    check_sum(&result);
    let knobs = Knobs { seed: 5, events: 20_000, poison_per_mille: 3, ..Knobs::default() };
    let points = oracle::fold::<Points>(Source::new(knobs.clone()).unwrap());
    let deliveries = oracle::fold::<Deliveries>(Source::new(knobs).unwrap());
    assert!(points.held > 10 && deliveries.held > 10);
    assert!(number(&result, "held") >= points.held + deliveries.held, "{result}");
    let mut digest = points.digest().unwrap();
    digest.merge(deliveries.digest().unwrap());
    assert_eq!(result["digest"], digest.to_string());
}

#[test]
fn the_demo_serves_documents_metrics_health_and_a_page() {
    let dir = tempfile::tempdir().unwrap();
    let port = mill::free_port();
    let listen = format!("127.0.0.1:{port}");
    let mut child = Command::new(paths::readmill())
        .args(["demo", "--events", "2000", "--seed", "5", "--listen", &listen, "--dir"])
        .arg(dir.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let ready = || mill::get(port, "/readyz").is_some_and(|(status, _)| status == 200);
    mill::wait(Duration::from_secs(30), "the demo to be ready", ready);
    let body = |path: &str| mill::get(port, path).unwrap();
    let others_per_mille = OTHERS_PER_MILLE;
    let knobs = Knobs { seed: 5, events: 2000, others_per_mille, ..Knobs::default() };
    let expected = oracle::fold::<Points>(Source::new(knobs).unwrap());
    let (key, member) = expected.states.first_key_value().unwrap();
    let answered = || body(&format!("/models/points/{key}")).0 == 200;
    mill::wait(Duration::from_secs(30), "the document", answered);
    let document: Value = serde_json::from_str(&body(&format!("/models/points/{key}")).1).unwrap();
    assert_eq!(document["state"]["available"], member.available);
    // What the mirror is to show, for readers whose mirror is gone.
    assert_eq!(document["shows"]["hash"]["available"], member.available.to_string());
    assert_eq!(body("/models/points/nobody").0, 404);
    assert_eq!(body("/models/nothing/x").0, 404);
    assert_eq!(body("/healthz").0, 200);
    assert!(body("/metrics").1.contains("readmill_consumed_total{model=\"points\","));
    assert!(body("/").1.contains("<title>"));
    child.kill().unwrap();
    child.wait().unwrap();
}
