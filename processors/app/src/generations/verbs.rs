//! What a person does with generations: `rebuild`, `generations`, `swap`, `rollback`, `retire`; by
//! this process, or by a running instance.

use anyhow::Result;
use serde_json::Value;
use tokio::time::sleep;

use super::begin::Beginning;
use super::case::Case;
use super::deeds::{self, Deed};
use super::progress;
use crate::cli::{
    GenerationsAnywhere, GenerationsArgs, RebuildArgs, RetireArgs, RollbackArgs, SwapArgs,
};
use crate::exit::Exit;
use crate::out;
use crate::remote::Remote;

/// The path of generations in the HTTP API.
const GENERATIONS: &str = "generations";

/// Who does it.
#[derive(Debug)]
pub enum Doer {
    /// This process.
    Here(Box<Case>),
    /// A running instance.
    There(Remote),
}

impl Doer {
    fn of(place: &GenerationsAnywhere) -> Result<Self> {
        Ok(match Remote::of(&place.by.asking)? {
            Some(remote) => Self::There(remote),
            None => Self::Here(Box::new(Case::of(place.by.file()?, place.model.name)?)),
        })
    }

    async fn perform(&self, model: &str, deed: Deed, as_json: bool) -> Result<Value> {
        let tell = |step: &str| {
            if !as_json {
                out::complain(format!("{step}\n"));
            }
        };
        match self {
            Self::Here(case) => deed.perform(case, &tell).await,
            Self::There(remote) => {
                let (verb, mut body) = (deed.verb(), serde_json::to_value(&deed)?);
                remote.act([GENERATIONS, model, verb], &body[verb].take(), &tell).await
            }
        }
    }

    /// What generations there are.
    ///
    /// # Errors
    /// When a service does not answer or refuses.
    pub async fn list(&self, model: &str) -> Result<Value> {
        match self {
            Self::Here(case) => deeds::list(case).await,
            Self::There(remote) => remote.get(&[GENERATIONS, model], &[]).await,
        }
    }
}

/// How the command is continued: where it was told to look.
fn elsewhere(place: &GenerationsAnywhere) -> String {
    match (&place.by.config, &place.by.asking.instance) {
        (Some(file), _) => format!("-c {}", file.display()),
        (None, Some(url)) => format!("--instance {}", readmill_connectors::address::told(url)),
        (None, None) => String::new(),
    }
}

/// Prints what came of it: as it is, or in words.
fn print(done: &Value, as_json: bool, words: impl FnOnce(&str) -> String) {
    let model = done["model"].as_str().unwrap_or_default();
    out::line(if as_json { done.to_string() } else { words(model) });
}

/// `rebuild`
///
/// # Errors
/// When a service does not answer or refuses, or the generations do not allow it.
pub async fn rebuild(args: RebuildArgs) -> Result<Exit> {
    let doer = Doer::of(&args.place)?;
    let model = args.place.model.name;
    let deed = match (args.pause, args.resume, args.cancel) {
        (true, ..) => Deed::Pause {},
        (_, true, _) => Deed::Resume {},
        (.., true) => Deed::Cancel {},
        (false, false, false) => return begin(&doer, &args).await,
    };
    let did = match &deed {
        Deed::Pause {} => "rests",
        Deed::Resume {} => "goes on",
        Deed::Cancel {}
        | Deed::Rebuild { .. }
        | Deed::Swap { .. }
        | Deed::Rollback { .. }
        | Deed::Retire { .. } => "is gone",
    };
    let done = doer.perform(model, deed, args.json).await?;
    print(&done, args.json, |model| format!("{model}: generation {} {did}", done["generation"]));
    Ok(Exit::Done)
}

async fn begin(doer: &Doer, args: &RebuildArgs) -> Result<Exit> {
    let model = args.place.model.name;
    let begun = match (doer, &args.archive) {
        (Doer::Here(case), Some(dir)) => {
            deeds::begun(case, &Beginning::Archive(dir.clone())).await?
        }
        (Doer::Here(_), None) | (Doer::There(_), _) => {
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
    if caught_up && !args.json {
        out::line(format!(
            "{model}: generation {number} has caught up; next: `readmill verify {model} \
             --generation {number} -c <file>`, then `readmill swap {model} {}`",
            elsewhere(&args.place)
        ));
    }
    Ok(Exit::Done)
}

/// `generations`
///
/// # Errors
/// When a service does not answer or refuses.
pub async fn generations(args: GenerationsArgs) -> Result<Exit> {
    let mut list = Doer::of(&args.place)?.list(args.place.model.name).await?;
    if args.json {
        out::line(list.to_string());
    } else {
        let list = list["generations"].take();
        list.as_array().into_iter().flatten().for_each(|generation| out::line(line(generation)));
    }
    Ok(Exit::Done)
}

/// A generation in a line for people.
fn line(generation: &Value) -> String {
    let plain = |name: &str| generation[name].as_str().unwrap_or_default().to_owned();
    let is = |name: &str| generation[name].as_bool().unwrap_or(false);
    let seen = if is("live") { "live" } else { "beside" };
    let mut line = format!(
        "generation {}  {seen:<7} fold {}  begun {} from {}",
        generation["generation"],
        generation["fold"],
        plain("begun"),
        plain("from"),
    );
    if let Some(behind) = generation["behind_records"].as_i64() {
        line += &format!("  {behind} records behind");
    }
    line += &format!("  in {} instances", generation["instances"]);
    if is("paused") {
        line += "  paused";
    }
    line += &generation["verified"]["at"]
        .as_str()
        .map_or_else(|| "  not verified".to_owned(), |at| format!("  verified {at}"));
    for why in generation["failed"].as_array().into_iter().flatten() {
        line += &format!("\n  stopped: {}", why.as_str().unwrap_or_default());
    }
    line
}

/// `swap`
///
/// # Errors
/// When it is not verified, a service fails, or a step takes too long.
pub async fn swap(args: SwapArgs) -> Result<Exit> {
    let step_limit_seconds = args.step_limit.as_secs();
    let deed = Deed::Swap { to: args.to, unverified: args.unverified, step_limit_seconds };
    hand_over(&args.place, deed, args.json).await
}

/// `rollback`
///
/// # Errors
/// When there is nobody to go back to, a service fails, or a step takes too long.
pub async fn rollback(args: RollbackArgs) -> Result<Exit> {
    if let Some(after) = args.after {
        out::complain(format!("rolling back in {} s, unless stopped\n", after.as_secs()));
        sleep(after).await;
    }
    let deed = Deed::Rollback { step_limit_seconds: args.step_limit.as_secs() };
    hand_over(&args.place, deed, args.json).await
}

async fn hand_over(place: &GenerationsAnywhere, deed: Deed, as_json: bool) -> Result<Exit> {
    let done = Doer::of(place)?.perform(place.model.name, deed, as_json).await?;
    print(&done, as_json, |model| {
        let (live, before) = (&done["live"], &done["before"]);
        let seconds = done["seconds"].as_f64().unwrap_or_default();
        format!(
            "{model}: readers see generation {live}, after {seconds:.1} s; generation {before} \
             stays warm: `readmill rollback {model}` goes back to it"
        )
    });
    Ok(Exit::Done)
}

/// `retire`
///
/// # Errors
/// When readers see it, a service fails, or an instance does not let it go.
pub async fn retire(args: RetireArgs) -> Result<Exit> {
    let deed = Deed::Retire { generation: args.generation };
    let done = Doer::of(&args.place)?.perform(args.place.model.name, deed, false).await?;
    print(&done, false, |model| format!("{model}: generation {} is gone", args.generation));
    Ok(Exit::Done)
}
