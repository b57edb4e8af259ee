//! The conservation ledger of a running model, shared by its partitions, and its metrics.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use readmill_core::{Counts, Outcome, Partition, Position};

use crate::metrics::{Meter, Metrics, PartitionLabels};
use crate::open::Ended;

/// So many releases are remembered of records that are not known to wait.
const EARLY_RELEASES: usize = 16_384;

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
    /// The records among them that wait, each with the number of documents that it waits in, and
    /// with the time when its source committed it.
    pub waiting: Vec<(Position, u32, i64)>,
    /// Events that had waited in a document, and have come to their end there.
    pub released: Vec<(Position, Outcome)>,
}

impl Settled {
    /// Adds a record that has come to its end.
    pub fn add(&mut self, position: Position, ended: Ended, committed_ms: i64) {
        self.ends.push(ended.outcome);
        if ended.waits > 0 {
            self.waiting.push((position, ended.waits, committed_ms));
        }
    }
}

#[derive(Debug, Default)]
struct Books {
    /// The counts of each partition that this process had.
    counts: BTreeMap<Partition, Counts>,
    /// The waiting records that this process took in. Those of earlier processes are not here, so
    /// that their release is not counted as if this one had consumed them.
    waiting: BTreeMap<Position, Waits>,
    /// The same, by the time when their sources committed them.
    since: BTreeSet<(i64, Position)>,
    /// The latest releases of records that are not known to wait: another partition may release
    /// one before its own has counted it. Those of earlier processes are among them.
    early: BTreeMap<Position, Vec<Outcome>>,
    /// The same, the earliest first.
    early_order: VecDeque<Position>,
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
    committed_ms: i64,
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

    /// Counts records of `partition` that have come to their end, and those that they released,
    /// whatever their partition.
    pub fn count(&self, partition: &Partition, settled: Settled) {
        self.with(|books| {
            let mut touched = BTreeMap::new();
            let mut touch = |books: &Books, partition: &Partition| {
                let before = books.counts.get(partition).copied().unwrap_or_default();
                touched.entry(partition.clone()).or_insert(before);
            };
            touch(books, partition);
            settled.released.iter().for_each(|(position, _)| touch(books, &position.partition));
            books.count(partition, settled);
            // Under the lock, so that no older number overwrites a newer one.
            for (partition, before) in touched {
                let now = books.counts.get(&partition).copied().unwrap_or_default();
                self.report(&partition, before, now);
            }
            let oldest_ms = books.since.first().map_or(0, |(committed_ms, _)| *committed_ms);
            self.metrics.set(Meter::WaitingSince, &[self.model], oldest_ms / 1000);
        });
    }

    /// The counts so far, of all partitions.
    pub fn counts(&self) -> Counts {
        self.with(|books| {
            let mut all = Counts::default();
            books.counts.values().for_each(|counts| all.add(*counts));
            all
        })
    }

    fn report(&self, partition: &Partition, before: Counts, now: Counts) {
        let metrics = &self.metrics;
        let place = PartitionLabels::of(self.model, partition);
        let labels = place.as_array();
        metrics.add(Meter::Consumed, &labels, now.consumed - before.consumed);
        for outcome in Outcome::ALL.into_iter().filter(|outcome| *outcome != Outcome::Waiting) {
            let more = now.get(outcome) - before.get(outcome);
            let [model, topic, index] = labels;
            metrics.add(Meter::Ended, &[model, topic, index, outcome.name()], more);
        }
        metrics.set(Meter::Waiting, &labels, now.waiting.cast_signed());
    }

