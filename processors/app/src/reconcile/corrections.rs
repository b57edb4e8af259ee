//! Corrections of a replica: records on its topic that say what the origin's tables say.

use anyhow::Result;
use async_trait::async_trait;
use readmill_connectors::kafka::{Producer, producer::Outgoing};
use readmill_connectors::registry::SubjectStrategy;
use readmill_core::{Key, SourcePosition};
use readmill_engine::reconcile::{Corrections, Wrong};
use readmill_engine::{Clock as _, Fault};
use readmill_schemas::row::{CorrectionPlace, Layout, RowOp};
use readmill_schemas::{SchemaId, framing};
use serde_json::{Map, Value};

use crate::config::{Config, Model, Source};
use crate::exit::{Exit, Failure};
use crate::ports::SystemClock;
use crate::services::Services;

/// A table with the schemas of its corrections.
#[derive(Debug)]
struct Written {
    layout: Layout,
    key: SchemaId,
    value: SchemaId,
}

/// Sends them.
#[derive(Debug)]
pub struct Corrector {
    topic: String,
    producer: Producer,
    tables: Vec<Written>,
}

impl Corrector {
    /// Registers the schemas of the corrections of some tables.
    ///
    /// # Errors
    /// When there is no one topic for them, or what the registry or the brokers refuse.
    pub async fn open(
        config: &Config,
        model: &Model,
        services: &Services,
        layouts: Vec<Layout>,
    ) -> Result<Self> {
        let refused = |told: &str, hint: &str| Failure::new(Exit::Usage, told, hint);
        let Source::Kafka { kafka, registry } = &config.source else {
            let hint = "repair where the model reads topics, or rebuild it";
            return Err(refused("an archive takes no corrections", hint).into());
        };
        let [topic] = model.topics.as_slice() else {
            let hint = "correct it by a snapshot of these rows (docs/reconcile.md)";
            return Err(refused("the tables come in several topics", hint).into());
        };
        if let Some(layout) = layouts.iter().find(|layout| !layout.is_correctable()) {
            let told = format!("rows of {} cannot be written here", layout.table);
            let hint = "correct them by a snapshot of these rows (docs/reconcile.md)";
            return Err(Failure::new(Exit::Usage, told, hint).into());
        }
        let registry = services.registry(registry).await?;
        let mut tables = Vec::new();
        for layout in layouts {
            let name = layout.correction_name();
            let subject = |kind: &str| {
                SubjectStrategy::TopicRecordName.subject(topic, &format!("{name}.{kind}"))
            };
            let key = registry.register(&subject("Key"), &layout.correction_key_schema()).await?;
            let value = registry.register(&subject("Value"), &layout.correction_schema()).await?;
            tables.push(Written { layout, key, value });
        }
        Ok(Self { topic: topic.clone(), producer: services.producer(kafka).await?, tables })
    }

    fn table(&self, key: &Key) -> Option<&Written> {
        self.tables.iter().find(|table| key.as_str().starts_with(&table.layout.prefix()))
    }

    fn record(&self, wrong: &Wrong) -> Option<Outgoing> {
        let Written { layout, key: key_id, value: value_id } = self.table(&wrong.key)?;
        let SourcePosition::Postgres { lsn: stood, .. } = wrong.stood else { return None };
        let at_ms = SystemClock.now_ms();
        let (row, op, place) = match &wrong.fields {
            Some(fields) => {
                // As a snapshot reads it: it gives way to every change that is not in it.
                let place = CorrectionPlace { commit: stood, lsn: stood, at_ms };
                (fields.get(&layout.field)?.clone(), RowOp::Read, place)
            }
            None => {
                // Right behind the last change that the document knows, and before all others.
                let (commit, lsn) = match wrong.last {
                    Some(SourcePosition::Postgres { commit, lsn }) => (commit.unwrap_or(0), lsn),
                    Some(SourcePosition::Binlog { .. }) => return None,
                    None => (0, stood),
                };
                (
                    key_alone(layout, &wrong.key)?,
                    RowOp::Delete,
                    CorrectionPlace { commit, lsn, at_ms },
                )
            }
        };
        let (mut key, mut value) = (Vec::new(), Vec::new());
        let (mut has_key, mut has_value) = (None, None);
        framing::write(*key_id, |out| has_key = layout.write_correction_key(&row, out), &mut key);
        let write = |out: &mut Vec<u8>| has_value = layout.write_correction(&row, op, place, out);
        framing::write(*value_id, write, &mut value);
        has_key.zip(has_value)?;
        let topic = self.topic.clone();
        let (key, value) = (Some(key), Some(value));
        Some(Outgoing { topic, partition: None, key, value, headers: Vec::new() })
    }
}

/// The columns of a document's key; none if no row can have it.
fn key_alone(layout: &Layout, key: &Key) -> Option<Value> {
    let literals = layout.literals(key.as_str())?;
    let columns = layout.key.iter().zip(literals).map(|(at, text)| {
        let column = layout.columns.get(*at)?;
        Some((column.name.clone(), column.kind.json(&text)?))
    });
    columns.collect::<Option<Map<_, _>>>().map(Value::Object)
}

#[async_trait]
impl Corrections for Corrector {
    fn can(&self, key: &Key) -> bool {
        self.table(key).is_some_and(|table| key_alone(&table.layout, key).is_some())
    }

    async fn send(&mut self, wrong: &[Wrong]) -> Result<(), Fault> {
        let records = wrong.iter().filter_map(|wrong| self.record(wrong)).collect();
        self.producer.send(records).await
    }
}
