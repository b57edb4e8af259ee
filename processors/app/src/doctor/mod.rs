//! `doctor`: what a look at everything that the models stand on shows, the gravest first.
//!
//! Rooms gather what services say, each within a limit of its own; one that does not answer is a
//! finding, and the others go on. Rules judge what was gathered. Nothing is changed, no group is
//! joined, and no key and no payload is told.

mod finding;
mod order;
mod rooms;
mod rules;
mod table;

use anyhow::Result;

use crate::bars::spinner;
use crate::cli::DoctorArgs;
use crate::config::Config;
use crate::exit::Exit;

pub use table::Severity;

/// Obeys the command.
///
/// # Errors
/// The mistakes of the configuration.
pub async fn doctor(args: DoctorArgs) -> Result<Exit> {
    let config = Config::load(&args.config)?;
    let bar = spinner(args.json);
    bar.set_message("looking at brokers, groups, the registry, stores and sources");
    let report = rooms::look(config, &args).await;
    bar.finish_and_clear();
    if args.json {
        report.tell_json();
    } else {
        report.tell();
    }
    let is_grave = |finding: &finding::Finding| finding.rule.severity <= args.fail_on;
    let fails = report.findings.0.iter().any(is_grave);
    Ok(if fails { Exit::Differs } else { Exit::Done })
}
