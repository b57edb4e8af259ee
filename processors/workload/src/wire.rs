//! The bytes of a record as Debezium's PostgreSQL connector and an Avro converter write them.

use readmill_core::SourcePosition;
use readmill_schemas::row::RowOp;
use readmill_schemas::{SchemaId, Timestamp, encode, framing};
use serde_json::Value;
use thiserror::Error;

use crate::elders;
use crate::row::{SourceEvent, SourceRow, Table};
use crate::table_rows::{Change, Layout};

/// The shape of Debezium's envelope; `TOPIC` stands for the topic.
const ENVELOPE: &str = include_str!("envelope.avsc");
/// Between the commit and the connector, in the simulated time.
const RELAY_DELAY_MS: i64 = 15;

/// A schema that the relay or a service writes with, to be registered before anything is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenSchema {
    /// The registry's subject for it.
    pub subject: String,
    /// The record's full name, by which ids are asked for.
    pub name: String,
    /// The schema's text.
    pub text: String,
}

/// A schema that nobody knows the id of.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("no id is known for the schema {name} (register what `written_schemas` lists)")]
pub struct MissingSchema {
    /// The record's full name.
    pub name: String,
}

/// Everything that is written with: per topic the key and the envelope under Kafka's usual
/// subjects, and the events' contracts under their record names, since all tables share them. So
/// are the keys and envelopes of ordinary tables, which share topics. An older version that is
/// still written comes before the latest one of its subject.
pub fn written_schemas() -> Vec<WrittenSchema> {
    let mut all = Vec::new();
    for &table in Table::ALL {
        if table.is_outbox() {
            let topic = table.topic();
            let envelope = ENVELOPE.replace("TOPIC", topic);
            let [key, value] = [format!("{topic}-key"), format!("{topic}-value")];
            all.push(written(key, format!("{topic}.Key"), outbox_key(topic)));
            all.push(written(value, format!("{topic}.Envelope"), envelope));
        }
        for layout in table.layouts() {
            let name = layout.record_name();
            let [key, value] = [format!("{name}.Key"), format!("{name}.Envelope")];
            all.push(written(key.clone(), key, layout.key_schema()));
            if let Some(elder) = layout.elder() {
                all.push(written(value.clone(), elder_name(&value), table_envelope(&elder)));
            }
            all.push(written(value.clone(), value, table_envelope(layout)));
        }
    }
    for elder in elders::ALL {
        let [subject, name] = [elder.subject, elder.name].map(str::to_owned);
        all.push(written(subject, name, elder.text.to_owned()));
    }
    for contract in SourceEvent::contracts() {
        let name = contract.name.to_owned();
        all.push(written(name.clone(), name, contract.text.to_owned()));
    }
    all
}

fn outbox_key(topic: &str) -> String {
    format!(
        concat!(
            r#"{{"type":"record","name":"Key","namespace":"{topic}","fields":["#,
            r#"{{"name":"aggregate_id","type":"string"}}],"connect.name":"{topic}.Key"}}"#
        ),
        topic = topic
    )
}

/// The envelope of an outbox table, with the images of another one in it.
fn table_envelope(layout: &Layout) -> String {
    let mut envelope: Value = serde_json::from_str(ENVELOPE).unwrap_or_default();
    if let Some(image) = envelope.pointer_mut("/fields/0/type/1") {
        *image = layout.image_schema();
    }
    envelope.to_string().replace("TOPIC", &layout.record_name())
}

/// By which name the id of an older envelope is asked for.
fn elder_name(envelope: &str) -> String {
    format!("{envelope}.v1")
}

const fn written(subject: String, name: String, text: String) -> WrittenSchema {
    WrittenSchema { subject, name, text }
}

fn ask(ids: &dyn Fn(&str) -> Option<SchemaId>, name: &str) -> Result<SchemaId, MissingSchema> {
    ids(name).ok_or_else(|| MissingSchema { name: name.to_owned() })
}

