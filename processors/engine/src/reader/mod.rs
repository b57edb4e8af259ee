//! Stations 2 to 4: from a record's bytes to a typed event, by plans that are made once a schema.

mod row;

use std::borrow::Cow;
use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::Arc;

use readmill_core::envelope::{self, Change, Payload, Reading, Routed};
use readmill_core::{Heard, Identity, Key, Position, ReadModel, Record};
use readmill_schemas::debezium::{FlatOutboxRow, OutboxEnvelope};
use readmill_schemas::framing::{self, Framed};
use readmill_schemas::json::JsonContract;
use readmill_schemas::plan::Plan;
use readmill_schemas::{Contract, Events, SchemaId, Shape, WriterSchema};

use self::row::{KeyReader, RowForm};

use crate::fault::{Fault, Remedy};
use crate::patience::{Patience, patiently};
use crate::ports::Script;

const NOT_OURS: &str = "the event type is of no interest to the model";
const NOT_ASKED_FOR: &str = "its key is none of those that are asked for";
const FORGOTTEN: &str = "the person of whom it tells is forgotten";

/// Why a record does not go on to the next station.
#[derive(Debug)]
pub enum Aside {
    /// No read model folds it.
    Skip(&'static str),
    /// It is held, together with its key where one is known.
    Hold {
        /// The key, as far as it could be read.
        key: Option<Key>,
        /// How the change is known, as far as it could be read.
        identity: Option<Identity>,
        /// Why, without any of the record's data.
        reason: String,
    },
    /// Nothing is wrong with the record; the partition waits or stops.
    Fault(Fault),
}

impl Aside {
    fn hold(reason: impl ToString) -> Self {
        Self::Hold { key: None, identity: None, reason: reason.to_string() }
    }
}

impl From<Fault> for Aside {
    fn from(fault: Fault) -> Self {
        match fault.remedy() {
            Remedy::Hold => Self::hold(&fault),
            Remedy::Retry | Remedy::Stop | Remedy::GoBack | Remedy::ReadAgain | Remedy::LetGo => {
                Self::Fault(fault)
            }
        }
    }
}

/// Station 2: the framing around the body, or the schema id in a header.
///
/// # Errors
/// A tombstone is skipped, anything that is not framed is held.
pub fn wire(record: &Record) -> Result<Framed<'_>, Aside> {
    let Some(value) = record.value.as_deref() else {
        return Err(Aside::Skip("a tombstone says nothing that its delete did not say"));
    };
    let headers = record.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
    framing::read_with(value, headers).map_err(Aside::hold)
}

/// Reads the bodies of one partition, with the plans that it has met so far.
#[derive(Debug)]
pub struct Reader<M: ReadModel> {
    script: Script,
    patience: Patience,
    forms: HashMap<SchemaId, Form>,
    events: HashMap<SchemaId, Option<EventPlan>>,
    /// The contracts for JSON text, made with the first one.
    json: Vec<JsonContract>,
    keys: HashMap<SchemaId, KeyReader>,
    model: PhantomData<M>,
}

/// How to read the values of one schema.
#[derive(Debug)]
enum Form {
    Envelope(Arc<Plan>),
    Flattened(Arc<Plan>),
    Row(RowForm),
    Routed,
    Aside(&'static str),
}

/// How to read one event type, as one writer wrote it.
#[derive(Debug)]
struct EventPlan {
    which: usize,
    plan: Arc<Plan>,
}

impl<M: ReadModel> Reader<M> {
    /// A reader that knows no schema yet.
    pub fn new(script: &Script, patience: Patience) -> Self {
        Self {
            script: script.clone(),
            patience,
            forms: HashMap::new(),
            events: HashMap::new(),
            json: Vec::new(),
            keys: HashMap::new(),
            model: PhantomData,
        }
    }

