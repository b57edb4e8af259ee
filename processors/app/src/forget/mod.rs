//! `forget`: persons are erased from every model, and no replay brings them back.
//!
//! First it is noted in every place of documents that they are forgotten, while all that fold the
//! log rest: from then on nobody hears of them. Then what had been folded is erased, generation by
//! generation, while everything goes on; then what archives have. Every step may be done again, and
//! is, if the command is given again after it was interrupted.

mod archive;
mod lists;
mod log;
mod receipt;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::future::BoxFuture;
use readmill_core::forgotten::PersonTag;
use readmill_core::{Forgotten, Person, ReadModel};
use readmill_engine::roster::Roster;
use readmill_engine::{Clock as _, Erased, Eraser, Fault};
use readmill_models::Visit;
use tokio::sync::watch;

use crate::bars::spinner;
use crate::cli::ForgetArgs;
use crate::config::{self, Config, Source};
use crate::exit::{Exit, Failure};
use crate::generations::{HandingOver, NotDone};
use crate::out;
use crate::ports::{Opening, SystemClock};
use crate::services::Services;

pub use lists::Place;

use receipt::{OfGeneration, Receipt};

/// Obeys the command.
///
/// # Errors
/// When a service does not answer or refuses, or instances do not rest in time.
pub async fn forget(args: ForgetArgs) -> Result<Exit> {
    let config = Config::load(&args.config)?;
    let ids = ids(&args)?;
    let places = Places::open(&config, Services::default()).await?;
    let forgotten = places.known().await?;
    let persons: Vec<Person> = ids.iter().map(|id| forgotten.person(id)).collect();
    let digests: Vec<PersonTag> = ids.iter().map(|id| forgotten.digest(id)).collect();
    let case = Case { config, places, args, persons: persons.into(), digests };
    case.forget(&forgotten).await
}

fn ids(args: &ForgetArgs) -> Result<Vec<String>> {
    let mut ids = args.persons.clone();
    if let Some(file) = &args.from {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("{} cannot be read", file.display()))?;
        ids.extend(text.lines().map(|line| line.trim().to_owned()).filter(|id| !id.is_empty()));
    }
    ids.sort();
    ids.dedup();
    if ids.is_empty() || ids.iter().any(|id| id.trim().is_empty()) {
        let hint = "name them as the events do, such as m-1";
        return Err(Failure::new(Exit::Usage, "an id of a person is empty", hint).into());
    }
    Ok(ids)
}

/// Where it is kept who is forgotten: each place of documents once.
struct Places {
    services: Services,
    all: Vec<Place>,
}

impl Places {
    async fn open(config: &Config, services: Services) -> Result<Self, Fault> {
        let mut stores: BTreeMap<&str, &config::Store> = BTreeMap::new();
        for model in &config.models {
            stores.insert(model.store.kind(), &model.store);
        }
        let mut all = Vec::new();
        for store in stores.into_values() {
            all.push(services.forgotten(store).await?);
        }
        Ok(Self { services, all })
    }

    /// Everybody who is forgotten anywhere; in places that were added later nobody is yet.
    async fn known(&self) -> Result<Forgotten> {
        let mut known: Option<Forgotten> = None;
        for place in &self.all {
            let list = place.read().await?.forgotten;
            if list.salt().is_empty() {
                continue;
            }
            known = Some(match known {
                None => list,
                Some(other) if other.salt() == list.salt() => {
                    let all = other.digests().union(list.digests()).copied();
                    Forgotten::of(list.salt().to_owned(), all)
                }
                Some(_) => {
                    let told = "the stores know forgotten persons by different digests";
                    let hint = "forget the persons of each store with a configuration of its own";
                    return Err(Failure::new(Exit::Usage, told, hint).into());
                }
            });
        }
        Ok(known.unwrap_or_else(|| Forgotten::of(lists::new_salt(), [])))
    }

    async fn add(&self, forgotten: &Forgotten, digests: &[PersonTag]) -> Result<(), Fault> {
        let now_ms = SystemClock.now_ms();
        let all: Vec<PersonTag> = forgotten.digests().iter().chain(digests).copied().collect();
        for place in &self.all {
            place.add(forgotten.salt(), &all, now_ms).await?;
        }
        Ok(())
    }
}

