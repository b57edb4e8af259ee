//! The part of the command line that is about rehearsing a fold.

use std::path::PathBuf;

use clap::Args;
use readmill_models::Row;
use readmill_schemas::Timestamp;

use super::{model, times};

/// `diff`
#[derive(Debug, Clone, Args)]
pub struct DiffArgs {
    /// The read model.
    #[arg(value_parser = model)]
    pub model: Row,
    /// The configuration that says where its log and its documents are.
    #[arg(short, long, value_name = "FILE")]
    pub config: PathBuf,
    /// Fold only what came in the last so many hours; without it, all that the log has.
    #[arg(long, value_name = "N", conflicts_with = "from")]
    pub hours: Option<u32>,
    /// Fold only what came since then: a time such as 2026-11-21T06:50:00Z, or an age such as 90m.
    #[arg(long, value_name = "WHEN", value_parser = times::since)]
    pub from: Option<Timestamp>,
    /// The generation whose stored documents are compared; else the configuration's.
    #[arg(long, value_name = "GENERATION", value_parser = clap::value_parser!(u32).range(1..))]
    pub against: Option<u32>,
    /// Name so many documents of each kind of difference.
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub examples: usize,
    /// Keep the documents that are folded here while it runs; else in instance.state_dir.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}
