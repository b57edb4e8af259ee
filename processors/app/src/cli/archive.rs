//! The part of the command line that is about archives.

use std::num::NonZeroU64;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use readmill_models::Row;
use readmill_schemas::Timestamp;

use super::{model, times};

/// `archive`
#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct ArchiveArgs {
    /// What to do with an archive that is there.
    #[command(subcommand)]
    pub command: Option<ArchiveCommand>,
    /// What to copy.
    #[command(flatten)]
    pub copy: Option<ArchiveCopyArgs>,
}

/// What is done with an archive.
#[derive(Debug, Clone, Subcommand)]
pub enum ArchiveCommand {
    /// List topics and partitions: offsets, times, sizes, and gaps.
    List(ArchiveListArgs),
    /// Read every byte, and say what is not as it was written; exits with 4 if anything is.
    Verify(ArchiveVerifyArgs),
    /// Remove the oldest files of each partition, as long as all their records are old enough.
    ///
    /// A file of which one record is younger stays, and so does whatever is behind it: an archive
    /// never gets a hole. It may run beside a writer. Models that have not read what goes are
    /// stopped with a message when they come to it.
    Prune(ArchivePruneArgs),
}

/// `archive` itself
#[derive(Debug, Clone, Args)]
pub struct ArchiveCopyArgs {
    /// The configuration, whose source must be of kind "kafka".
    #[arg(short, long, value_name = "FILE")]
    pub config: PathBuf,
    /// The directory of the archive, which is begun or goes on.
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,
    /// These topics; without it, those of the configuration's models.
    #[arg(long, value_name = "TOPIC,…", value_delimiter = ',', conflicts_with = "models")]
    pub topics: Vec<String>,
    /// The topics of this read model; may be given several times.
    #[arg(short, long = "model", value_name = "MODEL", value_parser = model)]
    pub models: Vec<Row>,
    /// Go on with what comes, until stopped; else end where the log ends now.
    #[arg(long)]
    pub follow: bool,
    /// A file ends when it is about as long.
    #[arg(long, value_name = "MIB", default_value = "64")]
    pub file_limit_mib: NonZeroU64,
    /// A file ends when it has been open for so long, and can then be read.
    #[arg(long, value_name = "SECONDS", default_value = "900")]
    pub file_limit_seconds: NonZeroU64,
    /// Go on where the log has lost records before they were copied; the gap is recorded.
    #[arg(long)]
    pub accept_gap: bool,
    /// Print one JSON object at the end instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `archive list`
#[derive(Debug, Clone, Args)]
pub struct ArchiveListArgs {
    /// The directory of the archive.
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// Print a JSON object a line, one for each partition.
    #[arg(long)]
    pub json: bool,
}

/// `archive verify`
#[derive(Debug, Clone, Args)]
pub struct ArchiveVerifyArgs {
    /// The directory of the archive.
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `archive prune`
#[derive(Debug, Clone, Args)]
pub struct ArchivePruneArgs {
    /// The directory of the archive.
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// Files whose records are all older: than a time such as 2026-11-21T06:50:00Z, or an age such
    /// as 12h or 30d.
    #[arg(long, value_name = "WHEN", value_parser = times::since)]
    pub before: Timestamp,
    /// So many of the latest files of each partition stay, however old they are. One stays always.
    #[arg(long, value_name = "FILES", default_value_t = 1)]
    pub keep_last: usize,
    /// Remove nothing: say what would go.
    #[arg(long)]
    pub dry_run: bool,
    /// Print a JSON object a line, one for each partition of which anything goes.
    #[arg(long)]
    pub json: bool,
}
