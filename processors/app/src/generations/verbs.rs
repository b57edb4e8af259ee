//! What a person does with generations: `generations`, `swap`, `rollback`, `retire`; by this
//! process, or by a running instance.

use anyhow::Result;
use serde_json::Value;
use tokio::time::sleep;

use super::case::Case;
use super::deeds::{self, Deed};
use crate::cli::{GenerationsAnywhere, GenerationsArgs, RetireArgs, RollbackArgs, SwapArgs};
use crate::exit::{Exit, Failure};
use crate::figures::UNKNOWN;
use crate::out;
use crate::remote::Remote;
use crate::table::{Table, numbers, words};

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
    /// Whoever the command line names.
    ///
    /// # Errors
    /// When the configuration has mistakes, or not the model.
    pub fn of(place: &GenerationsAnywhere) -> Result<Self> {
        Ok(match Remote::of(&place.by.asking)? {
            Some(remote) => Self::There(remote),
            None => Self::Here(Box::new(Case::of(place.by.file()?, place.model.name)?)),
        })
    }

    /// This process, for what only a command does.
    ///
    /// # Errors
    /// When a running instance was named.
    pub fn here(self) -> Result<Case, Failure> {
        match self {
            Self::Here(case) => Ok(*case),
            Self::There(_) => {
                let told = "a running instance does not do this";
                Err(Failure::new(Exit::Usage, told, "give -c FILE instead of --instance"))
            }
        }
    }

    /// Does it.
    ///
    /// # Errors
    /// When the generations do not allow it, or a service fails.
    pub async fn perform(&self, model: &str, deed: Deed, as_json: bool) -> Result<Value> {
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
pub fn elsewhere(place: &GenerationsAnywhere) -> String {
    match (&place.by.config, &place.by.asking.instance) {
        (Some(file), _) => format!("-c {}", file.display()),
        (None, Some(url)) => format!("--instance {}", readmill_connectors::address::told(url)),
        (None, None) => String::new(),
    }
}

/// Prints what came of it: as it is, or in words.
pub fn print(done: &Value, as_json: bool, words: impl FnOnce(&str) -> String) {
    let model = done["model"].as_str().unwrap_or_default();
    out::line(if as_json { done.to_string() } else { words(model) });
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
        let list: Vec<&Value> = list.as_array().into_iter().flatten().collect();
        tell(&list);
    }
    Ok(Exit::Done)
}

/// The generations as a table for people, and why any of them stopped.
fn tell(list: &[&Value]) {
    let mut table = Table::new([
        numbers("GENERATION"),
        words("READERS"),
        numbers("FOLD"),
        words("BEGUN"),
        words("FROM"),
        numbers("BEHIND"),
        numbers("INSTANCES"),
        words("VERIFIED"),
        words(""),
    ]);
    for generation in list {
        let plain = |name: &str| generation[name].as_str().unwrap_or_default();
        let is = |name: &str| generation[name].as_bool().unwrap_or(false);
        let behind = generation["behind_records"].as_i64();
        table.row([
            generation["generation"].to_string().into(),
            if is("live") { "live" } else { "beside" }.into(),
            generation["fold"].to_string().into(),
            plain("begun").into(),
            plain("from").into(),
            behind.map_or_else(|| UNKNOWN.to_owned(), |behind| behind.to_string()).into(),
            generation["instances"].to_string().into(),
            generation["verified"]["at"].as_str().unwrap_or("no").into(),
            if is("paused") { "paused" } else { "" }.into(),
        ]);
    }
    table.print();
    for generation in list {
        for why in generation["failed"].as_array().into_iter().flatten() {
            let (number, why) = (&generation["generation"], why.as_str().unwrap_or_default());
            out::line(format!("generation {number} stopped: {why}"));
        }
    }
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
    let done = Doer::of(&args.place)?.perform(args.place.model.name, deed, args.json).await?;
    print(&done, args.json, |model| format!("{model}: generation {} is gone", args.generation));
    Ok(Exit::Done)
}
