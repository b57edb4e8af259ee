//! `positions`: where a model's live generation stands, carried over to another cluster.

mod file;
mod plan;

use std::sync::Arc;

use anyhow::{Context as _, Result};
use readmill_connectors::kafka::{GroupPositions, KafkaConfig, Landmarks};
use readmill_engine::Fault;
use serde_json::json;

use self::file::{Exported, Place};
use self::plan::Planned;
use crate::cli::{PositionsCommand, PositionsExportArgs, PositionsImportArgs};
use crate::config::{self, Config, Source};
use crate::exit::{Exit, Failure};
use crate::get::model_of;
use crate::out;
use crate::services::Services;

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
struct Group {
    kafka: Arc<KafkaConfig>,
    model: config::Model,
    name: String,
}

impl Group {
    async fn of(config: &Config, file: &std::path::Path, model: &str) -> Result<Self> {
        let model = model_of(config, file, model)?;
        let Source::Kafka { kafka, .. } = &config.source else {
            let told = format!("{} reads no Kafka", file.display());
            return Err(Failure::new(Exit::Usage, told, "an archive has no groups").into());
        };
        let model = Services::default().live_or_first(&model).await;
        let name = model.group(kafka);
        Ok(Self { kafka: Arc::clone(kafka), model, name })
    }

    /// Asks beside the runtime: the client blocks.
    async fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&KafkaConfig, &GroupPositions, &str) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T> {
        let (kafka, name) = (Arc::clone(&self.kafka), self.name.clone());
        let asking = move || ask(&kafka, &GroupPositions::of(&kafka, &name)?, &name);
        Ok(tokio::task::spawn_blocking(asking).await.context("asking for positions")??)
    }

    async fn refuse_members(&self) -> Result<()> {
        let members = self.ask(|_, positions, _| positions.members()).await?;
        let Some(first) = members.first() else { return Ok(()) };
        let told = format!("{} members are in group {}: {first}", members.len(), self.name);
        let hint = "stop them first: nobody may be at work on both clusters";
        Err(Failure::new(Exit::Usage, told, hint).into())
    }
}

async fn export(args: &PositionsExportArgs) -> Result<Exit> {
    let config = Config::load(&args.place.config)?;
    let group = Group::of(&config, &args.place.config, args.place.model.name).await?;
    let topics = group.model.topics.clone();
    let places = group
        .ask(move |kafka, positions, name| {
            let partitions = positions.partitions(&topics)?;
            let committed = positions.committed(&partitions)?;
            let logs = positions.logs(&partitions)?;
            let landmarks = Landmarks::of(kafka, name)?;
            let mut places = Vec::new();
            for partition in partitions {
                let (first, end) = logs.get(&partition).copied().unwrap_or_default();
                let offset = committed.get(&partition).copied().unwrap_or(first);
                let last = landmarks.before(&partition, first, offset)?;
                places.push(Place { partition, offset, end, last });
            }
            Ok(places)
        })
        .await?;
    let exported = Exported { model: args.place.model.name.to_owned(), group: group.name, places };
    match &args.to {
        None => out::line(exported.text()?),
        Some(file) => {
            exported.write(file)?;
            let many = exported.places.len();
            out::line(format!("{}: {many} partitions of {}", file.display(), exported.group));
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
    let group = Group::of(&config, &args.place.config, name).await?;
    group.refuse_members().await?;
    if let Some(file) = &args.other_config {
        let other = Config::load(file)?;
        Group::of(&other, file, name).await?.refuse_members().await?;
    }
    let asked = plan::Asked::of(args, exported.places, group.model.topics.clone())?;
    let planned = group
        .ask(move |kafka, positions, name| asked.plan(positions, &Landmarks::of(kafka, name)?))
        .await?;
    if !args.dry_run {
        let places = planned.iter().map(|one| (one.partition.clone(), one.offset)).collect();
        group.ask(move |_, positions, _| positions.commit(&places)).await?;
    }
    tell(args, &group.name, &planned);
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
    for Planned { partition, offset, end, how } in planned {
        out::line(format!("{partition}  at {offset} of {end}  {how}"));
    }
    let did = if args.dry_run { "would begin there; nothing was changed" } else { "begins there" };
    out::line(format!("{group} {did}"));
}
