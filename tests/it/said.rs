//! What a command has said that compares documents: its summary, and its report line by line.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::mill::readmill;

/// What it has said.
#[derive(Debug)]
pub struct Said {
    /// Its exit code.
    pub code: Option<i32>,
    /// The summary.
    pub summary: Value,
    /// The lines of the report.
    pub lines: Vec<Value>,
}

impl Said {
    /// Runs a command, with a report in this directory.
    #[track_caller]
    pub fn of(args: &[&str], dir: &Path) -> Self {
        let report = dir.join("report.jsonl");
        let told = ["--json", "--report", report.to_str().unwrap()];
        let output = readmill(&[args, &told].concat());
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        let printed = String::from_utf8(output.stdout).unwrap();
        let summary =
            serde_json::from_str(&printed).unwrap_or_else(|e| panic!("{e}: {printed}{error}"));
        let text = std::fs::read_to_string(&report).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        Self { code: output.status.code(), summary, lines }
    }

    /// A number of the summary.
    pub fn number(&self, field: &str) -> u64 {
        self.summary[field].as_u64().unwrap_or_else(|| panic!("no {field} in {}", self.summary))
    }

    /// The findings of a verification, as sort, kind and key, or group.
    pub fn findings(&self) -> BTreeSet<(String, String, String)> {
        let found = self.of_kinds(&["missing", "changed", "stale", "duplicate", "unintended"]);
        found
            .map(|line| {
                let group = format!("{}/{}", text(&line["rollup"]), text(&line["group"]));
                let name = line["key"].as_str().map_or(group, str::to_owned);
                (text(&line["sort"]), text(&line["kind"]), name)
            })
            .collect()
    }

    /// The findings of a reconciliation, as kind, key and paths.
    fn departures(&self) -> BTreeSet<(String, String, String)> {
        let paths = |line: &Value| {
            let paths = line["paths"].as_array().into_iter().flatten().map(text);
            paths.collect::<Vec<_>>().join(",")
        };
        self.of_kinds(&["missing", "changed", "unintended"])
            .map(|line| (text(&line["kind"]), text(&line["key"]), paths(line)))
            .collect()
    }

    fn of_kinds(&self, kinds: &[&str]) -> impl Iterator<Item = &Value> {
        self.lines.iter().filter(|line| kinds.contains(&text(&line["kind"]).as_str()))
    }

    /// A verification found nothing.
    #[track_caller]
    pub fn is_clean(&self) {
        assert_eq!((self.number("findings"), self.code), (0, Some(0)), "{self:#?}");
        assert!(self.number("documents") > 0, "{self:#?}");
    }

    /// A reconciliation found this and nothing else, each as kind, key and paths.
    #[track_caller]
    pub fn finds(&self, wanted: &[(&str, &str, &str)]) {
        let owned = |(kind, key, paths): &(&str, &str, &str)| {
            ((*kind).to_owned(), (*key).to_owned(), (*paths).to_owned())
        };
        let wanted: BTreeSet<_> = wanted.iter().map(owned).collect();
        assert_eq!(self.departures(), wanted, "{self:#?}");
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
