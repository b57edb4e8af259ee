//! The eight stations by name, and the time that is spent in each.

use std::time::Instant;

use crate::metrics::{Meter, Metrics};

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
}

impl<'m> Lap<'m> {
    /// Times every station from now on.
    pub fn begin(metrics: &'m Metrics, model: &'static str) -> Self {
        Self { metrics, model, since: Some(Instant::now()) }
    }

    /// Times the stations of one record in so many.
    pub fn sampled(metrics: &'m Metrics, model: &'static str, at: usize) -> Self {
        let since = at.is_multiple_of(SAMPLED_RECORDS).then(Instant::now);
        Self { metrics, model, since }
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
            self.metrics.observe(Meter::Station, &[self.model, station.name()], seconds);
            self.since = Some(now);
        }
    }
}
