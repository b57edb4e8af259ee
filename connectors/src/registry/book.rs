//! The book of schemas: good answers for ever, one question at a time for an id.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use readmill_engine::{Fault, SchemaBook};
use readmill_schemas::SchemaId;
use readmill_schemas::writer::WriterSchema;
use tokio::time::Instant;

use super::ask::Line;
use super::config::RegistryConfig;
use super::misses::{Miss, UnknownIds};

/// How many schemas are kept; the one with the lowest id gives way.
const MOST_SCHEMAS: usize = 10_000;

type Answer = Result<Arc<WriterSchema>, Miss>;
type Flight = Shared<BoxFuture<'static, Answer>>;

/// Finds writer schemas in a registry.
pub struct RegistryBook {
    line: Line,
    pages: Mutex<Pages>,
}

struct Pages {
    known: BTreeMap<SchemaId, Arc<WriterSchema>>,
    unknown: UnknownIds,
    /// Questions under way: whoever asks for the same id waits for the same answer.
    flights: BTreeMap<SchemaId, Flight>,
}

impl fmt::Debug for RegistryBook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryBook").field("known", &self.pages().known.len()).finish()
    }
}

impl RegistryBook {
    /// An empty book; nothing is asked yet.
    ///
    /// # Errors
    /// When the configuration has no address, or one that is none.
    pub fn new(config: &RegistryConfig) -> Result<Self, Fault> {
        let unknown = UnknownIds::new(Duration::from_millis(config.unknown_age_ms));
        let pages = Pages { known: BTreeMap::new(), unknown, flights: BTreeMap::new() };
        Ok(Self { line: Line::new(config)?, pages: Mutex::new(pages) })
    }

    /// Asks whether there is a registry at all, once, for a start that fails clearly.
    ///
    /// # Errors
    /// `Silent` when nobody answers, `Refused` when it wants credentials or is no registry.
    pub async fn check(&self) -> Result<(), Fault> {
        self.line.check().await
    }

    /// Registers a schema under a subject, or finds the id that it has there already.
    ///
    /// The subject follows from who shares the schema. Debezium's keys and envelopes belong to one
    /// topic: `<topic>-key` and `<topic>-value`. The events in payloads are shared by tables:
    /// their record's full name. Reactions of several contracts share one topic:
    /// `<topic>-<record's full name>`, so that each evolves on its own.
    ///
    /// # Errors
    /// `Silent` when nobody answers, `Refused` when the registry does not take the schema.
    pub async fn register(&self, subject: &str, text: &str) -> Result<SchemaId, Fault> {
        let registered = self.line.register(subject, text).await;
        registered.map_err(|miss| miss.of_subject().fault(SchemaId(0)))
    }

    /// The latest schema of every subject, as (subject, id, text); only those of Avro.
    ///
    /// # Errors
    /// `Silent` when nobody answers.
    pub async fn latest(&self) -> Result<Vec<(String, SchemaId, String)>, Fault> {
        self.line.latest().await
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is written already, or the question to wait for.
    fn look_up(&self, id: SchemaId) -> Result<Answer, Flight> {
        let mut pages = self.pages();
        if let Some(schema) = pages.known.get(&id) {
            return Ok(Ok(Arc::clone(schema)));
        }
        if pages.unknown.contains(id, Instant::now()) {
            return Ok(Err(Miss::Unknown));
        }
        let line = self.line.clone();
        let flight = pages
            .flights
            .entry(id)
            .or_insert_with(|| async move { line.schema(id).await.map(Arc::new) }.boxed().shared());
        Err(flight.clone())
    }

    /// Writes an answer down, if it is one to be kept; the first waiter does it.
    fn land(&self, id: SchemaId, flight: &Flight, answer: &Answer) {
        let mut pages = self.pages();
        if !pages.flights.get(&id).is_some_and(|known| known.ptr_eq(flight)) {
            return;
        }
        pages.flights.remove(&id);
        match answer {
            Ok(schema) => {
                if pages.known.len() >= MOST_SCHEMAS {
                    pages.known.pop_first();
                }
                pages.known.insert(id, Arc::clone(schema));
            }
            Err(Miss::Unknown) => pages.unknown.insert(id, Instant::now()),
            Err(Miss::Silent(_) | Miss::Refused(..) | Miss::Unusable(_)) => {}
        }
    }
}

#[async_trait]
impl SchemaBook for RegistryBook {
    async fn schema(&self, id: SchemaId) -> Result<Arc<WriterSchema>, Fault> {
        let answer = match self.look_up(id) {
            Ok(answer) => answer,
            Err(flight) => {
                let answer = flight.clone().await;
                self.land(id, &flight, &answer);
                answer
            }
        };
        answer.map_err(|miss| miss.fault(id))
    }
}
