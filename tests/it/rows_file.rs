//! Rows of a file instead of generated ones: a backfill, folded like anything else.

use std::path::Path;

use serde_json::Value;

use crate::mill::{readmill, succeed};
use crate::paths::root;

const TABLE: &str = "points_outbox";

fn configuration(dir: &Path) -> String {
    let text = format!(
        "[instance]\nstate_dir = \"{dir}/state\"\nhttp_listen = \"127.0.0.1:0\"\n[source]\n\
         kind = \"archive\"\narchive_dir = \"{dir}/archive\"\n[embedded]\n\
         directory = \"{dir}/store\"\n[models.points]\n\
         topics = [\"shop.public.{TABLE}\"]\nstore = \"embedded\"\n",
        dir = dir.display()
    );
    let file = dir.join("readmill.toml");
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn rows_of_a_file_become_the_documents_that_they_fold_to() {
    let dir = tempfile::tempdir().unwrap();
    let case = root().join("processors/models/fixtures/points/ledger");
    let (rows, archive) = (case.join("log.jsonl"), dir.path().join("archive"));
    let (rows, archive) = (rows.to_str().unwrap(), archive.to_str().unwrap());
    let told = succeed(&["produce", "--rows", rows, "--table", TABLE, "--archive", archive]);
    let lines = std::fs::read_to_string(rows).unwrap().lines().count();
    assert!(told.starts_with(&format!("{lines} records in ")), "{told}");
    let config = configuration(dir.path());
    succeed(&["run", "-c", &config]);
    let expected = std::fs::read_to_string(case.join("expected.json")).unwrap();
    let expected: Value = serde_json::from_str(&expected).unwrap();
    for (key, document) in expected["documents"].as_object().unwrap() {
        let found = succeed(&["get", "points", key, "-c", &config, "--json"]);
        let found: Value = serde_json::from_str(&found).unwrap();
        assert_eq!(found["state"], document["state"], "{key}");
    }
}

#[test]
fn a_line_that_is_no_row_is_named_and_nothing_is_sent() {
    let dir = tempfile::tempdir().unwrap();
    let good = root().join("processors/models/fixtures/points/ledger/log.jsonl");
    let good = std::fs::read_to_string(good).unwrap();
    let (rows, archive) = (dir.path().join("rows.jsonl"), dir.path().join("archive"));
    let table = [
        (format!("{good}\n{{\"aggregate\": \"m-1\"}}\n"), TABLE, "missing field `event`"),
        (good.clone(), "stock_history_outbox", "does not belong into stock_history_outbox"),
        (good.clone(), "point_outbox", "did you mean \"points_outbox\"?"),
    ];
    for (text, table, words) in table {
        std::fs::write(&rows, text).unwrap();
        let place = [rows.to_str().unwrap(), archive.to_str().unwrap()];
        let [from, to] = place;
        let done = readmill(&["produce", "--rows", from, "--table", table, "--archive", to]);
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.code() == Some(2) && said.contains(words), "{said}");
        assert!(!archive.exists(), "{said}");
    }
}
