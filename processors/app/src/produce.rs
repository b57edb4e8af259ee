//! `produce`: the changes of a made-up shop, as an archive, on topics, or as rows of outbox tables.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use indicatif::ProgressBar;
use readmill_connectors::archive::{ArchiveWriter, Roll};
use readmill_connectors::kafka::{KafkaConfig, Producer, producer::Outgoing};
use readmill_connectors::outbox::{OutboxConfig, OutboxRow, OutboxWriter};
use readmill_connectors::registry::{RegistryBook, RegistryConfig};
use readmill_core::Partition;
use readmill_engine::Fault;
use readmill_schemas::SchemaId;
use readmill_workload::{Emission, Knobs, Payloads, SourceRow, Table, written_schemas};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::bars;
use crate::changes::{Changes, Rows};
use crate::cli::{ProduceArgs, Schemas, Target};
use crate::config::{self, Config};
use crate::exit::{Exit, Failure};
use crate::out;

/// How many partitions a topic gets that does not exist yet, and every topic of an archive.
const PARTITIONS: u16 = 8;
/// How many records are on their way to the brokers at a time.
const SENT_TOGETHER: usize = 2_000;
/// The ids of schemas, by the full names of their records.
pub type Ids = BTreeMap<String, SchemaId>;

/// Obeys the command.
///
/// # Errors
/// When the target does not answer or refuses.
pub async fn produce(args: ProduceArgs) -> Result<Exit> {
    let changes = match (&args.rows, args.table) {
        (Some(file), Some(table)) => Changes::written(file, table)?,
        _ => Changes::generated(&args.workload.knobs(Knobs::default().others_per_mille)?)?,
    };
    let bar = bars::progress(changes.count, "produced");
    let pace = Pace::new(args.rate.map(std::num::NonZeroU64::get));
    let made = match args.target()? {
        Target::Archive(dir) => {
            let bar = bar.clone();
            tokio::task::spawn_blocking(move || archive(&dir, changes, &bar)).await??
        }
        Target::Kafka(file) => kafka(&Config::load(&file)?, changes, pace, &bar).await?,
        Target::Postgres { url, registry } => {
            let registry = match registry {
                Schemas::At(url) => book(&RegistryConfig::at(url.reveal())).await?,
                Schemas::Of(file) => book(live(&Config::load(&file)?)?.1).await?,
            };
            postgres(url.reveal(), &registry, changes, pace, &bar).await?
        }
    };
    bar.finish_and_clear();
    out::line(if args.json { made.json().to_string() } else { made.text() });
    Ok(Exit::Done)
}

/// What was made.
#[derive(Debug)]
pub enum Made {
    /// An archive.
    Archive {
        /// Records in it.
        records: u64,
        /// Where it is.
        directory: PathBuf,
    },
    /// Records on topics.
    Topics {
        /// How many.
        records: u64,
        /// On so many topics.
        topics: usize,
    },
    /// Rows of outbox tables.
    Rows(readmill_connectors::outbox::Written),
}

impl Made {
    fn text(&self) -> String {
        match self {
            Self::Archive { records, directory } => {
                format!("{records} records in {}", directory.display())
            }
            Self::Topics { records, topics } => format!("{records} records to {topics} topics"),
            Self::Rows(written) => format!(
                "{} rows in {} transactions, and {} rolled back besides",
                written.rows, written.transactions, written.rolled_back
            ),
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Archive { records, directory } => {
                json!({ "records": records, "directory": directory })
            }
            Self::Topics { records, topics } => json!({ "records": records, "topics": topics }),
            Self::Rows(written) => json!({
                "rows": written.rows, "transactions": written.transactions,
                "rolled_back": written.rolled_back,
            }),
        }
    }
}

/// Writes an archive, and says what is in it.
///
/// # Errors
/// When the directory cannot be written, or holds an archive already.
pub fn archive(dir: &Path, changes: Changes, bar: &ProgressBar) -> Result<Made> {
    let mut writer = ArchiveWriter::create(dir, Roll::default())?;
    let mut ids = Ids::new();
    for (schema, id) in written_schemas().into_iter().zip(1..) {
        writer.schema(SchemaId(id), &schema.text)?;
        ids.insert(schema.name, SchemaId(id));
    }
    for table in Table::ALL {
        for partition in 0..PARTITIONS {
            writer.partition(&Partition::new(table.topic(), partition.into()))?;
        }
    }
    for emission in changes.relayed(PARTITIONS.into(), &ids)? {
        let partition = Partition::new(emission.table.topic(), emission.partition);
        let Emission { timestamp_ms, key, value, .. } = &emission;
        writer.append(&partition, *timestamp_ms, Some(key), Some(value))?;
        bar.inc(1);
    }
    let records = writer.finish()?.records();
    Ok(Made::Archive { records, directory: dir.to_owned() })
}

async fn kafka(config: &Config, changes: Changes, pace: Pace, bar: &ProgressBar) -> Result<Made> {
    let (kafka, registry) = live(config)?;
    let ids = register(&book(registry).await?).await?;
    let topics = topics(config);
    let producer = ready(kafka, &topics).await?;
    let mut pace = pace;
    let (mut sent, mut batch) = (0_u64, Vec::new());
    for emission in changes.relayed(PARTITIONS.into(), &ids)? {
        let topic = topics.get(&emission.table).cloned().unwrap_or_default();
        let Emission { key, value, .. } = emission;
        // The key decides the partition, so that a topic may have any number of them.
        let (key, value) = (Some(key), Some(value));
        batch.push(Outgoing { topic, partition: None, key, value, headers: Vec::new() });
        if batch.len() == SENT_TOGETHER {
            sent += send(&producer, &mut batch, &mut pace, bar).await?;
        }
    }
    sent += send(&producer, &mut batch, &mut pace, bar).await?;
    Ok(Made::Topics { records: sent, topics: topics.len() })
}

