//! A running model and its origin: compared again and again.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use readmill_core::ReadModel;
use readmill_engine::patience::Patience;
use readmill_engine::reconcile::Reconciliation;
use readmill_engine::verify::{Finding, Kind, Summary, Told, Tolerances, Undecided, bucket};
use readmill_engine::{Clock as _, Meter, Metrics};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::origin::Asked;
use super::slots::Slots;
use crate::config::{self, Config};
use crate::ports::SystemClock;
use crate::services::Services;
use crate::verify::LogTrail;

/// What is behind for longer is looked at in the next round.
const REST_LIMIT: Duration = Duration::from_secs(60);
/// What a comparison with an origin may find.
const KINDS: [Kind; 3] = [Kind::Missing, Kind::Changed, Kind::Unintended];

/// A model that is compared with its origin.
#[derive(Debug)]
pub struct Reconciler {
    /// The configuration.
    pub config: Arc<Config>,
    /// The model in it.
    pub model: config::Model,
    /// Its origin.
    pub origin: config::Origin,
    /// What is open.
    pub services: Arc<Services>,
    /// Where it is shown what was found.
    pub metrics: Metrics,
    /// How often.
    pub every: Duration,
    /// Turns true when the process is to stop.
    pub stop: watch::Receiver<bool>,
}

impl Reconciler {
    /// Compares again and again, from now on until it is dropped. A round that fails is followed by
    /// the next one: the model goes on meanwhile, and the gauge tells how old the last word is.
    pub async fn watch<M: ReadModel>(self) -> Infallible {
        let mut rounds = interval(self.every);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut slots = Slots::of(M::NAME, &self.origin.url, self.metrics.clone());
        loop {
            rounds.tick().await;
            slots.look().await;
            let began_ms = SystemClock.now_ms();
            match self.round::<M>().await {
                Ok(summary) => self.show::<M>(&summary, began_ms),
                Err(error) => {
                    let why = format!("{error:#}");
                    tracing::warn!(model = M::NAME, why, "the origin could not be compared with");
                }
            }
        }
    }

    async fn round<M: ReadModel>(&self) -> Result<Summary> {
        let mut told = |told: Told<'_>| {
            if let Told::Found(Finding { kind, subject, .. }) = told {
                let (kind, bucket) = (kind.name(), bucket(subject));
                tracing::error!(model = M::NAME, kind, bucket, "the origin says otherwise");
            }
        };
        self.compare::<M>(&mut told).await
    }

    /// Compares once.
    ///
    /// # Errors
    /// When the origin, the source or the store does not answer or refuses.
    pub async fn compare<M: ReadModel>(
        &self,
        told: &mut (dyn FnMut(Told<'_>) + Send),
    ) -> Result<Summary> {
        let asked = Asked::Postgres { origin: self.origin.clone(), tables: Vec::new() };
        let mut origin = asked.open::<M>().await?;
        let store = self.services.documents::<M>(&self.model).await?;
        let trail = LogTrail::begin(&self.config, &self.model, &self.services).await?;
        let mut reconciliation = Reconciliation {
            store,
            origin: &mut *origin,
            trail: &trail,
            measure: asked.measure(),
            tolerances: Tolerances::default(),
            one_way: false,
            corrections: None,
            patience: Patience::new(self.stop.clone(), self.metrics.clone(), M::NAME),
            rest: asked.rest(),
            rest_limit: REST_LIMIT,
            limit_per_second: self.model.care.heal_limit_per_second,
            began: Instant::now(),
            summary: Summary::default(),
            told,
        };
        reconciliation.run().await?;
        Ok(std::mem::take(&mut reconciliation.summary))
    }

    fn show<M: ReadModel>(&self, summary: &Summary, began_ms: i64) {
        for kind in KINDS {
            let many = i64::try_from(summary.of_kind(kind)).unwrap_or(i64::MAX);
            self.metrics.set(Meter::ReconcileFindings, &[M::NAME, kind.name()], many);
        }
        let is_behind = summary.undecided.keys().any(|(_, why)| *why == Undecided::Behind);
        if summary.findings() == 0 && !is_behind {
            self.metrics.set(Meter::ReconciledThrough, &[M::NAME], began_ms / 1000);
        }
    }
}
