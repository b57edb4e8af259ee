//! The part of the command line that is about verification.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use readmill_engine::verify::{Allowance, Pattern};
use readmill_models::Row;

use super::model;

/// `verify`
#[derive(Debug, Clone, Args)]
pub struct VerifyArgs {
    /// The read model.
    #[arg(value_parser = model)]
    pub model: Row,
    /// The configuration that says where its log and its documents are.
    #[arg(short, long, value_name = "FILE")]
    pub config: PathBuf,
    /// Verify this generation, instead of the one that readers see. If all of it is as it should
    /// be, that is written down, and `swap` lets readers see it.
    #[arg(long, value_name = "N")]
    pub generation: Option<u32>,
    /// Compare with this generation as it stands, instead of with a fresh fold of the log. What one
    /// of the two has taken in first is no finding.
    #[arg(long, value_name = "M", conflicts_with = "repair")]
    pub against: Option<u32>,
    /// Compare about so many documents, drawn from all anew each time, and with them those that
    /// come next; no roll-ups, edges or views.
    #[arg(long, value_name = "N", conflicts_with_all = ["keys", "prefix"])]
    pub sample: Option<NonZeroUsize>,
    /// Draw the sample that was drawn with this seed before: each report has that of its own.
    #[arg(long, value_name = "SEED", requires = "sample")]
    pub seed: Option<u32>,
    /// Compare the documents under these keys alone, one a line.
    #[arg(long, value_name = "FILE", conflicts_with = "prefix")]
    pub keys: Option<PathBuf>,
    /// Compare the documents alone whose keys begin so.
    #[arg(long, value_name = "PREFIX")]
    pub prefix: Option<String>,
    /// Do not compare this field, nor what is in it: total, owner.name, lots[].left.
    #[arg(long, value_name = "PATH")]
    pub ignore: Vec<Pattern>,
    /// Let this field differ by so much: a number, a part such as 1%, or for times 500ms.
    #[arg(long, value_name = "PATH=BY", value_parser = tolerance)]
    pub tolerance: Vec<(Pattern, Allowance)>,
    /// Print what stands in the fields that differ, and what should.
    #[arg(long)]
    pub values: bool,
    /// Write the right document over a wrong one, and what a roll-up must have come to over what it
    /// says, each by compare-and-set: it may run beside the model.
    #[arg(long)]
    pub repair: bool,
    /// Fold into a directory below this one; without it below the instance's state_dir. It has room
    /// for all documents of the model.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Wait so long for the model to settle what is in its log, where copies or views differ that
    /// may be about to be told.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub rest_limit: u64,
    /// Write all that is found into this file, a JSON object a line.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// A path with how much it may differ.
pub fn tolerance(text: &str) -> Result<(Pattern, Allowance), String> {
    let both = text.split_once('=').ok_or("must be a path and how much, such as total=0.01")?;
    Ok((both.0.parse()?, both.1.parse()?))
}
