//! The part of the command line that is about shells and manuals, and the definition they are
//! made of.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Command, CommandFactory as _};
use clap_complete::Shell;
use readmill_models::ALL;

use super::Cli;

/// `completions`
#[derive(Debug, Clone, Args)]
pub struct CompletionsArgs {
    /// The shell.
    pub shell: Shell,
}

/// `man`
#[derive(Debug, Clone, Args)]
pub struct ManArgs {
    /// The directory, for a page of each command: readmill.1, readmill-held-list.1 and so on.
    #[arg(value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Print one JSON object about what was written, instead of text.
    #[arg(long, requires = "dir")]
    pub json: bool,
}

/// The definition of the command line, as shells and manuals are told of it: with the names of the
/// read models.
pub fn definition() -> Command {
    named(Cli::command())
}

fn named(command: Command) -> Command {
    let names: Vec<&str> = ALL.iter().map(|row| row.name).collect();
    let of_models = ["model", "models"];
    let command = command.mut_args(|arg| {
        if of_models.contains(&arg.get_id().as_str()) {
            arg.value_parser(PossibleValuesParser::new(names.clone())).hide_possible_values(true)
        } else {
            arg
        }
    });
    command.mut_subcommands(named)
}
