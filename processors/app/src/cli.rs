//! The command line.

mod archive;
mod asking;
mod connectors;
mod diff;
mod doctor;
#[cfg(test)]
mod documented;
mod explain;
mod forget;
mod generations;
mod held;
mod list;
mod positions;
mod reconcile;
mod rollup;
mod shell;
#[cfg(test)]
mod tests;
mod times;
mod top;
mod verify;
mod workload;

use std::fmt;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use readmill_models::{ALL, Row};
use readmill_schemas::Timestamp;
use readmill_workload::Table;

use readmill_connectors::elsewhere::Here;

use crate::config::{fill_text, question};
use crate::exit::{CODES, Exit, Failure};

pub use archive::{
    ArchiveArgs, ArchiveCommand, ArchiveCopyArgs, ArchiveListArgs, ArchivePruneArgs,
    ArchiveVerifyArgs,
};
pub use asking::{Anywhere, Asking, OfInstance};
pub use connectors::{
    ConnectorsApplyArgs, ConnectorsCheckArgs, ConnectorsCommand, ConnectorsRestartArgs,
    ConnectorsStatusArgs, DefinitionFiles,
};
pub use diff::DiffArgs;
pub use doctor::DoctorArgs;
pub use explain::{ExplainArgs, When, when};
pub use forget::ForgetArgs;
pub use generations::{
    GenerationsAnywhere, GenerationsArgs, PartArgs, RebuildArgs, RetireArgs, RollbackArgs, SwapArgs,
};
pub use held::{
    HeldAnywhere, HeldCommand, HeldEditArgs, HeldExportArgs, HeldOne, HeldPlace, HeldShowArgs,
    position,
};
pub use list::ListArgs;
pub use positions::{By, PositionsCommand, PositionsExportArgs, PositionsImportArgs};
pub use reconcile::ReconcileArgs;
pub use rollup::RollupArgs;
pub use shell::{CompletionsArgs, ManArgs, definition};
pub use times::since;
pub use top::{LanesArgs, LanesCommand, LanesListArgs, LanesSetArgs, StatusArgs, TopArgs};
pub use verify::VerifyArgs;
pub use workload::WorkloadArgs;

/// Turns the change events of outbox tables into read models.
#[derive(Debug, Parser)]
#[command(name = "readmill", version, after_help = CODES, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// How logs are written to stderr; RUST_LOG says how much.
    #[arg(long, global = true, value_enum, default_value_t)]
    pub log_format: LogFormat,
}

