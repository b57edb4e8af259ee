//! The book of schemas: good answers for ever, one question at a time for an id.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use futures::stream::{self, StreamExt};
use readmill_engine::{Fault, Meter, Metrics, SchemaBook};
use readmill_schemas::SchemaId;
use readmill_schemas::writer::WriterSchema;
use tokio::time::{Instant, timeout};

use super::ask::{Line, PARALLEL_QUESTIONS};
use super::config::RegistryConfig;
use super::misses::{Miss, UnknownIds};

/// How many schemas are kept; the one with the lowest id gives way.
const MOST_SCHEMAS: usize = 10_000;

/// How many subjects a warm-up asks about; the schemas of others wait for their first records.
const MOST_WARMED_SUBJECTS: usize = 500;

type Answer = Result<Arc<WriterSchema>, Miss>;
type Flight = Shared<BoxFuture<'static, Answer>>;

/// Finds writer schemas in a registry.
pub struct RegistryBook {
    line: Line,
    warm_up_limit: Duration,
    pages: Mutex<Pages>,
    /// Where it is counted what became of questions, if anybody looks.
    metrics: Option<Metrics>,
}

struct Pages {
    known: BTreeMap<SchemaId, Arc<WriterSchema>>,
    unknown: UnknownIds,
    /// Questions under way: whoever asks for the same id waits for the same answer.
    flights: BTreeMap<SchemaId, Flight>,
}

/// What a warm-up has achieved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Warmth {
    /// How many subjects there might be.
    pub subjects: usize,
    /// The latest schemas of so many are at hand.
    pub ready: usize,
    /// Why another is not, if it was not the registry's word that there is none.
    pub first_failure: Option<String>,
    /// How long it took.
    pub took: Duration,
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
        let warm_up_limit = Duration::from_millis(config.warm_up_limit_ms);
        let (line, pages) = (Line::new(config)?, Mutex::new(pages));
        Ok(Self { line, warm_up_limit, pages, metrics: None })
    }

    /// The same book, which counts what becomes of questions.
    #[must_use]
    pub fn measured(self, metrics: Metrics) -> Self {
        Self { metrics: Some(metrics), ..self }
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
    /// their record's full name. Reactions of several contracts share one topic, so by default
    /// each evolves on its own: `<topic>-<record's full name>`.
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
        self.line.latest().await.map_err(|miss| miss.of_subject().fault(SchemaId(0)))
    }

    /// Fetches the latest schemas of subjects, so that the first records need not wait for them.
    ///
    /// Nothing depends on it: whatever fails, or takes too long, is asked for by the first record
    /// that needs it, which has more patience. So only good answers are written down.
    pub async fn warm_up(&self, subjects: &BTreeSet<String>) -> Warmth {
        let since = Instant::now();
        let mut warmth = Warmth { subjects: subjects.len(), ..Warmth::default() };
        let subjects = subjects.iter().take(MOST_WARMED_SUBJECTS).cloned();
        let mut answers = stream::iter(subjects)
            .map(|subject| self.fetch(subject))
            .buffer_unordered(PARALLEL_QUESTIONS);
        let gather = async {
            while let Some(answer) = answers.next().await {
                match answer {
                    Ok(true) => warmth.ready += 1,
                    Ok(false) => {}
                    Err(miss) => warmth.failed(miss),
                }
            }
        };
        if timeout(self.warm_up_limit, gather).await.is_err() {
            warmth.failed(Miss::Silent(format!("{} ms are over", self.warm_up_limit.as_millis())));
        }
        warmth.took = since.elapsed();
        warmth
    }

    /// Fetches the latest schema of a subject; `false` means that there is none. It is asked for
    /// again by its id, so that what is kept is what a record would have been given.
    async fn fetch(&self, subject: String) -> Result<bool, Miss> {
        let Some(latest) = self.line.latest_of(&subject).await? else { return Ok(false) };
        let id = SchemaId(latest.id);
        if !self.pages().known.contains_key(&id) {
            let asked = Instant::now();
            let schema = self.line.once(id).await;
            self.count(word(schema.as_ref().err()), Some(asked));
            self.pages().keep(id, Arc::new(schema?));
        }
        Ok(true)
    }

    pub(super) const fn line(&self) -> &Line {
        &self.line
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, result: &str, asked: Option<Instant>) {
        let Some(metrics) = &self.metrics else { return };
        metrics.add(Meter::RegistryAnswers, &[result], 1);
        if let Some(asked) = asked {
            metrics.observe(Meter::RegistrySeconds, &[], asked.elapsed().as_secs_f64());
        }
        let kept = i64::try_from(self.pages().known.len()).unwrap_or(i64::MAX);
        metrics.set(Meter::RegistrySchemas, &[], kept);
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

    /// Writes an answer down, if it is one to be kept; the first waiter does it. Answers whether
    /// this one is.
    fn land(&self, id: SchemaId, flight: &Flight, answer: &Answer) -> bool {
        let mut pages = self.pages();
        if !pages.flights.get(&id).is_some_and(|known| known.ptr_eq(flight)) {
            return false;
        }
        pages.flights.remove(&id);
        match answer {
            Ok(schema) => pages.keep(id, Arc::clone(schema)),
            Err(Miss::Unknown) => pages.unknown.insert(id, Instant::now()),
            Err(Miss::Silent(_) | Miss::Refused(..) | Miss::Unusable(_)) => {}
        }
        true
    }
}

impl Pages {
    fn keep(&mut self, id: SchemaId, schema: Arc<WriterSchema>) {
        if self.known.len() >= MOST_SCHEMAS {
            self.known.pop_first();
        }
        self.known.insert(id, schema);
    }
}

impl Warmth {
    fn failed(&mut self, miss: Miss) {
        let first = self.first_failure.take();
        self.first_failure = first.or_else(|| Some(miss.fault(SchemaId(0)).to_string()));
    }
}

/// What became of a question, as metrics have it.
const fn word(miss: Option<&Miss>) -> &'static str {
    match miss {
        None => "found",
        Some(Miss::Silent(_)) => "silent",
        Some(Miss::Refused(..)) => "refused",
        Some(Miss::Unknown) => "unknown",
        Some(Miss::Unusable(_)) => "unusable",
    }
}

#[async_trait]
impl SchemaBook for RegistryBook {
    async fn schema(&self, id: SchemaId) -> Result<Arc<WriterSchema>, Fault> {
        let answer = match self.look_up(id) {
            Ok(answer) => {
                self.count(answer.as_ref().map_or("unknown", |_| "known"), None);
                answer
            }
            Err(flight) => {
                let asked = Instant::now();
                let answer = flight.clone().await;
                if self.land(id, &flight, &answer) {
                    self.count(word(answer.as_ref().err()), Some(asked));
                }
                answer
            }
        };
        answer.map_err(|miss| miss.fault(id))
    }
}
