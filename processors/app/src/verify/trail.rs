//! The log of a model as a trail: where its group stands, and what comes behind.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use readmill_core::{Partition, ResumeAt};
use readmill_engine::verify::{Places, Trail, behind_both};
use readmill_engine::{Bounds, Fault, Forgetting, Log, Since, Until};

use crate::config::{self, Config};
use crate::ports::Opening;
use crate::scratch::Excerpt;
use crate::services::Services;
use crate::standing::Standing;

/// The log of a model, and how far its group has settled it.
#[derive(Debug)]
pub struct LogTrail {
    config: Arc<Config>,
    model: config::Model,
    services: Arc<Services>,
    place: Standing,
    /// The right side, if it goes on as well.
    other: Option<Other>,
    begins: Places,
    is_whole: bool,
}

/// Another generation.
#[derive(Debug)]
struct Other {
    place: Standing,
    /// How far each of the two was settled in the beginning.
    begun: [Places; 2],
}

impl LogTrail {
    /// A trail that begins where the model is settled now.
    ///
    /// # Errors
    /// When the source does not answer.
    pub async fn begin(
        config: &Arc<Config>,
        model: &config::Model,
        services: &Arc<Services>,
    ) -> Result<Self, Fault> {
        let place = Standing::of(config, model)?;
        let bounds = place.bounds().await?;
        let begins = place.settled().await?;
        let is_whole = bounds.values().all(|bounds| bounds.from == ResumeAt::START);
        let (config, model, services) = (Arc::clone(config), model.clone(), Arc::clone(services));
        Ok(Self { config, model, services, place, other: None, begins, is_whole })
    }

    /// A trail between two generations, which begins where both are settled now.
    ///
    /// # Errors
    /// When the source does not answer.
    pub async fn between(
        config: &Arc<Config>,
        (model, other): (&config::Model, &config::Model),
        services: &Arc<Services>,
    ) -> Result<Self, Fault> {
        let trail = Self::begin(config, model, services).await?;
        let place = Standing::of(config, other)?;
        let begun = [trail.begins.clone(), place.settled().await?];
        let begins = behind_both(&begun[0], &begun[1]);
        let bounds = place.bounds().await?;
        let is_there = |(partition, bounds): (&Partition, &Bounds)| {
            bounds.from <= begins.get(partition).copied().unwrap_or(ResumeAt::START)
        };
        // What was before is in both already.
        let is_whole = bounds.iter().all(is_there);
        Ok(Self { other: Some(Other { place, begun }), begins, is_whole, ..trail })
    }

    /// Notes what was read of the log before: records may have been deleted meanwhile.
    pub fn read(&mut self, bounds: &BTreeMap<Partition, Bounds>) {
        self.is_whole &= bounds.values().all(|bounds| bounds.from == ResumeAt::START);
    }

    /// The log up to where the trail begins.
    ///
    /// # Errors
    /// When the source does not answer.
    pub async fn before(&self) -> Result<Excerpt, Fault> {
        let until = Until::Places(self.begins.clone());
        Excerpt::open(self.opening(), Since::Beginning, until).await
    }

    /// The model's ports, to be opened.
    pub fn opening(&self) -> Opening<'_> {
        Opening { config: &self.config, model: &self.model, services: &self.services }
    }
}

#[async_trait]
impl Trail for LogTrail {
    async fn open(&self, from: &Places) -> Result<Box<dyn Log>, Fault> {
        let since = Since::Places(from.clone());
        Ok(Excerpt::open(self.opening(), since, Until::Now).await?.log)
    }

    fn begins(&self) -> &Places {
        &self.begins
    }

    fn begun(&self) -> (&Places, &Places) {
        match &self.other {
            Some(Other { begun: [left, right], .. }) => (left, right),
            None => (&self.begins, &self.begins),
        }
    }

    async fn ends(&self) -> Result<Places, Fault> {
        let bounds = self.place.bounds().await?;
        Ok(bounds.into_iter().map(|(partition, bounds)| (partition, bounds.to)).collect())
    }

    async fn settled(&self) -> Result<Places, Fault> {
        self.place.settled().await
    }

    async fn right_settled(&self) -> Result<Option<Places>, Fault> {
        match &self.other {
            Some(other) => other.place.settled().await.map(Some),
            None => Ok(None),
        }
    }

    async fn has_forgotten_since(&self, known: &Forgetting) -> Result<bool, Fault> {
        Ok(*self.opening().forgotten().await?.now() != *known.now())
    }

    fn is_whole(&self) -> bool {
        self.is_whole
    }
}
