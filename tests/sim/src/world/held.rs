//! The store of held records.

use std::time::Duration;

use async_trait::async_trait;
use readmill_core::Key;
use readmill_engine::{Fault, Held, HeldRecord, HeldStore};

use crate::faults::Kind;

use super::{Who, World, silent};

const SERVICE: &str = "held";

/// All held records.
#[derive(Debug, Default)]
pub struct HeldRecords(Vec<HeldRecord>);

impl HeldRecords {
    /// All of them.
    pub fn all(&self) -> &[HeldRecord] {
        &self.0
    }

    fn hold(&mut self, record: &HeldRecord) {
        if !self.0.iter().any(|known| is_it(known, record)) {
            self.0.push(record.clone());
        }
    }
}

/// A record is held once for a key.
fn is_it(one: &HeldRecord, other: &HeldRecord) -> bool {
    one.record.position == other.record.position && one.key == other.key
}

/// The held store, as one instance reaches it.
#[derive(Debug)]
pub struct SimHeld {
    /// The world.
    pub world: World,
    /// Whose calls these are.
    pub who: Who,
}

#[async_trait]
impl HeldStore for SimHeld {
    async fn hold(&self, records: &[HeldRecord]) -> Result<(), Fault> {
        self.world.way(self.who).await;
        self.world.perhaps_die(self.who).await;
        if self.world.strikes(Kind::HeldSlow) {
            let ms = self.world.look(|world| world.fates.between(50, 2_500));
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
        if self.world.strikes(Kind::HeldDown) {
            return Err(silent(SERVICE));
        }
        let partly = records.len() > 1 && self.world.strikes(Kind::HeldPartial);
        for record in records.iter().step_by(if partly { 2 } else { 1 }) {
            let (at, key) = (&record.record.position, &record.key);
            self.world.note(self.who, || {
                let key = key.as_ref().map_or("no key", Key::as_str);
                format!("holds {at} of {key}: {}", record.reason)
            });
            self.world.look(|world| world.held.hold(record));
        }
        self.world.perhaps_die(self.who).await;
        self.world.way(self.who).await;
        if partly || self.world.strikes(Kind::HeldLostAck) {
            return Err(silent(SERVICE));
        }
        Ok(())
    }

    async fn count(&self, _: &str) -> Result<u64, Fault> {
        Ok(self.world.look(|world| world.held.0.len() as u64))
    }

    async fn list(&self, _: &'static str, which: &Held) -> Result<Vec<HeldRecord>, Fault> {
        self.world.way(self.who).await;
        if self.world.strikes(Kind::HeldDown) {
            return Err(silent(SERVICE));
        }
        let meant = |held: &&HeldRecord| which.means(held);
        Ok(self.world.look(|world| world.held.0.iter().filter(meant).cloned().collect()))
    }

    async fn visit(
        &self,
        model: &'static str,
        which: &Held,
        visit: &mut (dyn FnMut(HeldRecord) + Send),
    ) -> Result<(), Fault> {
        self.list(model, which).await?.into_iter().for_each(visit);
        Ok(())
    }

    async fn replace(&self, records: &[HeldRecord]) -> Result<(), Fault> {
        self.world.way(self.who).await;
        self.world.look(|world| {
            for held in &mut world.held.0 {
                if let Some(record) = records.iter().find(|record| is_it(held, record)) {
                    held.clone_from(record);
                }
            }
        });
        Ok(())
    }

    async fn release(&self, records: &[HeldRecord]) -> Result<(), Fault> {
        self.world.way(self.who).await;
        self.world.note(self.who, || format!("lets {} held records go", records.len()));
        self.world.look(|world| {
            world.held.0.retain(|held| !records.iter().any(|record| is_it(held, record)));
        });
        if self.world.strikes(Kind::HeldLostAck) {
            return Err(silent(SERVICE));
        }
        Ok(())
    }
}