/// Writes the payloads of outbox rows: framed Avro.
#[derive(Debug, Clone)]
pub struct Payloads(Vec<(&'static str, SchemaId)>);

impl Payloads {
    /// Looks every contract up once.
    ///
    /// # Errors
    /// A contract without an id.
    pub fn new(ids: &dyn Fn(&str) -> Option<SchemaId>) -> Result<Self, MissingSchema> {
        let latest = SourceEvent::contracts().map(|contract| contract.name);
        let names = latest.chain(elders::ALL.iter().map(|elder| elder.name));
        names.map(|name| Ok((name, ask(ids, name)?))).collect::<Result<_, _>>().map(Self)
    }

    /// The payload of a row; a poisoned one breaks off after its first byte.
    pub fn payload(&self, row: &SourceRow) -> Vec<u8> {
        let elder = elders::of(&row.event);
        let name = elder.map_or_else(|| row.event.contract().name, |elder| elder.name);
        let id = self.0.iter().find(|(known, _)| *known == name).map(|(_, id)| *id);
        let mut out = Vec::with_capacity(192);
        framing::write(id.unwrap_or(SchemaId(0)), |out| row.event.write(out), &mut out);
        let more = elder.map_or(0, |elder| elder.more_bytes);
        out.truncate(out.len().saturating_sub(more));
        if row.poisoned {
            out.truncate(6);
        }
        out
    }
}

/// The ids of what the relay writes.
#[derive(Debug)]
pub struct Wire {
    payloads: Payloads,
    ids: Vec<Ids>,
}

/// The ids of the records of a table.
#[derive(Debug)]
struct Ids {
    origin: Origin,
    key: SchemaId,
    envelope: SchemaId,
    /// Of the envelope before columns were added.
    elder: Option<SchemaId>,
}

/// An outbox table, or which of the ordinary tables that share a topic.
type Origin = (Table, Option<&'static str>);

impl Wire {
    /// Looks every schema up once.
    pub fn new(ids: &dyn Fn(&str) -> Option<SchemaId>) -> Result<Self, MissingSchema> {
        let mut known = Vec::new();
        let mut look_up = |origin: Origin, name: &str, has_elder: bool| {
            let [key, envelope] = [format!("{name}.Key"), format!("{name}.Envelope")];
            let elder = has_elder.then(|| ask(ids, &elder_name(&envelope))).transpose()?;
            let [key, envelope] = [ask(ids, &key)?, ask(ids, &envelope)?];
            known.push(Ids { origin, key, envelope, elder });
            Ok(())
        };
        for &table in Table::ALL {
            if table.is_outbox() {
                look_up((table, None), table.topic(), false)?;
            }
            for layout in table.layouts() {
                let has_elder = layout.elder().is_some();
                look_up((table, Some(layout.table)), &layout.record_name(), has_elder)?;
            }
        }
        Ok(Self { payloads: Payloads::new(ids)?, ids: known })
    }

    /// A row's key and value.
    pub fn record(&self, row: &SourceRow) -> (Vec<u8>, Vec<u8>) {
        let table = row.event.contract().table;
        let known = self.ids.iter().find(|known| known.origin == (row.table, table));
        let layout = row.table.layouts().iter().find(|layout| Some(layout.table) == table);
        let change = row.event.change().zip(layout.copied());
        // What was added says nothing: the row is written as before.
        let elder = change.as_ref().and_then(|(change, layout)| change.before_columns_of(layout));
        let change = change.map(|(change, layout)| (change, elder.unwrap_or(layout)));
        let (key_id, value_id) = known.map_or((SchemaId(0), SchemaId(0)), |known| {
            let older = known.elder.filter(|_| elder.is_some());
            (known.key, older.unwrap_or(known.envelope))
        });
        let (mut key, mut value) = (Vec::with_capacity(24), Vec::with_capacity(512));
        let write_key = |out: &mut Vec<u8>| match &change {
            None => encode::text(&row.aggregate_id, out),
            Some((change, _)) => change.write_key(out),
        };
        framing::write(key_id, write_key, &mut key);
        framing::write(value_id, |out| self.envelope(row, change.as_ref(), out), &mut value);
        (key, value)
    }

    fn envelope(&self, row: &SourceRow, change: Option<&(Change, Layout)>, out: &mut Vec<u8>) {
        let relayed_ms = row.committed_ms + RELAY_DELAY_MS;
        let op = match change {
            None => {
                encode::long(0, out);
                encode::long(1, out);
                self.after(row, out);
                RowOp::Create
            }
            Some((change, layout)) => {
                change.write_images(layout.columns, out);
                change.op
            }
        };
        source(row, op, out);
        encode::long(0, out);
        encode::text(op.letter(), out);
        for unit in [1, 1_000, 1_000_000] {
            optional_long(relayed_ms.saturating_mul(unit), out);
        }
    }

    fn after(&self, row: &SourceRow, out: &mut Vec<u8>) {
        encode::text(&row.event_id, out);
        encode::text(row.table.aggregate_type(), out);
        encode::text(&row.aggregate_id, out);
        match row.version {
            None => encode::long(0, out),
            Some(version) => optional_long(version, out),
        }
        encode::text(row.event_type(), out);
        encode::bytes(&self.payloads.payload(row), out);
        encode::text(&Timestamp::from_millis(row.committed_ms).to_string(), out);
    }
}

/// The source block, in the order of the schema's fields.
fn source(row: &SourceRow, op: RowOp, out: &mut Vec<u8>) {
    encode::text("3.7.0.Final", out);
    encode::text("postgresql", out);
    encode::text("shop", out);
    encode::long(row.committed_ms, out);
    encode::long(0, out);
    encode::text(if op == RowOp::Read { "true" } else { "false" }, out);
    encode::text("shop", out);
    encode::long(1, out);
    encode::text(&sequence(row.position()), out);
    optional_long(row.committed_ms.saturating_mul(1_000), out);
    optional_long(row.committed_ms.saturating_mul(1_000_000), out);
    encode::text("public", out);
    encode::text(row.event.contract().table.unwrap_or_else(|| row.table.name()), out);
    optional_long(i64::try_from(row.tx).unwrap_or(i64::MAX), out);
    optional_long(row.lsn, out);
    // Neither xmin nor an origin, as long as nobody configures them.
    out.extend_from_slice(&[0, 0, 0]);
}

fn optional_long(value: i64, out: &mut Vec<u8>) {
    encode::long(1, out);
    encode::long(value, out);
}

/// Debezium's `sequence`: the last commit's LSN and the row's, as JSON text.
fn sequence(position: SourcePosition) -> String {
    match position {
        SourcePosition::Postgres { commit: Some(commit), lsn } => {
            format!("[\"{commit}\",\"{lsn}\"]")
        }
        SourcePosition::Postgres { commit: None, lsn } => format!("[null,\"{lsn}\"]"),
        SourcePosition::Binlog { .. } => String::new(),
    }
}
