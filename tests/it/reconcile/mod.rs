//! Reconciling on the real stack: what differs from the origin's rows is named, and what is on the
//! way from there is not.

mod coupons;
mod dual;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use readmill_core::{Document, Key, ReadModel};
use readmill_engine::{Put, Store, Write};
use serde_json::Value;

use crate::mill::{readmill, wait};

const LIMIT: Duration = Duration::from_secs(150);

/// What a command has said.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    summary: Value,
    lines: Vec<Value>,
}

impl Said {
    fn number(&self, field: &str) -> u64 {
        self.summary[field].as_u64().unwrap_or_else(|| panic!("no {field} in {}", self.summary))
    }

    /// The findings, as kind, key and paths.
    fn findings(&self) -> BTreeSet<(String, String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let kinds = ["missing", "changed", "unintended"];
        let found = self.lines.iter().filter(|line| kinds.contains(&text(&line["kind"]).as_str()));
        let paths = |line: &Value| {
            let paths = line["paths"].as_array().into_iter().flatten().map(text);
            paths.collect::<Vec<_>>().join(",")
        };
        found.map(|line| (text(&line["kind"]), text(&line["key"]), paths(line))).collect()
    }

    #[track_caller]
    fn finds(&self, wanted: &[(&str, &str, &str)]) {
        let owned = |(kind, key, paths): &(&str, &str, &str)| {
            ((*kind).to_owned(), (*key).to_owned(), (*paths).to_owned())
        };
        let wanted: BTreeSet<_> = wanted.iter().map(owned).collect();
        assert_eq!(self.findings(), wanted, "{self:#?}");
    }
}

/// Runs `reconcile` with its report.
#[track_caller]
fn reconcile(model: &str, dir: &Path, more: &[&str]) -> Said {
    let (file, report) = (dir.join("readmill.toml"), dir.join("report.jsonl"));
    let args = ["reconcile", model, "-c", file.to_str().unwrap(), "--json"];
    let output = readmill(&[&args[..], &["--report", report.to_str().unwrap()], more].concat());
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let printed = String::from_utf8(output.stdout).unwrap();
    let summary = serde_json::from_str(&printed).unwrap_or_else(|e| panic!("{e}: {printed}{told}"));
    let text = std::fs::read_to_string(&report).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    Said { code: output.status.code(), summary, lines }
}

/// Reconciles until so many documents are equal, and nothing is on the way.
#[track_caller]
fn wait_until_equal(model: &str, dir: &Path, documents: u64, more: &[&str]) {
    wait(LIMIT, "all documents to be equal", || {
        let said = reconcile(model, dir, more);
        let left = said.number("findings") + said.number("open");
        left == 0 && said.number("documents") == documents
    });
}

async fn load<M: ReadModel>(store: &impl Store<M>, key: &Key) -> Document<M> {
    let found = store.load(std::slice::from_ref(key)).await.unwrap();
    found.into_iter().next().flatten().unwrap()
}

async fn put<M: ReadModel>(store: &impl Store<M>, key: &str, document: &Document<M>) {
    let key = Key::from(key);
    let found = store.load(std::slice::from_ref(&key)).await.unwrap();
    let expected = found[0].as_ref().map_or(0, |document| document.stamp.revision);
    let write = Write { key: &key, expected, document };
    assert_eq!(store.put(&[write]).await.unwrap(), [Put::Done]);
}
