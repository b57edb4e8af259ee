//! `archive`: topics copied into files, and what is done with such a copy.

mod copy;
mod copying;
mod erase;
mod list;
mod prune;
mod schemas;
mod verify;

pub use erase::erase_from_archive;

use anyhow::{Context as _, Result};

use crate::cli::{ArchiveArgs, ArchiveCommand};
use crate::exit::Exit;

/// Obeys the command.
///
/// # Errors
/// When a service or the archive refuses, or the archive is damaged.
pub async fn archive(args: ArchiveArgs) -> Result<Exit> {
    match (args.command, args.copy) {
        (Some(ArchiveCommand::List(args)), _) => list::list(&args),
        (Some(ArchiveCommand::Verify(args)), _) => blocking(move || verify::verify(&args)).await,
        (Some(ArchiveCommand::Prune(args)), _) => blocking(move || prune::prune(&args)).await,
        (None, Some(args)) => copy::copy(args).await,
        // The command line has refused it already.
        (None, None) => Ok(Exit::Usage),
    }
}

/// Runs what reads and writes files beside the runtime.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.context("the work with the archive ended abnormally")?
}

/// Bytes for a person.
fn size(bytes: u64) -> String {
    indicatif::HumanBytes(bytes).to_string()
}
