//! Wiring: the models of a configuration, started on the services that it names.

use std::convert::Infallible;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use readmill_connectors::archive::{ArchiveConfig, ArchiveLog};
use readmill_connectors::kafka::{KafkaConfig, KafkaLog, Membership};
use readmill_connectors::registry::Warmth;
use readmill_core::{Counts, ReadModel};
use readmill_engine::{
    Fault, Lanes, Log, Metrics, Ports, Pulse, RollupGauges, Rollups, Store, Tally, Watch,
};
use readmill_models::Visit;
use readmill_schemas::Events as _;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::{self, Config};
use crate::http::ServedModel;
use crate::ports::{Bound, Opening};
use crate::schemas;
use crate::served::{End, Model};
use crate::services::Services;
use crate::verify::Witness;

/// What all models of a process share.
#[derive(Debug, Clone)]
pub struct Process {
    /// The configuration.
    pub config: Arc<Config>,
    /// What is open.
    pub services: Arc<Services>,
    /// The metrics.
    pub metrics: Metrics,
    /// The pulse.
    pub pulse: Pulse,
    /// The lanes.
    pub lanes: Lanes,
    /// Turns true when the process is to stop.
    pub stop: watch::Receiver<bool>,
}

/// A started model.
#[derive(Debug)]
pub struct Running {
    /// What is served of it.
    pub served: Arc<dyn ServedModel>,
    /// Its work, until it ends.
    pub work: JoinHandle<Result<Counts, Fault>>,
}

impl Process {
    /// Starts every model of the configuration.
    ///
    /// # Errors
    /// The first thing that a service refuses.
    pub async fn start(&self) -> Result<Vec<Running>, Fault> {
        let mut running = Vec::new();
        for model in &self.config.models {
            let start = Start { process: self.clone(), model: model.clone() };
            if let Some(starting) = readmill_models::visit(model.row.name, start) {
                running.push(starting.await?);
            }
        }
        Ok(running)
    }
}

/// One model to be started.
struct Start {
    process: Process,
    model: config::Model,
}

type Starting = Pin<Box<dyn Future<Output = Result<Running, Fault>> + Send>>;

impl Visit for Start {
    type Out = Starting;

    fn visit<M: ReadModel>(self) -> Starting {
        Box::pin(self.start::<M>())
    }
}

impl Start {
    async fn start<M: ReadModel>(self) -> Result<Running, Fault> {
        let Process { config, services, metrics, pulse, stop, .. } = &self.process;
        let opening = Opening { config, model: &self.model, services };
        let held = opening.held(Bound::AsConfigured).await?;
        let ports = opening.ports::<M>(held, metrics.clone()).await?;
        self.warm_up::<M>().await?;
        let store = Arc::clone(&ports.store);
        let tally = Tally::new(M::NAME, metrics.clone());
        let watch = Watch { tally: tally.clone(), pulse: pulse.clone(), stop: stop.clone() };
        let log = self.log(M::NAME, &tally).await?;
        let witness = self.witness();
        Ok(spawn(ports, store, log, (self.model, witness), watch))
    }

    /// Whoever compares the documents with a second fold, if anyone is to.
    fn witness(&self) -> Option<Witness> {
        let Process { config, services, metrics, stop, .. } = &self.process;
        self.model.verify_every.map(|every| Witness {
            config: Arc::clone(config),
            model: self.model.clone(),
            services: Arc::clone(services),
            metrics: metrics.clone(),
            every,
            stop: stop.clone(),
        })
    }

    /// Fetches what the first records will need; if that fails, they ask for it themselves.
    async fn warm_up<M: ReadModel>(&self) -> Result<(), Fault> {
        let config::Source::Kafka { registry, .. } = &self.process.config.source else {
            return Ok(());
        };
        if registry.warm_up_limit_ms == 0 {
            return Ok(());
        }
        let book = self.process.services.registry(registry).await?;
        let subjects = schemas::subjects(&self.model, M::Event::CONTRACTS);
        let Warmth { subjects, ready, first_failure, took } = book.warm_up(&subjects).await;
        let (ms, because) = (took.as_millis(), first_failure.as_deref());
        tracing::info!(model = M::NAME, ready, subjects, ms, because, "schemas fetched");
        Ok(())
    }

    async fn log(&self, model: &'static str, tally: &Tally) -> Result<Box<dyn Log>, Fault> {
        match &self.process.config.source {
            config::Source::Kafka { kafka, .. } => {
                Ok(Box::new(self.join(Arc::clone(kafka), model, tally).await?))
            }
            config::Source::Archive { dir } => {
                let place = position_dir(&self.process.config.instance.state_dir, &self.model);
                let archive = ArchiveConfig {
                    dir: dir.clone(),
                    state_dir: place,
                    topics: self.model.topics.clone(),
                };
                Ok(Box::new(ArchiveLog::open(&archive)?))
            }
        }
    }

    async fn join(
        &self,
        kafka: Arc<KafkaConfig>,
        model: &'static str,
        tally: &Tally,
    ) -> Result<KafkaLog, Fault> {
        let Process { lanes, metrics, pulse, .. } = &self.process;
        let membership = Membership {
            model,
            group: self.model.group(&kafka),
            topics: self.model.topics.clone(),
            lane_of: self.model.lane_of.clone(),
            lanes: lanes.clone(),
            tally: tally.clone(),
            metrics: metrics.clone(),
            pulse: pulse.clone(),
        };
        let join = move || KafkaLog::join(&kafka, membership);
        // Joining asks for the topics first, and that blocks.
        tokio::task::spawn_blocking(join)
            .await
            .unwrap_or_else(|error| Err(Fault::defect("joining a group", &error)))
    }
}

/// Where a model keeps its positions in an archive.
pub fn position_dir(state_dir: &Path, model: &config::Model) -> PathBuf {
    state_dir.join(format!("{}.g{}", model.row.name, model.generation))
}

async fn watched<M: ReadModel>(witness: Option<Witness>) -> Infallible {
    match witness {
        Some(witness) => witness.watch::<M>().await,
        None => std::future::pending().await,
    }
}

fn spawn<M: ReadModel>(
    ports: Ports<M>,
    store: Arc<dyn Store<M>>,
    log: Box<dyn Log>,
    (model, witness): (config::Model, Option<Witness>),
    watch: Watch,
) -> Running {
    let end = End::default();
    let rollups = Rollups::of::<M>(ports.side.partials.clone());
    let gauges = RollupGauges {
        model: M::NAME,
        rollups: rollups.clone(),
        gauged: model.gauged,
        metrics: ports.metrics.clone(),
    };
    let served = Model::<M>::new(model.row, store, rollups, watch.tally.clone(), end.clone());
    let work = readmill_engine::run(Arc::new(ports), log, model.limits, watch);
    let work = tokio::spawn(async move {
        let result = tokio::select! {
            result = work => result,
            never = gauges.watch() => match never {},
            never = watched::<M>(witness) => match never {},
        };
        end.note(&result);
        result
    });
    Running { served: Arc::new(served), work }
}
