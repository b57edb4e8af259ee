//! `positions`: where a model's live generation stands, carried over to another cluster.

mod file;
mod plan;

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use readmill_connectors::kafka::{GroupPositions, KafkaConfig, Landmarks};
use readmill_core::ResumeAt;
use readmill_engine::{Bounds, Fault};
use serde_json::json;

pub use self::file::{Exported, Noted};

use self::plan::Planned;
use crate::cli::{PositionsCommand, PositionsExportArgs, PositionsImportArgs};
use crate::config::{Config, Source};
use crate::exit::{Exit, Failure};
use crate::get::model_of;
use crate::out;
use crate::services::Services;
use crate::standing::Group;
use crate::table::{Table, numbers, words};

/// Obeys the command.
///
/// # Errors
/// When a service does not answer or refuses, a file is not what it should be, or somebody is at
/// work.
pub async fn positions(command: PositionsCommand) -> Result<Exit> {
    match command {
        PositionsCommand::Export(args) => export(&args).await,
        PositionsCommand::Import(args) => import(&args).await,
    }
}

/// A model's group in one cluster.
struct Place {
    kafka: Arc<KafkaConfig>,
    topics: Vec<String>,
    group: Group,
}

impl Place {
    async fn of(config: &Config, file: &Path, model: &str) -> Result<Self> {
        let model = model_of(config, file, model)?;
        let Source::Kafka { kafka, .. } = &config.source else {
            let told = format!("{} reads no Kafka", file.display());
            return Err(Failure::new(Exit::Usage, told, "an archive has no groups").into());
        };
        let model = Services::default().live_or_first(&model).await;
        let (kafka, group) = (Arc::clone(kafka), Group::of(kafka, &model)?);
        Ok(Self { kafka, topics: model.topics, group })
    }

    async fn refuse_members(&self) -> Result<()> {
        let members = self.group.ask(GroupPositions::members).await?;
        let Some(first) = members.first() else { return Ok(()) };
        let told = format!("{} members are in group {}: {first}", members.len(), self.group.name());
        let hint = "stop them first: nobody may be at work on both clusters";
        Err(Failure::new(Exit::Usage, told, hint).into())
    }
}

async fn export(args: &PositionsExportArgs) -> Result<Exit> {
    let config = Config::load(&args.place.config)?;
    let Place { kafka, group, .. } =
        Place::of(&config, &args.place.config, args.place.model.name).await?;
    let looking = group.ask(move |positions| {
        let bounds = positions.bounds()?;
        let settled = positions.settled_within(&bounds)?;
        let landmarks = Landmarks::of(&kafka, positions.group())?;
        let noted = settled.into_iter().zip(bounds.into_values());
        let noted = noted.map(|((partition, at), Bounds { from, to })| {
            let (offset, end) = (at.value(), to.value());
            let last = landmarks.before(&partition, from.value(), offset)?;
            Ok(Noted { partition, offset, end, last })
        });
        noted.collect::<Result<_, Fault>>()
    });
    let places = looking.await?;
    let (model, group) = (args.place.model.name.to_owned(), group.name().to_owned());
    let exported = Exported { model, group, places };
    match &args.to {
        None => out::line(exported.text()?),
        Some(file) => {
            exported.write(file)?;
            let (many, group) = (exported.places.len(), &exported.group);
            out::line(if args.json {
                json!({ "file": file, "group": group, "partitions": many }).to_string()
            } else {
                format!("{}: {many} partitions of {group}", file.display())
            });
        }
    }
    Ok(Exit::Done)
}

async fn import(args: &PositionsImportArgs) -> Result<Exit> {
    let name = args.place.model.name;
    let exported = Exported::read(&args.from)?;
    if exported.model != name {
        let told = format!("{} is of {}, and not of {name}", args.from.display(), exported.model);
        return Err(Failure::new(Exit::Usage, told, "name the model that was exported").into());
    }
    let config = Config::load(&args.place.config)?;
    let here = Place::of(&config, &args.place.config, name).await?;
    here.refuse_members().await?;
    if let Some(file) = &args.other_config {
        let other = Config::load(file)?;
        Place::of(&other, file, name).await?.refuse_members().await?;
    }
    let Place { kafka, topics, group } = here;
    let asked = plan::Asked::of(args, exported.places, &topics)?;
    let planning = group
        .ask(move |positions| asked.plan(positions, &Landmarks::of(&kafka, positions.group())?));
    let planned = planning.await?;
    if !args.dry_run {
        let place = |one: &Planned| (one.partition.clone(), ResumeAt::stored(one.offset));
        let places = planned.iter().map(place).collect();
        group.ask(move |positions| positions.commit(&places)).await?;
    }
    tell(args, group.name(), &planned);
    Ok(Exit::Done)
}

fn tell(args: &PositionsImportArgs, group: &str, planned: &[Planned]) {
    if args.json {
        let places: Vec<_> = planned
            .iter()
            .map(|one| {
                let Planned { partition, offset, end, how } = one;
                json!({
                    "topic": partition.topic, "partition": partition.index, "offset": offset,
                    "end": end, "how": how,
                })
            })
            .collect();
        let body = json!({ "group": group, "committed": !args.dry_run, "places": places });
        out::line(body.to_string());
        return;
    }
    let titles = [words("PARTITION"), numbers("AT"), numbers("OF"), words("HOW")];
    let mut table = Table::new(titles);
    for Planned { partition, offset, end, how } in planned {
        let (offset, end) = (offset.to_string(), end.to_string());
        table.row([
            partition.to_string().into(),
            offset.into(),
            end.into(),
            how.to_string().into(),
        ]);
    }
    table.print();
    let did = if args.dry_run { "would begin there; nothing was changed" } else { "begins there" };
    out::line(format!("{group} {did}"));
}
