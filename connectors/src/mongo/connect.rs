//! The connection to MongoDB, and the question whether it can keep its promises.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bson::doc;
use mongodb::Database;
use readmill_core::ReadModel;
use readmill_engine::Fault;
use tokio::time::timeout;

use super::config::MongoConfig;
use super::faults::{REPLICA_SET, refused, silent};
use super::indexes;
use super::link::Link;
use super::store::MongoStore;
use crate::{address, life};

/// A connected MongoDB. It is cheap to clone.
#[derive(Clone)]
pub struct Mongo(Arc<Shared>);

struct Shared {
    link: Link,
    place: String,
    config: MongoConfig,
}

impl Mongo {
    /// Connects, and refuses at once what could not keep a majority's promise.
    pub async fn connect(config: &MongoConfig) -> Result<Self, Fault> {
        let place = address::told(&config.uri);
        let link = Link::open(config, &place).await?;
        let mongo = Self(Arc::new(Shared { link, place, config: config.clone() }));
        let hello = mongo.ask(mongo.db().run_command(doc! {"hello": 1})).await?;
        if !hello.contains_key("setName") && hello.get_str("msg").ok() != Some("isdbgrid") {
            let detail = format!("{} is not a replica set", mongo.place());
            return Err(refused(detail, REPLICA_SET));
        }
        mongo.0.link.was_good();
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

    pub(super) fn db(&self) -> Database {
        self.0.link.db()
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
                Ok(answer) => return self.judged(answer).await,
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
        if self.0.link.is_due() {
            let mongo = self.clone();
            // The next question is asked by another client, once the server has let that one in.
            drop(tokio::spawn(async move { mongo.renew().await }));
        }
        let limit_ms = u64::from(self.0.config.command_limit_ms) + self.0.config.select_limit_ms;
        match timeout(Duration::from_millis(limit_ms), question.into_future()).await {
            Ok(answer) => self.judged(answer).await,
            Err(_) => Err(silent(format!("{}: no answer in {limit_ms} ms", self.place()))),
        }
    }

    async fn judged<T>(&self, answer: mongodb::error::Result<T>) -> Result<T, Fault> {
        match answer {
            Ok(answer) => Ok(answer),
            Err(error) => Err(self.0.link.judge(&self.0.config, self.place(), &error).await),
        }
    }

    async fn renew(&self) -> bool {
        self.0.link.renew(&self.0.config, self.place()).await
    }
}

impl fmt::Debug for Mongo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mongo").field("config", &self.0.config).finish_non_exhaustive()
    }
}
