//! Every read model on its fixtures, found by folder: straight, with a crash at every step, with
//! repeats and swapped neighbours, and as a replay. All must end in the same documents, with the
//! same roll-ups, and with copies of what they embed that are what is embedded.
//!
//! `fixtures/<model>/<case>/log.jsonl` is what the source committed, an event a line;
//! `expected.json` is what must come out. `READMILL_WRITE_FIXTURES=1` writes the latter anew.

use std::path::Path;

use readmill_core::ReadModel;
use readmill_models::{ALL, Visit, visit};
use serde_json::Value;

use crate::kit::{Line, Run};

struct Case<'a>(&'a Path);

impl Visit for Case<'_> {
    type Out = ();

    fn visit<M: ReadModel>(self) {
        let text = std::fs::read_to_string(self.0.join("log.jsonl")).unwrap();
        let log: Vec<Line<M::Event>> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}")))
            .collect();
        let seen = Run::<M>::of(&log).seen();
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
            for what in ["documents", "rollups"] {
                assert_eq!(swapped[what], expected[what], "{place}: swap at {swap}");
            }
        }
        assert_eq!(replayed::<M>(&log).seen(), expected, "{place}: replayed");
    }
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
    let behind = (0..log.len()).flat_map(|at| [at, at]);
    Run::in_order(log, behind.chain(0..log.len()))
}

/// Two neighbours arrive swapped, if their versions tell that they are.
fn swapped<M: ReadModel>(log: &[Line<M::Event>], swap: usize) -> Run<M> {
    let mut order: Vec<usize> = (0..log.len()).collect();
    if log[swap].version.is_some() && log[swap - 1].version.is_some() {
        order.swap(swap - 1, swap);
    }
    Run::in_order(log, order)
}

/// A rebuild reads aggregates in another interleaving: one after the other.
fn replayed<M: ReadModel>(log: &[Line<M::Event>]) -> Run<M> {
    let mut order: Vec<usize> = (0..log.len()).collect();
    order.sort_by(|a, b| log[*b].aggregate.cmp(&log[*a].aggregate).then(a.cmp(b)));
    Run::in_order(log, order)
}

#[test]
fn every_model_ends_in_the_same_documents_four_ways() {
    let mut fixtures = 0;
    for row in ALL {
        let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(row.name);
        let found = std::fs::read_dir(&cases);
        let mut found: Vec<_> = found
            .unwrap_or_else(|error| panic!("{} has no fixtures: {error}", row.name))
            .map(|entry| entry.unwrap().path())
            .collect();
        found.sort();
        assert!(found.len() >= 2, "{} has too few fixtures", row.name);
        fixtures += found.len();
        for case in found {
            visit(row.name, Case(&case)).unwrap();
        }
    }
    // For `make cases`.
    println!("models={} fixtures={fixtures} ways=4", ALL.len());
}
