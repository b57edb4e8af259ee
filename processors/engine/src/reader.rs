//! Stations 2 to 4: from a record's bytes to a typed event, by plans that are made once a schema.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::Arc;

use readmill_core::envelope::{self, Change, Reading};
use readmill_core::{Key, ReadModel};
use readmill_schemas::debezium::OutboxEnvelope;
use readmill_schemas::framing::{self, Framed};
use readmill_schemas::plan::Plan;
use readmill_schemas::{Contract, Events, SchemaId};

use crate::fault::{Fault, Remedy};
use crate::patience::{Patience, patiently};
use crate::ports::SchemaBook;
use crate::record::Record;

/// Why a record does not go on to the next station.
#[derive(Debug)]
pub enum Aside {
    /// No read model folds it.
    Skip(&'static str),
    /// It is held, together with its key where one is known.
    Hold {
        /// The key, as far as it could be read.
        key: Option<Key>,
        /// Why, without any of the record's data.
        reason: String,
    },
    /// Nothing is wrong with the record; the partition waits or stops.
    Fault(Fault),
}

impl Aside {
    fn hold(reason: impl ToString) -> Self {
        Self::Hold { key: None, reason: reason.to_string() }
    }
}

impl From<Fault> for Aside {
    fn from(fault: Fault) -> Self {
        match fault.remedy() {
            Remedy::Hold => Self::hold(&fault),
            Remedy::Retry | Remedy::Stop | Remedy::LetGo => Self::Fault(fault),
        }
    }
}

/// Station 2: the framing around the body.
///
/// # Errors
/// A tombstone is skipped, anything that is not framed is held.
pub fn wire(record: &Record) -> Result<Framed<'_>, Aside> {
    let Some(value) = record.value.as_deref() else {
        return Err(Aside::Skip("a tombstone says nothing that its delete did not say"));
    };
    framing::read(value).map_err(Aside::hold)
}

/// Reads the bodies of one partition, with the plans that it has met so far.
#[derive(Debug)]
pub struct Reader<M> {
    schemas: Arc<dyn SchemaBook>,
    patience: Patience,
    envelopes: HashMap<SchemaId, Plan>,
    events: HashMap<SchemaId, Option<EventPlan>>,
    model: PhantomData<M>,
}

/// How to read one event type, as one writer wrote it.
#[derive(Debug)]
struct EventPlan {
    which: usize,
    plan: Plan,
}

impl<M: ReadModel> Reader<M> {
    /// A reader that knows no schema yet.
    pub fn new(schemas: Arc<dyn SchemaBook>, patience: Patience) -> Self {
        Self {
            schemas,
            patience,
            envelopes: HashMap::new(),
            events: HashMap::new(),
            model: PhantomData,
        }
    }

    /// Station 3: the envelope, narrowed to a committed row.
    ///
    /// # Errors
    /// Housekeeping is skipped, what is not an outbox envelope is held.
    pub async fn envelope<'r>(&mut self, framed: Framed<'r>) -> Result<Change<'r>, Aside> {
        if !self.envelopes.contains_key(&framed.schema) {
            let plan = self.plan(framed.schema, &OutboxEnvelope::CONTRACT).await?;
            self.envelopes.insert(framed.schema, plan);
        }
        let Some(plan) = self.envelopes.get(&framed.schema) else {
            return Err(Aside::hold("no plan for the envelope"));
        };
        let envelope: OutboxEnvelope<'r> = plan.read(framed.body).map_err(Aside::hold)?;
        match envelope::read(envelope) {
            Reading::Row(change) => Ok(change),
            Reading::Skip(rule) => Err(Aside::Skip(rule)),
            Reading::Broken(reason) => Err(Aside::hold(reason)),
        }
    }

    /// Station 4: the typed event in a row's payload.
    ///
    /// # Errors
    /// An event type of another subject is skipped; a payload that cannot be read is held with the
    /// key of its aggregate.
    pub async fn event(&mut self, change: &Change<'_>) -> Result<M::Event, Aside> {
        let hold = |reason: String| Aside::Hold { key: Some(change.aggregate.into()), reason };
        let framed = framing::read(change.payload).map_err(|error| hold(error.to_string()))?;
        if !self.events.contains_key(&framed.schema) {
            let plan = match self.event_plan(framed.schema).await {
                Err(Aside::Hold { reason, .. }) => return Err(hold(reason)),
                found => found?,
            };
            self.events.insert(framed.schema, plan);
        }
        match self.events.get(&framed.schema) {
            Some(Some(EventPlan { which, plan })) => {
                M::Event::read(*which, plan, framed.body).map_err(|error| hold(error.to_string()))
            }
            Some(None) | None => Err(Aside::Skip("the event type is of no interest to the model")),
        }
    }

    async fn event_plan(&mut self, id: SchemaId) -> Result<Option<EventPlan>, Aside> {
        let schemas = Arc::clone(&self.schemas);
        let writer = patiently!(self.patience, schemas.schema(id))?;
        let name = writer.name();
        let known = M::Event::CONTRACTS.iter().position(|c| Some(c.name) == name.as_deref());
        let Some((which, contract)) = known
            .and_then(|which| M::Event::CONTRACTS.get(which).map(|contract| (which, contract)))
        else {
            return Ok(None);
        };
        Ok(Some(EventPlan { which, plan: self.plan(id, contract).await? }))
    }

    async fn plan(&mut self, id: SchemaId, contract: &Contract) -> Result<Plan, Aside> {
        let schemas = Arc::clone(&self.schemas);
        let writer = patiently!(self.patience, schemas.schema(id))?;
        Plan::compile(&writer, contract).map_err(|error| {
            Aside::from(Fault::UnusableSchema { id: id.0, detail: error.to_string() })
        })
    }
}
