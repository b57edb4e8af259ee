//! The witness of a running model: a second fold of its log, beside it, with which its documents
//! are compared again and again.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use indicatif::ProgressBar;
use readmill_core::ReadModel;
use readmill_engine::patience::Patience;
use readmill_engine::verify::{
    Doing, Finding, Kind, Mends, Places, Scope, Seen, Summary, Told, Tolerances, Trail as _,
    Verification, bucket, oldest_ms,
};
use readmill_engine::{Clock as _, Meter, Metrics, Only, Since, Until};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::trail::LogTrail;
use crate::config::{self, Config};
use crate::ports::SystemClock;
use crate::scratch::{Excerpt, Scratch};
use crate::services::Services;

/// What is told late is waited for so long.
const REST_LIMIT: Duration = Duration::from_secs(30);

/// A model that is watched.
#[derive(Debug)]
pub struct Witness {
    /// The configuration.
    pub config: Arc<Config>,
    /// The model in it.
    pub model: config::Model,
    /// What is open.
    pub services: Arc<Services>,
    /// Where it is shown what was found.
    pub metrics: Metrics,
    /// How often.
    pub every: Duration,
    /// Turns true when the process is to stop.
    pub stop: watch::Receiver<bool>,
}

impl Witness {
    /// Compares again and again, from now on until it is dropped. What fails is tried again: the
    /// model goes on without its witness, and the gauge tells how old its last word is.
    pub async fn watch<M: ReadModel>(self) -> Infallible {
        let mut rounds = interval(self.every);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let ended = self.witness::<M>(&mut rounds).await;
            self.metrics.add(Meter::VerifyRounds, &[M::NAME, "failed"], 1);
            let why = ended.map_or_else(|error| format!("{error:#}"), |never| match never {});
            tracing::warn!(model = M::NAME, why, "the witness begins anew");
            rounds.tick().await;
        }
    }

    async fn witness<M: ReadModel>(
        &self,
        rounds: &mut tokio::time::Interval,
    ) -> Result<Infallible> {
        let seen = self.services.seen::<M>(&self.model).await?;
        let trail = self.trail().await?;
        let dir = &self.config.instance.state_dir;
        let scratch = Scratch::<M>::open(trail.opening(), dir, Only::default()).await?;
        let (mut folded, mut late) = (Places::new(), false);
        loop {
            rounds.tick().await;
            let began = Instant::now();
            let summary = self.round(&seen, &scratch, (&mut folded, &mut late)).await?;
            let seconds = began.elapsed().as_secs_f64();
            self.metrics.set_seconds(Meter::VerifySeconds, &[M::NAME], seconds);
            tracing::debug!(model = M::NAME, documents = summary.documents, "verified");
        }
    }

    async fn trail(&self) -> Result<LogTrail> {
        Ok(LogTrail::begin(&self.config, &self.model, &self.services).await?)
    }

    /// Folds on to where the model is settled by now, and compares.
    async fn round<M: ReadModel>(
        &self,
        left: &Seen<M>,
        scratch: &Scratch<M>,
        (folded, late): (&mut Places, &mut bool),
    ) -> Result<Summary> {
        let trail = self.trail().await?;
        let behind = folded
            .iter()
            .any(|(partition, at)| trail.begins().get(partition).is_none_or(|begins| begins < at));
        if behind {
            anyhow::bail!("the model's positions went back");
        }
        refuse_if_forgotten(&trail, scratch).await?;
        let looked_ms = SystemClock.now_ms();
        let (since, until) = (Since::Places(folded.clone()), Until::Places(trail.begins().clone()));
        let excerpt = Excerpt::open(trail.opening(), since, until).await?;
        let counts = scratch.fold(excerpt, &ProgressBar::hidden()).await?.counts;
        *late |= counts.stale > 0;
        folded.clone_from(trail.begins());
        let verified_ms = oldest_ms(&trail).await?.unwrap_or(looked_ms).min(looked_ms);
        let right = scratch.seen();
        let mut told = |told: Told<'_>| match told {
            Told::Found(Finding { kind, subject, .. }) => {
                let (kind, sort, bucket) = (kind.name(), subject.sort(), bucket(subject));
                let model = M::NAME;
                tracing::error!(model, kind, sort, bucket, "a verification found this");
            }
            Told::Progress(summary) => self.show_progress::<M>(summary),
            Told::Open(..) | Told::Mended(..) => {}
        };
        let mut verification = Verification {
            left,
            right: &right,
            right_stands: true,
            right_was_late: *late,
            trail: &trail,
            script: scratch.ports.script.clone(),
            tolerances: Tolerances::default(),
            scope: Scope::All,
            with_groups: false,
            doing: Doing::Check,
            following: None,
            patience: Patience::new(self.stop.clone(), self.metrics.clone(), M::NAME),
            rest_limit: REST_LIMIT,
            limit_per_second: self.model.care.heal_limit_per_second,
            began: Instant::now(),
            summary: Summary::default(),
            departed: BTreeSet::new(),
            mends: Mends::default(),
            told: &mut told,
        };
        verification.run(None).await?;
        let summary = std::mem::take(&mut verification.summary);
        drop(verification);
        refuse_if_forgotten(&trail, scratch).await?;
        self.show::<M>(&summary, verified_ms);
        Ok(summary)
    }

    fn show_progress<M: ReadModel>(&self, summary: &Summary) {
        let documents = i64::try_from(summary.documents).unwrap_or(i64::MAX);
        self.metrics.set(Meter::VerifyDocuments, &[M::NAME], documents);
    }

    fn show<M: ReadModel>(&self, summary: &Summary, verified_ms: i64) {
        for kind in Kind::ALL {
            let many = i64::try_from(summary.of_kind(kind)).unwrap_or(i64::MAX);
            self.metrics.set(Meter::VerifyFindings, &[M::NAME, kind.name()], many);
        }
        let verdict = if summary.findings() == 0 { "equal" } else { "different" };
        self.metrics.add(Meter::VerifyRounds, &[M::NAME, verdict], 1);
        self.show_progress::<M>(summary);
        if summary.findings() == 0 {
            self.metrics.set(Meter::VerifiedThrough, &[M::NAME], verified_ms / 1000);
        }
    }
}

/// What a person's forgetting has taken from the model is in the second fold still: that one goes,
/// and another begins.
async fn refuse_if_forgotten<M: ReadModel>(trail: &LogTrail, scratch: &Scratch<M>) -> Result<()> {
    let now = trail.opening().forgotten().await?.now();
    if *now != *scratch.ports.script.forgotten.now() {
        anyhow::bail!("somebody was forgotten");
    }
    Ok(())
}
