//! The part of the command line that looks at a running instance, and at what it can be told.

use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

use clap::{Args, Subcommand};

use super::{OfInstance, times};

/// `top`
#[derive(Debug, Clone, Args)]
pub struct TopArgs {
    /// Which instance.
    #[command(flatten)]
    pub of: OfInstance,
    /// Look again after so long, such as 2s; at least 200ms.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = every)]
    pub every: Duration,
    /// Print one look as plain text, and end. Rates are those between two looks.
    #[arg(long)]
    pub once: bool,
    /// Print one look as one JSON object, and end.
    #[arg(long)]
    pub json: bool,
}

/// `status`
#[derive(Debug, Clone, Args)]
pub struct StatusArgs {
    /// Which instance.
    #[command(flatten)]
    pub of: OfInstance,
    /// Print what it says as one JSON object: /status.json.
    #[arg(long)]
    pub json: bool,
}

/// `lanes`
#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct LanesArgs {
    /// What to do with them; without it they are listed.
    #[command(subcommand)]
    pub command: Option<LanesCommand>,
    /// Which.
    #[command(flatten)]
    pub list: LanesListArgs,
}

/// `lanes` alone
#[derive(Debug, Clone, Args)]
pub struct LanesListArgs {
    /// Which instance.
    #[command(flatten)]
    pub of: OfInstance,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// What is done with lanes.
#[derive(Debug, Clone, Subcommand)]
pub enum LanesCommand {
    /// Change the rule of a lane, from now on until the instance ends: the configuration stays.
    ///
    /// What is not named stays as it is.
    Set(LanesSetArgs),
}

/// `lanes set`
#[derive(Debug, Clone, Args)]
pub struct LanesSetArgs {
    /// The lane.
    #[arg(value_name = "LANE")]
    pub name: String,
    /// Lanes with a lower number go first; 0 is the most urgent.
    #[arg(long, value_name = "N")]
    pub priority: Option<u32>,
    /// No more than so many records a second; `none` for as many as there are.
    #[arg(long, value_name = "RECORDS_PER_SECOND", value_parser = at_most)]
    pub rate: Option<AtMost>,
    /// What passes of it however busy more urgent lanes are, in percent: 1 to 100.
    #[arg(long, value_name = "PERCENT", value_parser = share)]
    pub least_share: Option<NonZeroU32>,
    /// While more urgent work has been in hand for longer, the lane has less and less; `none` for
    /// no such limit.
    #[arg(long, value_name = "MILLISECONDS", value_parser = at_most)]
    pub freshness_limit: Option<AtMost>,
    /// Which instance.
    #[command(flatten)]
    pub of: OfInstance,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// A limit, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AtMost(pub Option<NonZeroU64>);

fn at_most(text: &str) -> Result<AtMost, String> {
    if text == "none" {
        return Ok(AtMost(None));
    }
    let number = text.parse().map_err(|_| "must be a number above 0, or none".to_owned())?;
    Ok(AtMost(Some(number)))
}

fn share(text: &str) -> Result<NonZeroU32, String> {
    let number: Option<NonZeroU32> = text.parse().ok().filter(|n: &NonZeroU32| n.get() <= 100);
    number.ok_or_else(|| "must be from 1 to 100".to_owned())
}

fn every(text: &str) -> Result<Duration, String> {
    const LEAST: Duration = Duration::from_millis(200);
    let every = match text.strip_suffix("ms").map(str::parse) {
        Some(Ok(ms)) => Duration::from_millis(ms),
        Some(Err(_)) | None => times::span(text)?,
    };
    if every < LEAST { Err("must be at least 200ms".to_owned()) } else { Ok(every) }
}
