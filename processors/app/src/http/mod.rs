//! What the process tells over HTTP, to whom, and what it does for those who may ask for it.

mod actions;
mod answer;
mod asked;
mod at_least;
mod documents;
mod doors;
mod encoded;
mod events;
mod explain;
mod exposition;
mod failure;
mod feed;
mod generations;
mod guard;
mod health;
mod held;
mod history;
mod hot;
mod keys;
mod lanes;
mod list;
mod locks;
mod openapi;
mod page;
mod patient;
mod rate;
mod rollups;
mod routes;
mod status;
#[cfg(test)]
mod tests;

use std::fmt::Debug;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use readmill_core::{Collection, Counts, Document, Key, Place, Position, ReadModel, Shows};
use readmill_engine::{Changes, Fault, Lanes, Metrics, Pulse, Rollups};
use readmill_models::Row;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::Instant as Deadline;

use crate::config::{Config, Http};
use crate::exit::{Exit, Failure};
use crate::generations::Reaching;
use crate::listing::{self, Listing};
use crate::services::Services;

pub use actions::Actions;
pub use explain::Explaining;
pub use exposition::{Exposition, Histogram};
pub use feed::Feeds;
pub use history::History;
pub use keys::{Keys, Role};
pub use locks::open_to_all;

use guard::Guard;
use locks::{Locks, Rotation};

/// A read model as it is served.
#[async_trait]
pub trait ServedModel: Debug + Send + Sync {
    /// Its row in the list of models.
    fn row(&self) -> Row;

    /// What became of its records.
    fn counts(&self) -> Counts;

    /// What it is doing.
    fn state(&self) -> ModelState;

    /// What stands under a key.
    async fn get(&self, key: &Key) -> Result<Standing, Fault>;

    /// The generation that readers see here; none for the moment of a swap, or if others have it.
    fn generation(&self) -> Option<u32>;

    /// Its roll-ups.
    async fn rollups(&self) -> Result<Rollups, Fault>;

    /// Waits until records are settled, at most until then.
    async fn reach(&self, wanted: &[Position], until: Deadline) -> Result<Reaching, Fault>;

    /// Some of its documents.
    async fn list(&self, asked: &listing::Asked) -> Result<Listing, Fault>;

    /// The generation that readers see here, and who is told of what is written in it.
    async fn changes(&self) -> Result<(u32, Changes), Fault>;
}

/// What a model is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelState {
    /// It has no partitions yet.
    Starting,
    /// It has its partitions, or reads its archive.
    Running,
    /// Everything there is has been read.
    Ended,
    /// It stopped with a fault, in words.
    Failed(String),
}

/// What stands under a key.
#[derive(Debug, Clone, PartialEq)]
pub enum Standing {
    /// Nothing was ever folded there.
    Never,
    /// A document that ended.
    Gone {
        /// The revision of its end.
        revision: i64,
    },
    /// A living document.
    Live {
        /// Its revision.
        revision: i64,
        /// Its state.
        state: Value,
        /// What its mirror is to show of it, where it has one: an answer for readers whose mirror
        /// is gone.
        shows: Option<Value>,
    },
}

impl Standing {
    /// What a stored document shows to readers.
    ///
    /// # Errors
    /// `Damaged` when the state cannot be written as JSON.
    pub fn of<M: ReadModel>(document: Option<&Document<M>>) -> Result<Self, Fault> {
        let Some(document) = document else { return Ok(Self::Never) };
        let revision = document.stamp.revision;
        match &document.state {
            Some(state) => match serde_json::to_value(state) {
                Ok(value) => {
                    let shows = M::MIRROR.map(|_| shown(&M::mirror(state)));
                    Ok(Self::Live { revision, state: value, shows })
                }
                Err(error) => Err(Fault::Damaged {
                    what: format!("a document of {}", M::NAME),
                    detail: error.to_string(),
                    hint: "its state cannot be written as JSON: report it",
                }),
            },
            None if document.stamp.gone => Ok(Self::Gone { revision }),
            None => Ok(Self::Never),
        }
    }
}

