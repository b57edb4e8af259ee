//! Wiring: the models of a configuration, started on the services that it names.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use readmill_connectors::archive::{ArchiveBook, ArchiveConfig, ArchiveLog};
use readmill_connectors::kafka::{KafkaConfig, KafkaLog, KafkaOutlet};
use readmill_core::{Counts, ReadModel};
use readmill_engine::{
    Clock, Fault, Log, Metrics, Outlet, Ports, Pulse, Said, SchemaBook, Store, Tally, Watch,
};
use readmill_models::Visit;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::{self, Config, Reactions};
use crate::http::ServedModel;
use crate::served::{End, Model};
use crate::services::Services;

/// The number that leaves the partitions of a new topic to the brokers.
const BROKERS_DEFAULT: i32 = -1;

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
        let Process { services, metrics, pulse, stop, .. } = &self.process;
        let store = services.documents::<M>(&self.model).await?;
        let mirror = match (M::MIRROR, &self.model.mirror) {
            (Some(name), Some(place)) => Some(services.mirror(place, name).await?),
            (Some(_) | None, _) => None,
        };
        let ports = Ports {
            schemas: self.schemas().await?,
            store: Arc::clone(&store),
            held: services.held(&self.model.store).await?,
            outlet: self.outlet::<M>().await?,
            mirror,
            clock: Arc::new(SystemClock),
            metrics: metrics.clone(),
        };
        let tally = Tally::new(M::NAME, metrics.clone());
        let watch = Watch { tally: tally.clone(), pulse: pulse.clone(), stop: stop.clone() };
        let log = self.log(M::NAME).await?;
        Ok(spawn(ports, store, log, self.model, watch))
    }

    async fn schemas(&self) -> Result<Arc<dyn SchemaBook>, Fault> {
        Ok(match &self.process.config.source {
            config::Source::Kafka { registry, .. } => {
                self.process.services.registry(registry).await?
            }
            config::Source::Archive { dir } => Arc::new(ArchiveBook::new(dir)),
        })
    }

    /// The outlet of a model that says something; its contracts are registered first.
    async fn outlet<M: ReadModel>(&self) -> Result<Arc<dyn Outlet>, Fault> {
        let services = &self.process.services;
        Ok(match &self.model.reactions {
            Reactions::None => Arc::new(Mute),
            Reactions::Embedded(room) => Arc::new(services.embedded(room).await?),
            Reactions::Topic { topic, kafka, registry } => {
                let registry = services.registry(registry).await?;
                let mut ids = BTreeMap::new();
                for contract in M::SAYS {
                    let subject = format!("{topic}-{}", contract.name);
                    let id = registry.register(&subject, contract.text).await?;
                    ids.insert(contract.name.to_owned(), id);
                }
                let producer = services.producer(kafka).await?;
                producer.ensure_topics(&[topic], BROKERS_DEFAULT).await?;
                Arc::new(KafkaOutlet::new(producer, topic.clone(), ids))
            }
        })
    }

    async fn log(&self, model: &'static str) -> Result<Box<dyn Log>, Fault> {
        match &self.process.config.source {
            config::Source::Kafka { kafka, .. } => {
                Ok(Box::new(self.join(Arc::clone(kafka), model).await?))
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

    async fn join(&self, kafka: Arc<KafkaConfig>, model: &'static str) -> Result<KafkaLog, Fault> {
        let group = format!("{}.{model}.g{}", kafka.group_prefix, self.model.generation);
        let (topics, pulse) = (self.model.topics.clone(), self.process.pulse.clone());
        let join = move || KafkaLog::join(&kafka, &group, &topics, model, pulse);
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

fn spawn<M: ReadModel>(
    ports: Ports<M>,
    store: Arc<dyn Store<M>>,
    log: Box<dyn Log>,
    model: config::Model,
    watch: Watch,
) -> Running {
    let end = End::default();
    let served = Model::<M>::new(model.row, store, watch.tally.clone(), end.clone());
    let work = readmill_engine::run(Arc::new(ports), log, model.limits, watch);
    let work = tokio::spawn(async move {
        let result = work.await;
        end.note(&result);
        result
    });
    Running { served: Arc::new(served), work }
}

/// The machine's time.
#[derive(Debug)]
struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }
}

/// The outlet of a model that says nothing: whatever comes is a defect, and never dropped.
#[derive(Debug)]
struct Mute;

#[async_trait]
impl Outlet for Mute {
    async fn send(&self, _: &[Said]) -> Result<(), Fault> {
        Err(Fault::Refused {
            service: "outlet",
            detail: "the model says something, and its reactions have no place".to_owned(),
            hint: "name a reactions_topic for it",
        })
    }
}
