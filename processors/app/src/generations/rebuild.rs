//! `rebuild`: a generation is begun, wherever it is to begin, and watched until it has caught up.

use std::path::PathBuf;

use anyhow::Result;
use readmill_engine::Clock as _;
use readmill_engine::roster::{Generation, Roster, Verified};
use readmill_engine::verify::Summary;
use serde_json::json;

use super::begin::Beginning;
use super::case::Case;
use super::deeds::{self, Deed};
use super::snapshot::{self, Filling};
use super::verbs::{Doer, elsewhere, print};
use super::{part, places, progress};
use crate::bars::spinner;
use crate::cli::RebuildArgs;
use crate::exit::Exit;
use crate::out;
use crate::ports::SystemClock;

/// `rebuild`
///
/// # Errors
/// When a service does not answer or refuses, or the generations do not allow it.
pub async fn rebuild(args: RebuildArgs) -> Result<Exit> {
    let doer = Doer::of(&args.place)?;
    let model = args.place.model.name;
    if let Some(scope) = part::scope(&args.part)? {
        return part::make(doer.here()?, (scope, args)).await;
    }
    let (deed, did) = match (args.pause, args.resume, args.cancel) {
        (true, ..) => (Deed::Pause {}, "rests"),
        (_, true, _) => (Deed::Resume {}, "goes on"),
        (.., true) => (Deed::Cancel {}, "is gone"),
        (false, false, false) => return begin(&doer, &args).await,
    };
    let done = doer.perform(model, deed, args.json).await?;
    print(&done, args.json, |model| format!("{model}: generation {} {did}", done["generation"]));
    Ok(Exit::Done)
}

async fn begin(doer: &Doer, args: &RebuildArgs) -> Result<Exit> {
    let model = args.place.model.name;
    let begun = match (doer, beginning(doer, args)?) {
        (Doer::Here(case), Some(at)) => deeds::begun(case, &at).await?,
        (Doer::Here(_) | Doer::There(_), _) => {
            let from = args.from.map(|from| from.to_string());
            doer.perform(model, Deed::Rebuild { from }, args.json).await?
        }
    };
    let number = &begun["generation"];
    print(&begun, args.json, |model| match begun["begun"].as_bool() {
        Some(false) => format!("{model}: generation {number} is under way already"),
        Some(true) | None => {
            format!("{model}: generation {number} is begun; instances of this fold make it")
        }
    });
    if args.detach {
        return Ok(Exit::Done);
    }
    let number = number.as_u64().and_then(|number| u32::try_from(number).ok()).unwrap_or(0);
    let caught_up = progress::watch(doer, model, number, args.json).await?;
    if let (Doer::Here(case), true) = (doer, args.snapshot) {
        fill(case, number, args).await?;
    }
    if caught_up && !args.json {
        out::line(format!(
            "{model}: generation {number} has caught up; next: `readmill verify {model} \
             --generation {number} -c <file>`, then `readmill swap {model} {}`",
            elsewhere(&args.place)
        ));
    }
    Ok(Exit::Done)
}

/// Where it begins, if that is more than a time: files and databases are for the command alone.
fn beginning(doer: &Doer, args: &RebuildArgs) -> Result<Option<Beginning>> {
    let Doer::Here(case) = doer else { return Ok(None) };
    let RebuildArgs { archive, from_positions, snapshot, .. } = args;
    if *snapshot {
        snapshot::origin(&case.config, &case.model)?;
        return Ok(Some(Beginning::Snapshot));
    }
    if let Some(dir) = archive {
        return Ok(Some(Beginning::Archive(dir.clone())));
    }
    let places = |file: &PathBuf| {
        places::of(&case.model, file).map(|places| Beginning::Positions(file.clone(), places))
    };
    Ok(from_positions.as_ref().map(places).transpose()?)
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
