//! `held`: a person deals with the records that could not be folded.

mod drop;
mod edit;
mod export;
mod list;
mod retry;
mod show;
mod sight;

use anyhow::{Context as _, Result};
use futures::future::BoxFuture;
use readmill_core::{Key, ReadModel};
use readmill_engine::{Held, HeldRecord, HeldStore};
use readmill_models::Visit;

use crate::cli::{HeldCommand, HeldOne};
use crate::config::{self, Config};
use crate::exit::{Exit, Failure};
use crate::get;
use crate::ports::Opening;
use crate::services::Services;

/// Obeys the command.
///
/// # Errors
/// When a service does not answer or refuses, or there is no such record.
pub async fn held(command: HeldCommand) -> Result<Exit> {
    let place = command.place();
    let config = Config::load(&place.config)?;
    let name = place.model.name;
    let model = get::model_of(&config, &place.config, name)?;
    let case = Case { config, model, command };
    match readmill_models::visit(name, case) {
        Some(dealing) => dealing.await,
        None => Ok(Exit::Usage),
    }
}

/// A command, and what it is about.
struct Case {
    config: Config,
    model: config::Model,
    command: HeldCommand,
}

impl Visit for Case {
    type Out = BoxFuture<'static, Result<Exit>>;

    fn visit<M: ReadModel>(self) -> Self::Out {
        Box::pin(async move {
            let dealt = self.deal::<M>().await;
            let embedded = matches!(self.model.store, config::Store::Embedded(_));
            if embedded { dealt.context(ONE_PROCESS) } else { dealt }
        })
    }
}

/// What a person must know about held records in the embedded store.
const ONE_PROCESS: &str = "held records in the embedded store can be dealt with only while \
                           `readmill run` is stopped: one process at a time opens its directory";

impl Case {
    async fn deal<M: ReadModel>(&self) -> Result<Exit> {
        let services = Services::default();
        let live = services.live(&self.model).await?;
        let opening = Opening { config: &self.config, model: &live, services: &services };
        // To look needs neither the brokers nor the documents.
        let store = services.held(&live).await?;
        match &self.command {
            HeldCommand::List(args) => list::list(&*store, M::NAME, args).await,
            HeldCommand::Export(args) => export::export(&*store, M::NAME, args).await,
            HeldCommand::Show(args) => {
                let found = one(&*store, M::NAME, &args.one).await?;
                show::show(&*opening.schemas().await?, &found, args).await
            }
            HeldCommand::Edit(args) => {
                let found = one(&*store, M::NAME, &args.one).await?;
                let schemas = async || opening.schemas().await;
                edit::edit(&*store, schemas, found, args).await
            }
            HeldCommand::Retry(args) => {
                retry::retry(&opening.ports_by_hand::<M>().await?, args).await
            }
            HeldCommand::Drop(args) => drop::drop(&opening.ports_by_hand::<M>().await?, args).await,
        }
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
        let keys: Vec<String> = found.iter().map(|held| key_text(held.key.as_ref())).collect();
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
fn key_text(key: Option<&Key>) -> String {
    key.map_or_else(|| "-".to_owned(), |key| format!("{:?}", key.as_str()))
}