/// How logs are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// A JSON object a line.
    Json,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show it on this machine alone: generate changes, fold them, serve the documents.
    Demo(DemoArgs),
    /// Run the read models of a configuration until stopped.
    Run(RunArgs),
    /// Explain a configuration, or name its mistakes; touches nothing else.
    Check(CheckArgs),
    /// List the read models that there are.
    Models(ModelsArgs),
    /// Show a running instance as it is now, live on a terminal: river, models, rebuilds, lanes.
    ///
    /// Keys: q ends it, tab shows another part, s sorts, / filters, p pauses, ? explains the rest.
    /// An instance that goes away is waited for. NO_COLOR is heeded.
    Top(TopArgs),
    /// Say how a running instance is; exits with 1 if it is not healthy or not ready.
    Status(StatusArgs),
    /// List the lanes of a running instance, or change the rule of one.
    Lanes(LanesArgs),
    /// Print the page of all metrics: what each is, its labels, and what to do with it.
    ///
    /// It is Markdown, as docs/metrics.md has it.
    Metrics,
    /// Print one document.
    Get(GetArgs),
    /// Print documents in the order of their keys, or those that an index leads to.
    List(ListArgs),
    /// Show the events that made a document, what each of them changed, and the document as it was.
    ///
    /// The log is read once more, without any group, and folded aside by the same fold. What comes
    /// of it is compared with the stored document; exits with 7 if both have taken in the same
    /// events and differ.
    Explain(ExplainArgs),
    /// Rehearse a fold: show which stored documents would differ if this binary had folded them.
    ///
    /// The log, or a part of it, is folded aside up to where the stored documents are settled, and
    /// compared with them. Nothing is changed, and nobody is told. Exits with 7 if any differs.
    Diff(DiffArgs),
    /// Print what documents and events came to, group by group.
    Rollup(RollupArgs),
    /// Compare the documents of a model with a fresh fold of its log at the same positions.
    ///
    /// It may run beside `readmill run`, under load, and it waits for nobody: what a document has
    /// taken in since is folded before it is compared, so that lag is no difference. Roll-ups,
    /// embedded copies and mirrors are compared, too. Exits with 7 if anything differs.
    Verify(VerifyArgs),
    /// Compare the documents of a model with what another system says of the same keys.
    ///
    /// A replica is compared with the origin's tables, row by row and in both directions; any model
    /// with a query or a file. It may run beside the model, under load: what is on the way from the
    /// origin is no difference. Exits with 7 if anything differs.
    Reconcile(ReconcileArgs),
    /// Show the documents of a model in its mirror again, wherever it differs from them.
    ///
    /// It may run beside `readmill run`: each view is guarded by its document's revision. What a
    /// mirror shows and no document explains is taken out. A running instance heals its mirrors by
    /// itself when it sees that one was emptied, restarted or replaced, or has evicted something;
    /// this is for all else, such as keys that were deleted by hand.
    Heal(HealArgs),
    /// Deal with the records that could not be folded.
    #[command(subcommand)]
    Held(HeldCommand),
    /// List the events that came before what they need, and wait in their documents.
    Waiting(WaitingArgs),
    /// Make a new generation of a model beside the live one: folded anew from its log.
    ///
    /// Instances of this binary that run the same configuration make it, beside the live one and
    /// giving way to it. It tells nobody of anything until readers see it. This command shows how
    /// far it is; stopped, the rebuild goes on.
    Rebuild(RebuildArgs),
    /// List the generations of a model: which one readers see, and how far each is.
    Generations(GenerationsArgs),
    /// Let readers see another generation, in one step.
    ///
    /// Names stay the same: the view `<model>` in MongoDB, the keys that `<model>.live` and
    /// `<mirror>.live` name in Redis, and the query API. Readers see no error, no mixture, and
    /// nothing older than they have seen. The generation before stays warm.
    Swap(SwapArgs),
    /// Let readers see the generation again that they saw before, in one step.
    Rollback(RollbackArgs),
    /// Erase a generation that readers do not see.
    Retire(RetireArgs),
    /// Erase persons from every model, its views, roll-ups and held records, and from archives, so
    /// that no later fold brings them back
    Forget(ForgetArgs),
    /// Carry the positions of a model's consumer group over to another cluster.
    #[command(subcommand)]
    Positions(PositionsCommand),
    /// Generate the changes of a made-up shop.
    Produce(ProduceArgs),
    /// Copy topics into an archive, so that a rebuild does not depend on how long the log is kept.
    ///
    /// Everything of a record is copied, with its offset, and every schema that it names. Files can
    /// be read once they have ended. It goes on where the archive ends, also after a crash. A
    /// source of kind "archive" reads such an archive, also while it grows.
    Archive(ArchiveArgs),
    /// Judge, apply, watch and restart the connectors that capture the source databases.
    #[command(subcommand)]
    Connectors(ConnectorsCommand),
    /// Look at everything that the models stand on, and say what will hurt, the gravest first.
    ///
    /// Brokers, topics, groups, the registry, Connect, stores, clocks, source databases, and the
    /// order of what the outboxes have published. Nothing is changed, and no group is joined. Each
    /// finding has an id, says where, why it matters and what mends it (docs/doctor.md). Exits with
    /// 7 if anything is found that is as grave as --fail-on says.
    Doctor(DoctorArgs),
    /// Compare schemas with what the read models can read.
    #[command(subcommand)]
    Schemas(SchemasCommand),
    /// Print what a shell needs to complete commands, options and names of models.
    ///
    /// bash: readmill completions bash > ~/.local/share/bash-completion/completions/readmill
    Completions(CompletionsArgs),
    /// Print the manual page, or write those of all commands into a directory.
    Man(ManArgs),
}

