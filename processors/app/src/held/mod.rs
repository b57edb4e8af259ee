//! `held`: a person deals with the records that could not be folded; by this process, or by a
//! running instance.

mod deeds;
mod drop;
mod edit;
mod export;
mod list;
mod retry;
mod show;
mod sight;

use std::sync::Arc;

use anyhow::{Context as _, Result};
use readmill_core::Key;
use readmill_engine::{Held, HeldRecord, HeldStore};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::bars::progress;
use crate::cli::{HeldAnywhere, HeldCommand, HeldOne, HeldPlace};
use crate::config::{self, Config};
use crate::exit::{Exit, Failure};
use crate::get;
use crate::out;
use crate::ports::Opening;
use crate::remote::Remote;
use crate::services::Services;

pub use deeds::{Deed, Progress, Task};
pub use list::List;

use self::drop::Drop;
use retry::{Retried, Retry};

/// The path of held records in the HTTP API.
const HELD: &str = "held";
/// An instance lists no more than so many at a time.
pub const MOST_LISTED: usize = 1_000;

/// What a person must know about held records in the embedded store.
const ONE_PROCESS: &str = "held records in the embedded store can be dealt with only while \
                           `readmill run` is stopped, or by it (--instance URL): one process at a \
                           time opens its directory";

/// Obeys the command.
///
/// # Errors
/// When a service does not answer or refuses, or there is no such record.
pub async fn held(command: HeldCommand) -> Result<Exit> {
    match command {
        HeldCommand::List(args) => {
            let wanted = List {
                key: args.key,
                keyless: args.keyless,
                reason: args.reason,
                since: args.since.map(|since| since.to_string()),
                // In words, all reasons are told, and as many records as fit.
                limit: args.limit,
                values: false,
            };
            let found = asked(&args.place, Deed::List(wanted)).await?;
            list::print(&found, args.json, args.limit)?;
            Ok(Exit::Done)
        }
        HeldCommand::Retry(args) => {
            let (key, keyless, all) = (args.key, args.keyless, args.all);
            let wanted = Retry { key, keyless, all, without_missing: args.without_missing };
            let sum: Retried = asked(&args.place, Deed::Retry(wanted.clone())).await?;
            if args.json {
                out::line(serde_json::to_value(&sum)?.to_string());
                return Ok(sum.exit(&wanted));
            }
            Ok(retry::print(&sum, &wanted))
        }
        HeldCommand::Drop(args) => {
            let position = args.position.map(|position| position.to_string());
            let wanted = Drop { position, key: args.key, keyless: args.keyless, yes: args.yes };
            drop::print(&asked(&args.place, Deed::Drop(wanted)).await?, args.yes, args.json)
        }
        HeldCommand::Show(args) => {
            let case = Case::of(&args.place)?;
            case.told(async || {
                let (store, opening) = (case.store().await?, case.opening());
                let found = one(&*store, case.model.row.name, &args.one).await?;
                show::show(&*opening.schemas().await?, &found, &args).await
            })
            .await
        }
        HeldCommand::Edit(args) => {
            let case = Case::of(&args.place)?;
            case.told(async || {
                let (store, opening) = (case.store().await?, case.opening());
                let found = one(&*store, case.model.row.name, &args.one).await?;
                let schemas = async || opening.schemas().await;
                edit::edit(&*store, schemas, found, &args).await
            })
            .await
        }
        HeldCommand::Export(args) => {
            let case = Case::of(&args.place)?;
            case.told(async || {
                export::export(&*case.store().await?, case.model.row.name, &args).await
            })
            .await
        }
    }
}

/// Has something done, by whom it was said.
async fn asked<T: DeserializeOwned>(place: &HeldAnywhere, deed: Deed) -> Result<T> {
    let done = match Remote::of(&place.by.asking)? {
        Some(remote) => there(&remote, place.model.name, deed).await?,
        None => here(place, deed).await?,
    };
    serde_json::from_value(done).context("what came of it is not what was expected")
}

