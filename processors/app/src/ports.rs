//! The ports of a read model, on the services that a configuration names.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use readmill_connectors::archive::ArchiveBook;
use readmill_connectors::kafka::{DeadLetters, KafkaOutlet};
use readmill_core::ReadModel;
use readmill_engine::mirror::Tended;
use readmill_engine::{
    Bounded, Clock, Fault, Forgetting, HeldStore, Memory, Metrics, Mirror, Only, Outlet, Ports,
    Said, SchemaBook, Script, VersionsOf, Word,
};

use crate::config::{self, Config, HeldTopic, Reactions};
use crate::services::Services;

/// The number that leaves the partitions of a new topic to the brokers.
const BROKERS_DEFAULT: i32 = -1;

/// One model whose ports are opened.
#[derive(Debug, Clone, Copy)]
pub struct Opening<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The model in it.
    pub model: &'a config::Model,
    /// What is open.
    pub services: &'a Services,
}

/// Whether the configured bound on held records is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// It is: nobody looks at every record.
    AsConfigured,
    /// It is, and nobody hears of new ones: another generation tells of them.
    Unheard,
    /// It is not: a person empties what may be full.
    Lifted,
}

impl Opening<'_> {
    /// Everything that the model stands on.
    ///
    /// # Errors
    /// What a service refuses.
    pub async fn ports<M: ReadModel>(
        &self,
        held: Arc<dyn HeldStore>,
        word: Word,
        script: Script,
        metrics: Metrics,
    ) -> Result<Ports<M>, Fault> {
        let mirror: Option<Arc<dyn Mirror>> = match self.mirror::<M>().await? {
            Some(mirror) => Some(mirror),
            None => None,
        };
        Ok(Ports {
            script,
            store: self.services.documents::<M>(self.model).await?,
            side: self.services.side::<M>(self.model).await?,
            held,
            outlet: self.outlet::<M>().await?,
            word,
            mirror,
            memory: Memory::default(),
            changes: self.services.changes(self.model.row.name, self.model.generation),
            clock: Arc::new(SystemClock),
            metrics,
        })
    }

    /// Everything that the model stands on, for a person who deals with it by hand: nothing bounds
    /// what is held, and whatever follows is said.
    ///
    /// # Errors
    /// What a service refuses.
    pub async fn ports_by_hand<M: ReadModel>(&self) -> Result<Ports<M>> {
        let metrics = Metrics::new().context("the metrics cannot be registered")?;
        let (held, script) = (self.held(Bound::Lifted).await?, self.script().await?);
        Ok(self.ports(held, Word::alone(), script, metrics).await?)
    }

    /// How the model's records are read, by whoever hears of nobody who is forgotten by now.
    ///
    /// # Errors
    /// When the registry or the store does not answer or refuses.
    pub async fn script(&self) -> Result<Script, Fault> {
        self.script_without(self.forgotten().await?).await
    }

    /// The same, for whoever is told of those who are.
    ///
    /// # Errors
    /// When the registry does not answer or refuses.
    pub async fn script_without(&self, forgotten: Forgetting) -> Result<Script, Fault> {
        let versions_of = VersionsOf::new(self.model.versions_of.clone());
        let schemas = self.schemas().await?;
        Ok(Script { schemas, versions_of, forgotten, only: Only::default() })
    }

    /// Who is forgotten by now.
    ///
    /// # Errors
    /// When the store does not answer or refuses.
    pub async fn forgotten(&self) -> Result<Forgetting, Fault> {
        let list = self.services.forgotten(&self.model.store).await?.read().await?;
        Ok(Forgetting::these(list.forgotten))
    }

    /// The mirror, where the model has one and the configuration names a place for it.
    ///
    /// # Errors
    /// What its place refuses.
    pub async fn mirror<M: ReadModel>(&self) -> Result<Option<Arc<Tended>>, Fault> {
        let (Some(name), Some(place)) = (M::MIRROR, &self.model.mirror) else { return Ok(None) };
        let generation = self.model.generation;
        self.services.mirror(place, name, generation, self.model.care).await.map(Some)
    }

    /// The held records, with a copy of each new one on the topic that is configured.
    ///
    /// # Errors
    /// What the store or the brokers refuse.
    pub async fn held(&self, bound: Bound) -> Result<Arc<dyn HeldStore>, Fault> {
        let held = &self.model.held;
        let mut store = self.services.held(self.model).await?;
        if bound != Bound::Lifted {
            store = Arc::new(Bounded::new(store, held.limit_records));
        }
        let heard = held.topic.as_ref().filter(|_| bound != Bound::Unheard);
        let Some(HeldTopic { topic, kafka }) = heard else {
            return Ok(store);
        };
        let producer = self.services.producer(kafka).await?;
        producer.ensure_topics(&[topic], BROKERS_DEFAULT).await?;
        Ok(Arc::new(DeadLetters::new(store, producer, topic.clone())))
    }

    /// Where writer schemas are found.
    ///
    /// # Errors
    /// When the registry does not answer or refuses.
    pub async fn schemas(&self) -> Result<Arc<dyn SchemaBook>, Fault> {
        Ok(match &self.config.source {
            config::Source::Kafka { registry, .. } => self.services.registry(registry).await?,
            config::Source::Archive { dir } => Arc::new(ArchiveBook::new(dir)),
        })
    }

    /// The outlet of a model that says something; its contracts are registered first.
    async fn outlet<M: ReadModel>(&self) -> Result<Arc<dyn Outlet>, Fault> {
        let services = self.services;
        Ok(match &self.model.reactions {
            Reactions::None => Arc::new(Mute),
            Reactions::Embedded(room) => Arc::new(services.embedded(room).await?),
            Reactions::Topic { topic, kafka, registry, subjects } => {
                let registry = services.registry(registry).await?;
                let mut ids = BTreeMap::new();
                for contract in M::SAYS {
                    let subject = subjects.subject(topic, contract.name);
                    let id = registry.register(&subject, contract.text).await?;
                    ids.insert(contract.name.to_owned(), id);
                }
                let producer = services.producer(kafka).await?;
                producer.ensure_topics(&[topic], BROKERS_DEFAULT).await?;
                Arc::new(KafkaOutlet::new(producer, topic.clone(), ids))
            }
        })
    }
}

/// The machine's time.
#[derive(Debug)]
pub struct SystemClock;

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