/// The brokers and the registry of a configuration.
fn live(config: &Config) -> Result<(&KafkaConfig, &RegistryConfig)> {
    let config::Source::Kafka { kafka, registry } = &config.source else {
        let hint = "set source.kind = \"kafka\", or write an archive with --archive";
        return Err(Failure::new(Exit::Usage, "the configuration reads no Kafka", hint).into());
    };
    Ok((kafka, registry))
}

async fn send(
    producer: &Producer,
    batch: &mut Vec<Outgoing>,
    pace: &mut Pace,
    bar: &ProgressBar,
) -> Result<u64, Fault> {
    let many = batch.len() as u64;
    producer.send(std::mem::take(batch)).await?;
    bar.inc(many);
    pace.wait(many).await;
    Ok(many)
}

/// The topic of each table: the configured one that ends in the table's name.
fn topics(config: &Config) -> BTreeMap<Table, String> {
    let configured: Vec<&String> = config.models.iter().flat_map(|m| &m.topics).collect();
    let topic = |table: Table| {
        let named = configured.iter().find(|topic| topic.ends_with(&format!(".{}", table.name())));
        named.map_or_else(|| table.topic().to_owned(), ToString::to_string)
    };
    Table::ALL.iter().map(|table| (*table, topic(*table))).collect()
}

async fn ready(kafka: &KafkaConfig, topics: &BTreeMap<Table, String>) -> Result<Producer, Fault> {
    let producer = Producer::new(kafka)?;
    let names: Vec<&str> = topics.values().map(String::as_str).collect();
    producer.ensure_topics(&names, PARTITIONS.into()).await?;
    Ok(producer)
}

async fn postgres(
    url: &str,
    registry: &RegistryBook,
    changes: Changes,
    pace: Pace,
    bar: &ProgressBar,
) -> Result<Made> {
    let ids = register(registry).await?;
    let payloads = Payloads::new(&|name| ids.get(name).copied())?;
    let mut outbox = OutboxConfig::at(url);
    outbox.rollbacks_per_mille = ROLLBACKS_PER_MILLE;
    let writer = OutboxWriter::connect(outbox).await?;
    // Rows of ordinary tables are not the outbox's to write.
    let rows: Rows = Box::new(changes.rows.filter(|row| row.table.is_outbox()));
    let transactions = Transactions { rows: rows.peekable(), payloads };
    let mut progress = |committed| bar.set_position(committed);
    let written = match pace.per_second {
        None => writer.write(transactions, &mut progress).await?,
        Some(_) => paced(&writer, transactions, pace, &mut progress).await?,
    };
    Ok(Made::Rows(written))
}

/// Some transactions are first rolled back, so that nobody relies on what was never committed.
const ROLLBACKS_PER_MILLE: u32 = 20;
/// At a limited rate, so many transactions are handed over at a time.
const PACED_TRANSACTIONS: usize = 20;

async fn paced(
    writer: &OutboxWriter,
    transactions: Transactions,
    mut pace: Pace,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<readmill_connectors::outbox::Written, Fault> {
    let mut transactions = transactions.peekable();
    let mut sum = readmill_connectors::outbox::Written::default();
    while transactions.peek().is_some() {
        let some: Vec<Vec<OutboxRow>> = transactions.by_ref().take(PACED_TRANSACTIONS).collect();
        let written = writer.write(some, &mut |_| {}).await?;
        sum.rows += written.rows;
        sum.transactions += written.transactions;
        sum.rolled_back += written.rolled_back;
        progress(sum.rows);
        pace.wait(written.rows).await;
    }
    Ok(sum)
}

async fn book(registry: &RegistryConfig) -> Result<RegistryBook, Fault> {
    let book = RegistryBook::new(registry)?;
    book.check().await?;
    Ok(book)
}

async fn register(registry: &RegistryBook) -> Result<Ids, Fault> {
    let mut ids = Ids::new();
    for schema in written_schemas() {
        ids.insert(schema.name, registry.register(&schema.subject, &schema.text).await?);
    }
    Ok(ids)
}

/// The workload's rows, a transaction at a time.
struct Transactions {
    rows: std::iter::Peekable<Rows>,
    payloads: Payloads,
}

impl Iterator for Transactions {
    type Item = Vec<OutboxRow>;

    fn next(&mut self) -> Option<Vec<OutboxRow>> {
        let first = self.rows.next()?;
        let tx = first.tx;
        let mut rows = vec![self.outbox_row(&first)];
        while let Some(row) = self.rows.next_if(|row| row.tx == tx) {
            rows.push(self.outbox_row(&row));
        }
        Some(rows)
    }
}

impl Transactions {
    fn outbox_row(&self, row: &SourceRow) -> OutboxRow {
        OutboxRow {
            table: row.table.name().to_owned(),
            id: row.event_id.clone(),
            aggregate_type: row.table.aggregate_type().to_owned(),
            aggregate_id: row.aggregate_id.clone(),
            version: row.version,
            event_type: row.event_type().to_owned(),
            payload: self.payloads.payload(row),
            created_ms: row.committed_ms,
        }
    }
}

/// Holds a stream to a rate.
#[derive(Debug, Clone, Copy)]
struct Pace {
    per_second: Option<u64>,
    began: Instant,
    done: u64,
}

impl Pace {
    fn new(per_second: Option<u64>) -> Self {
        Self { per_second, began: Instant::now(), done: 0 }
    }

    async fn wait(&mut self, many: u64) {
        self.done += many;
        if let Some(rate) = self.per_second {
            let due = Duration::from_secs_f64(self.done as f64 / rate as f64);
            tokio::time::sleep_until(self.began + due).await;
        }
    }
}
