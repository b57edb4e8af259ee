//! Every read model on its fixtures, found by folder: straight, with a crash at every step, with
//! repeats and swapped neighbours, and as a replay. All must end in the same documents.
//!
//! `fixtures/<model>/<case>/log.jsonl` is what the source committed, an event a line;
//! `expected.json` is what must come out. `READMILL_WRITE_FIXTURES=1` writes the latter anew.

use std::collections::BTreeMap;
use std::path::Path;

use readmill_core::{
    Document, Identity, Incoming, Key, Offset, Partition, Position, ReadModel, Record,
    SourcePosition,
};
use readmill_models::{ALL, Visit, visit};
use readmill_schemas::Events;
use readmill_schemas::row::RowOp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::paths::root;

/// A line of a log.
#[derive(Debug, Clone, Deserialize)]
#[serde(bound = "E: Events")]
struct Line<E> {
    aggregate: String,
    version: Option<i64>,
    event: E,
}

/// The documents of one run, and what was said, by id.
struct Run<M: ReadModel> {
    documents: BTreeMap<Key, Document<M>>,
    said: BTreeMap<String, String>,
}

impl<M: ReadModel> Run<M> {
    const fn new() -> Self {
        Self { documents: BTreeMap::new(), said: BTreeMap::new() }
    }

    /// Takes a record in, at its place in the log, in a batch that began at `sent_below`.
    fn take(&mut self, line: &Line<M::Event>, identity_of: usize, at: usize, sent_below: usize) {
        let partition = Partition::new("log", 0);
        let record = Record::at(Position { partition, offset: offset(at) });
        for key in M::keys(&line.event).into_vec() {
            let key_is_aggregate = key.as_str() == line.aggregate;
            let identity = match line.version {
                _ if line.event.contract().table.is_some() => {
                    let lsn = offset(identity_of).0;
                    let at = SourcePosition::Postgres { commit: Some(lsn), lsn };
                    Identity::row("log", &line.aggregate, key_is_aggregate, RowOp::Update, Some(at))
                }
                Some(version) => {
                    Identity::version("log", &line.aggregate, key_is_aggregate, version)
                }
                None => Identity::event("log", None, &identity_of.to_string()),
            };
            let document = self.documents.entry(key.clone()).or_default();
            let incoming = Incoming::straight(&identity, &record, &line.event);
            document.take(Incoming { sent_below: offset(sent_below), ..incoming });
            for output in &document.stamp.unsent {
                let id = format!("{key}/{}/{}", output.revision, output.n);
                self.said.insert(id, output.reaction.contract.clone());
            }
        }
    }

    fn seen(&self) -> Value {
        let document = |document: &Document<M>| {
            json!({
                "state": document.state,
                "gone": document.stamp.gone,
                "held": document.stamp.is_held(),
                "waiting": document.stamp.waiting.len(),
            })
        };
        let documents: BTreeMap<&str, Value> =
            self.documents.iter().map(|(key, doc)| (key.as_str(), document(doc))).collect();
        json!({ "documents": documents, "said": self.said })
    }
}

fn offset(at: usize) -> Offset {
    Offset(i64::try_from(at).unwrap())
}

struct Case<'a>(&'a Path);

impl Visit for Case<'_> {
    type Out = ();

    fn visit<M: ReadModel>(self) {
        let text = std::fs::read_to_string(self.0.join("log.jsonl")).unwrap();
        let log: Vec<Line<M::Event>> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}")))
            .collect();
        let seen = straight::<M>(&log).seen();
        let file = self.0.join("expected.json");
        if std::env::var("READMILL_WRITE_FIXTURES").is_ok() {
            std::fs::write(&file, format!("{seen:#}\n")).unwrap();
        }
        let expected: Value =
            serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        let place = self.0.display();
        assert_eq!(seen, expected, "{place}: straight");
        for crash in 0..log.len() {
            assert_eq!(crashed::<M>(&log, crash).seen(), expected, "{place}: crash at {crash}");
        }
        assert_eq!(repeated::<M>(&log).seen(), expected, "{place}: every record twice");
        for swap in 1..log.len() {
            let swapped = swapped::<M>(&log, swap).seen();
            assert_eq!(swapped["documents"], expected["documents"], "{place}: swap at {swap}");
        }
        assert_eq!(replayed::<M>(&log).seen(), expected, "{place}: replayed");
    }
}

fn straight<M: ReadModel>(log: &[Line<M::Event>]) -> Run<M> {
    let mut run = Run::new();
    (0..log.len()).for_each(|at| run.take(&log[at], at, at, at));
    run
}

/// Everything up to `crash` is written and nothing of it settled: all of it comes again.
fn crashed<M: ReadModel>(log: &[Line<M::Event>], crash: usize) -> Run<M> {
    let mut run = Run::new();
    (0..=crash).for_each(|at| run.take(&log[at], at, at, 0));
    (0..log.len()).for_each(|at| run.take(&log[at], at, at, 0));
    run
}

/// The relay publishes every record once more, right behind itself and again at the end.
fn repeated<M: ReadModel>(log: &[Line<M::Event>]) -> Run<M> {
    let mut run = Run::new();
    let behind = (0..log.len()).flat_map(|at| [at, at]);
    for (at, which) in behind.chain(0..log.len()).enumerate() {
        run.take(&log[which], which, at, at);
    }
    run
}

/// Two neighbours arrive swapped, if their versions tell that they are.
fn swapped<M: ReadModel>(log: &[Line<M::Event>], swap: usize) -> Run<M> {
    let mut order: Vec<usize> = (0..log.len()).collect();
    if log[swap].version.is_some() && log[swap - 1].version.is_some() {
        order.swap(swap - 1, swap);
    }
    let mut run = Run::new();
    for (at, which) in order.into_iter().enumerate() {
        run.take(&log[which], which, at, at);
    }
    run
}

/// A rebuild reads aggregates in another interleaving: one after the other.
fn replayed<M: ReadModel>(log: &[Line<M::Event>]) -> Run<M> {
    let mut order: Vec<usize> = (0..log.len()).collect();
    order.sort_by(|a, b| log[*b].aggregate.cmp(&log[*a].aggregate).then(a.cmp(b)));
    let mut run = Run::new();
    for (at, which) in order.into_iter().enumerate() {
        run.take(&log[which], which, at, at);
    }
    run
}

#[test]
fn every_model_ends_in_the_same_documents_four_ways() {
    for row in ALL {
        let cases = root().join("tests/fixtures").join(row.name);
        let found = std::fs::read_dir(&cases);
        let mut found: Vec<_> = found
            .unwrap_or_else(|error| panic!("{} has no fixtures: {error}", row.name))
            .map(|entry| entry.unwrap().path())
            .collect();
        found.sort();
        assert!(found.len() >= 2, "{} has too few fixtures", row.name);
        for case in found {
            visit(row.name, Case(&case)).unwrap();
        }
    }
}
