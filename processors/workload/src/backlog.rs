//! What the relay keeps back for a while: records for a swap, and copies for a late repeat.

use std::collections::BTreeMap;

use crate::relay::Emission;
use crate::row::Table;

/// Records held back, each until the next record of its key, or for a bounded while.
#[derive(Debug, Default)]
pub struct HeldBack {
    by_key: BTreeMap<(Table, String), (u64, Emission)>,
    by_due: BTreeMap<u64, (Table, String)>,
}

impl HeldBack {
    /// Keeps a record back until `due` at the latest; each `due` may be used once.
    pub fn keep(&mut self, due: u64, key: (Table, String), emission: Emission) {
        self.by_due.insert(due, key.clone());
        self.by_key.insert(key, (due, emission));
    }

    /// The record of a key, now that its successor has come.
    pub fn overtaken(&mut self, key: &(Table, String)) -> Option<Emission> {
        let (due, emission) = self.by_key.remove(key)?;
        self.by_due.remove(&due);
        Some(emission)
    }

    /// A record whose successor did not come in time.
    pub fn overdue(&mut self, now: u64) -> Option<Emission> {
        let first = self.by_due.first_entry()?;
        if *first.key() > now {
            return None;
        }
        let key = first.remove();
        self.by_key.remove(&key).map(|(_, emission)| emission)
    }
}

/// Copies that are published again later.
#[derive(Debug, Default)]
pub struct Copies(BTreeMap<(u64, u64), Emission>);

impl Copies {
    /// Keeps a copy until `due`; `number` tells those of one moment apart.
    pub fn keep(&mut self, due: u64, number: u64, emission: Emission) {
        self.0.insert((due, number), emission);
    }

    /// A copy that is due.
    pub fn due(&mut self, now: u64) -> Option<Emission> {
        let first = self.0.first_entry()?;
        if first.key().0 > now { None } else { Some(first.remove()) }
    }
}
