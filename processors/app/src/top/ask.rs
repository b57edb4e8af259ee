//! Asking an instance for all that is shown.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::future::join_all;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::timeout;

use super::told::{HotTold, Status, measured};
use super::watch::Look;
use crate::exit::{Exit, Failure};
use crate::remote::Remote;

/// An answer may take so long.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// That about generations, for which the instance asks Kafka, no longer than this.
const GENERATIONS_LIMIT: Duration = Duration::from_secs(4);

/// Who is asked, and for whose generations next.
#[derive(Debug)]
pub struct Asker {
    remote: Remote,
    turn: usize,
    /// Whether it knows of hot keys; until it has said that it does not.
    has_hot_keys: bool,
}

impl Asker {
    /// Of an instance.
    pub const fn new(remote: Remote) -> Self {
        Self { remote, turn: 0, has_hot_keys: true }
    }

    /// Looks at it. Generations are asked for of all models at first, and then of those in which
    /// anything is on its way and one other: their answer costs the instance questions to Kafka.
    ///
    /// # Errors
    /// When it does not answer, or refuses.
    pub async fn look(&mut self, busy: Option<&[String]>) -> Result<Look> {
        let looking = timeout(ANSWER_LIMIT, self.all(busy));
        looking.await.map_err(|_| {
            let told = format!("the instance does not answer within {} s", ANSWER_LIMIT.as_secs());
            Failure::new(Exit::Service, told, "see whether its machine is overloaded")
        })?
    }

    async fn all(&mut self, busy: Option<&[String]>) -> Result<Look> {
        let status: Status = read(self.remote.get(&["status.json"], &[]).await?)?;
        let names: Vec<&str> = status.models.iter().map(|model| model.name.as_str()).collect();
        let wanted: Vec<&str> = match busy {
            None => names.clone(),
            Some(busy) => {
                self.turn = (self.turn + 1) % names.len().max(1);
                let other = names.get(self.turn).copied().into_iter();
                let busy = names.iter().copied().filter(|name| busy.iter().any(|b| b == name));
                let mut wanted: Vec<&str> = busy.chain(other).collect();
                wanted.sort_unstable();
                wanted.dedup();
                wanted
            }
        };
        let generations = async {
            let asked = wanted.iter().map(|name| async {
                // Without an answer the rest is shown all the same: Kafka may be away.
                let path = ["generations", name];
                let told = timeout(GENERATIONS_LIMIT, self.remote.get(&path, &[])).await.ok()?;
                Some(((*name).to_owned(), read(told.ok()?).ok()?))
            });
            join_all(asked).await.into_iter().flatten().collect::<BTreeMap<_, _>>()
        };
        let hot = async {
            if !self.has_hot_keys {
                return Ok(None);
            }
            self.remote.find(&["hot"], &[]).await.map(Some)
        };
        let (metrics, generations, hot) =
            tokio::join!(self.remote.text(&["metrics"]), generations, hot);
        let measured = measured(&metrics?, names.into_iter());
        let hot = match hot {
            Ok(Some(Ok(told))) => Some(read::<HotTold>(told)?.models),
            Ok(Some(Err(_))) => {
                self.has_hot_keys = false;
                None
            }
            Ok(None) | Err(_) => None,
        };
        Ok(Look { status, measured, generations, hot })
    }
}

fn read<T: DeserializeOwned>(told: Value) -> Result<T> {
    serde_json::from_value(told).context("the instance tells something else than this binary reads")
}
