//! The part of the command line that is about generations of a model.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args};
use readmill_core::Key;
use readmill_models::Row;
use readmill_schemas::Timestamp;

use super::{Anywhere, model, times};

/// What says how a generation begins.
const BEGINS: [&str; 5] = ["from", "from_positions", "archive", "snapshot", "detach"];

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
    /// Begin at the places in this file, which `readmill positions export` has written: partitions
    /// that are not in it begin with their first record. What came before is missing then.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["from", "archive", "instance"])]
    pub from_positions: Option<PathBuf>,
    /// Begin where the log ends, and let the connector of the origin's tables read them again, by
    /// a signal; for replicas of tables, whose stanza has origin_url. It is caught up once it is
    /// what the tables say.
    #[arg(long, conflicts_with_all = ["from", "from_positions", "archive", "instance"])]
    pub snapshot: bool,
    /// A snapshot may take so long.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = times::span)]
    pub snapshot_limit: Duration,
    /// Begin it and return; instances go on with it.
    #[arg(long)]
    pub detach: bool,
    /// Let the newest generation that readers do not see take no more records for now.
    #[arg(long, conflicts_with_all = BEGINS, conflicts_with_all = ["resume", "cancel"])]
    pub pause: bool,
    /// Let it go on.
    #[arg(long, conflicts_with_all = BEGINS, conflicts_with = "cancel")]
    pub resume: bool,
    /// Give it up, and erase its documents.
    #[arg(long, conflicts_with_all = BEGINS)]
    pub cancel: bool,
    /// Documents of the live generation that are to be made anew, instead of all.
    #[command(flatten)]
    pub part: PartArgs,
    /// Print JSON objects, one a line.
    #[arg(long)]
    pub json: bool,
}

/// The part of a model that `rebuild` makes anew.
#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new("part").multiple(false)
    .conflicts_with_all(BEGINS).conflicts_with_all(["pause", "resume", "cancel", "instance"]))]
pub struct PartArgs {
    /// Make no generation: make anew the documents of the live one under these keys, as
    /// `readmill get` takes them, separated by commas, where they are not what the log says. What
    /// follows from them comes along: roll-ups, embedded copies, views. Nobody is told again.
    #[arg(long, value_name = "KEY,KEY", value_delimiter = ',', group = "part")]
    pub keys: Vec<String>,
    /// The same for the keys in this file, one a line.
    #[arg(long, value_name = "FILE", group = "part")]
    pub keys_file: Option<PathBuf>,
    /// The same for all keys that begin so.
    #[arg(long, value_name = "PREFIX", group = "part")]
    pub key_prefix: Option<String>,
    /// The same for the keys from A on and before B, in the order of their bytes. Either may be
    /// left out: A.. or ..B.
    #[arg(long, value_name = "A..B", value_parser = range, group = "part")]
    pub key_range: Option<(Option<Key>, Option<Key>)>,
    /// Only show what would be made anew. Exits with 7 if anything would.
    #[arg(long, requires = "part")]
    pub dry_run: bool,
    /// Leave roll-ups as they are: then of the log only what is for these keys is folded.
    #[arg(long, requires = "part")]
    pub documents_only: bool,
    /// Print what stands in the fields that differ, and what should.
    #[arg(long, requires = "part")]
    pub values: bool,
    /// Write all that differs into this file, a JSON object a line.
    #[arg(long, value_name = "FILE", requires = "part")]
    pub report: Option<PathBuf>,
    /// Fold into a directory below this one; without it below the instance's state_dir.
    #[arg(long, value_name = "DIR", requires = "part")]
    pub dir: Option<PathBuf>,
    /// Wait so long for the model to settle what is in its log, before roll-ups are compared.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub rest_limit: u64,
}

/// The two ends of a range of keys.
fn range(text: &str) -> Result<(Option<Key>, Option<Key>), String> {
    let (from, to) = text.split_once("..").ok_or("must be two keys, such as m-100..m-200")?;
    let end = |text: &str| (!text.is_empty()).then(|| Key::from(text));
    let (from, to) = (end(from), end(to));
    if from.is_none() && to.is_none() {
        return Err("must name at least one key; all are made anew without it".to_owned());
    }
    if let (Some(from), Some(to)) = (&from, &to)
        && from >= to
    {
        return Err("must begin before it ends".to_owned());
    }
    Ok((from, to))
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
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}