async fn here(place: &HeldAnywhere, deed: Deed) -> Result<Value> {
    let file = place.by.file()?;
    let model = place.model;
    let case = Case::of(&HeldPlace { config: file.to_owned(), model })?;
    let is_long = matches!(deed, Deed::Retry(_));
    let bar = is_long.then(|| progress(0, "tried again"));
    let shown = bar.clone();
    let progress: Progress = Arc::new(move |done, of| {
        if let Some(bar) = &shown {
            bar.set_length(of);
            bar.set_position(done);
        }
    });
    let (config, services) = (Arc::clone(&case.config), Arc::clone(&case.services));
    let task = Task { config, services, model: case.model.clone(), deed, progress };
    let done = case.told(async || task.perform().await).await;
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    done
}

async fn there(remote: &Remote, model: &str, deed: Deed) -> Result<Value> {
    let verb = deed.verb();
    let Deed::List(wanted) = &deed else {
        let mut body = serde_json::to_value(&deed)?;
        return remote.act([HELD, model, verb], &body[verb].take(), &|_| ()).await;
    };
    let limit = wanted.limit.unwrap_or(MOST_LISTED).min(MOST_LISTED).to_string();
    let (yes, no) = (Some("true"), None);
    let asked = [
        ("key", wanted.key.as_deref()),
        ("keyless", if wanted.keyless { yes } else { no }),
        ("reason", wanted.reason.as_deref()),
        ("since", wanted.since.as_deref()),
        ("limit", Some(limit.as_str())),
    ];
    let query: Vec<(&str, &str)> =
        asked.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    remote.get(&[HELD, model], &query).await
}

/// A model of a configuration file, with services of its own.
struct Case {
    config: Arc<Config>,
    model: config::Model,
    services: Arc<Services>,
}

impl Case {
    fn of(place: &HeldPlace) -> Result<Self> {
        let config = Config::load(&place.config)?;
        let model = get::model_of(&config, &place.config, place.model.name)?;
        Ok(Self { config: Arc::new(config), model, services: Arc::default() })
    }

    fn opening(&self) -> Opening<'_> {
        Opening { config: &self.config, model: &self.model, services: &self.services }
    }

    /// The held records of the live generation.
    async fn store(&self) -> Result<Arc<dyn HeldStore>> {
        let live = self.services.live(&self.model).await?;
        Ok(self.services.held(&live).await?)
    }

    /// Does something, and tells what is to be known of an embedded store that is taken.
    async fn told<T>(&self, work: impl AsyncFnOnce() -> Result<T>) -> Result<T> {
        let done = work().await;
        let embedded = matches!(self.model.store, config::Store::Embedded(_));
        if embedded { done.context(ONE_PROCESS) } else { done }
    }
}

/// The one record that is meant.
async fn one(store: &dyn HeldStore, model: &'static str, wanted: &HeldOne) -> Result<HeldRecord> {
    let key = wanted.key.as_deref().map(Key::from);
    let which = key.map_or(Held::All, Held::Key);
    let mut found = Vec::new();
    let mut visit = |held: HeldRecord| {
        if *held.position() == wanted.position {
            found.push(held);
        }
    };
    store.visit(model, &which, &mut visit).await?;
    if found.len() > 1 {
        let told = format!("{} is held under {} keys", wanted.position, found.len());
        let keys: Vec<String> =
            found.iter().map(|held| key_text(held.key.as_ref().map(Key::as_str))).collect();
        let hint = format!("name one with --key: {}", keys.join(", "));
        return Err(Failure::new(Exit::Usage, told, hint).into());
    }
    found.pop().ok_or_else(|| {
        let told = format!("no record of {model} is held from {}", wanted.position);
        let hint = format!("`readmill held list --model {model}` names those that are");
        Failure::new(Exit::NotFound, told, hint).into()
    })
}

/// A key as it is written for a person.
fn key_text(key: Option<&str>) -> String {
    key.map_or_else(|| "-".to_owned(), |key| format!("{key:?}"))
}
