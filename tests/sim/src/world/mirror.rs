//! The mirror: views that no older revision overwrites, and that it may lose all the same.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use readmill_core::{Guard, Key, stands};
use readmill_engine::mirror::{Difference, Heals, How, Sight, Spot, Stray, Trace};
use readmill_engine::{Fault, Mirror, View};

use crate::faults::Kind;

use super::{Who, World, silent};

const SERVICE: &str = "mirror";
/// So many showings are between two moments to which it may go back.
const SHOWINGS_A_MOMENT: u64 = 7;

/// The views.
#[derive(Debug, Default)]
pub struct Views {
    stands: Moment,
    /// To what it may go back.
    was: Moment,
    showings: u64,
    /// How often it went back.
    incarnation: u64,
}

/// What stands in it at a time.
#[derive(Debug, Clone, Default)]
struct Moment {
    views: BTreeMap<Key, View>,
    marker: Option<String>,
}

impl Views {
    /// The view of a document.
    pub fn get(&self, key: &Key) -> Option<&View> {
        self.stands.views.get(key)
    }

    fn show(&mut self, view: &View) {
        let newer = self.get(&view.key).is_none_or(|known| known.revision <= view.revision);
        if newer || !stands(Guard::MirrorRevision) {
            self.stands.views.insert(view.key.clone(), view.clone());
        }
    }

    fn pass_time(&mut self) {
        self.showings += 1;
        if self.showings.is_multiple_of(SHOWINGS_A_MOMENT) {
            self.was = self.stands.clone();
        }
    }

    fn empty(&mut self) {
        self.stands = Moment::default();
    }

    fn go_back(&mut self) {
        self.stands = self.was.clone();
        self.incarnation += 1;
    }
}

/// The mirror, as one instance reaches it.
#[derive(Debug)]
pub struct SimMirror {
    world: World,
    who: Who,
    user: String,
}

#[async_trait]
impl Mirror for SimMirror {
    async fn show(&self, views: &[View]) -> Result<(), Fault> {
        self.world.way(self.who).await;
        self.world.perhaps_die(self.who).await;
        self.lose_something();
        if self.world.strikes(Kind::MirrorDown) {
            return Err(silent(SERVICE));
        }
        if self.world.strikes(Kind::MirrorLate) {
            self.show_later(views.to_vec());
            return Err(silent(SERVICE));
        }
        self.world.look(|world| {
            views.iter().for_each(|view| world.views.show(view));
            world.views.pass_time();
        });
        self.world.perhaps_die(self.who).await;
        self.world.way(self.who).await;
        if self.world.strikes(Kind::MirrorLostAck) {
            return Err(silent(SERVICE));
        }
        Ok(())
    }
}

#[async_trait]
impl Heals for SimMirror {
    async fn compare(&self, views: &[View]) -> Result<Vec<Difference>, Fault> {
        self.ask().await?;
        let differs = |view: &View| {
            let stood = self.world.look(|world| world.views.get(&view.key).cloned());
            let how = match stood {
                None => view.fields.as_ref().map(|_| How::Missing),
                Some(stood) if stood.revision > view.revision => Some(How::Newer(stood.revision)),
                Some(stood) if stood.revision < view.revision => Some(How::Older),
                Some(stood) => (stood.fields != view.fields).then_some(How::Other),
            };
            how.map(|how| Difference { key: view.key.clone(), spot: Spot::Own, how })
        };
        Ok(views.iter().filter_map(differs).collect())
    }

    async fn traces(&self, visit: &mut (dyn FnMut(Trace) + Send)) -> Result<(), Fault> {
        self.ask().await?;
        let views: Vec<View> =
            self.world.look(|world| world.views.stands.views.values().cloned().collect());
        for View { key, revision, fields } in views {
            visit(Trace { key, spot: Spot::Own, revision, shown: fields.is_some() });
        }
        Ok(())
    }

    async fn take_out(&self, strays: &[Stray]) -> Result<(), Fault> {
        self.ask().await?;
        self.world.look(|world| {
            for Stray { trace, .. } in strays {
                let stood = world.views.get(&trace.key).map(|view| view.revision);
                if stood == Some(trace.revision) {
                    world.views.stands.views.remove(&trace.key);
                }
            }
        });
        Ok(())
    }

    async fn sight(&self) -> Result<Sight, Fault> {
        self.ask().await?;
        Ok(self.world.look(|world| Sight {
            census: world.views.incarnation.to_string(),
            marker: world.views.stands.marker.clone(),
        }))
    }

    async fn mark(&self, seen: Option<&str>, next: &str) -> Result<bool, Fault> {
        self.ask().await?;
        Ok(self.world.look(|world| {
            let marker = &mut world.views.stands.marker;
            let as_seen = marker.as_deref() == seen;
            if as_seen {
                *marker = Some(next.to_owned());
            }
            as_seen
        }))
    }

    fn user(&self) -> &str {
        &self.user
    }
}

impl SimMirror {
    /// The mirror for an instance.
    pub fn new(world: World, who: Who) -> Self {
        Self { world, who, user: who.to_string() }
    }

    async fn ask(&self) -> Result<(), Fault> {
        self.world.way(self.who).await;
        if self.world.strikes(Kind::MirrorDown) {
            return Err(silent(SERVICE));
        }
        Ok(())
    }

    fn lose_something(&self) {
        if self.world.strikes(Kind::MirrorEmptied) {
            self.world.note(self.who, || "the mirror is emptied".to_owned());
            self.world.look(|world| world.views.empty());
        }
        if self.world.strikes(Kind::MirrorRolledBack) {
            self.world.note(self.who, || "the mirror goes back".to_owned());
            self.world.look(|world| world.views.go_back());
        }
    }

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
