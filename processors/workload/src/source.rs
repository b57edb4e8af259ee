//! The services together: an endless-looking stream of committed rows in bounded memory.

use std::collections::VecDeque;

use crate::deliveries::Deliveries;
use crate::journal::Journal;
use crate::knobs::{KnobError, Knobs};
use crate::points::Points;
use crate::rng::Rng;
use crate::row::SourceRow;
use crate::service::{self, Service};

/// Yields exactly the asked number of rows, in the order of their commits.
#[derive(Debug)]
pub struct Source {
    knobs: Knobs,
    rng: Rng,
    points: Points,
    deliveries: Deliveries,
    others: Vec<Box<dyn Service>>,
    journal: Journal,
    committed: u64,
    queue: VecDeque<SourceRow>,
}

impl Source {
    /// Services at the beginning of their time.
    ///
    /// # Errors
    /// A knob that makes no sense.
    pub fn new(knobs: Knobs) -> Result<Self, KnobError> {
        let knobs = knobs.checked()?;
        Ok(Self {
            rng: Rng::new(knobs.seed, 0),
            points: Points::new(&knobs),
            deliveries: Deliveries::new(&knobs),
            others: service::others(&knobs),
            journal: Journal::new(knobs.seed, knobs.poison_per_mille),
            committed: 0,
            queue: VecDeque::new(),
            knobs,
        })
    }

    /// Commits one transaction. Earns that are owed keep their room until the end, so that no
    /// cancel waits for ever.
    fn transact(&mut self) {
        let now_ms = self.now_ms();
        let left = self.knobs.events - self.committed;
        let owed = self.points.owed_events();
        let room = left.saturating_sub(owed);
        let due = self.points.pay(self.committed, now_ms, room == 0);
        let drafts = match due {
            Some(drafts) => drafts,
            None if self.rng.chance(self.knobs.others_per_mille) && !self.others.is_empty() => {
                let at = self.rng.index(self.others.len());
                self.others
                    .get_mut(at)
                    .map(|other| other.transact(now_ms, room))
                    .unwrap_or_default()
            }
            None if self.rng.chance(self.knobs.deliveries_per_mille) => {
                self.deliveries.transact(now_ms, room)
            }
            None => self.points.transact(self.committed, now_ms, room),
        };
        self.committed += drafts.len() as u64;
        self.journal.commit(drafts, now_ms, &mut self.queue);
    }

    fn now_ms(&self) -> i64 {
        let passed = u128::from(self.committed) * 1000 / u128::from(self.knobs.events_per_second);
        self.knobs.start_ms.saturating_add(i64::try_from(passed).unwrap_or(i64::MAX))
    }
}

impl Iterator for Source {
    type Item = SourceRow;

    fn next(&mut self) -> Option<SourceRow> {
        while self.queue.is_empty() && self.committed < self.knobs.events {
            self.transact();
        }
        self.queue.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::row::Table;

    fn rows(knobs: Knobs) -> Vec<SourceRow> {
        Source::new(knobs).unwrap().collect()
    }

    fn knobs() -> Knobs {
        Knobs { events: 20_000, members: 300, early_per_mille: 20, ..Knobs::default() }
    }

    #[test]
    fn the_seed_decides_everything() {
        assert_eq!(rows(knobs()), rows(knobs()));
        assert_ne!(rows(knobs()), rows(Knobs { seed: 2, ..knobs() }));
    }

    #[test]
    fn the_asked_number_of_rows_comes_and_no_earn_stays_owed() {
        for events in [0, 1, 2, 3, 1_000, 20_000] {
            let mut source =
                Source::new(Knobs { events, early_per_mille: 300, ..knobs() }).unwrap();
            assert_eq!(source.by_ref().count() as u64, events);
            assert_eq!(source.points.owed_events(), 0);
        }
    }

    #[test]
    fn versions_are_contiguous_from_one_and_the_legacy_service_has_none() {
        let mut versions: BTreeMap<(Table, String), i64> = BTreeMap::new();
        for row in rows(knobs()) {
            if row.table == Table::DeliveriesC {
                assert_eq!(row.version, None);
            } else {
                let last = versions.entry((row.table, row.aggregate_id)).or_default();
                *last += 1;
                assert_eq!(row.version, Some(*last));
            }
        }
    }

    #[test]
    fn a_transaction_belongs_to_one_aggregate_and_some_have_several_rows() {
        let mut transactions: BTreeMap<u64, Vec<SourceRow>> = BTreeMap::new();
        for row in rows(knobs()) {
            transactions.entry(row.tx).or_default().push(row);
        }
        for rows in transactions.values() {
            let of: BTreeSet<_> = rows.iter().map(|row| (row.table, &row.aggregate_id)).collect();
            assert_eq!(of.len(), 1);
        }
        assert!(transactions.values().filter(|rows| rows.len() > 1).count() > 1_000);
    }

    #[test]
    fn commits_advance_while_lsns_go_backwards_now_and_then() {
        let rows = rows(knobs());
        let pairs = || rows.iter().zip(rows.iter().skip(1));
        assert!(pairs().all(|(a, b)| a.last_commit_lsn <= b.last_commit_lsn));
        assert!(pairs().any(|(a, b)| a.lsn > b.lsn));
        let ids: BTreeSet<&str> = rows.iter().map(|row| row.event_id.as_str()).collect();
        assert_eq!(ids.len(), rows.len());
    }

    #[test]
    fn every_kind_of_event_happens() {
        let kinds: BTreeSet<&str> = rows(knobs()).iter().map(SourceRow::event_type).collect();
        assert_eq!(kinds.len(), 12, "{kinds:?}");
    }
}
