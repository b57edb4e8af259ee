//! Every read model on its fixtures, found by folder: straight, with a crash at every step, with
//! repeats and swapped neighbours, and as a replay. All must end in the same documents, with the
//! same roll-ups, and with copies of what they embed that are what is embedded.
//!
//! `fixtures/<model>/<case>/log.jsonl` is what the source committed, an event a line;
//! `expected.json` is what must come out. `READMILL_WRITE_FIXTURES=1` writes the latter anew.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use readmill_core::rollup::{Difference, Totals};
use readmill_core::{
    Document, Identity, Incoming, Key, Offset, Partition, Position, ReadModel, Record, Sent,
    SourcePosition, What,
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

/// The documents of one run, and what followed from them, by id.
struct Run<M: ReadModel> {
    documents: BTreeMap<Key, Document<M>>,
    said: BTreeMap<String, String>,
    added: BTreeMap<String, Difference>,
    /// Which documents embed one.
    edges: BTreeMap<Key, BTreeSet<Key>>,
    told: BTreeSet<String>,
}

impl<M: ReadModel> Run<M> {
    const fn new() -> Self {
        Self {
            documents: BTreeMap::new(),
            said: BTreeMap::new(),
            added: BTreeMap::new(),
            edges: BTreeMap::new(),
            told: BTreeSet::new(),
        }
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
            let sent = Sent { below: offset(sent_below), ..Sent::NOTHING };
            document.take(Incoming { sent, ..incoming });
            self.tell(&key, &record.position, sent);
        }
    }

    /// Tells what a document says that it has to, each once, and what follows from that.
    fn tell(&mut self, key: &Key, from: &Position, sent: Sent<'_>) {
        for output in self.documents[key].stamp.unsent.clone() {
            let id = format!("{key}/{}/{}", output.revision, output.n);
            if !self.told.insert(id.clone()) {
                continue;
            }
            match output.what {
                What::Reaction(reaction) => {
                    self.said.insert(id, reaction.contract);
                }
                What::Difference(difference) => {
                    self.added.insert(id, difference);
                }
                What::Embeds(embedded) => {
                    self.edges.entry(embedded.clone()).or_default().insert(key.clone());
                    let of = self.documents.get(&embedded).cloned();
                    if let Some(document) = self.documents.get_mut(key) {
                        document.look((&embedded, of.as_ref()), output.revision, &output.from);
                    }
                    self.tell(key, from, sent);
                }
                What::Leaves(embedded) => {
                    self.edges.entry(embedded).or_default().remove(key);
                }
                What::Changed => {
                    let dependents = self.edges.get(key).cloned().unwrap_or_default();
                    for dependent in dependents {
                        self.embed(&dependent, key, from, sent);
                    }
                }
            }
        }
    }

    fn embed(&mut self, dependent: &Key, embedded: &Key, from: &Position, sent: Sent<'_>) {
        if let Some(of) = self.documents.get(embedded).cloned()
            && let Some(document) = self.documents.get_mut(dependent)
        {
            let since = of.stamp.revision;
            document.embed((embedded, &of, since), from, sent);
            self.tell(dependent, from, sent);
        }
    }

    /// What was added up, group by group. How often embedded documents changed what others
    /// contribute is for the interleaving to decide, and so is what was withdrawn.
    fn rollups(&self) -> BTreeMap<String, Totals> {
        let mut groups: BTreeMap<String, Totals> = BTreeMap::new();
        for difference in self.added.values() {
            let what = &difference.what;
            let rollup = M::ROLLUPS.iter().find(|rollup| rollup.name == what.rollup).unwrap();
            let group = groups.entry(format!("{}/{}", what.rollup, what.group)).or_default();
            group.add(difference, rollup.beside);
        }
        if M::EMBEDS {
            groups.values_mut().for_each(|totals| totals.withdrawn = 0);
            groups.retain(|_, totals| totals.count != 0);
        }
        groups
    }

    /// What living documents contribute as they stand.
    fn contributed(&self) -> BTreeMap<String, Totals> {
        let mut groups: BTreeMap<String, Totals> = BTreeMap::new();
        for state in self.documents.values().filter_map(|document| document.state.as_ref()) {
            for what in M::contributes(state) {
                let group = groups.entry(format!("{}/{}", what.rollup, what.group)).or_default();
                group.add(&Difference::added(what), readmill_core::Beside::default());
            }
        }
        groups
    }

    /// What documents contribute as they stand is in the roll-ups, and of what they do not
    /// contribute any more, nothing is.
    #[track_caller]
    fn check_contributed(&self, groups: &BTreeMap<String, Totals>) {
        let contributed = self.contributed();
        let by_state: BTreeSet<&str> =
            contributed.keys().filter_map(|group| group.split('/').next()).collect();
        for (group, totals) in groups {
            if by_state.contains(group.split('/').next().unwrap()) {
                let wanted = contributed.get(group).cloned().unwrap_or_default();
                let [found, wanted] = [totals, &wanted].map(|t| (t.count, t.sum, t.squares));
                assert_eq!(found, wanted, "{group}");
            }
        }
        assert!(contributed.keys().all(|group| groups.contains_key(group)), "{groups:?}");
    }

    /// Every copy is what stands under the key that it is of.
    #[track_caller]
    fn check_copies(&self) {
        for (key, document) in &self.documents {
            let Some(state) = &document.state else { continue };
            let mut fresh = state.clone();
            for embedded in M::embeds(state) {
                let stands = self.documents.get(&embedded).and_then(|of| of.state.as_ref());
                M::embed(&mut fresh, &embedded, stands);
            }
            assert_eq!(fresh, *state, "{key} embeds what does not stand any more");
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
        self.check_copies();
        let mut seen = json!({ "documents": documents, "said": self.said });
        if !M::ROLLUPS.is_empty() {
            let groups = self.rollups();
            self.check_contributed(&groups);
            seen["rollups"] = json!(groups);
        }
        seen
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
            for what in ["documents", "rollups"] {
                assert_eq!(swapped[what], expected[what], "{place}: swap at {swap}");
            }
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
