//! `rebuild`: a generation is begun, wherever it is to begin, and watched until it has caught up.

use anyhow::Result;
use readmill_connectors::kafka::{GroupPositions, Places};
use readmill_engine::Clock as _;
use readmill_engine::roster::{Generation, Refusal, Roster, Verified};
use readmill_engine::verify::Summary;
use readmill_schemas::Timestamp;
use serde_json::json;

use super::intake::{self, Intake};
use super::registrar::Standing;
use super::snapshot::{self, Filling};
use super::verbs::{Case, Print, newest, refused, retire_one};
use super::{part, places, progress};
use crate::bars::spinner;
use crate::cli::RebuildArgs;
use crate::config::Source;
use crate::exit::Exit;
use crate::out;
use crate::ports::SystemClock;
use crate::standing::Group;

/// `rebuild`
///
/// # Errors
/// When a service does not answer or refuses, or the generations do not allow it.
pub async fn rebuild(args: RebuildArgs) -> Result<Exit> {
    let case = Case::of(&args.place)?;
    if let Some(scope) = part::scope(&args.part)? {
        let Standing { roster, .. } = case.standing().await?;
        let Case { config, model, .. } = case;
        return part::make(config, &model, &roster, (scope, args)).await;
    }
    if args.pause || args.resume {
        let paused = args.pause;
        let (number, _) = case
            .change(|roster| {
                let number = newest(roster)?;
                roster.change(number, |generation| generation.paused = paused)?;
                Ok(number)
            })
            .await?;
        let did = if paused { "rests" } else { "goes on" };
        out::line(format!("{}: generation {number} {did}", case.model.row.name));
        return Ok(Exit::Done);
    }
    if args.cancel {
        let (number, _) = case.change(|roster| newest(roster)).await?;
        return retire_one(&case, number).await;
    }
    let places = args.from_positions.as_deref().map(|file| places::of(&case.model, file));
    let begin_at = BeginAt { args: &args, places: places.transpose()? };
    if args.snapshot {
        snapshot::origin(&case.config, &case.model)?;
    }
    let (number, is_new) = begin(&case, &begin_at).await?;
    let name = case.model.row.name;
    if args.json {
        out::line(json!({ "model": name, "generation": number, "begun": is_new }).to_string());
    } else if is_new {
        out::line(format!("{name}: generation {number} is begun; instances of this fold make it"));
    } else {
        out::line(format!("{name}: generation {number} is under way already"));
    }
    if args.detach {
        return Ok(Exit::Done);
    }
    progress::watch(&case.config, &case.services, &case.numbered(number), args.json).await?;
    if args.snapshot {
        fill(&case, number, &args).await?;
    }
    if !args.json {
        out::line(format!(
            "{name}: generation {number} has caught up; next: `readmill verify {name} \
             --generation {number} -c {file}`, then `readmill swap {name} -c {file}`",
            file = args.place.config.display()
        ));
    }
    Ok(Exit::Done)
}

/// Waits until a generation is what the origin's tables say.
async fn fill(case: &Case, number: u32, args: &RebuildArgs) -> Result<()> {
    let model = case.numbered(number);
    let bar = spinner(args.json);
    let told = |summary: &Summary| {
        let (left, all) = (summary.findings(), summary.documents);
        bar.set_message(format!("{left} of {all} documents are not yet as the tables say"));
    };
    let limit = args.snapshot_limit;
    let filling = Filling { config: &case.config, model: &model, limit, told: &told };
    if let Some(filling) = readmill_models::visit(case.model.row.name, filling) {
        let Summary { documents, .. } = filling.await?;
        let how = format!("{documents} documents, by the tables that they are of");
        let verified = Verified { at_ms: SystemClock.now_ms(), how };
        let note = |roster: &mut Roster| {
            let noted = |generation: &mut Generation| generation.verified = Some(verified.clone());
            roster.change(number, noted).map(|()| number)
        };
        case.change(note).await?;
        bar.finish_and_clear();
        if args.json {
            out::line(
                json!({ "generation": number, "documents": documents, "whole": true }).to_string(),
            );
        } else {
            out::line(format!("{documents} documents are what the tables say"));
        }
    }
    Ok(())
}

