//! The topic of reactions: whatever was ever sent, repeats included.

use std::collections::BTreeMap;

use async_trait::async_trait;
use readmill_core::Key;
use readmill_engine::{Fault, Outlet, Said};

use crate::check::Finding;
use crate::faults::Kind;

use super::{Who, World, silent};

const SERVICE: &str = "outlet";

/// What was sent, by id.
#[derive(Debug, Default)]
pub struct Told(BTreeMap<String, (Key, String)>);

impl Told {
    /// All reactions: their keys and contents.
    pub fn all(&self) -> impl Iterator<Item = &(Key, String)> {
        self.0.values()
    }
}

/// The outlet, as one instance reaches it.
#[derive(Debug)]
pub struct SimOutlet {
    /// The world.
    pub world: World,
    /// Whose calls these are.
    pub who: Who,
}

#[async_trait]
impl Outlet for SimOutlet {
    async fn send(&self, said: &[Said]) -> Result<(), Fault> {
        self.world.way(self.who).await;
        self.world.perhaps_die(self.who).await;
        if self.world.strikes(Kind::OutletDown) {
            return Err(silent(SERVICE));
        }
        let partly = said.len() > 1 && self.world.strikes(Kind::OutletPartial);
        said.iter().step_by(if partly { 2 } else { 1 }).for_each(|said| self.append(said));
        self.world.perhaps_die(self.who).await;
        self.world.way(self.who).await;
        if partly || self.world.strikes(Kind::OutletLostAck) {
            return Err(silent(SERVICE));
        }
        Ok(())
    }
}

impl SimOutlet {
    fn append(&self, said: &Said) {
        let content = String::from_utf8_lossy(&said.body).into_owned();
        self.world.note(self.who, || format!("tells {}: {content}", said.id));
        let value = (said.key.clone(), content);
        let other = self.world.look(|world| {
            let known = world.told.0.insert(said.id.clone(), value.clone());
            known.filter(|known| *known != value)
        });
        if other.is_some() {
            self.world.find(Finding::OneIdTwoReactions { id: said.id.clone() });
        }
    }
}
