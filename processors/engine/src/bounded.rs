//! A bound on how many records of a model may be held, so that they never fill the store's disk.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use readmill_core::{Key, Position};
use tokio::sync::Mutex;

use crate::fault::Fault;
use crate::ports::{Held, HeldRecord, HeldStore};

/// So many processes may hold records of a model side by side and hardly pass the bound: each
/// counts again after it has held its share of what was left.
const SHARES: u64 = 8;

/// The held records of one model, with a bound.
#[derive(Debug)]
pub struct Bounded {
    inner: Arc<dyn HeldStore>,
    limit_records: u64,
    /// How many more may be held before they are counted again. Whoever holds records locks it, or
    /// many would count at the same time and each find room.
    allowance: Mutex<u64>,
}

impl Bounded {
    /// At most `limit_records` in `inner`.
    pub fn new(inner: Arc<dyn HeldStore>, limit_records: u64) -> Self {
        Self { inner, limit_records, allowance: Mutex::new(0) }
    }

    /// Counts, and answers how many may be held before the next count.
    async fn room(&self, records: &[HeldRecord], model: &'static str) -> Result<u64, Fault> {
        let count = self.inner.count(model).await?;
        let left = self.limit_records.saturating_sub(count);
        let mut new = records.len() as u64;
        if new > left {
            new = self.count_new(records, model).await?;
        }
        if new > left {
            return Err(Fault::Refused {
                service: "holding",
                detail: format!(
                    "{count} records of {model} are held and {new} more are to be: the bound is \
                     {} records",
                    self.limit_records
                ),
                hint: "find the cause with `readmill held list`, then retry, edit or drop them; \
                       or raise held_limit_records",
            });
        }
        Ok((left - new) / SHARES)
    }

    /// How many of the records are not held yet.
    async fn count_new(&self, records: &[HeldRecord], model: &'static str) -> Result<u64, Fault> {
        let mut new: BTreeSet<(Option<Key>, Position)> = records.iter().map(id).collect();
        let keys: BTreeSet<Option<Key>> = records.iter().map(|held| held.key.clone()).collect();
        for key in keys {
            let which = key.map_or(Held::Keyless, Held::Key);
            let mut visit = |held: HeldRecord| {
                new.remove(&id(&held));
            };
            self.inner.visit(model, &which, &mut visit).await?;
        }
        Ok(new.len() as u64)
    }
}

fn id(held: &HeldRecord) -> (Option<Key>, Position) {
    (held.key.clone(), held.record.position.clone())
}

#[async_trait]
impl HeldStore for Bounded {
    async fn hold(&self, records: &[HeldRecord]) -> Result<(), Fault> {
        let Some(first) = records.first() else {
            return Ok(());
        };
        let mut allowance = self.allowance.lock().await;
        *allowance = match allowance.checked_sub(records.len() as u64) {
            Some(left) => left,
            None => self.room(records, first.model).await?,
        };
        self.inner.hold(records).await
    }

    async fn count(&self, model: &str) -> Result<u64, Fault> {
        self.inner.count(model).await
    }

    async fn visit(
        &self,
        model: &'static str,
        which: &Held,
        visit: &mut (dyn FnMut(HeldRecord) + Send),
    ) -> Result<(), Fault> {
        self.inner.visit(model, which, visit).await
    }

    async fn replace(&self, records: &[HeldRecord]) -> Result<(), Fault> {
        self.inner.replace(records).await
    }

    async fn release(&self, records: &[HeldRecord]) -> Result<(), Fault> {
        self.inner.release(records).await
    }
}