/// Begins a generation of this binary's fold, unless one is under way that readers never saw.
async fn begin(case: &Case, begin_at: &BeginAt<'_>) -> Result<(u32, bool)> {
    let name = case.model.row.name;
    let Some(fingerprint) = readmill_models::visit(name, Print(&case.model)) else {
        return Err(refused(&Refusal(format!("there is no model {name}"))).into());
    };
    let now_ms = SystemClock.now_ms();
    let Standing { roster, .. } = case.registrar().await?.open(&fingerprint, now_ms).await?;
    let under_way = roster.generations.iter().find(|generation| {
        let seen = generation.number == roster.live || Some(generation.number) == roster.before;
        !seen && generation.fingerprint == fingerprint
    });
    let (number, is_new) = match under_way {
        Some(generation) if !generation.preparing => return Ok((generation.number, false)),
        Some(generation) => (generation.number, false),
        None => {
            let words = begin_at.words();
            let begun = case.change(|roster| {
                let number = roster.begin(fingerprint.clone(), words.clone(), now_ms)?;
                roster.change(number, |generation| generation.preparing = true)?;
                Ok(number)
            });
            (begun.await?.0, true)
        }
    };
    prepare(case, number, begin_at).await?;
    let ready = |roster: &mut Roster| {
        roster.change(number, |generation| generation.preparing = false).map(|()| number)
    };
    case.change(ready).await?;
    Ok((number, is_new))
}

/// Where a generation is to begin.
struct BeginAt<'a> {
    args: &'a RebuildArgs,
    /// The places of a file.
    places: Option<Places>,
}

impl BeginAt<'_> {
    /// In words.
    fn words(&self) -> String {
        let RebuildArgs { archive, from, from_positions, snapshot, .. } = self.args;
        if *snapshot {
            return "a snapshot of its tables".to_owned();
        }
        match (archive, from, from_positions) {
            (Some(dir), _, _) => intake::words(dir),
            (None, Some(from), _) => from.to_string(),
            (None, None, Some(file)) => format!("the positions in {}", file.display()),
            (None, None, None) => "the beginning".to_owned(),
        }
    }
}

/// Lets a generation begin where it is to begin.
async fn prepare(case: &Case, number: u32, begin_at: &BeginAt<'_>) -> Result<()> {
    let BeginAt { args, places } = begin_at;
    let model = case.numbered(number);
    if let Some(dir) = &args.archive {
        let Standing { roster, .. } = case.standing().await?;
        let (config, services) = (&case.config, &case.services);
        let intake = Intake { config, services, model: &model, roster, dir: dir.clone() };
        return match readmill_models::visit(case.model.row.name, intake) {
            Some(folding) => folding.await,
            None => Ok(()),
        };
    }
    if args.snapshot {
        let Standing { roster, .. } = case.standing().await?;
        let begun_ms = roster.generation(number).map_or(0, |generation| generation.begun_ms);
        let id = format!("readmill-{}-{number}-{begun_ms}", model.row.name);
        let begun = snapshot::begin(&case.config, &model, &id).await;
        if begun.is_err() {
            case.change(|roster| roster.drop_out(number).map(|()| number)).await?;
        }
        return begun;
    }
    if args.from.is_none() && places.is_none() {
        return Ok(());
    }
    let Source::Kafka { kafka, .. } = &case.config.source else {
        case.change(|roster| roster.drop_out(number).map(|()| number)).await?;
        let told = Refusal("an archive is folded from its beginning".to_owned());
        return Err(refused(&told).into());
    };
    let from_ms = args.from.map(Timestamp::as_millis);
    let (group, places) = (Group::of(kafka, &model)?, places.clone());
    let begin = move |positions: &GroupPositions| {
        let bounds = positions.bounds()?;
        let at = match (places, from_ms) {
            (Some(places), _) => places::within(&bounds, places)?,
            (None, from_ms) => positions.at_time(&bounds, from_ms.unwrap_or(i64::MIN))?,
        };
        positions.commit(&at)
    };
    if let Err(fault) = group.ask(begin).await {
        case.change(|roster| roster.drop_out(number).map(|()| number)).await?;
        return Err(fault.into());
    }
    Ok(())
}
