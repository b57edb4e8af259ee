//! Wiring: the models of a configuration, started on the services that it names.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use readmill_core::{Counts, ReadModel};
use readmill_engine::{Clock as _, Fault, Lanes, Metrics, Pulse};
use readmill_models::Visit;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::{self, Config};
use crate::generations::{Attendant, End, ServedFace};
use crate::http::ServedModel;
use crate::ports::SystemClock;
use crate::services::Services;

/// What all models of a process share.
#[derive(Debug, Clone)]
pub struct Process {
    /// Its name among other instances.
    pub instance: String,
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
        let row = self.model.row;
        let now_ms = SystemClock.now_ms();
        let (attendant, outlook) = Attendant::<M>::begin(self.process, self.model, now_ms).await?;
        let end = End::default();
        let served = ServedFace::new(row, outlook.face, outlook.tally, end.clone());
        let work = tokio::spawn(async move {
            let result = attendant.attend().await;
            end.note(&result);
            result
        });
        Ok(Running { served: Arc::new(served), work })
    }
}

/// Where a model keeps its positions in an archive.
pub fn position_dir(state_dir: &Path, model: &config::Model) -> PathBuf {
    state_dir.join(format!("{}.g{}", model.row.name, model.generation))
}
