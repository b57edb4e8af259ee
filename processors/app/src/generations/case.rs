//! A model whose generations are dealt with: by a command, or by the process that folds it.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use readmill_engine::roster::{Refusal, Roster};

use super::registrar::{Registrar, Standing};
use crate::config::{self, Config};
use crate::exit::{Exit, Failure};
use crate::get::model_of;
use crate::services::Services;

/// A model whose generations are dealt with.
#[derive(Debug, Clone)]
pub struct Case {
    /// The configuration.
    pub config: Arc<Config>,
    /// The model in it.
    pub model: config::Model,
    /// What is open: an embedded store is open once in a process.
    pub services: Arc<Services>,
}

impl Case {
    /// Of a model of a configuration file, with services of its own.
    ///
    /// # Errors
    /// When the configuration has mistakes, or not this model.
    pub fn of(file: &Path, model: &'static str) -> Result<Self> {
        let config = Config::load(file)?;
        let model = model_of(&config, file, model)?;
        Ok(Self { config: Arc::new(config), model, services: Arc::default() })
    }

    /// The roster and the seats.
    ///
    /// # Errors
    /// When the store does not answer or refuses.
    pub async fn registrar(&self) -> Result<Registrar> {
        Ok(self.services.registrar(&self.model).await?)
    }

    /// The roster, which there must be.
    ///
    /// # Errors
    /// When there is none, or the store does not answer or refuses.
    pub async fn standing(&self) -> Result<Standing> {
        let found = self.registrar().await?.read().await?;
        found.ok_or_else(|| refused(&Refusal("it was never folded here".to_owned())).into())
    }

    /// Changes the roster.
    ///
    /// # Errors
    /// When the change is refused, or the store does not answer or refuses.
    pub async fn change(
        &self,
        change: impl Fn(&mut Roster) -> Result<u32, Refusal>,
    ) -> Result<(u32, Standing)> {
        let changed = self.registrar().await?.change(change).await?;
        changed.map_err(|refusal| refused(&refusal).into())
    }

    /// The model with the number of one of its generations.
    pub fn numbered(&self, generation: u32) -> config::Model {
        config::Model { generation, ..self.model.clone() }
    }
}

/// What the generations do not allow.
pub fn refused(refusal: &Refusal) -> Failure {
    let hint = "`readmill generations <model> -c <file>` lists what there is";
    Failure::new(Exit::Usage, refusal.to_string(), hint)
}
