//! What must come out, to the last revision: the log as it was sent, folded once in its order.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use readmill_core::envelope::{self, Payload, Reading};
use readmill_core::{Document, Incoming, Key, Outcome, Position, ReadModel, Record, What};
use readmill_engine::Said;
use readmill_schemas::debezium::OutboxEnvelope;
use readmill_schemas::{Contract, Events, Plan, SchemaId, WriterSchema, framing};
use readmill_workload::{Table, written_schemas};

/// The ids of schemas, by the full names of their records.
pub type Ids = BTreeMap<String, SchemaId>;

/// One model's truth.
pub struct Truth<M: ReadModel> {
    /// Every document, tombstones included.
    pub documents: BTreeMap<Key, Document<M>>,
    /// Every held record.
    pub held: BTreeSet<(Position, Key)>,
    /// Every reaction's body, by its id.
    pub said: BTreeMap<String, Vec<u8>>,
    envelopes: BTreeMap<SchemaId, Plan>,
    events: BTreeMap<SchemaId, (usize, Plan)>,
}

impl<M: ReadModel> fmt::Debug for Truth<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Truth").field("documents", &self.documents.len()).finish_non_exhaustive()
    }
}

impl<M: ReadModel> Truth<M> {
    /// Before the first record.
    pub fn new(ids: &Ids) -> Self {
        let envelopes = Table::outboxes()
            .map(|table| {
                plan(ids, &format!("{}.Envelope", table.topic()), &OutboxEnvelope::CONTRACT)
            })
            .collect();
        let events = M::Event::CONTRACTS.iter().enumerate().map(|(which, contract)| {
            let (id, plan) = plan(ids, contract.name, contract);
            (id, (which, plan))
        });
        Self {
            documents: BTreeMap::new(),
            held: BTreeSet::new(),
            said: BTreeMap::new(),
            envelopes,
            events: events.collect(),
        }
    }

    /// Takes in the next record of a partition.
    pub fn take(&mut self, from: &Position, value: &[u8]) {
        let framed = framing::read(value).unwrap();
        let Reading::Row(change) =
            envelope::read(self.envelopes[&framed.schema].read(framed.body).unwrap())
        else {
            panic!("{from} is no row");
        };
        let Payload::Avro(payload) = change.payload else { panic!("{from} is not framed") };
        let Some((which, plan)) = self.events.get(&payload.schema) else { return };
        let Ok(event) = M::Event::read(*which, plan, payload.body) else {
            let key = Key::from(&*change.aggregate);
            let identity = change.identity(from, &key);
            let document = self.documents.entry(key.clone()).or_default();
            let taken = document.hold_for(Some(&identity), from, "the payload cannot be read");
            self.note(taken.outcome, from, key);
            return;
        };
        let record = Record::at(from.clone());
        for key in M::keys(&event).into_vec() {
            let identity = change.identity(from, &key);
            let incoming = Incoming::straight(&identity, &record, &event);
            let taken = self.documents.entry(key.clone()).or_default().take(incoming);
            self.note(taken.outcome, from, key);
        }
    }

    fn note(&mut self, outcome: Outcome, from: &Position, key: Key) {
        for output in &self.documents[&key].stamp.unsent {
            if let What::Reaction(reaction) = &output.what {
                let said = Said::named(M::NAME, &key, output, reaction);
                self.said.insert(said.id, said.body);
            }
        }
        if outcome == Outcome::Held {
            self.held.insert((from.clone(), key));
        }
    }

    /// How many events were taken into documents.
    pub fn revisions(&self) -> i64 {
        self.documents.values().map(|document| document.stamp.revision).sum()
    }
}

fn plan(ids: &Ids, name: &str, contract: &Contract) -> (SchemaId, Plan) {
    let written = written_schemas().into_iter().find(|schema| schema.name == name).unwrap();
    let writer = WriterSchema::parse(&written.text).unwrap();
    (ids[name], Plan::compile(&writer, contract).unwrap())
}
