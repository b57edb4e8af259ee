//! Which schemas a record names: in its value's frame, in the payload inside, and in its key.

use std::collections::BTreeMap;
use std::sync::Arc;

use readmill_core::Record;
use readmill_core::envelope::{self, Payload, Reading};
use readmill_schemas::debezium::{FlatOutboxRow, OutboxEnvelope};
use readmill_schemas::framing::{self, Framed};
use readmill_schemas::{Plan, SchemaId, Shape, WriterSchema};

/// The schemas that were met so far, and what they say of what is inside.
#[derive(Debug, Default)]
pub struct Names {
    met: BTreeMap<SchemaId, Inside>,
}

/// What is inside a value of a schema.
#[derive(Debug)]
enum Inside {
    /// An envelope of an outbox, whose payload may be framed, too.
    Envelope(Arc<Plan>),
    /// A flattened row of an outbox, whose payload may be framed, too.
    Flattened(Arc<Plan>),
    /// Nothing, in a value of Debezium's, whose key may be framed.
    Row,
    /// Nothing.
    Nothing,
}

impl Names {
    /// A schema that the record names and that was not met yet.
    pub fn unmet(&self, record: &Record) -> Option<SchemaId> {
        self.of(record).into_iter().flatten().find(|id| !self.met.contains_key(id))
    }

    /// Meets a schema; none where it cannot be had.
    pub fn meet(&mut self, id: SchemaId, schema: Option<&WriterSchema>) {
        self.met.insert(id, schema.map_or(Inside::Nothing, Inside::of));
    }

    /// How many were met.
    pub fn count(&self) -> usize {
        self.met.len()
    }

    /// The schemas that a record names, as far as those that were met tell.
    fn of(&self, record: &Record) -> [Option<SchemaId>; 3] {
        let Some(framed) = record.value.as_deref().and_then(|value| {
            let headers = record.headers.iter().map(|(name, v)| (name.as_str(), v.as_slice()));
            framing::read_with(value, headers).ok()
        }) else {
            return [None; 3];
        };
        let value = Some(framed.schema);
        let Some(inside) = self.met.get(&framed.schema) else { return [value, None, None] };
        let key = match inside {
            Inside::Nothing => None,
            Inside::Envelope(_) | Inside::Flattened(_) | Inside::Row => record.key.as_deref(),
        };
        let key = key.and_then(|key| framing::read(key).ok()).map(|framed| framed.schema);
        [value, key, inside.payload(framed, record.timestamp_ms)]
    }
}

impl Inside {
    fn of(schema: &WriterSchema) -> Self {
        let planned = |plan: Result<Arc<Plan>, _>, inside: fn(Arc<Plan>) -> Self| {
            plan.map_or(Self::Row, inside)
        };
        match Shape::of(schema) {
            Shape::Envelope => planned(schema.plan(&OutboxEnvelope::CONTRACT), Self::Envelope),
            Shape::Flattened => planned(schema.plan(&FlatOutboxRow::CONTRACT), Self::Flattened),
            Shape::TableEnvelope { .. } | Shape::TableRow { .. } | Shape::Housekeeping(_) => {
                Self::Row
            }
            Shape::Event => Self::Nothing,
        }
    }

    fn payload(&self, value: Framed<'_>, timestamp_ms: i64) -> Option<SchemaId> {
        let reading = match self {
            Self::Envelope(plan) => envelope::read(plan.read(value.body).ok()?),
            Self::Flattened(plan) => {
                envelope::read_flattened(plan.read(value.body).ok()?, timestamp_ms)
            }
            Self::Row | Self::Nothing => return None,
        };
        let Reading::Row(change) = reading else { return None };
        match change.payload {
            Payload::Avro(framed) => Some(framed.schema),
            Payload::Json { .. } | Payload::Broken(_) | Payload::Row { .. } => None,
        }
    }
}
