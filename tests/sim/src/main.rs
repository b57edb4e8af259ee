//! `readmill-sim`: many lives of the engine, or one again.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command talks")]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Args, Parser, Subcommand};
use readmill_engine::Metrics;
use readmill_sim::cut::{Cut, Numbers};
use readmill_sim::faults::Kind;
use readmill_sim::life::{Report, simulate};
use readmill_sim::many::{self, Lives};
use readmill_sim::shrink::shrink;

#[derive(Debug, Parser)]
#[command(about = "Whole lives of the engine under faults, in virtual time, each from one seed")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Live many lives; shrink and print the first that goes wrong.
    Run(Run),
    /// Live one life again, and print its history.
    Replay(Replay),
    /// Take every guard down, one by one: each must be missed.
    #[cfg(feature = "mutants")]
    Mutants {
        /// Within so many seeds.
        #[arg(long, default_value_t = 3_000)]
        seeds: u64,
        /// Only this one.
        #[arg(long)]
        only: Option<String>,
    },
}

#[derive(Debug, Args)]
struct Run {
    /// How many.
    #[arg(long)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// On so many threads.
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// Print how often each fault struck.
    #[arg(long)]
    coverage: bool,
    /// Only name the lives that go wrong.
    #[arg(long)]
    brief: bool,
}

#[derive(Debug, Args)]
struct Replay {
    /// The seed.
    #[arg(long)]
    seed: u64,
    /// Leave kinds of faults out.
    #[arg(long, value_delimiter = ',', value_parser = kind)]
    without: Vec<Kind>,
    /// Leave source rows out, as in `1,4-7`.
    #[arg(long, default_value_t)]
    drop_rows: Numbers,
    /// Leave acts of the plan out.
    #[arg(long, default_value_t)]
    drop_acts: Numbers,
    /// Leave single faults out, by the order in which they strike.
    #[arg(long, default_value_t)]
    drop_faults: Numbers,
    /// No more instances than this.
    #[arg(long)]
    instances: Option<usize>,
    /// Shrink it first.
    #[arg(long)]
    shrink: bool,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(run) => lives(&run),
        Command::Replay(replay) => again(replay),
        #[cfg(feature = "mutants")]
        Command::Mutants { seeds, only } => mutants(seeds, only.as_deref()),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn lives(run: &Run) -> std::io::Result<bool> {
    let Run { seeds, from, jobs, .. } = *run;
    let began = Instant::now();
    let shown = std::sync::Mutex::new(Instant::now());
    let progress = |lived: u64, violations: u64| {
        if let Ok(mut last) = shown.try_lock()
            && last.elapsed() > Duration::from_secs(2)
        {
            *last = Instant::now();
            eprintln!("{lived} of {seeds} seeds, {violations} violations");
        }
    };
    let outcome = many::live(Lives { from, seeds, jobs, stop_at_first: false }, &progress)?;
    if run.coverage {
        outcome
            .strikes
            .counts()
            .for_each(|(kind, count)| println!("{:<24}{count:>10}", kind.name()));
    }
    for report in &outcome.failed {
        let first = report.findings.first().map(ToString::to_string).unwrap_or_default();
        println!("seed {}: {first}", report.seed);
    }
    if let Some(first) = outcome.failed.first().filter(|_| !run.brief) {
        show(first, &Cut::default())?;
    }
    let each = began.elapsed().as_secs_f64();
    eprintln!("{:.0} seeds/s on {jobs} threads", seeds as f64 / each);
    println!("seeds={seeds} violations={}", outcome.violations);
    Ok(outcome.violations == 0)
}

fn again(replay: Replay) -> std::io::Result<bool> {
    let cut = Cut {
        without: replay.without.into_iter().collect(),
        rows: replay.drop_rows.0,
        acts: replay.drop_acts.0,
        quiet: replay.drop_faults.0,
        instances: replay.instances,
    };
    let metrics = Metrics::new().map_err(std::io::Error::other)?;
    let report = simulate(replay.seed, &cut, true, &metrics)?;
    if replay.shrink && !report.findings.is_empty() {
        show(&report, &cut)?;
    } else {
        print!("{report}");
    }
    println!("seed={} violations={}", replay.seed, report.findings.len());
    Ok(report.findings.is_empty())
}

#[cfg(feature = "mutants")]
fn mutants(seeds: u64, only: Option<&str>) -> std::io::Result<bool> {
    let (mut tried, mut survived) = (0, 0);
    let is_asked = |guard: &&readmill_core::Guard| only.is_none_or(|only| only == guard.name());
    for guard in readmill_core::Guard::ALL.iter().filter(is_asked) {
        tried += 1;
        match readmill_sim::mutants::killer(*guard, seeds)? {
            Some((seed, invariant)) => {
                println!("{:<24} is missed by seed {seed}: {invariant}", guard.name());
            }
            None => {
                survived += 1;
                println!("{:<24} is not missed by {seeds} seeds", guard.name());
            }
        }
    }
    println!("mutants={tried} survived={survived}");
    Ok(survived == 0)
}

/// Shrinks a life that went wrong, and prints it with the command that lives it again.
fn show(report: &Report, cut: &Cut) -> std::io::Result<()> {
    let metrics = Metrics::new().map_err(std::io::Error::other)?;
    let shrunk = shrink(report, cut, &metrics)?;
    print!("\nseed {}, shrunk:\n{}", report.seed, shrunk.report);
    println!("again: readmill-sim replay --seed {}{}\n", report.seed, shrunk.cut);
    Ok(())
}

fn kind(name: &str) -> Result<Kind, String> {
    let found = Kind::ALL.iter().find(|kind| kind.name() == name);
    found.copied().ok_or_else(|| format!("no fault is called {name}"))
}
