//! A generation that begins with an archive: folded by this process at full speed, and joined to
//! its log where the archive ends.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use futures::future::BoxFuture;
use readmill_connectors::archive::{ArchiveBook, ArchiveLog};
use readmill_connectors::kafka::Places;
use readmill_core::ReadModel;
use readmill_engine::roster::Roster;
use readmill_engine::{Metrics, Ports, Pulse, Script, Since, Tally, Until, Watch, Word};
use readmill_models::Visit;
use tokio::sync::watch;

use crate::bars::progress;
use crate::config::{self, Config, Source};
use crate::exit::{Exit, Failure};
use crate::ports::{Bound, Opening};
use crate::run::told_to_stop;
use crate::services::Services;
use crate::standing::Group;

/// A generation, and the archive that it begins with.
pub struct Intake<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// What is open.
    pub services: &'a Services,
    /// The model with the generation's number.
    pub model: &'a config::Model,
    /// The roster, in which it is not live: it tells nobody.
    pub roster: Roster,
    /// The archive's directory.
    pub dir: PathBuf,
}

impl<'a> Visit for Intake<'a> {
    type Out = BoxFuture<'a, Result<()>>;

    fn visit<M: ReadModel>(self) -> Self::Out {
        Box::pin(async move { self.fold::<M>().await })
    }
}

impl Intake<'_> {
    /// Folds the archive to its end, and lets the generation's group begin there.
    async fn fold<M: ReadModel>(&self) -> Result<()> {
        let Source::Kafka { kafka, .. } = &self.config.source else {
            let told = "the configuration reads an archive already";
            return Err(Failure::new(Exit::Usage, told, "leave out --archive").into());
        };
        let topics = &self.model.topics;
        let log = ArchiveLog::aside(&self.dir, topics, &Since::Beginning, &Until::Now).await?;
        let ends: Places =
            log.bounds().iter().map(|(partition, b)| (partition.clone(), b.to)).collect();
        let records = log.bounds().values().map(|bounds| bounds.most_records()).sum();
        let metrics = Metrics::new().context("the metrics cannot be registered")?;
        let ports = self.ports::<M>(metrics.clone()).await?;
        let tally = Tally::new(M::NAME, metrics);
        let (stop, stopping) = watch::channel(false);
        let watch = Watch::new(tally.clone(), Pulse::default(), stopping);
        let bar = progress(records, "folded");
        let running =
            readmill_engine::run(Arc::new(ports), Box::new(log), self.model.limits, watch);
        let mut running = std::pin::pin!(running);
        let stopped = tokio::select! {
            ended = &mut running => { ended?; false }
            told = told_to_stop() => { told?; true }
            never = crate::scratch::show(&tally, &bar) => match never {},
        };
        if stopped {
            stop.send_replace(true);
            running.await?;
        }
        bar.finish_and_clear();
        if stopped {
            let told = "it was stopped before the archive's end";
            let hint = "give the same command again: what is folded is known, and not folded twice";
            return Err(Failure::new(Exit::Failed, told, hint).into());
        }
        let group = Group::of(kafka, self.model)?;
        Ok(group.ask(move |positions| positions.commit(&ends)).await?)
    }

    async fn ports<M: ReadModel>(&self, metrics: Metrics) -> Result<Ports<M>> {
        let Self { config, services, model, .. } = *self;
        let opening = Opening { config, model, services };
        let held = opening.held(Bound::Unheard).await?;
        let word = Word::of(model.generation, watch::channel(Arc::new(self.roster.clone())).1);
        let script = opening.script().await?;
        let script = Script { schemas: Arc::new(ArchiveBook::new(&self.dir)), ..script };
        Ok(opening.ports::<M>(held, word, script, metrics).await?)
    }
}

/// In words, where such a generation began.
pub fn words(dir: &Path) -> String {
    format!("the archive in {}", dir.display())
}
