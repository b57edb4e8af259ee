//! The binary `readmill`: reads the command line, and turns what comes of it into an exit code.

mod archive;
mod bars;
mod changes;
mod check;
mod cli;
mod config;
mod connectors;
mod demo;
mod diff;
mod doctor;
mod exit;
mod explain;
mod fields;
mod figures;
mod forget;
mod generations;
mod get;
mod heal;
mod held;
mod http;
mod lanes;
mod line;
mod list;
mod listing;
mod logs;
mod out;
mod ports;
mod positions;
mod produce;
mod reconcile;
mod remote;
mod rollup;
mod rollups;
mod run;
mod schemas;
mod scratch;
mod services;
mod shell;
mod standing;
mod status;
mod table;
mod top;
mod verify;
mod vitals;
mod waiting;
mod wiring;

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser as _;
use tracing_subscriber::filter::LevelFilter;

use cli::{Cli, Command, SchemasCommand};
use exit::Exit;

fn main() -> ExitCode {
    let cli = Cli::parse();
    logs::start(cli.log_format, verbosity(&cli.command));
    match obey(cli.command) {
        Ok(exit) => exit.into(),
        Err(error) => {
            out::complain(exit::told(&error));
            exit::code(&error).into()
        }
    }
}

/// How much is logged unless `RUST_LOG` says otherwise.
const fn verbosity(command: &Command) -> LevelFilter {
    match command {
        Command::Run(_) => LevelFilter::INFO,
        Command::Demo(_)
        | Command::Check(_)
        | Command::Models(_)
        | Command::Top(_)
        | Command::Status(_)
        | Command::Lanes(_)
        | Command::Metrics
        | Command::Get(_)
        | Command::List(_)
        | Command::Explain(_)
        | Command::Diff(_)
        | Command::Rollup(_)
        | Command::Verify(_)
        | Command::Reconcile(_)
        | Command::Heal(_)
        | Command::Held(_)
        | Command::Waiting(_)
        | Command::Rebuild(_)
        | Command::Generations(_)
        | Command::Swap(_)
        | Command::Rollback(_)
        | Command::Retire(_)
        | Command::Forget(_)
        | Command::Positions(_)
        | Command::Produce(_)
        | Command::Archive(_)
        | Command::Connectors(_)
        | Command::Doctor(_)
        | Command::Schemas(_)
        | Command::Completions(_)
        | Command::Man(_) => LevelFilter::WARN,
    }
}

fn obey(command: Command) -> Result<Exit> {
    match command {
        Command::Check(args) => check::check(&args),
        Command::Models(args) => Ok(check::models(&args)),
        Command::Top(args) => on_runtime(top::top(args)),
        Command::Status(args) => on_runtime(status::status(args)),
        Command::Lanes(args) => on_runtime(lanes::lanes(args)),
        Command::Completions(args) => Ok(shell::completions(&args)),
        Command::Man(args) => shell::man(&args),
        Command::Metrics => Ok(vitals::document()),
        Command::Demo(args) => on_runtime(demo::demo(args)),
        Command::Run(args) => on_runtime(run::run(args)),
        Command::Get(args) => on_runtime(get::get(args)),
        Command::List(args) => on_runtime(list::list(args)),
        Command::Explain(args) => on_runtime(explain::explain(args)),
        Command::Diff(args) => on_runtime(diff::diff(args)),
        Command::Rollup(args) => on_runtime(rollup::rollup(args)),
        Command::Verify(args) => on_runtime(verify::verify(args)),
        Command::Reconcile(args) => on_runtime(reconcile::reconcile(args)),
        Command::Heal(args) => on_runtime(heal::heal(args)),
        Command::Held(command) => on_runtime(held::held(command)),
        Command::Waiting(args) => on_runtime(waiting::waiting(args)),
        Command::Rebuild(args) => on_runtime(generations::rebuild(args)),
        Command::Generations(args) => on_runtime(generations::generations(args)),
        Command::Swap(args) => on_runtime(generations::swap(args)),
        Command::Rollback(args) => on_runtime(generations::rollback(args)),
        Command::Retire(args) => on_runtime(generations::retire(args)),
        Command::Forget(args) => on_runtime(forget::forget(args)),
        Command::Positions(command) => on_runtime(positions::positions(command)),
        Command::Produce(args) => on_runtime(produce::produce(args)),
        Command::Archive(args) => on_runtime(archive::archive(args)),
        Command::Connectors(command) => on_runtime(connectors::connectors(command)),
        Command::Doctor(args) => on_runtime(doctor::doctor(args)),
        Command::Schemas(SchemasCommand::Check(args)) => on_runtime(schemas::check(args)),
    }
}

/// Runs what waits for the world, on a runtime of its own.
fn on_runtime<F: Future<Output = Result<Exit>>>(work: F) -> Result<Exit> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be started")?
        .block_on(work)
}