    /// Station 3: the envelope, in whichever shape, narrowed to a committed row.
    ///
    /// # Errors
    /// Housekeeping is skipped, what is no row of an outbox or of the model's tables is held.
    pub async fn envelope<'r>(
        &mut self,
        record: &'r Record,
        framed: Framed<'r>,
    ) -> Result<Change<'r>, Aside> {
        if !self.forms.contains_key(&framed.schema) {
            let form = self.form(framed.schema).await?;
            self.forms.insert(framed.schema, form);
        }
        self.meet_key(record, framed.schema).await?;
        let reading = match self.forms.get(&framed.schema) {
            Some(Form::Envelope(plan)) => {
                envelope::read(plan.read(framed.body).map_err(Aside::hold)?)
            }
            Some(Form::Flattened(plan)) => {
                let row = plan.read(framed.body).map_err(Aside::hold)?;
                envelope::read_flattened(row, record.timestamp_ms)
            }
            Some(Form::Row(form)) => {
                let key = row::key(record, &self.keys)?;
                form.envelope(envelope::Row {
                    key,
                    body: framed,
                    timestamp_ms: record.timestamp_ms,
                })?
            }
            Some(Form::Routed) => envelope::read_routed(routed(record, framed)),
            Some(Form::Aside(what)) => Reading::Skip(what),
            None => Reading::Broken("no plan for the envelope"),
        };
        match reading {
            Reading::Row(mut change) => {
                change.versions_of =
                    self.script.versions_of.topic(&record.position.partition.topic);
                Ok(change)
            }
            Reading::Skip(rule) => Err(Aside::Skip(rule)),
            Reading::Broken(reason) => Err(Aside::hold(reason)),
        }
    }

    /// Station 4: the typed event in a row's payload, or in its images, without whoever is
    /// forgotten.
    ///
    /// # Errors
    /// An event type of another subject is skipped; a payload that cannot be read is held with the
    /// key of its aggregate.
    pub async fn event(
        &mut self,
        from: &Position,
        change: &mut Change<'_>,
    ) -> Result<Heard<M::Event>, Aside> {
        let read = match &change.payload {
            Payload::Avro(framed) => self.avro(*framed).await,
            Payload::Json { event_type, text } => self.json(event_type, text),
            Payload::Broken(error) => Err(Aside::hold(error)),
            Payload::Row { op, body } => match self.forms.get(&body.schema) {
                Some(Form::Row(form)) => form.event(*op, body.body),
                Some(_) | None => Err(Aside::Skip(NOT_OURS)),
            },
        };
        let forgotten = self.script.forgotten.latest();
        let only = &self.script.only;
        let heard = read.map(|event| {
            let mut heard = forgotten.hear::<M>(event);
            heard.keys.retain(|key| only.covers(key));
            heard.own.retain(|key| only.covers(key));
            heard
        });
        let of = forgotten.find(&change.aggregate);
        let is_forgotten = of.is_some();
        if let Some(person) = of {
            change.aggregate = Cow::Owned(person.alias);
        }
        heard.map_err(|aside| match aside {
            // What nobody can read may tell of the person: it is kept nowhere.
            Aside::Hold { .. } if is_forgotten => Aside::Skip(FORGOTTEN),
            Aside::Hold { reason, .. } if !change.aggregate.is_empty() => {
                let key = Key(change.aggregate.clone().into_owned());
                if !only.covers(&key) {
                    return Aside::Skip(NOT_ASKED_FOR);
                }
                let identity = Some(change.identity(from, &key));
                Aside::Hold { key: Some(key), identity, reason }
            }
            Aside::Hold { .. } | Aside::Skip(_) | Aside::Fault(_) => aside,
        })
    }

    /// Stations 2 to 4: what a record says.
    ///
    /// # Errors
    /// Why it does not go on.
    pub async fn read<'r>(
        &mut self,
        record: &'r Record,
    ) -> Result<(Change<'r>, Heard<M::Event>), Aside> {
        let mut change = self.envelope(record, wire(record)?).await?;
        let heard = self.event(&record.position, &mut change).await?;
        Ok((change, heard))
    }

    /// What came of a record. One that is to be held, since nobody can read it, and that tells of
    /// somebody who is forgotten all the same, is kept nowhere.
    ///
    /// # Errors
    /// What was wrong with it, unless it is skipped for that.
    pub fn heard<T>(&mut self, record: &Record, passed: Result<T, Aside>) -> Result<T, Aside> {
        match passed {
            Err(Aside::Hold { .. }) if self.script.forgotten.latest().are_told_of_by(record) => {
                Err(Aside::Skip(FORGOTTEN))
            }
            passed => passed,
        }
    }

    /// Makes ready to read the record's key, where rows are known by theirs.
    async fn meet_key(&mut self, record: &Record, body: SchemaId) -> Result<(), Aside> {
        if !matches!(self.forms.get(&body), Some(Form::Row(_))) {
            return Ok(());
        }
        if let Some(schema) = row::key_schema(record)
            && !self.keys.contains_key(&schema)
        {
            let reader = KeyReader::of(schema, &*self.writer(schema).await?)?;
            self.keys.insert(schema, reader);
        }
        Ok(())
    }

    async fn avro(&mut self, framed: Framed<'_>) -> Result<M::Event, Aside> {
        if !self.events.contains_key(&framed.schema) {
            let plan = self.event_plan(framed.schema).await?;
            self.events.insert(framed.schema, plan);
        }
        match self.events.get(&framed.schema) {
            Some(Some(EventPlan { which, plan })) => {
                M::Event::read(*which, plan, framed.body).map_err(Aside::hold)
            }
            Some(None) | None => Err(Aside::Skip(NOT_OURS)),
        }
    }

    fn json(&mut self, event_type: &str, text: &[u8]) -> Result<M::Event, Aside> {
        let is_it = |contract: &Contract| {
            contract.name.rsplit('.').next().is_some_and(|name| name == event_type)
        };
        let Some(which) = M::Event::CONTRACTS.iter().position(is_it) else {
            return Err(Aside::Skip(NOT_OURS));
        };
        if self.json.is_empty() {
            let contracts = M::Event::CONTRACTS.iter().map(JsonContract::new);
            self.json = contracts.collect::<Result<_, _>>().map_err(Aside::hold)?;
        }
        let Some(contract) = self.json.get(which) else {
            return Err(Aside::Skip(NOT_OURS));
        };
        let body = contract.body(text).map_err(Aside::hold)?;
        M::Event::read(which, contract.plan(), &body).map_err(Aside::hold)
    }

    async fn form(&mut self, id: SchemaId) -> Result<Form, Aside> {
        let writer = self.writer(id).await?;
        Ok(match Shape::of(&writer) {
            Shape::Envelope => Form::Envelope(plan(id, &writer, &OutboxEnvelope::CONTRACT)?),
            Shape::Flattened => Form::Flattened(plan(id, &writer, &FlatOutboxRow::CONTRACT)?),
            Shape::TableEnvelope { table } => Self::row_form(id, &writer, &table, false)?,
            Shape::TableRow { table } => Self::row_form(id, &writer, &table, true)?,
            Shape::Housekeeping(what) => Form::Aside(what),
            Shape::Event => Form::Routed,
        })
    }

    fn row_form(
        id: SchemaId,
        writer: &WriterSchema,
        table: &str,
        flattened: bool,
    ) -> Result<Form, Aside> {
        let form = RowForm::of::<M::Event>(id, writer, table, flattened)?;
        Ok(form.map_or(Form::Aside(NOT_OURS), Form::Row))
    }

    async fn event_plan(&mut self, id: SchemaId) -> Result<Option<EventPlan>, Aside> {
        let writer = self.writer(id).await?;
        let name = writer.name();
        let known = M::Event::CONTRACTS.iter().position(|c| Some(c.name) == name.as_deref());
        let Some((which, contract)) = known
            .and_then(|which| M::Event::CONTRACTS.get(which).map(|contract| (which, contract)))
        else {
            return Ok(None);
        };
        Ok(Some(EventPlan { which, plan: plan(id, &writer, contract)? }))
    }

    async fn writer(&mut self, id: SchemaId) -> Result<Arc<WriterSchema>, Fault> {
        let schemas = Arc::clone(&self.script.schemas);
        patiently!(self.patience, schemas.schema(id))
    }
}

fn plan(id: SchemaId, writer: &WriterSchema, contract: &Contract) -> Result<Arc<Plan>, Aside> {
    writer
        .plan(contract)
        .map_err(|error| Aside::from(Fault::UnusableSchema { id: id.0, detail: error.to_string() }))
}

/// What the outbox event router puts beside an event.
fn routed<'r>(record: &'r Record, value: Framed<'r>) -> Routed<'r> {
    let header = |name: &str| {
        let found = record.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| value.as_slice())
    };
    Routed {
        key: record.key.as_deref(),
        id: header("id"),
        version: header("aggregateVersion").or_else(|| header("version")),
        value,
        timestamp_ms: record.timestamp_ms,
    }
}
