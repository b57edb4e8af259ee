//! The part of the command line that is about held records.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};
use readmill_core::{Offset, Partition, Position};
use readmill_models::Row;
use readmill_schemas::Timestamp;

use super::{Anywhere, model, times};

/// `held`
#[derive(Debug, Clone, Subcommand)]
pub enum HeldCommand {
    /// List what is held: how much of it, since when, and why.
    List(HeldListArgs),
    /// Print one held record, with its value decoded as far as its schema is known.
    Show(HeldShowArgs),
    /// Fold held records again, each key in its order; then live events of the key pass again.
    Retry(HeldRetryArgs),
    /// Give a held record another value or another header; what it came with is kept beside it.
    Edit(HeldEditArgs),
    /// Give held records up: they are lost to the read model, and count as taken in.
    Drop(HeldDropArgs),
    /// Write held records with every byte to a file, one JSON object a line.
    Export(HeldExportArgs),
}

/// Whose held records.
#[derive(Debug, Clone, Args)]
pub struct HeldPlace {
    /// The configuration that says where they are.
    #[arg(short, long, value_name = "FILE")]
    pub config: PathBuf,
    /// The read model.
    #[arg(short, long, value_name = "MODEL", value_parser = model)]
    pub model: Row,
}

/// Whose held records, and by whom they are dealt with.
#[derive(Debug, Clone, Args)]
pub struct HeldAnywhere {
    /// By whom.
    #[command(flatten)]
    pub by: Anywhere,
    /// The read model.
    #[arg(short, long, value_name = "MODEL", value_parser = model)]
    pub model: Row,
}

/// One held record.
#[derive(Debug, Clone, Args)]
pub struct HeldOne {
    /// Where it came from, as `held list` writes it.
    #[arg(short, long, value_name = "TOPIC/PARTITION@OFFSET", value_parser = position)]
    pub position: Position,
    /// The key that it holds, where the record is held under several.
    #[arg(short, long)]
    pub key: Option<String>,
}

/// `held list`
#[derive(Debug, Clone, Args)]
pub struct HeldListArgs {
    /// Whose.
    #[command(flatten)]
    pub place: HeldAnywhere,
    /// Only those that hold this key.
    #[arg(short, long, conflicts_with = "keyless")]
    pub key: Option<String>,
    /// Only those of which no key is known.
    #[arg(long)]
    pub keyless: bool,
    /// Only those whose reason contains this text.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Only those held since then: a time such as 2026-11-21T06:50:00Z, or an age such as 90s, 10m,
    /// 2h or 7d.
    #[arg(long, value_name = "WHEN", value_parser = times::since)]
    pub since: Option<Timestamp>,
    /// At most so many, the oldest first; 50 of them without it, or all with --json.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Print a JSON object a line.
    #[arg(long)]
    pub json: bool,
}

/// `held show`
#[derive(Debug, Clone, Args)]
pub struct HeldShowArgs {
    /// Whose.
    #[command(flatten)]
    pub place: HeldPlace,
    /// Which.
    #[command(flatten)]
    pub one: HeldOne,
    /// Print the decoded value alone, as `held edit --json` takes it.
    #[arg(long)]
    pub value: bool,
    /// Print it in one line; it is one JSON object in any case.
    #[arg(long)]
    pub json: bool,
}

/// `held retry`
#[derive(Debug, Clone, Args)]
#[command(group(ArgGroup::new("which").required(true).args(["key", "keyless", "all"])))]
pub struct HeldRetryArgs {
    /// Whose.
    #[command(flatten)]
    pub place: HeldAnywhere,
    /// Those that hold this key.
    #[arg(short, long)]
    pub key: Option<String>,
    /// Those of which no key is known.
    #[arg(long)]
    pub keyless: bool,
    /// All of them.
    #[arg(long)]
    pub all: bool,
    /// Versions that are missing will never come: fold what waits for them without them. Should
    /// one come after all, it counts as a duplicate.
    #[arg(long)]
    pub without_missing: bool,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `held edit`
#[derive(Debug, Clone, Args)]
#[command(group(ArgGroup::new("what").required(true).args(["value", "json", "header", "undo"])))]
pub struct HeldEditArgs {
    /// Whose.
    #[command(flatten)]
    pub place: HeldPlace,
    /// Which.
    #[command(flatten)]
    pub one: HeldOne,
    /// The new value, byte for byte.
    #[arg(long, value_name = "FILE")]
    pub value: Option<PathBuf>,
    /// The new value as JSON, as `held show --value` prints it; it is written with the schema that
    /// the value has now.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// The id of another schema to write it with.
    #[arg(long, value_name = "ID", conflicts_with_all = ["value", "header", "undo"])]
    pub schema: Option<u32>,
    /// The name of a header to be set, or to be added, to the bytes of a file.
    #[arg(long, value_name = "NAME=FILE", value_parser = header)]
    pub header: Option<(String, PathBuf)>,
    /// Give back what it came with.
    #[arg(long)]
    pub undo: bool,
    /// Print one JSON object instead of text; --json is the new value here.
    #[arg(long)]
    pub as_json: bool,
}

/// `held drop`
#[derive(Debug, Clone, Args)]
#[command(group(
    ArgGroup::new("which").required(true).multiple(true).args(["position", "key", "keyless"])
))]
pub struct HeldDropArgs {
    /// Whose.
    #[command(flatten)]
    pub place: HeldAnywhere,
    /// The one from there.
    #[arg(short, long, value_name = "TOPIC/PARTITION@OFFSET", value_parser = position)]
    pub position: Option<Position>,
    /// All that hold this key; with --position, the one that holds it.
    #[arg(short, long)]
    pub key: Option<String>,
    /// All of which no key is known.
    #[arg(long, conflicts_with_all = ["key", "position"])]
    pub keyless: bool,
    /// Do it; without this it is only said what would be lost.
    #[arg(long)]
    pub yes: bool,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `held export`
#[derive(Debug, Clone, Args)]
pub struct HeldExportArgs {
    /// Whose.
    #[command(flatten)]
    pub place: HeldPlace,
    /// The file, which must not exist.
    #[arg(long, value_name = "FILE")]
    pub to: PathBuf,
    /// Print one JSON object about it instead of text.
    #[arg(long)]
    pub json: bool,
}

/// A record's place, as `held list` writes it.
pub fn position(text: &str) -> Result<Position, String> {
    let parsed = || {
        let (partition, offset) = text.rsplit_once('@')?;
        let (topic, index) = partition.rsplit_once('/')?;
        let offset = Offset(offset.parse().ok()?);
        let index = index.parse().ok()?;
        (!topic.is_empty()).then(|| Position { partition: Partition::new(topic, index), offset })
    };
    parsed().ok_or_else(|| {
        "must be topic, partition and offset, such as shop.public.points_outbox/3@1204".to_owned()
    })
}

fn header(text: &str) -> Result<(String, PathBuf), String> {
    let named = text.split_once('=').filter(|(name, file)| !name.is_empty() && !file.is_empty());
    let (name, file) = named.ok_or("must be the header's name, `=`, and a file")?;
    Ok((name.to_owned(), file.into()))
}
