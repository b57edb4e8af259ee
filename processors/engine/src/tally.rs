//! The conservation ledger of a running model, shared by its partitions, and its metrics.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use readmill_core::{Counts, Offset, Outcome, Partition, Position};

use crate::metrics::{Meter, Metrics};

/// What became of every record that this process took in for one model.
#[derive(Debug, Clone)]
pub struct Tally {
    model: &'static str,
    metrics: Metrics,
    books: Arc<Mutex<Books>>,
}

#[derive(Debug, Default)]
struct Books {
    counts: Counts,
    /// Where this process began to read each partition: a record that waited since an earlier
    /// process was not consumed by this one.
    began: BTreeMap<Partition, Offset>,
    /// Whether any partition was ever assigned.
    assigned: bool,
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

    /// Notes the first record of a partition that this process reads.
    pub fn begin(&self, first: &Position) {
        self.with(|books| {
            books.began.entry(first.partition.clone()).or_insert(first.offset);
        });
    }

    /// Counts a settled batch: how its records ended, and which waiting ones it released.
    pub fn count(&self, ends: &[Outcome], released: &[(Position, Outcome)]) {
        let mut batch = Counts::default();
        for &end in ends {
            batch.count(end);
        }
        let (now, ours) = self.with(|books| {
            books.counts.add(batch);
            let ours = books.release(released);
            (books.counts, ours)
        });
        self.report(batch, &ours, now);
    }

    /// The counts so far.
    pub fn counts(&self) -> Counts {
        self.with(|books| books.counts)
    }

    fn report(&self, batch: Counts, ours: &[Outcome], now: Counts) {
        let metrics = &self.metrics;
        metrics.add(Meter::Consumed, &[self.model], batch.consumed);
        for outcome in Outcome::ALL.into_iter().filter(|outcome| *outcome != Outcome::Waiting) {
            let n = batch.get(outcome) + ours.iter().filter(|&&end| end == outcome).count() as u64;
            metrics.add(Meter::Ended, &[self.model, outcome.name()], n);
        }
        metrics.set(Meter::Waiting, &[self.model], now.waiting.cast_signed());
    }

    fn with<T>(&self, look: impl FnOnce(&mut Books) -> T) -> T {
        look(&mut self.books.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Books {
    /// Moves released records from waiting to their end; answers for those that this process took.
    fn release(&mut self, released: &[(Position, Outcome)]) -> Vec<Outcome> {
        let ours: Vec<Outcome> = released
            .iter()
            .filter(|(from, _)| {
                self.began.get(&from.partition).is_some_and(|first| *first <= from.offset)
            })
            .map(|&(_, outcome)| outcome)
            .collect();
        ours.iter().for_each(|&outcome| self.counts.release(outcome));
        ours
    }
}
