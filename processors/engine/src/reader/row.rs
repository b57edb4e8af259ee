//! Rows of ordinary tables: their envelopes, their images, and the keys of their records.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use readmill_core::Record;
use readmill_core::envelope::{self, Reading, Row};
use readmill_schemas::debezium::{FlatTableRow, TableEnvelope};
use readmill_schemas::framing;
use readmill_schemas::plan::Plan;
use readmill_schemas::row::{Images, RowOp};
use readmill_schemas::semantic::{self, RowReader, Semantic};
use readmill_schemas::{Events, SchemaId, Shape, WriterSchema};

use super::{Aside, plan};
use crate::fault::Fault;

/// How to read the rows of one table, as one writer wrote them.
#[derive(Debug)]
pub struct RowForm {
    which: usize,
    flattened: bool,
    envelope: Arc<Plan>,
    images: RowReader,
}

impl RowForm {
    /// The form of a table's rows; none if none of the subject's contracts is of that table.
    pub fn of<E: Events>(
        id: SchemaId,
        writer: &WriterSchema,
        table: &str,
        flattened: bool,
    ) -> Result<Option<Self>, Aside> {
        let is_it = |wanted: &str| Shape::is_table(table, wanted);
        let Some(which) = E::CONTRACTS.iter().position(|c| c.table.is_some_and(is_it)) else {
            return Ok(None);
        };
        let contract = if flattened { FlatTableRow::CONTRACT } else { TableEnvelope::CONTRACT };
        let envelope = plan(id, writer, &contract)?;
        let images = RowReader::of(writer).map_err(|error| unusable(id, &error))?;
        Ok(Some(Self { which, flattened, envelope, images }))
    }

    /// Station 3: what the envelope says.
    pub fn envelope<'r>(&self, row: Row<'r>) -> Result<Reading<'r>, Aside> {
        let body = row.body.body;
        Ok(if self.flattened {
            let added: FlatTableRow<'r> = self.envelope.read(body).map_err(Aside::hold)?;
            envelope::read_flattened_row(&added, row)
        } else {
            let envelope: TableEnvelope<'r> = self.envelope.read(body).map_err(Aside::hold)?;
            envelope::read_row(&envelope, row)
        })
    }

    /// Station 4: the typed change, from the images.
    pub fn event<E: Events>(&self, op: RowOp, body: &[u8]) -> Result<E, Aside> {
        let Semantic::Row(read) = self.images.read(body).map_err(Aside::hold)? else {
            return Err(Aside::hold("the record is no row"));
        };
        let image = |name| match read.get(name) {
            Some(Semantic::Row(image)) => Some(image),
            Some(_) | None => None,
        };
        let images = match (self.flattened, op) {
            (false, _) => Images { op, before: image("before"), after: image("after") },
            (true, RowOp::Delete) => Images { op, before: Some(&read), after: None },
            (true, _) => Images { op, before: None, after: Some(&read) },
        };
        E::read_row(self.which, images).map_err(Aside::hold)
    }
}

/// Reads the keys of records that an Avro converter wrote.
#[derive(Debug)]
pub struct KeyReader(RowReader);

impl KeyReader {
    /// The reader of one writer's keys.
    pub fn of(id: SchemaId, writer: &WriterSchema) -> Result<Self, Aside> {
        RowReader::of(writer).map(Self).map_err(|error| unusable(id, &error))
    }
}

/// The schema that a record's key was written with, if an Avro converter wrote it.
pub fn key_schema(record: &Record) -> Option<SchemaId> {
    framing::read(record.key.as_deref()?).ok().map(|framed| framed.schema)
}

/// A record's key as text: its columns, in the order of the schema. Empty for a table without one.
pub fn key<'r>(
    record: &'r Record,
    readers: &HashMap<SchemaId, KeyReader>,
) -> Result<Cow<'r, str>, Aside> {
    let Some(key) = record.key.as_deref() else {
        return Ok(Cow::Borrowed(""));
    };
    let reader = |id: &SchemaId| readers.get(id);
    let framed = framing::read(key).ok();
    let Some((framed, reader)) = framed.and_then(|f| Some((f, reader(&f.schema)?))) else {
        let text = std::str::from_utf8(key);
        return text.map(Cow::Borrowed).map_err(|_| Aside::hold("the row's key is not text"));
    };
    let read = reader.0.read(framed.body).map_err(Aside::hold)?;
    Ok(Cow::Owned(text_of(&read)?))
}

fn text_of(key: &Semantic<'_>) -> Result<String, Aside> {
    if let Semantic::Row(row) = key {
        let columns = row.columns.iter().map(|(_, column)| text_of(column));
        return Ok(columns.collect::<Result<Vec<_>, _>>()?.join("/"));
    }
    match serde_json::to_value(key) {
        Ok(serde_json::Value::String(text)) => Ok(text),
        Ok(value) => Ok(value.to_string()),
        Err(_) => Err(Aside::hold("the row's key has no text")),
    }
}

fn unusable(id: SchemaId, error: &semantic::SchemaError) -> Aside {
    Fault::UnusableSchema { id: id.0, detail: error.to_string() }.into()
}
