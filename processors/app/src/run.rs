//! `run`: the models of a configuration, served and folded until the process is told to stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result};
use readmill_connectors::otlp::{Exporter, last_words};
use readmill_core::Counts;
use readmill_engine::{Fault, Lanes, Metrics, Pulse};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use crate::cli::RunArgs;
use crate::config::{Config, Source};
use crate::exit::Exit;
use crate::http::{self, Actions, Explaining, Feeds, History, Served, ServedModel};
use crate::services::Services;
use crate::vitals;
use crate::wiring::{Process, Running};

/// Obeys the command.
///
/// # Errors
/// A configuration with mistakes, a service that refuses, or a fault that needs a person.
pub async fn run(args: RunArgs) -> Result<Exit> {
    let config = Arc::new(Config::load(&args.config)?);
    let mut mill = Mill::start(config).await?;
    let result = tokio::select! {
        told = told_to_stop() => told,
        ended = mill.ended() => ended.map(drop).map_err(Into::into),
    };
    mill.stop().await.map_err(anyhow::Error::from).and(result)?;
    Ok(Exit::Done)
}

/// A process with its models started and served.
#[derive(Debug)]
pub struct Mill {
    process: Process,
    stop: watch::Sender<bool>,
    works: JoinSet<Result<Counts, Fault>>,
    close: watch::Sender<bool>,
    server: tokio::task::JoinHandle<Result<()>>,
    exporting: Option<tokio::task::JoinHandle<()>>,
    served: Vec<Arc<dyn ServedModel>>,
    counts: Counts,
}

impl Mill {
    /// Binds the address, starts the models, and serves them.
    ///
    /// # Errors
    /// An address in use, or what a service refuses.
    pub async fn start(config: Arc<Config>) -> Result<Self> {
        let bound = http::bind(&config.http).await?;
        let (stop, stopping) = watch::channel(false);
        let address = bound.address()?;
        let mut metrics = Metrics::new().context("the metrics cannot be registered")?;
        vitals::introduce(&metrics);
        let instance = name_of(&config, address);
        let mut exporting = None;
        if let Some(traces) = &config.traces {
            let (tracer, exporter) = Exporter::new(traces, &instance)?;
            exporting = Some(tokio::spawn(exporter.run(metrics.clone())));
            metrics = metrics.tracing(tracer);
        }
        let process = Process {
            instance,
            config: Arc::clone(&config),
            services: Arc::new(Services::measured(metrics.clone())),
            metrics,
            pulse: Pulse::default(),
            lanes: Lanes::new(&config.lanes),
            stop: stopping.clone(),
        };
        let running = process.start().await?;
        let models: Vec<Arc<dyn ServedModel>> =
            running.iter().map(|running| Arc::clone(&running.served)).collect();
        let served = Served {
            config: Arc::clone(&config),
            services: Arc::clone(&process.services),
            actions: Actions::new(config.http.limits.request),
            metrics: process.metrics.clone(),
            pulse: process.pulse.clone(),
            lanes: process.lanes.clone(),
            history: History::default(),
            explaining: Explaining::default(),
            models: models.clone(),
            stall_limit: config.instance.stall_limit,
            stopping,
            since: Instant::now(),
            feeds: Feeds::beside(config.http.limits.connections),
        };
        let mut works = JoinSet::new();
        for Running { work, .. } in running {
            works.spawn(async move { work.await.unwrap_or_else(|error| Err(ended(&error))) });
        }
        let (close, closed) = watch::channel(false);
        let server = tokio::spawn(http::serve(bound, served, closed));
        tracing::info!(listen = %address, tls = config.http.tls.is_some(), "serving");
        let counts = Counts::default();
        Ok(Self { process, stop, works, close, server, exporting, served: models, counts })
    }

    /// Waits until every model has read its log to the end, which a Kafka topic never has.
    ///
    /// # Errors
    /// The first fault that needs a person.
    pub async fn ended(&mut self) -> Result<Counts, Fault> {
        while let Some(work) = self.works.join_next().await {
            self.counts.add(work.unwrap_or_else(|error| Err(ended(&error)))?);
        }
        Ok(self.counts)
    }

    /// Settles what is in hand, gives partitions back, and stops serving last of all.
    ///
    /// # Errors
    /// What went wrong with the last batches.
    pub async fn stop(mut self) -> Result<Counts, Fault> {
        tracing::info!("stopping: settling what is in hand");
        self.stop.send_replace(true);
        let counts = self.ended().await;
        self.close.send_replace(true);
        if let Ok(Err(error)) = self.server.await {
            tracing::warn!(%error, "the server ended with an error");
        }
        // All tracers go with these.
        drop((self.process, self.served));
        if let Some(exporting) = self.exporting {
            last_words(exporting).await;
        }
        counts
    }

    /// The models, as they are served.
    pub fn served(&self) -> Vec<Arc<dyn ServedModel>> {
        self.served.clone()
    }

    /// What the models share.
    pub const fn process(&self) -> &Process {
        &self.process
    }
}

/// The name of this process among other instances: the same when it is started again.
fn name_of(config: &Config, address: SocketAddr) -> String {
    if let Source::Kafka { kafka, .. } = &config.source
        && let Some(name) = &kafka.instance_id
    {
        return name.clone();
    }
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{}/{address}", host.trim())
}

/// Waits for SIGTERM or SIGINT.
///
/// # Errors
/// When signals cannot be listened to.
pub async fn told_to_stop() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("no SIGTERM handler")?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        interrupted = tokio::signal::ctrl_c() => interrupted.context("no SIGINT handler"),
    }
}

fn ended(error: &JoinError) -> Fault {
    Fault::defect("the task of a model", error)
}
