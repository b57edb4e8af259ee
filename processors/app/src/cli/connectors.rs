//! The part of the command line that is about Kafka Connect's connectors.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};

/// `connectors`
#[derive(Debug, Clone, Subcommand)]
pub enum ConnectorsCommand {
    /// Judge definitions of connectors by the rules that keep events complete and in order.
    ///
    /// Each finding says what is wrong, why that matters, and which option mends it. Exits with 2
    /// if any is an error.
    Check(ConnectorsCheckArgs),
    /// Give definitions to Kafka Connect, and wait until they run.
    ///
    /// First all of them are judged, here and by Connect, and compared with what runs; if any has
    /// an error, none is applied. Exits with 1 if a connector or one of its tasks fails then.
    Apply(ConnectorsApplyArgs),
    /// Show how the connectors and their tasks are; exits with 1 if any has failed.
    Status(ConnectorsStatusArgs),
    /// Restart what has failed of connectors, and wait until it runs.
    Restart(ConnectorsRestartArgs),
}

/// Which definitions, and what fills their placeholders.
#[derive(Debug, Clone, Args)]
pub struct DefinitionFiles {
    /// The definitions: {"name": …, "config": {…}}. In their values ${NAME}, ${NAME:-default},
    /// ${env:NAME} and ${file:PATH} are filled in.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Take variables from this file, too, a NAME=VALUE a line; the environment goes first.
    #[arg(long, value_name = "FILE")]
    pub env_file: Vec<PathBuf>,
    /// Set a variable; it goes before all others. Not for secrets: others see the command line.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = variable)]
    pub variables: Vec<(String, String)>,
}

/// `connectors check`
#[derive(Debug, Clone, Args)]
pub struct ConnectorsCheckArgs {
    /// The definitions.
    #[command(flatten)]
    pub definitions: DefinitionFiles,
    /// Ask the Connect of this configuration, too, which looks at the source database.
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Look at the source database, too, as the connector will see it: tables, rights, publication,
    /// slot, replica identities. Of PostgreSQL alone; TLS is as the definition's database.sslmode
    /// and database.sslrootcert say.
    #[arg(long)]
    pub database: bool,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `connectors apply`
#[derive(Debug, Clone, Args)]
pub struct ConnectorsApplyArgs {
    /// The definitions.
    #[command(flatten)]
    pub definitions: DefinitionFiles,
    /// The configuration, whose section `connect` says where Connect is.
    #[arg(short, long, value_name = "FILE")]
    pub config: PathBuf,
    /// Change nothing: only show what would change, and what would be refused.
    #[arg(long)]
    pub dry_run: bool,
    /// Apply them although they break rules of `connectors check`.
    #[arg(long)]
    pub despite_findings: bool,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `connectors status`
#[derive(Debug, Clone, Args)]
pub struct ConnectorsStatusArgs {
    /// Only these.
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// The configuration, whose section `connect` says where Connect is.
    #[arg(short, long, value_name = "FILE")]
    pub config: PathBuf,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `connectors restart`
#[derive(Debug, Clone, Args)]
#[command(group(ArgGroup::new("which").required(true).args(["names", "all"])))]
pub struct ConnectorsRestartArgs {
    /// Which.
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// All that there are.
    #[arg(long)]
    pub all: bool,
    /// The configuration, whose section `connect` says where Connect is.
    #[arg(short, long, value_name = "FILE")]
    pub config: PathBuf,
    /// Restart what runs, too; without it only what has failed.
    #[arg(long)]
    pub also_running: bool,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

fn variable(text: &str) -> Result<(String, String), String> {
    let both = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, value) = both.ok_or("must be a name and a value, such as TOPIC_PREFIX=shop")?;
    Ok((name.to_owned(), value.to_owned()))
}
