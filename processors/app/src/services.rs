//! The services that a configuration names: each opened once, when the first model needs it.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use readmill_connectors::embedded::{Embedded, EmbeddedConfig};
use readmill_connectors::kafka::{KafkaConfig, Producer};
use readmill_connectors::mongo::{Mongo, MongoConfig};
use readmill_connectors::redis::{LateRedisMirror, Redis, RedisConfig};
use readmill_connectors::registry::{RegistryBook, RegistryConfig};
use readmill_core::ReadModel;
use readmill_engine::mirror::{Care, Heals, Tended};
use readmill_engine::verify::Seen;
use readmill_engine::{Changes, Fault, HeldApart, HeldStore, Metrics, Side, Store};
use tokio::sync::OnceCell;

use crate::config;
use crate::forget::Place;
use crate::generations::Registrar;

/// Under which names rosters and seats are kept.
pub const ROSTERS: &str = "readmill.rosters";
const SEATS: &str = "readmill.seats";
/// Under which name it is kept who is forgotten.
const FORGOTTEN: &str = "readmill.forgotten";

/// The name of a generation's mirror: of the first one it is the mirror's own.
fn mirror_of(name: &str, generation: u32) -> String {
    if generation == 1 { name.to_owned() } else { format!("{name}@{generation}") }
}

/// What is open.
#[derive(Debug, Default)]
pub struct Services {
    mongo: OnceCell<Mongo>,
    redis: OnceCell<Redis>,
    embedded: OnceCell<Embedded>,
    registry: OnceCell<Arc<RegistryBook>>,
    producer: OnceCell<Producer>,
    /// Where it is counted what they are asked, if anybody looks.
    metrics: Option<Metrics>,
    /// By model and generation.
    changes: Mutex<BTreeMap<(&'static str, u32), Changes>>,
}

impl Services {
    /// None is open yet; what they are asked is counted.
    pub fn measured(metrics: Metrics) -> Self {
        Self { metrics: Some(metrics), ..Self::default() }
    }

    /// The documents of one generation of a model.
    ///
    /// # Errors
    /// When the store does not answer or refuses.
    pub async fn documents<M: ReadModel>(
        &self,
        model: &config::Model,
    ) -> Result<Arc<dyn Store<M>>, Fault> {
        if let config::Store::Mongo(room) = &model.store {
            // With the indexes that the model declares.
            let mongo = self.mongo(room).await?;
            return Ok(Arc::new(mongo.documents_of::<M>(model.generation).await?));
        }
        self.documents_as(model, M::NAME).await
    }

    /// The documents of one generation of a model with all that is kept beside them, for whoever
    /// compares them.
    ///
    /// # Errors
    /// When the store does not answer or refuses.
    pub async fn seen<M: ReadModel>(&self, model: &config::Model) -> Result<Seen<M>, Fault> {
        let standing = self.registrar(model).await?.read().await?;
        let counts_forgotten =
            standing.is_some_and(|standing| standing.roster.counts_forgotten(model.generation));
        let store = self.documents(model).await?;
        Ok(Seen { store, side: self.side::<M>(model).await?, counts_forgotten })
    }

    /// What is kept beside a model's documents, of what it needs.
    ///
    /// # Errors
    /// When the store does not answer or refuses.
    pub async fn side<M: ReadModel>(&self, model: &config::Model) -> Result<Side, Fault> {
        let mut side = Side::default();
        if !M::ROLLUPS.is_empty() {
            side.partials = Some(self.documents_as(model, &format!("{}.partials", M::NAME)).await?);
        }
        if M::EMBEDS {
            side.edges = Some(self.documents_as(model, &format!("{}.edges", M::NAME)).await?);
        }
        Ok(side)
    }

    async fn documents_as<M: ReadModel>(
        &self,
        model: &config::Model,
        name: &str,
    ) -> Result<Arc<dyn Store<M>>, Fault> {
        self.kept(&model.store, name, model.generation).await
    }

    /// Who is told of what this process writes of a model's generation.
    pub fn changes(&self, model: &'static str, generation: u32) -> Changes {
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        // A number that no other process has, so that its places mean nothing here.
        let begin = || Changes::beginning(RandomState::new().build_hasher().finish());
        changes.entry((model, generation)).or_insert_with(begin).clone()
    }

    /// Where the generations of a model are listed: beside its documents.
    ///
    /// # Errors
    /// When the store does not answer or refuses.
    pub async fn registrar(&self, model: &config::Model) -> Result<Registrar, Fault> {
        let rosters = self.kept(&model.store, ROSTERS, 1).await?;
        let seats = self.kept(&model.store, SEATS, 1).await?;
        Ok(Registrar::new(model.row.name, rosters, seats))
    }

    /// Where it is kept who is forgotten: beside the documents of a store.
    ///
    /// # Errors
    /// When the store does not answer or refuses.
    pub async fn forgotten(&self, store: &config::Store) -> Result<Place, Fault> {
        Ok(match store {
            config::Store::Mongo(_) | config::Store::Redis(_) => {
                Place::Kept(self.kept(store, FORGOTTEN, 1).await?)
            }
            config::Store::Embedded(room) => {
                let mut beside = room.directory.clone().into_os_string();
                beside.push(".forgotten");
                Place::File(beside.into())
            }
        })
    }

