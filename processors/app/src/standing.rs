//! How far a model is settled, asked without joining its group.

use std::collections::BTreeMap;
use std::sync::Arc;

use readmill_connectors::archive::{ArchiveConfig, ArchiveLog};
use readmill_connectors::kafka::{GroupPositions, KafkaConfig, Places};
use readmill_core::Partition;
use readmill_engine::{Bounds, Fault, Since, Until};

use crate::config::{self, Config};
use crate::wiring::position_dir;

/// The consumer group of a model's generation; cheap to clone.
#[derive(Debug, Clone)]
pub struct Group(Arc<GroupPositions>);

impl Group {
    /// Of a model in one cluster.
    ///
    /// # Errors
    /// When the client's configuration is refused.
    pub fn of(kafka: &KafkaConfig, model: &config::Model) -> Result<Self, Fault> {
        let positions = GroupPositions::of(kafka, &model.group(kafka), &model.topics)?;
        Ok(Self(Arc::new(positions)))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.0.group()
    }

    /// Asks the brokers beside the runtime, since that blocks.
    ///
    /// # Errors
    /// What is answered.
    pub async fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&GroupPositions) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let positions = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || ask(&positions))
            .await
            .unwrap_or_else(|error| Err(Fault::defect("asking the brokers", &error)))
    }
}

/// Where it is asked how far a model is settled.
#[derive(Debug, Clone)]
pub enum Standing {
    /// In its group.
    Kafka(Group),
    /// In the positions that are kept beside an archive.
    Archive(ArchiveConfig),
}

impl Standing {
    /// Of a model.
    ///
    /// # Errors
    /// When the client's configuration is refused.
    pub fn of(config: &Config, model: &config::Model) -> Result<Self, Fault> {
        Ok(match &config.source {
            config::Source::Kafka { kafka, .. } => Self::Kafka(Group::of(kafka, model)?),
            config::Source::Archive { dir } => Self::Archive(ArchiveConfig {
                dir: dir.clone(),
                state_dir: position_dir(&config.instance.state_dir, model),
                topics: model.topics.clone(),
            }),
        })
    }

    /// From where to where its log reaches now.
    ///
    /// # Errors
    /// When the source does not answer.
    pub async fn bounds(&self) -> Result<BTreeMap<Partition, Bounds>, Fault> {
        match self {
            Self::Kafka(group) => group.ask(GroupPositions::bounds).await,
            Self::Archive(ArchiveConfig { dir, topics, .. }) => {
                let log = ArchiveLog::aside(dir, topics, &Since::Beginning, &Until::Now).await?;
                Ok(log.bounds().clone())
            }
        }
    }

    /// How far it is settled.
    ///
    /// # Errors
    /// When the source does not answer.
    pub async fn settled(&self) -> Result<Places, Fault> {
        match self {
            Self::Kafka(group) => group.ask(GroupPositions::settled).await,
            Self::Archive(archive) => ArchiveLog::settled(archive),
        }
    }
}