/// What a mirror shows, as JSON.
fn shown(shows: &Shows) -> Value {
    let hash: Map<String, Value> =
        shows.hash.iter().map(|(name, text)| ((*name).to_owned(), text.clone().into())).collect();
    let (mut sets, mut sorted) = (Vec::new(), Map::new());
    for Place { collection, score } in &shows.places {
        match collection {
            Collection::Set(name) => sets.push(name.clone()),
            Collection::Sorted(name) => drop(sorted.insert(name.clone(), (*score).into())),
        }
    }
    json!({ "hash": hash, "json": shows.json, "sets": sets, "sorted": sorted })
}

/// Everything that is served.
#[derive(Debug, Clone)]
pub struct Served {
    /// The metrics.
    pub metrics: Metrics,
    /// The pulse of all loops.
    pub pulse: Pulse,
    /// The lanes, which may be changed.
    pub lanes: Lanes,
    /// The configuration.
    pub config: Arc<Config>,
    /// What is open.
    pub services: Arc<Services>,
    /// What is being done for whoever asked.
    pub actions: Actions,
    /// How the last hour went.
    pub history: History,
    /// Who may explain a document.
    pub explaining: Explaining,
    /// The models, in the order of the page.
    pub models: Vec<Arc<dyn ServedModel>>,
    /// How long a loop may make no progress.
    pub stall_limit: Duration,
    /// Turns true when the process begins to stop: it is not ready any more, but still answers.
    pub stopping: watch::Receiver<bool>,
    /// When the process began.
    pub since: Instant,
    /// How many may listen to changes.
    pub feeds: Feeds,
}

/// An address that is taken, with what opens it.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    locks: Locks,
    rotation: Rotation,
}

impl Bound {
    /// Where it listens.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn address(&self) -> Result<SocketAddr> {
        self.listener.local_addr().context("the listener has no address")
    }
}

/// Takes the address and reads the files with tokens and certificates, so that all is known to be
/// well before anything else begins.
///
/// # Errors
/// When the address is in use or not ours, or would be open to a network without tokens, or a file
/// cannot be used.
pub async fn bind(http: &Http) -> Result<Bound> {
    let address = http.listen;
    let (locks, rotation) = Locks::open(http)?;
    if !address.ip().is_loopback() && locks.keys.borrow().is_empty() {
        let told = format!("{address} is not on loopback, and there are no tokens");
        let hint = "set operate_token_file under [http], or listen on 127.0.0.1";
        return Err(Failure::new(Exit::Usage, told, hint).into());
    }
    let listener = TcpListener::bind(address).await.map_err(|error| {
        let (message, hint) = if error.kind() == std::io::ErrorKind::AddrInUse {
            let hint = "stop that process, or choose another address: http.listen in the \
                        configuration, --listen of the demo";
            (format!("{address} is in use by another process"), hint)
        } else {
            let hint = "choose an address of this machine and a port that this user may open";
            (format!("{address} cannot be listened on: {error}"), hint)
        };
        Failure::new(Exit::Service, message, hint)
    })?;
    Ok(Bound { listener, locks, rotation })
}

/// Serves until `closed` turns true or its sender is gone; answers under way may end.
///
/// # Errors
/// When the listener fails.
pub async fn serve(bound: Bound, served: Served, closed: watch::Receiver<bool>) -> Result<()> {
    let Bound { listener, locks, rotation } = bound;
    let http = served.config.http.clone();
    let guard = Guard::new(http.clone(), locks.keys, served.metrics.clone());
    let sampling = history::keep(served.clone());
    let router = routes::router(served, &guard);
    let connections = usize::try_from(http.limits.connections.get()).unwrap_or(usize::MAX);
    tokio::select! {
        ended = doors::keep(listener, router, locks.tls, connections, closed) => ended,
        never = rotation.go_on() => match never {},
        never = sampling => match never {},
    }
}
