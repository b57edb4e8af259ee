//! The eight stations by name, and the time that is spent in each.

use std::time::Instant;

use crate::metrics::{Meter, Metrics};
use crate::traces::Traced;

/// A station of the river. The numbers and names are those of ARCHITECTURE.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Station {
    /// 1: partition → records.
    Intake,
    /// 2: bytes → (schema id, body).
    Wire,
    /// 3: body → committed row.
    Envelope,
    /// 4: payload → typed event.
    Event,
    /// 5: event → documents.
    Route,
    /// 6: (document, events) → next document.
    Fold,
    /// 7: documents, then what they say.
    Write,
    /// 8: outcomes → the offset to resume at.
    Settle,
}

impl Station {
    /// All eight, in their order.
    pub const ALL: [Self; 8] = [
        Self::Intake,
        Self::Wire,
        Self::Envelope,
        Self::Event,
        Self::Route,
        Self::Fold,
        Self::Write,
        Self::Settle,
    ];

    /// The name in metrics and on the status page.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Intake => "intake",
            Self::Wire => "wire",
            Self::Envelope => "envelope",
            Self::Event => "event",
            Self::Route => "route",
            Self::Fold => "fold",
            Self::Write => "write",
            Self::Settle => "settle",
        }
    }
}

/// Of the stations that a record passes in nanoseconds, one record in so many is timed.
const SAMPLED_RECORDS: usize = 64;

/// The time from one station to the next.
#[derive(Debug)]
pub struct Lap<'m> {
    metrics: &'m Metrics,
    model: &'static str,
    since: Option<Instant>,
    /// Whether the metrics are told; else a trace alone is.
    observes: bool,
    last: Option<(Instant, Instant)>,
    traced: Option<Traced>,
}

impl<'m> Lap<'m> {
    /// Times every station from now on.
    pub fn begin(metrics: &'m Metrics, model: &'static str) -> Self {
        let since = Some(Instant::now());
        Self { metrics, model, since, observes: true, last: None, traced: None }
    }

    /// Times the stations of one record in so many.
    pub fn sampled(metrics: &'m Metrics, model: &'static str, at: usize) -> Self {
        let observes = at.is_multiple_of(SAMPLED_RECORDS);
        let since = observes.then(Instant::now);
        Self { metrics, model, since, observes, last: None, traced: None }
    }

    /// The same for a record of which spans are made, if they are: every station is timed then.
    #[must_use]
    pub fn following(mut self, traced: Option<Traced>) -> Self {
        if traced.is_some() {
            self.since.get_or_insert_with(Instant::now);
        }
        self.traced = traced;
        self
    }

    /// From when to when the last station was passed.
    pub const fn last(&self) -> Option<(Instant, Instant)> {
        self.last
    }

    /// Notes that `station` has ended with this result.
    pub fn of<T>(&mut self, station: Station, result: T) -> T {
        self.note(station);
        result
    }

    /// Notes that `station` has ended.
    pub fn note(&mut self, station: Station) {
        if let Some(since) = self.since {
            let now = Instant::now();
            let seconds = now.duration_since(since).as_secs_f64();
            if self.observes {
                self.metrics.observe(Meter::Station, &[self.model, station.name()], seconds);
            }
            if let Some(traced) = &self.traced {
                self.metrics.note_span(traced.passed(station, (since, now)));
            }
            self.last = Some((since, now));
            self.since = Some(now);
        }
    }
}