    /// The model with the number of the generation that readers see.
    ///
    /// # Errors
    /// When the store does not answer or refuses.
    pub async fn live(&self, model: &config::Model) -> Result<config::Model, Fault> {
        let standing = self.registrar(model).await?.read().await?;
        let generation = standing.map_or(1, |standing| standing.roster.live);
        Ok(config::Model { generation, ..model.clone() })
    }

    /// The same, as far as the store can be asked: another process may have it to itself.
    pub async fn live_or_first(&self, model: &config::Model) -> config::Model {
        self.live(model).await.unwrap_or_else(|_| model.clone())
    }

    /// Lets the names by which readers find a model lead to one of its generations.
    ///
    /// # Errors
    /// When a store does not answer or refuses.
    pub async fn point(&self, model: &config::Model, generation: u32) -> Result<(), Fault> {
        let name = model.row.name;
        match &model.store {
            config::Store::Mongo(room) => self.mongo(room).await?.point(name, generation).await?,
            config::Store::Redis(room) => self.redis(room).await?.point(name, generation).await?,
            // Nobody but this process reads it.
            config::Store::Embedded(_) => {}
        }
        let (Some(mirror), Some(config::Mirror::Redis(room))) = (model.row.mirror, &model.mirror)
        else {
            return Ok(());
        };
        let pointing = async || {
            let redis = self.redis(room).await?;
            redis.point_mirror(mirror, &mirror_of(mirror, generation)).await
        };
        match pointing().await {
            // One that is not required may be away; it is told when it is seen again.
            Err(fault) if !model.care.required => {
                tracing::warn!(model = name, %fault, "the mirror was not told who is live");
                Ok(())
            }
            told => told,
        }
    }

    async fn kept<M: ReadModel>(
        &self,
        store: &config::Store,
        name: &str,
        generation: u32,
    ) -> Result<Arc<dyn Store<M>>, Fault> {
        Ok(match store {
            config::Store::Mongo(room) => {
                Arc::new(self.mongo(room).await?.documents(name, generation).await?)
            }
            config::Store::Redis(room) => {
                Arc::new(self.redis(room).await?.documents(name, generation).await?)
            }
            config::Store::Embedded(room) => {
                Arc::new(self.embedded(room).await?.documents(name, generation)?)
            }
        })
    }

    /// Where the held records of a model's generation are: beside its documents.
    ///
    /// # Errors
    /// When the store does not answer or refuses.
    pub async fn held(&self, model: &config::Model) -> Result<Arc<dyn HeldStore>, Fault> {
        let store: Arc<dyn HeldStore> = match &model.store {
            config::Store::Mongo(room) => Arc::new(self.mongo(room).await?.held().await?),
            config::Store::Redis(room) => Arc::new(self.redis(room).await?.held()),
            config::Store::Embedded(room) => Arc::new(self.embedded(room).await?),
        };
        Ok(match model.generation {
            1 => store,
            other => Arc::new(HeldApart::of(store, model.row.name, other)),
        })
    }

    /// The mirror of that name, of one generation. One that is not required need not be there yet.
    ///
    /// # Errors
    /// When its place does not answer or refuses.
    pub async fn mirror(
        &self,
        mirror: &config::Mirror,
        name: &str,
        generation: u32,
        care: Care,
    ) -> Result<Arc<Tended>, Fault> {
        let name = &mirror_of(name, generation);
        let mirror: Arc<dyn Heals> = match mirror {
            config::Mirror::Redis(room) if care.required => {
                Arc::new(self.redis(room).await?.mirror(name))
            }
            config::Mirror::Redis(room) => Arc::new(LateRedisMirror::at(room, name)),
            config::Mirror::Embedded(room) => Arc::new(self.embedded(room).await?.mirror(name)?),
        };
        Ok(Arc::new(Tended::new(mirror, care)))
    }

    /// The embedded store.
    ///
    /// # Errors
    /// When its directory cannot be used, or another process uses it.
    pub async fn embedded(&self, room: &EmbeddedConfig) -> Result<Embedded, Fault> {
        let open = async || Embedded::open(room);
        self.embedded.get_or_try_init(open).await.cloned()
    }

    /// The registry; that it is one has been checked.
    ///
    /// # Errors
    /// When nobody answers, or not as a registry would.
    pub async fn registry(&self, room: &RegistryConfig) -> Result<Arc<RegistryBook>, Fault> {
        let open = async || {
            let mut book = RegistryBook::new(room)?;
            if let Some(metrics) = &self.metrics {
                book = book.measured(metrics.clone());
            }
            book.check().await?;
            Ok(Arc::new(book))
        };
        self.registry.get_or_try_init(open).await.cloned()
    }

    /// The producer for reactions.
    ///
    /// # Errors
    /// When its configuration is refused.
    pub async fn producer(&self, room: &KafkaConfig) -> Result<Producer, Fault> {
        self.producer.get_or_try_init(async || Producer::new(room)).await.cloned()
    }

    /// MongoDB.
    ///
    /// # Errors
    /// When it does not answer or refuses.
    pub async fn mongo(&self, room: &MongoConfig) -> Result<Mongo, Fault> {
        self.mongo.get_or_try_init(|| Mongo::connect(room)).await.cloned()
    }

    /// Redis.
    ///
    /// # Errors
    /// When it does not answer or refuses.
    pub async fn redis(&self, room: &RedisConfig) -> Result<Redis, Fault> {
        self.redis.get_or_try_init(|| Redis::connect(room)).await.cloned()
    }
}
