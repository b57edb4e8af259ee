//! The mirror: views that no older revision overwrites.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use readmill_core::{Guard, Key, stands};
use readmill_engine::{Fault, Mirror, View};

use crate::faults::Kind;

use super::{Who, World, silent};

const SERVICE: &str = "mirror";

/// The views.
#[derive(Debug, Default)]
pub struct Views(BTreeMap<Key, View>);

impl Views {
    /// The view of a document.
    pub fn get(&self, key: &Key) -> Option<&View> {
        self.0.get(key)
    }

    fn show(&mut self, view: &View) {
        let newer = self.0.get(&view.key).is_none_or(|known| known.revision <= view.revision);
        if newer || !stands(Guard::MirrorRevision) {
            self.0.insert(view.key.clone(), view.clone());
        }
    }
}

/// The mirror, as one instance reaches it.
#[derive(Debug)]
pub struct SimMirror {
    /// The world.
    pub world: World,
    /// Whose calls these are.
    pub who: Who,
}

#[async_trait]
impl Mirror for SimMirror {
    async fn show(&self, views: &[View]) -> Result<(), Fault> {
        self.world.way(self.who).await;
        self.world.perhaps_die(self.who).await;
        if self.world.strikes(Kind::MirrorDown) {
            return Err(silent(SERVICE));
        }
        if self.world.strikes(Kind::MirrorLate) {
            self.show_later(views.to_vec());
            return Err(silent(SERVICE));
        }
        self.world.look(|world| views.iter().for_each(|view| world.views.show(view)));
        self.world.perhaps_die(self.who).await;
        self.world.way(self.who).await;
        if self.world.strikes(Kind::MirrorLostAck) {
            return Err(silent(SERVICE));
        }
        Ok(())
    }
}

impl SimMirror {
    fn show_later(&self, views: Vec<View>) {
        let ms = self.world.look(|world| {
            world.late += 1;
            world.fates.between(20, 6_000)
        });
        let world = self.world.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            world.look(|world| {
                views.iter().for_each(|view| world.views.show(view));
                world.late -= 1;
            });
        });
    }
}