struct Case {
    config: Config,
    places: Places,
    args: ForgetArgs,
    persons: Arc<[Person]>,
    digests: Vec<PersonTag>,
}

impl Case {
    async fn forget(&self, forgotten: &Forgotten) -> Result<Exit> {
        let mut receipt = Receipt::new(&self.digests, SystemClock.now_ms());
        for model in &self.config.models {
            self.note(model, forgotten).await?;
        }
        for model in &self.config.models {
            for generation in self.generations(model).await? {
                let model = config::Model { generation, ..model.clone() };
                let erased = self.erase(&model).await?;
                let name = model.row.name;
                self.tell(&format!("{name}, generation {generation}: {}", receipt::words(&erased)));
                receipt.models.push(OfGeneration { model: name, generation, erased });
            }
        }
        for (dir, number) in self.args.archive.iter().zip(1..) {
            let persons = &self.persons;
            let erased = archive::erase(&self.config, dir, persons, forgotten, number).await?;
            self.tell(&format!("{}: {}", dir.display(), erased.words()));
            receipt.archives.push(erased);
        }
        for place in &self.places.all {
            place.finish(&self.digests, SystemClock.now_ms()).await?;
        }
        if !self.args.no_log && matches!(self.config.source, Source::Kafka { .. }) {
            receipt.log = log::look(&self.config, &self.places.services, &self.persons).await?;
        }
        receipt.done_ms = SystemClock.now_ms();
        receipt.hand_over(&self.args)?;
        Ok(Exit::Done)
    }

    fn tell(&self, words: &str) {
        if !self.args.json {
            out::line(words);
        }
    }

    /// Notes it while a model rests: whatever it takes in from then on, it hears without them.
    async fn note(&self, model: &config::Model, forgotten: &Forgotten) -> Result<()> {
        let noting = self.places.add(forgotten, &self.digests);
        let registrar = self.places.services.registrar(model).await?;
        if registrar.read().await?.is_none() {
            return Ok(noting.await?);
        }
        let limit = Duration::from_secs(self.args.step_limit);
        let services = &self.places.services;
        let mut handing = HandingOver::of(&self.config, services, model, limit).await?;
        match handing.at_rest(noting).await {
            Ok(()) => Ok(()),
            Err(NotDone::Fault(fault)) => Err(fault.into()),
            Err(why @ (NotDone::Refused(_) | NotDone::TooLong(_))) => {
                let told = format!("{}: nobody was forgotten: {why}", model.row.name);
                Err(Failure::new(Exit::Failed, told, "give the command again").into())
            }
        }
    }

    async fn generations(&self, model: &config::Model) -> Result<Vec<u32>> {
        let standing = self.places.services.registrar(model).await?.read().await?;
        let numbers = |roster: Roster| roster.generations.iter().map(|it| it.number).collect();
        Ok(standing.map_or_else(Vec::new, |standing| numbers(standing.roster)))
    }

    async fn erase(&self, model: &config::Model) -> Result<Erased> {
        let erasing = Erasing { case: self, model };
        match readmill_models::visit(model.row.name, erasing) {
            Some(erasing) => erasing.await,
            None => Ok(Erased::default()),
        }
    }
}

/// One generation that loses them.
struct Erasing<'a> {
    case: &'a Case,
    model: &'a config::Model,
}

impl<'a> Visit for Erasing<'a> {
    type Out = BoxFuture<'a, Result<Erased>>;

    fn visit<M: ReadModel>(self) -> Self::Out {
        Box::pin(self.erase::<M>())
    }
}

impl Erasing<'_> {
    async fn erase<M: ReadModel>(self) -> Result<Erased> {
        let Self { case, model } = self;
        let mut model = model.clone();
        // Whoever erases waits for the mirror.
        model.care.required = true;
        let services = &case.places.services;
        let opening = Opening { config: &case.config, model: &model, services };
        let ports = opening.ports_by_hand::<M>().await?;
        let (_open, closing) = watch::channel(false);
        let mut eraser = Eraser::new(&ports, Arc::clone(&case.persons), closing);
        let bar = spinner(case.args.json);
        let erased = eraser
            .erase(&mut |erased| {
                bar.set_message(format!("{}: {}", M::NAME, receipt::words(&erased)));
            })
            .await;
        bar.finish_and_clear();
        Ok(erased?)
    }
}
