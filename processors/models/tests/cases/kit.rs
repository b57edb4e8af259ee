//! A model without a log, stores or clocks: events in, documents out, with everything that follows
//! from them told at once.

use std::collections::{BTreeMap, BTreeSet};

use readmill_core::document::Loss;
use readmill_core::rollup::{Difference, Totals};
use readmill_core::{
    Document, Forgotten, Heard, Identity, Incoming, Key, Offset, Partition, Person, Position,
    ReadModel, Record, Sent, SourcePosition, What,
};
use readmill_schemas::Events;
use readmill_schemas::row::RowOp;
use serde::Deserialize;
use serde_json::{Value, json};

/// A line of a log.
#[derive(Debug, Clone, Deserialize)]
#[serde(bound = "E: Events")]
pub struct Line<E> {
    /// The aggregate, by whose versions it is known.
    pub aggregate: String,
    /// Its version, where its service keeps any.
    pub version: Option<i64>,
    /// The event.
    pub event: E,
}

/// The documents of one run, and what followed from them, by id.
pub struct Run<M: ReadModel> {
    /// The documents.
    pub documents: BTreeMap<Key, Document<M>>,
    /// The contracts of the reactions, by their ids.
    pub said: BTreeMap<String, String>,
    added: BTreeMap<String, Difference>,
    /// Which documents embed one.
    edges: BTreeMap<Key, BTreeSet<Key>>,
    told: BTreeSet<String>,
    /// Who is forgotten.
    pub forgotten: Forgotten,
}

impl<M: ReadModel> Run<M> {
    pub fn new() -> Self {
        Self {
            documents: BTreeMap::new(),
            said: BTreeMap::new(),
            added: BTreeMap::new(),
            edges: BTreeMap::new(),
            told: BTreeSet::new(),
            forgotten: Forgotten::default(),
        }
    }

    /// Takes a record in, at its place in the log, in a batch that began at `sent_below`.
    pub fn take(
        &mut self,
        line: &Line<M::Event>,
        identity_of: usize,
        at: usize,
        sent_below: usize,
    ) {
        let partition = Partition::new("log", 0);
        let record = Record::at(Position { partition, offset: offset(at) });
        let Heard { event, keys, .. } = self.forgotten.hear::<M>(line.event.clone());
        for key in keys {
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
            let incoming = Incoming::straight(&identity, &record, &event);
            let sent = Sent { below: offset(sent_below), ..Sent::NOTHING };
            document.take(Incoming { sent, ..incoming });
            self.tell(&key, &record.position, sent);
        }
    }

    /// A document loses a person, and tells what follows from that.
    pub fn lose(&mut self, key: &Key, person: &Person) {
        let (persons, is_own) = (std::slice::from_ref(person), person.owns(key));
        let partition = Partition::new("forgotten", 0);
        let from = Position { partition, offset: offset(0) };
        if let Some(document) = self.documents.get_mut(key) {
            document.lose(Loss { persons, is_own, told: i64::MAX }, &from);
            self.tell(key, &from, Sent::NOTHING);
        }
        if is_own {
            self.documents.remove(key);
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
                        document.look((&embedded, of.as_ref()), output.revision);
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

    /// Whether some document is fed by several aggregates, of which any may come first.
    fn is_interleaved(&self) -> bool {
        self.documents.values().any(|document| document.stamp.marks.len() > 1)
    }

    /// What was said. At which revision is for the interleaving to decide.
    fn told(&self) -> Value {
        if !self.is_interleaved() {
            return json!(self.said);
        }
        let key = |id: &str| id.rsplitn(3, '/').last().unwrap_or_default().to_owned();
        let said = self.said.iter().map(|(id, contract)| format!("{}: {contract}", key(id)));
        let mut said: Vec<String> = said.collect();
        said.sort();
        json!(said)
    }

    /// What was added up, group by group. How often embedded documents changed what others
    /// contribute is for the interleaving to decide, and so is what was withdrawn.
    pub fn rollups(&self) -> BTreeMap<String, Totals> {
        let mut groups: BTreeMap<String, Totals> = BTreeMap::new();
        for difference in self.added.values() {
            let what = &difference.what;
            let rollup = M::ROLLUPS.iter().find(|rollup| rollup.name == what.rollup).unwrap();
            let group = groups.entry(format!("{}/{}", what.rollup, what.group)).or_default();
            group.add(difference, rollup.beside);
        }
        if M::EMBEDS || self.is_interleaved() {
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

    pub fn seen(&self) -> Value {
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
        let mut seen = json!({ "documents": documents, "said": self.told() });
        if !M::ROLLUPS.is_empty() {
            let groups = self.rollups();
            self.check_contributed(&groups);
            seen["rollups"] = json!(groups);
        }
        seen
    }
}

impl<M: ReadModel> Run<M> {
    /// These events, one after the other.
    pub fn of(log: &[Line<M::Event>]) -> Self {
        Self::in_order(log, 0..log.len())
    }

    /// These events in another order, in which some may come again.
    pub fn in_order(log: &[Line<M::Event>], order: impl IntoIterator<Item = usize>) -> Self {
        let mut run = Self::new();
        for (at, which) in order.into_iter().enumerate() {
            run.take(&log[which], which, at, at);
        }
        run
    }

    /// The state under a key, if a document lives there.
    pub fn state(&self, key: &str) -> Option<&M::State> {
        self.documents.get(&Key::from(key))?.state.as_ref()
    }

    /// How many events wait under a key.
    pub fn waiting(&self, key: &str) -> usize {
        self.documents.get(&Key::from(key)).map_or(0, |document| document.stamp.waiting.len())
    }

    /// Whether a key is held.
    #[allow(dead_code, reason = "not every case refuses anything")]
    pub fn is_held(&self, key: &str) -> bool {
        self.documents.get(&Key::from(key)).is_some_and(|document| document.stamp.is_held())
    }
}

/// An event of an aggregate that counts its versions.
pub fn line<E: Events>(aggregate: &str, version: i64, event: impl Into<E>) -> Line<E> {
    Line { aggregate: aggregate.to_owned(), version: Some(version), event: event.into() }
}

fn offset(at: usize) -> Offset {
    Offset(i64::try_from(at).unwrap())
}
