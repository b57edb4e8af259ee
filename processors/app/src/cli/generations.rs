//! The part of the command line that is about generations of a model.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use readmill_models::Row;
use readmill_schemas::Timestamp;

use super::{Anywhere, model, times};

/// Whose generations.
#[derive(Debug, Clone, Args)]
pub struct GenerationsPlace {
    /// The read model.
    #[arg(value_parser = model)]
    pub model: Row,
    /// The configuration that says where it is kept.
    #[arg(short, long, value_name = "FILE")]
    pub config: PathBuf,
}

/// Whose generations, and by whom it is done.
#[derive(Debug, Clone, Args)]
pub struct GenerationsAnywhere {
    /// The read model.
    #[arg(value_parser = model)]
    pub model: Row,
    /// By whom.
    #[command(flatten)]
    pub by: Anywhere,
}

/// `rebuild`
#[derive(Debug, Clone, Args)]
pub struct RebuildArgs {
    /// Of what.
    #[command(flatten)]
    pub place: GenerationsAnywhere,
    /// Begin with what was written at a time or later, instead of the log's beginning: a time such
    /// as 2026-11-21T06:50:00Z, or an age such as 10m, 2h or 7d. What came before is missing then.
    #[arg(long, value_name = "WHEN", value_parser = times::since)]
    pub from: Option<Timestamp>,
    /// Fold this archive first, in this process and at full speed, and join it to the log where it
    /// ends: for what the log has deleted. Stopped, the same command goes on.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["from", "instance"])]
    pub archive: Option<PathBuf>,
    /// Begin it and return; instances go on with it.
    #[arg(long)]
    pub detach: bool,
    /// Let the newest generation that readers do not see take no more records for now.
    #[arg(long, conflicts_with_all = ["from", "archive", "detach", "resume", "cancel"])]
    pub pause: bool,
    /// Let it go on.
    #[arg(long, conflicts_with_all = ["from", "archive", "detach", "cancel"])]
    pub resume: bool,
    /// Give it up, and erase its documents.
    #[arg(long, conflicts_with_all = ["from", "archive", "detach"])]
    pub cancel: bool,
    /// Print JSON objects, one a line.
    #[arg(long)]
    pub json: bool,
}

/// `generations`
#[derive(Debug, Clone, Args)]
pub struct GenerationsArgs {
    /// Whose.
    #[command(flatten)]
    pub place: GenerationsAnywhere,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `swap`
#[derive(Debug, Clone, Args)]
pub struct SwapArgs {
    /// Of what.
    #[command(flatten)]
    pub place: GenerationsAnywhere,
    /// The generation that readers are to see; without it the newest.
    #[arg(long, value_name = "GENERATION")]
    pub to: Option<u32>,
    /// Swap although nobody has verified it: readers may see wrong documents.
    #[arg(long)]
    pub unverified: bool,
    /// Each step may take so long; then everything is as it was.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = times::span)]
    pub step_limit: Duration,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `rollback`
#[derive(Debug, Clone, Args)]
pub struct RollbackArgs {
    /// Of what.
    #[command(flatten)]
    pub place: GenerationsAnywhere,
    /// Wait so long before, such as 10m; stopped meanwhile, it is not done.
    #[arg(long, value_name = "TIME", value_parser = times::span)]
    pub after: Option<Duration>,
    /// Each step may take so long; then everything is as it was.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = times::span)]
    pub step_limit: Duration,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `retire`
#[derive(Debug, Clone, Args)]
pub struct RetireArgs {
    /// Of what.
    #[command(flatten)]
    pub place: GenerationsAnywhere,
    /// The generation that is to go.
    pub generation: u32,
}