/// `demo`
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// The changes to generate.
    #[command(flatten)]
    pub workload: WorkloadArgs,
    /// End when everything is folded, instead of serving until stopped.
    #[arg(long)]
    pub exit: bool,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub json: bool,
    /// Keep the archive and the documents here; an interrupted demo goes on from it. Without it
    /// they are in a temporary directory.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Where to serve; only loopback. Port 0 takes a free one, and is the default with --exit;
    /// else it is 127.0.0.1:9464.
    #[arg(long, value_name = "ADDR", value_parser = loopback)]
    pub listen: Option<SocketAddr>,
}

/// `run`
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// The configuration.
    #[arg(short, long, value_name = "FILE")]
    pub config: PathBuf,
}

/// `check`
#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// The configuration.
    #[arg(short, long, value_name = "FILE", required_unless_present = "example")]
    pub config: Option<PathBuf>,
    /// Print an example of a configuration, with every setting explained.
    #[arg(long, conflicts_with = "config")]
    pub example: bool,
    /// Print one JSON object instead of text: what would run, or the mistakes.
    #[arg(long, conflicts_with = "example")]
    pub json: bool,
}

/// `models`
#[derive(Debug, Clone, Args)]
pub struct ModelsArgs {
    /// Print a JSON list instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `get`
#[derive(Debug, Clone, Args)]
#[command(group(ArgGroup::new("place").required(true).args(["config", "dir", "instance"])))]
pub struct GetArgs {
    /// The read model.
    #[arg(value_parser = model)]
    pub model: Row,
    /// The document's key.
    pub key: String,
    /// The configuration that says where documents are.
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The directory of a demo.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Or the instance.
    #[command(flatten)]
    pub asking: Asking,
    /// Wait until the instance has settled these records, and then read: topic/partition@offset,
    /// separated by commas.
    #[arg(long, value_name = "POSITIONS", requires = "instance")]
    pub at_least: Option<String>,
    /// For how long, in milliseconds; 2000 without it.
    #[arg(long, value_name = "MS", requires = "at_least")]
    pub wait_ms: Option<u64>,
    /// Print one JSON object with the model, the key and the revision around the state.
    #[arg(long)]
    pub json: bool,
}

/// `heal`
#[derive(Debug, Clone, Args)]
pub struct HealArgs {
    /// The read model.
    #[arg(value_parser = model)]
    pub model: Row,
    /// The configuration that says where its documents and its mirror are.
    #[arg(short, long, value_name = "FILE")]
    pub config: PathBuf,
    /// Change nothing: count and name what differs, and exit with 7 if anything does.
    #[arg(long)]
    pub check: bool,
    /// Look at no more documents in a second; else as the configuration says.
    #[arg(long, value_name = "DOCUMENTS")]
    pub limit_per_second: Option<NonZeroU32>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `waiting`
#[derive(Debug, Clone, Args)]
pub struct WaitingArgs {
    /// Whose.
    #[command(flatten)]
    pub place: HeldPlace,
    /// Only those committed before then: a time such as 2026-11-21T06:50:00Z, or an age such as
    /// 90s, 10m, 2h or 7d.
    #[arg(long, value_name = "WHEN", value_parser = times::since)]
    pub before: Option<Timestamp>,
    /// At most so many, the oldest first; 50 of them without it, or all with --json.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Print a JSON object a line.
    #[arg(long)]
    pub json: bool,
}

/// `schemas`
#[derive(Debug, Clone, Subcommand)]
pub enum SchemasCommand {
    /// Say which of the registry's schemas, or which candidate, a read model cannot read.
    ///
    /// Envelopes and flattened rows of an outbox are a model's if their subject is that of one of
    /// its topics, by the model's subject_strategy. Events are known by their record's name, and
    /// rows of ordinary tables by their table, under any subject.
    Check(SchemasCheckArgs),
}

/// `schemas check`
#[derive(Debug, Clone, Args)]
pub struct SchemasCheckArgs {
    /// The configuration.
    #[arg(short, long, value_name = "FILE")]
    pub config: PathBuf,
    /// A schema that is not registered yet; without it the latest schema of every subject is
    /// looked at.
    #[arg(long, value_name = "AVSC")]
    pub candidate: Option<PathBuf>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `produce`
#[derive(Debug, Clone, Args)]
#[command(group(ArgGroup::new("target").required(true).args(["archive", "kafka", "postgres"])))]
pub struct ProduceArgs {
    /// Write records into an archive in this directory.
    #[arg(long, value_name = "DIR")]
    pub archive: Option<PathBuf>,
    /// Write records to the topics of the configuration's Kafka.
    #[arg(long, requires = "config")]
    pub kafka: bool,
    /// The configuration, for --kafka; for --postgres instead of --registry, with a registry that
    /// asks for credentials.
    #[arg(short, long, value_name = "FILE", group = "schemas", conflicts_with = "archive")]
    pub config: Option<PathBuf>,
    /// Write rows into the outbox tables of this PostgreSQL, for Debezium to read. A password need
    /// not be on the command line: '${env:NAME}' and '${file:PATH}' are filled in.
    #[arg(long, value_name = "URL", requires = "schemas", value_parser = secret)]
    pub postgres: Option<Secret>,
    /// The registry where the rows' payloads have their schemas, for --postgres.
    #[arg(long, value_name = "URL", requires = "postgres", group = "schemas")]
    #[arg(value_parser = secret)]
    pub registry: Option<Secret>,
    /// Send the rows of this file instead of generated ones, an event a line:
    /// `{"aggregate": …, "version": …, "event": {"<contract>": {…}}}`. Each is the same row
    /// whenever it is sent.
    #[arg(long, value_name = "FILE", requires = "table")]
    pub rows: Option<PathBuf>,
    /// The outbox table that they are of, such as holdings_import_outbox.
    #[arg(long, value_name = "TABLE", requires = "rows", value_parser = outbox_table)]
    pub table: Option<Table>,
    /// The changes to generate.
    #[command(flatten)]
    pub workload: WorkloadArgs,
    /// At most so many events a second; without it as fast as they are taken.
    #[arg(long, value_name = "EVENTS_PER_SECOND")]
    pub rate: Option<NonZeroU64>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// Where `produce` writes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// An archive in a directory.
    Archive(PathBuf),
    /// The Kafka of a configuration file.
    Kafka(PathBuf),
    /// The outbox tables of a database.
    Postgres {
        /// The connection string.
        url: Secret,
        /// The registry of the payloads' schemas.
        registry: Schemas,
    },
}

/// Where schemas are registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Schemas {
    /// At an address.
    At(Secret),
    /// As a configuration file says.
    Of(PathBuf),
}

impl ProduceArgs {
    /// Where to write to.
    ///
    /// # Errors
    /// When none was named, which the command line excludes.
    pub fn target(&self) -> Result<Target, Failure> {
        let archive = self.archive.clone().map(Target::Archive);
        let kafka = self.config.clone().filter(|_| self.kafka).map(Target::Kafka);
        let schemas = self.registry.clone().map(Schemas::At);
        let schemas = schemas.or_else(|| self.config.clone().map(Schemas::Of));
        let rows = self.postgres.clone().zip(schemas);
        let rows = rows.map(|(url, registry)| Target::Postgres { url, registry });
        archive.or(kafka).or(rows).ok_or_else(|| {
            let hint = "give --archive DIR, --kafka -c FILE, or --postgres URL --registry URL";
            Failure::new(Exit::Usage, "there is nowhere to write to", hint)
        })
    }
}

/// An address that may hold a password: it is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself, for the one who connects.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

fn secret(text: &str) -> Result<Secret, String> {
    fill_text(text, &Here).map(Secret)
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text
        .parse()
        .map_err(|_| "must be an IP address and a port, such as 127.0.0.1:9464".to_owned())?;
    if address.ip().is_loopback() {
        return Ok(address);
    }
    Err("must be on loopback: a demo has no tokens that would protect the documents".to_owned())
}

fn outbox_table(name: &str) -> Result<Table, String> {
    let names: Vec<&str> = Table::outboxes().map(Table::name).collect();
    let table = Table::outboxes().find(|table| table.name() == name);
    table.ok_or_else(|| format!("there is no such outbox table; {}", question(name, &names)))
}

fn model(name: &str) -> Result<Row, String> {
    let names: Vec<&str> = ALL.iter().map(|row| row.name).collect();
    ALL.iter()
        .find(|row| row.name == name)
        .copied()
        .ok_or_else(|| format!("there is no such read model; {}", question(name, &names)))
}
