//! The conservation ledger of a running model, shared by its partitions, and its metrics.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use readmill_core::{Counts, Outcome, Position};

use crate::metrics::{Meter, Metrics};
use crate::open::Ended;

/// What became of every record that this process took in for one model.
#[derive(Debug, Clone)]
pub struct Tally {
    model: &'static str,
    metrics: Metrics,
    books: Arc<Mutex<Books>>,
}

/// How records ended.
#[derive(Debug, Default)]
pub struct Settled {
    /// The end of every record.
    pub ends: Vec<Outcome>,
    /// The records among them that wait, each with the number of documents that it waits in.
    pub waiting: Vec<(Position, u32)>,
    /// Events that had waited in a document, and have come to their end there.
    pub released: Vec<(Position, Outcome)>,
}

impl Settled {
    /// Adds a record that has come to its end.
    pub fn add(&mut self, position: Position, ended: Ended) {
        self.ends.push(ended.outcome);
        if ended.waits > 0 {
            self.waiting.push((position, ended.waits));
        }
    }
}

#[derive(Debug, Default)]
struct Books {
    counts: Counts,
    /// The waiting records that this process took in. Those of earlier processes are not here, so
    /// that their release is not counted as if this one had consumed them.
    waiting: BTreeMap<Position, Waits>,
    /// Whether any partition was ever assigned.
    assigned: bool,
}

/// A record that waits.
#[derive(Debug, Default)]
struct Waits {
    /// How often this process took it in: again after a partition went and came back.
    times: u64,
    /// In how many documents it still waits.
    documents: u32,
    /// The weightiest end that it has come to in others.
    end: Option<Outcome>,
}

impl Tally {
    /// An empty tally.
    pub fn new(model: &'static str, metrics: Metrics) -> Self {
        Self { model, metrics, books: Arc::default() }
    }

    /// Notes that a partition was assigned.
    pub fn assign(&self) {
        self.with(|books| books.assigned = true);
    }

    /// Whether the model has had a partition to work on.
    pub fn has_begun(&self) -> bool {
        self.with(|books| books.assigned)
    }

    /// Counts settled records.
    pub fn count(&self, settled: Settled) {
        self.with(|books| {
            let before = books.counts;
            books.count(settled);
            // Under the lock, so that no older number overwrites a newer one.
            self.report(before, books.counts);
        });
    }

    /// The counts so far.
    pub fn counts(&self) -> Counts {
        self.with(|books| books.counts)
    }

    fn report(&self, before: Counts, now: Counts) {
        let metrics = &self.metrics;
        metrics.add(Meter::Consumed, &[self.model], now.consumed - before.consumed);
        for outcome in Outcome::ALL.into_iter().filter(|outcome| *outcome != Outcome::Waiting) {
            let more = now.get(outcome) - before.get(outcome);
            metrics.add(Meter::Ended, &[self.model, outcome.name()], more);
        }
        metrics.set(Meter::Waiting, &[self.model], now.waiting.cast_signed());
    }

    fn with<T>(&self, look: impl FnOnce(&mut Books) -> T) -> T {
        look(&mut self.books.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Books {
    fn count(&mut self, settled: Settled) {
        settled.ends.into_iter().for_each(|end| self.counts.count(end));
        for (position, documents) in settled.waiting {
            let waits = self.waiting.entry(position).or_default();
            waits.times += 1;
            waits.documents = documents;
        }
        for (position, end) in settled.released {
            self.release(&position, end);
        }
    }

    /// A record has come to its end when it waits nowhere any more.
    fn release(&mut self, position: &Position, end: Outcome) {
        let Some(waits) = self.waiting.get_mut(position) else { return };
        waits.documents = waits.documents.saturating_sub(1);
        let end = waits.end.map_or(end, |other| other.max(end));
        waits.end = Some(end);
        if waits.documents == 0 {
            self.counts.release(end, waits.times);
            self.waiting.remove(position);
        }
    }
}

#[cfg(test)]
mod tests {
    use readmill_core::{Offset, Partition};

    use super::*;

    fn at(offset: i64) -> Position {
        Position { partition: Partition::new("t", 0), offset: Offset(offset) }
    }

    fn tally() -> Tally {
        Tally::new("m", Metrics::new().unwrap())
    }

    #[track_caller]
    fn check(tally: &Tally, consumed: u64, applied: u64, waiting: u64) {
        let counts = tally.counts();
        assert!(counts.add_up(), "{counts:?}");
        assert_eq!((counts.consumed, counts.applied, counts.waiting), (consumed, applied, waiting));
    }

    #[test]
    fn a_record_that_waits_in_two_documents_ends_when_it_waits_in_none() {
        let tally = tally();
        let ends = vec![Outcome::Waiting];
        tally.count(Settled { ends, waiting: vec![(at(1), 2)], ..Settled::default() });
        let released = || vec![(at(1), Outcome::Applied)];
        tally.count(Settled { released: released(), ..Settled::default() });
        check(&tally, 1, 0, 1);
        tally.count(Settled { released: released(), ..Settled::default() });
        check(&tally, 1, 1, 0);
    }

    #[test]
    fn what_an_earlier_process_let_wait_is_not_ours_to_count() {
        let tally = tally();
        let ends = vec![Outcome::Waiting, Outcome::Applied];
        let released = vec![(at(0), Outcome::Applied)];
        tally.count(Settled { ends, waiting: vec![(at(5), 1)], released });
        check(&tally, 2, 1, 1);
    }

    #[test]
    fn a_record_that_was_taken_in_twice_ends_twice() {
        let tally = tally();
        for _ in 0..2 {
            let ends = vec![Outcome::Waiting];
            tally.count(Settled { ends, waiting: vec![(at(1), 1)], ..Settled::default() });
        }
        check(&tally, 2, 0, 2);
        let released = vec![(at(1), Outcome::Applied)];
        tally.count(Settled { released, ..Settled::default() });
        check(&tally, 2, 2, 0);
    }
}
