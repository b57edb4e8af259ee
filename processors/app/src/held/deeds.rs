//! What may be done with held records, by whomever it is asked for: a command, or the HTTP API.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use futures::future::BoxFuture;
use readmill_core::{Key, ReadModel};
use readmill_engine::{Held, HeldRecord};
use readmill_models::Visit;
use readmill_schemas::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::drop::{Drop, drop};
use super::list::{List, list};
use super::retry::{Retry, retry};
use crate::config::{self, Config};
use crate::exit::{Exit, Failure};
use crate::ports::Opening;
use crate::services::Services;

/// Something that may be done. Its JSON, `{ "<verb>": { … } }`, is what the HTTP API takes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Deed {
    /// It is told what is held.
    List(List),
    /// Held records are folded again.
    Retry(Retry),
    /// Held records are given up.
    Drop(Drop),
}

impl Deed {
    /// Its verb.
    pub const fn verb(&self) -> &'static str {
        match self {
            Self::List(_) => "list",
            Self::Retry(_) => "retry",
            Self::Drop(_) => "drop",
        }
    }
}

/// Hears how many records of how many are dealt with.
pub type Progress = Arc<dyn Fn(u64, u64) + Send + Sync>;

/// Something to be done, and whose held records it is about.
pub struct Task {
    /// The configuration.
    pub config: Arc<Config>,
    /// What is open: an embedded store is open once in a process.
    pub services: Arc<Services>,
    /// The model.
    pub model: config::Model,
    /// What is to be done.
    pub deed: Deed,
    /// Who hears of it.
    pub progress: Progress,
}

impl Task {
    /// Does it, and answers what came of it.
    ///
    /// # Errors
    /// When a service does not answer or refuses, or there is no such record.
    pub async fn perform(self) -> Result<Value> {
        match readmill_models::visit(self.model.row.name, self) {
            Some(performing) => performing.await,
            None => Ok(Value::Null),
        }
    }
}

impl Visit for Task {
    type Out = BoxFuture<'static, Result<Value>>;

    fn visit<M: ReadModel>(self) -> Self::Out {
        Box::pin(async move {
            let Self { config, services, model, deed, progress } = self;
            let live = services.live(&model).await?;
            let opening = Opening { config: &config, model: &live, services: &services };
            let done = match &deed {
                // To look needs neither the brokers nor the documents.
                Deed::List(wanted) => {
                    let store = services.held(&live).await?;
                    let schemas = async || opening.schemas().await;
                    serde_json::to_value(list(&*store, M::NAME, wanted, schemas).await?)
                }
                Deed::Retry(wanted) => {
                    let ports = opening.ports_by_hand::<M>().await?;
                    serde_json::to_value(retry(&ports, wanted, &*progress).await?)
                }
                Deed::Drop(wanted) => {
                    let ports = opening.ports_by_hand::<M>().await?;
                    serde_json::to_value(drop(&ports, wanted).await?)
                }
            };
            done.context("what came of it cannot be written as JSON")
        })
    }
}

/// Which records are meant, of those that may be chosen by key.
///
/// # Errors
/// When more than one choice was made.
pub fn chosen(key: Option<&str>, keyless: bool) -> Result<Held, Failure> {
    match (key, keyless) {
        (Some(_), true) => {
            let hint = "leave one of key and keyless out";
            Err(Failure::new(Exit::Usage, "a record with a key is not without one", hint))
        }
        (Some(key), false) => Ok(Held::Key(Key::from(key))),
        (None, true) => Ok(Held::Keyless),
        (None, false) => Ok(Held::All),
    }
}

/// A held record without its bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// When it was held.
    pub held_at: String,
    /// Where it came from.
    pub position: String,
    /// The key that it holds.
    pub key: Option<String>,
    /// Why.
    pub reason: String,
    /// How often it was tried.
    pub tries: u32,
    /// How large it is.
    pub bytes: usize,
    /// Whether a person has given it another value.
    pub edited: bool,
    /// What its value says, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
}

impl Line {
    /// Of a record.
    pub fn of(held: &HeldRecord) -> Self {
        Self {
            held_at: Timestamp::from_millis(held.held_at_ms).to_string(),
            position: held.position().to_string(),
            key: held.key.as_ref().map(|key| key.as_str().to_owned()),
            reason: held.reason.clone(),
            tries: held.tries,
            bytes: held.record.bytes(),
            edited: held.original.is_some(),
            value: None,
        }
    }
}