    fn with<T>(&self, look: impl FnOnce(&mut Books) -> T) -> T {
        look(&mut self.books.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Books {
    fn count(&mut self, partition: &Partition, settled: Settled) {
        if !settled.ends.is_empty() {
            let counts = self.counts.entry(partition.clone()).or_default();
            settled.ends.into_iter().for_each(|end| counts.count(end));
        }
        for (position, documents, committed_ms) in settled.waiting {
            self.since.insert((committed_ms, position.clone()));
            let waits = self.waiting.entry(position.clone()).or_default();
            waits.times += 1;
            waits.documents = documents;
            waits.committed_ms = committed_ms;
            for end in self.early.remove(&position).unwrap_or_default() {
                self.release(&position, end);
            }
        }
        for (position, end) in settled.released {
            self.release(&position, end);
        }
    }

    fn remember_early(&mut self, position: &Position, end: Outcome) {
        self.early.entry(position.clone()).or_default().push(end);
        self.early_order.push_back(position.clone());
        if self.early_order.len() > EARLY_RELEASES
            && let Some(oldest) = self.early_order.pop_front()
        {
            self.early.remove(&oldest);
        }
    }

    /// A record has come to its end when it waits nowhere any more.
    fn release(&mut self, position: &Position, end: Outcome) {
        let Some(waits) = self.waiting.get_mut(position) else {
            return self.remember_early(position, end);
        };
        waits.documents = waits.documents.saturating_sub(1);
        let end = waits.end.map_or(end, |other| other.max(end));
        waits.end = Some(end);
        if waits.documents == 0 {
            let counts = self.counts.entry(position.partition.clone()).or_default();
            counts.release(end, waits.times);
            self.since.remove(&(waits.committed_ms, position.clone()));
            self.waiting.remove(position);
        }
    }
}

#[cfg(test)]
mod tests {
    use readmill_core::Offset;

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
        tally.count(
            &at(0).partition,
            Settled { ends, waiting: vec![(at(1), 2, 5)], ..Settled::default() },
        );
        let released = || vec![(at(1), Outcome::Applied)];
        tally.count(&at(0).partition, Settled { released: released(), ..Settled::default() });
        check(&tally, 1, 0, 1);
        tally.count(&at(0).partition, Settled { released: released(), ..Settled::default() });
        check(&tally, 1, 1, 0);
    }

    #[test]
    fn what_an_earlier_process_let_wait_is_not_ours_to_count() {
        let tally = tally();
        let ends = vec![Outcome::Waiting, Outcome::Applied];
        let released = vec![(at(0), Outcome::Applied)];
        tally.count(&at(0).partition, Settled { ends, waiting: vec![(at(5), 1, 5)], released });
        check(&tally, 2, 1, 1);
    }

    #[test]
    fn a_record_may_be_released_by_another_partition_before_it_is_counted_as_waiting() {
        let tally = tally();
        let other = Partition::new("t", 1);
        let released = vec![(at(1), Outcome::Applied)];
        tally.count(&other, Settled { released, ..Settled::default() });
        check(&tally, 0, 0, 0);
        let ends = vec![Outcome::Waiting];
        let waiting = vec![(at(1), 1, 5)];
        tally.count(&at(0).partition, Settled { ends, waiting, ..Settled::default() });
        check(&tally, 1, 1, 0);
    }

    #[test]
    fn releases_that_nobody_waits_for_are_forgotten_in_the_end() {
        let tally = tally();
        let many = i64::try_from(EARLY_RELEASES).unwrap() + 9;
        let released = (0..many).map(|offset| (at(offset), Outcome::Applied)).collect();
        tally.count(&at(0).partition, Settled { released, ..Settled::default() });
        tally.with(|books| {
            assert_eq!(
                (books.early.len(), books.early_order.len()),
                (EARLY_RELEASES, EARLY_RELEASES)
            );
        });
    }

    #[test]
    fn a_record_that_was_taken_in_twice_ends_twice() {
        let tally = tally();
        for _ in 0..2 {
            let ends = vec![Outcome::Waiting];
            tally.count(
                &at(0).partition,
                Settled { ends, waiting: vec![(at(1), 1, 5)], ..Settled::default() },
            );
        }
        check(&tally, 2, 0, 2);
        let released = vec![(at(1), Outcome::Applied)];
        tally.count(&at(0).partition, Settled { released, ..Settled::default() });
        check(&tally, 2, 2, 0);
    }
}
