//! The connection to MongoDB, and the question whether it can keep its promises.

use std::fmt;
use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::time::Duration;

use bson::doc;
use mongodb::options::ClientOptions;
use mongodb::{Client, Database};
use readmill_core::ReadModel;
use readmill_engine::Fault;
use tokio::time::timeout;

use super::config::MongoConfig;
use super::faults::{REPLICA_SET, of_driver, refused, silent};
use super::indexes;
use super::store::MongoStore;
use crate::{address, life};

/// A connected MongoDB. It is cheap to clone.
#[derive(Clone)]
pub struct Mongo(Arc<Shared>);

struct Shared {
    /// Never dropped: when its last handle goes, the driver spawns a farewell to the server, which
    /// panics if the runtime ends meanwhile. The end of the process closes the connections too.
    db: ManuallyDrop<Database>,
    place: String,
    config: MongoConfig,
}

impl Mongo {
    /// Connects, and refuses at once what could not keep a majority's promise.
    pub async fn connect(config: &MongoConfig) -> Result<Self, Fault> {
        let place = address::told(&config.uri);
        let mut options =
            ClientOptions::parse(&config.uri).await.map_err(|error| of_driver(&place, &error))?;
        let select_limit = Duration::from_millis(config.select_limit_ms);
        options.server_selection_timeout = Some(select_limit);
        options.connect_timeout.get_or_insert(select_limit);
        options.app_name.get_or_insert_with(|| "readmill".to_owned());
        let client = Client::with_options(options).map_err(|error| of_driver(&place, &error))?;
        let db = ManuallyDrop::new(client.database(&config.database));
        let mongo = Self(Arc::new(Shared { db, place, config: config.clone() }));
        let hello = mongo.ask(mongo.db().run_command(doc! {"hello": 1})).await?;
        if !hello.contains_key("setName") && hello.get_str("msg").ok() != Some("isdbgrid") {
            let detail = format!("{} is not a replica set", mongo.place());
            return Err(refused(detail, REPLICA_SET));
        }
        Ok(mongo)
    }

    /// The documents of one generation of a read model, with the indexes that it declares; those of
    /// ours that it does not declare any more go.
    ///
    /// # Errors
    /// When the server does not answer or refuses.
    pub async fn documents_of<M: ReadModel>(&self, generation: u32) -> Result<MongoStore, Fault> {
        let store = MongoStore::new(self.clone(), format!("{}.g{generation}", M::NAME))?;
        indexes::arrange(self, store.collection(), M::INDEXES).await?;
        Ok(store)
    }

    /// The documents of one generation by the model's name, with the index by which those are found
    /// in which events wait, and the one that removes tombstones. No index is dropped.
    ///
    /// # Errors
    /// When the server does not answer or refuses.
    pub async fn documents(&self, model: &str, generation: u32) -> Result<MongoStore, Fault> {
        let store = MongoStore::new(self.clone(), format!("{model}.g{generation}"))?;
        let own = indexes::own(self.tombstone_life_ms().is_some());
        indexes::create(self, store.collection(), own).await?;
        Ok(store)
    }

    pub(super) fn db(&self) -> &Database {
        &self.0.db
    }

    pub(super) fn place(&self) -> &str {
        &self.0.place
    }

    pub(super) fn config(&self) -> &MongoConfig {
        &self.0.config
    }

    pub(super) fn tombstone_life_ms(&self) -> Option<i64> {
        life::millis(self.0.config.tombstone_life_hours)
    }

    /// Waits for an answer that may take long, as long as the server answers anything at all.
    pub(super) async fn ask_at_length<T>(
        &self,
        what: &str,
        question: impl IntoFuture<Output = mongodb::error::Result<T>, IntoFuture: Send>,
    ) -> Result<T, Fault> {
        let mut question = std::pin::pin!(question.into_future());
        let patience = Duration::from_millis(self.0.config.command_limit_ms.into());
        loop {
            match timeout(patience, &mut question).await {
                Ok(answer) => return answer.map_err(|error| of_driver(self.place(), &error)),
                Err(_) => {
                    self.ask(self.db().run_command(doc! {"ping": 1})).await?;
                    tracing::info!(place = self.place(), what, "still at it");
                }
            }
        }
    }

    /// Waits for an answer, but not for ever: the driver itself has no limit for a silent socket.
    pub(super) async fn ask<T>(
        &self,
        question: impl IntoFuture<Output = mongodb::error::Result<T>, IntoFuture: Send>,
    ) -> Result<T, Fault> {
        let limit_ms = u64::from(self.0.config.command_limit_ms) + self.0.config.select_limit_ms;
        match timeout(Duration::from_millis(limit_ms), question.into_future()).await {
            Ok(answer) => answer.map_err(|error| of_driver(self.place(), &error)),
            Err(_) => Err(silent(format!("{}: no answer in {limit_ms} ms", self.place()))),
        }
    }
}

impl fmt::Debug for Mongo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mongo").field("config", &self.0.config).finish_non_exhaustive()
    }
}
