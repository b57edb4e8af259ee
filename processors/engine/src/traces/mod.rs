//! Traces: spans of single records along the stations, for whoever collects them. They never hold a
//! river up: what the queue has no room for is dropped, and counted.

mod context;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use readmill_core::{Offset, Outcome, Record};
use tokio::sync::mpsc;

pub use context::{Context, Sampling};

use crate::metrics::Metrics;
use crate::station::Station;

/// The span of a record as a whole.
const RECORD: &str = "record";

/// A span that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The trace.
    pub trace: u128,
    /// Its id.
    pub id: u64,
    /// What it is below of.
    pub parent: Option<u64>,
    /// What was done: `record`, or a station's name.
    pub name: &'static str,
    /// Since when, in nanoseconds since 1970.
    pub began_ns: u64,
    /// Until when.
    pub ended_ns: u64,
    /// For which model.
    pub model: &'static str,
    /// The record's topic.
    pub topic: Arc<str>,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// What became of it, in the span of the whole.
    pub outcome: Option<&'static str>,
}

/// Makes spans; cheap to clone. By default it makes none.
#[derive(Debug, Clone, Default)]
pub struct Tracer(Option<Arc<Making>>);

#[derive(Debug)]
struct Making {
    sampling: Sampling,
    queue: mpsc::Sender<Span>,
    /// The same moment by both clocks.
    anchor: (Instant, SystemTime),
}

/// A record of which spans are made.
#[derive(Debug, Clone)]
pub struct Traced {
    making: Arc<Making>,
    context: Context,
    /// The span of the whole; its times come last.
    whole: Span,
}

/// The records of a partition that are in hand and of which spans are made.
#[derive(Debug, Default)]
pub struct InHand(BTreeMap<Offset, (Traced, Instant)>);

impl InHand {
    /// Records have come through station 1.
    pub fn take_in(
        &mut self,
        (metrics, model): (&Metrics, &'static str),
        records: &[Arc<Record>],
        intake: Option<(Instant, Instant)>,
    ) {
        let Some(intake) = intake.filter(|_| metrics.tracer().is_on()) else { return };
        for record in records {
            if let Some(traced) = metrics.tracer().of(model, record) {
                metrics.note_span(traced.passed(Station::Intake, intake));
                self.0.insert(record.position.offset, (traced, intake.0));
            }
        }
    }

    /// One of them, if spans are made of it.
    pub fn of(&self, offset: Offset) -> Option<Traced> {
        self.0.get(&offset).map(|(traced, _)| traced.clone())
    }

    /// One of them has come to its end; it is settled since then.
    pub fn end(&mut self, metrics: &Metrics, offset: Offset, outcome: Outcome, since: Instant) {
        if let Some((traced, began)) = self.0.remove(&offset) {
            let now = Instant::now();
            metrics.note_span(traced.passed(Station::Settle, (since, now)));
            metrics.note_span(traced.ended((began, now), outcome.name()));
        }
    }

    /// None of them is in hand any more.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// What became of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It is queued.
    Queued,
    /// There was no room for it.
    Dropped,
}

impl Tracer {
    /// One that queues spans for a collector.
    pub fn new(sampling: Sampling, queue: mpsc::Sender<Span>) -> Self {
        let anchor = (Instant::now(), SystemTime::now());
        Self(Some(Arc::new(Making { sampling, queue, anchor })))
    }

    /// Whether it makes any.
    pub const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// A record, if spans are made of it.
    pub fn of(&self, model: &'static str, record: &Record) -> Option<Traced> {
        let making = self.0.as_ref()?;
        let context = making.sampling.of(record)?;
        let position = &record.position;
        let whole = Span {
            trace: context.trace,
            id: context.record_id(position),
            parent: context.parent,
            name: RECORD,
            began_ns: 0,
            ended_ns: 0,
            model,
            topic: Arc::clone(&position.partition.topic),
            partition: position.partition.index,
            offset: position.offset.0,
            outcome: None,
        };
        Some(Traced { making: Arc::clone(making), context, whole })
    }
}

impl Traced {
    /// It was in a station from then to then.
    pub fn passed(&self, station: Station, lap: (Instant, Instant)) -> Kept {
        self.passed_for(station, "", lap)
    }

    /// The same, for the document under a key: a record may be for several.
    pub fn passed_for(
        &self,
        station: Station,
        key: &str,
        (began, ended): (Instant, Instant),
    ) -> Kept {
        self.queue(Span {
            id: self.context.child_id(self.whole.id, station as u8, key),
            parent: Some(self.whole.id),
            name: station.name(),
            began_ns: self.making.at(began),
            ended_ns: self.making.at(ended),
            ..self.whole.clone()
        })
    }

    /// All is done with it, and this became of it.
    pub fn ended(&self, (began, ended): (Instant, Instant), outcome: &'static str) -> Kept {
        self.queue(Span {
            began_ns: self.making.at(began),
            ended_ns: self.making.at(ended),
            outcome: Some(outcome),
            ..self.whole.clone()
        })
    }

    fn queue(&self, span: Span) -> Kept {
        self.making.queue.try_send(span).map_or(Kept::Dropped, |()| Kept::Queued)
    }
}

impl Making {
    fn at(&self, instant: Instant) -> u64 {
        let (anchor, wall) = self.anchor;
        let since_1970 = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        let at = match instant.checked_duration_since(anchor) {
            Some(later) => since_1970 + later,
            None => since_1970.saturating_sub(anchor.duration_since(instant)),
        };
        nanoseconds(at)
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
