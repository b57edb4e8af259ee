//! The part of the command line that is about persons who are forgotten.

use std::path::PathBuf;

use clap::Args;

/// `forget`
#[derive(Debug, Clone, Args)]
pub struct ForgetArgs {
    /// The ids by which services know the persons, as the events have them.
    #[arg(value_name = "PERSON", required_unless_present = "from", conflicts_with = "from")]
    pub persons: Vec<String>,
    /// Read the ids from this file, one a line, so that they are in no history of commands.
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,
    /// The configuration that says where all read models are.
    #[arg(short, long, value_name = "FILE")]
    pub config: PathBuf,
    /// Forget them in this archive, too; may be given again.
    #[arg(long, value_name = "DIR")]
    pub archive: Vec<PathBuf>,
    /// Do not look for what the log still says of them, which reads all of it.
    #[arg(long)]
    pub no_log: bool,
    /// Write the receipt into this file.
    #[arg(long, value_name = "FILE")]
    pub receipt: Option<PathBuf>,
    /// Wait so long for instances to rest.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub step_limit: u64,
    /// Print the receipt instead of text.
    #[arg(long)]
    pub json: bool,
}
