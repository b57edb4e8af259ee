//! What readers see of a model: the documents of its live generation, whichever that is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use readmill_core::{Counts, Key, Position, ReadModel};
use readmill_engine::{Changes, Fault, Rollups, Store, Tally};
use readmill_models::Row;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::end::End;
use super::reach::{Reach, Reaching};
use crate::http::{ModelState, ServedModel, Standing};
use crate::listing::{Asked, Listing, list};

/// Readers wait so long for a swap, or for a roster that cannot be read.
const HUSH_LIMIT: Duration = Duration::from_secs(5);

/// What readers see.
#[derive(Debug)]
pub enum Face<M: ReadModel> {
    /// The documents of a generation.
    Of(Shown<M>),
    /// Nothing for a moment: a swap is under way.
    Hushed,
    /// The live generation is folded by others, and cannot be read here.
    Elsewhere(String),
}

impl<M: ReadModel> Clone for Face<M> {
    fn clone(&self) -> Self {
        match self {
            Self::Of(shown) => Self::Of(shown.clone()),
            Self::Hushed => Self::Hushed,
            Self::Elsewhere(why) => Self::Elsewhere(why.clone()),
        }
    }
}

/// A generation that readers see.
#[derive(Debug)]
pub struct Shown<M: ReadModel> {
    /// Its number.
    pub generation: u32,
    /// Its documents.
    pub store: Arc<dyn Store<M>>,
    /// Its roll-ups.
    pub rollups: Rollups,
    /// Who is told of what is written here.
    pub changes: Changes,
    /// How far it is settled.
    pub reach: Reach,
}

impl<M: ReadModel> Clone for Shown<M> {
    fn clone(&self) -> Self {
        let Self { generation, store, rollups, changes, reach } = self;
        Self {
            generation: *generation,
            store: Arc::clone(store),
            rollups: rollups.clone(),
            changes: changes.clone(),
            reach: reach.clone(),
        }
    }
}

/// A model of this process, as it is served.
#[derive(Debug)]
pub struct ServedFace<M: ReadModel> {
    row: Row,
    face: watch::Receiver<Face<M>>,
    tally: watch::Receiver<Tally>,
    /// Whether it was ever seen at work: the next generation takes over without a break.
    has_begun: AtomicBool,
    end: End,
}

impl<M: ReadModel> ServedFace<M> {
    /// A model with the face that it has at the time.
    pub const fn new(
        row: Row,
        face: watch::Receiver<Face<M>>,
        tally: watch::Receiver<Tally>,
        end: End,
    ) -> Self {
        Self { row, face, tally, has_begun: AtomicBool::new(false), end }
    }

    /// The generation that readers see, once it is settled which.
    async fn shown(&self) -> Result<Shown<M>, Fault> {
        let mut face = self.face.clone();
        let seen = face.wait_for(|face| !matches!(face, Face::Hushed));
        let silent = |detail: &str| Fault::Silent { service: "a swap", detail: detail.to_owned() };
        match timeout(HUSH_LIMIT, seen).await {
            Ok(Ok(face)) => match &*face {
                Face::Of(shown) => Ok(shown.clone()),
                Face::Hushed => Err(silent("it is under way")),
                Face::Elsewhere(why) => Err(Fault::Refused {
                    service: "this instance",
                    detail: why.clone(),
                    hint: "ask one that folds it, or swap to the generation that is folded here",
                }),
            },
            Ok(Err(_)) => Err(silent("the model has ended")),
            Err(_) => Err(silent("it takes longer than it should")),
        }
    }
}

#[async_trait]
impl<M: ReadModel> ServedModel for ServedFace<M> {
    fn row(&self) -> Row {
        self.row
    }

    fn counts(&self) -> Counts {
        self.tally.borrow().counts()
    }

    fn state(&self) -> ModelState {
        let begins = self.tally.borrow().has_begun();
        let begun = self.has_begun.fetch_or(begins, Ordering::Relaxed) || begins;
        let working = if begun { ModelState::Running } else { ModelState::Starting };
        self.end.state().unwrap_or(working)
    }

    fn generation(&self) -> Option<u32> {
        match &*self.face.borrow() {
            Face::Of(shown) => Some(shown.generation),
            Face::Hushed | Face::Elsewhere(_) => None,
        }
    }

    async fn get(&self, key: &Key) -> Result<Standing, Fault> {
        let shown = self.shown().await?;
        let found = shown.store.load(std::slice::from_ref(key)).await?;
        Standing::of::<M>(found.first().and_then(Option::as_ref))
    }

    async fn rollups(&self) -> Result<Rollups, Fault> {
        Ok(self.shown().await?.rollups)
    }

    async fn reach(&self, wanted: &[Position], until: Instant) -> Result<Reaching, Fault> {
        let mut face = self.face.clone();
        loop {
            let Shown { generation, reach, .. } = self.shown().await?;
            let is_another =
                |face: &Face<M>| !matches!(face, Face::Of(now) if now.generation == generation);
            tokio::select! {
                reaching = reach.settled(wanted, until) => return reaching,
                // A generation that readers do not see any more may have ended.
                changed = face.wait_for(is_another) => drop(changed),
            }
        }
    }

    async fn list(&self, asked: &Asked) -> Result<Listing, Fault> {
        list::<M>(&*self.shown().await?.store, asked).await
    }

    async fn changes(&self) -> Result<(u32, Changes), Fault> {
        let shown = self.shown().await?;
        Ok((shown.generation, shown.changes))
    }
}
