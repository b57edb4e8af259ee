//! The part of the command line that is about the positions of consumer groups.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::generations::GenerationsPlace;
use super::times;

/// `positions`
#[derive(Debug, Clone, Subcommand)]
pub enum PositionsCommand {
    /// Write down where a model's live generation stands, with the record that it settled last in
    /// each partition.
    Export(PositionsExportArgs),
    /// Let the same model begin there in another cluster.
    ///
    /// Nothing is lost if it begins too early: what was folded before is known by its stamps, as
    /// long as the documents are the same ones or copies of them.
    Import(PositionsImportArgs),
}

/// `positions export`
#[derive(Debug, Clone, Args)]
pub struct PositionsExportArgs {
    /// Whose, and in which cluster.
    #[command(flatten)]
    pub place: GenerationsPlace,
    /// The file; without it they are printed.
    #[arg(long, value_name = "FILE")]
    pub to: Option<PathBuf>,
    /// Print one JSON object about the file; without --to, the positions are one in any case.
    #[arg(long)]
    pub json: bool,
}

/// `positions import`
#[derive(Debug, Clone, Args)]
pub struct PositionsImportArgs {
    /// Whose, and in which cluster.
    #[command(flatten)]
    pub place: GenerationsPlace,
    /// What `positions export` wrote in the other cluster.
    #[arg(long, value_name = "FILE")]
    pub from: PathBuf,
    /// The configuration of the other cluster: no instance may be at work there either.
    #[arg(long, value_name = "FILE")]
    pub other_config: Option<PathBuf>,
    /// How places are found here.
    #[arg(long, value_enum, default_value_t)]
    pub by: By,
    /// Begin so much earlier than the time that was written down: clocks differ, and records of one
    /// time come in any order.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = times::span)]
    pub rewind: Duration,
    /// A topic that has another name here, as OLD=NEW; may be given again.
    #[arg(long = "topic", value_name = "OLD=NEW", value_parser = renamed)]
    pub topics: Vec<(String, String)>,
    /// Change nothing: only say what would be.
    #[arg(long)]
    pub dry_run: bool,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// How places are found in another cluster.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// By the time of the record that was settled last. The partitions may be others.
    #[default]
    Time,
    /// By that record itself, in the same partition: its id, or its bytes.
    Record,
    /// By the offset: for copies that keep offsets.
    Offset,
}

fn renamed(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(old, new)| !old.is_empty() && !new.is_empty());
    pair.map(|(old, new)| (old.to_owned(), new.to_owned()))
        .ok_or_else(|| "must be OLD=NEW, two names of topics".to_owned())
}
