//! One connection, which writes the transactions of its aggregates one after the other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::{BoxFuture, try_join_all};
use readmill_engine::Fault;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_postgres::{Client, Error, Statement};

use super::address::Address;
use super::config::OutboxConfig;
use super::faults;
use super::tls::Tls;
use super::writer::OutboxRow;

/// So many rows of a transaction are sent without waiting for the answers.
const PIPELINED_ROWS: usize = 16;

/// A transaction, and whether it is rolled back once before it is committed.
#[derive(Debug)]
pub struct Job {
    /// Its rows.
    pub rows: Vec<OutboxRow>,
    /// Whether to write it in vain first.
    pub in_vain: bool,
}

/// A connection and its prepared statements.
#[derive(Debug)]
pub struct Lane {
    client: Client,
    inserts: BTreeMap<String, Statement>,
}

/// Connects, with TLS as the address wants it.
///
/// # Errors
/// When the address cannot be meant, or the server does not answer or refuses.
pub async fn connect(config: &OutboxConfig) -> Result<Client, Fault> {
    let limit = Duration::from_millis(config.connect_limit_ms);
    // A password in a file may be another one by now.
    let address = Address::parse(&config.written.now("url", &config.url))?;
    let tls = Tls::new(&address.protection)?;
    let connecting = timeout(limit, address.driver.connect(tls)).await;
    let (client, connection) = connecting
        .map_err(|_| faults::late(config.connect_limit_ms))?
        .map_err(|error| faults::fault(&error))?;
    // It ends with the client; what goes wrong on it is answered to the client's calls, too.
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(fault = %faults::fault(&error), "the connection ended");
        }
    });
    Ok(client)
}

impl Lane {
    /// A lane on its own connection.
    pub async fn open(config: &OutboxConfig) -> Result<Self, Fault> {
        Ok(Self { client: connect(config).await?, inserts: BTreeMap::new() })
    }

    /// Writes until no more comes, and counts the rows that are committed.
    pub async fn run(
        mut self,
        mut jobs: mpsc::Receiver<Job>,
        committed: Arc<AtomicU64>,
    ) -> Result<(), Fault> {
        while let Some(job) = jobs.recv().await {
            self.prepare(&job.rows).await?;
            if job.in_vain {
                self.transact(&job.rows, "rollback")
                    .await
                    .map_err(|error| faults::fault(&error))?;
            }
            self.transact(&job.rows, "commit").await.map_err(|error| faults::fault(&error))?;
            committed.fetch_add(job.rows.len() as u64, Ordering::Relaxed);
        }
        Ok(())
    }

    async fn prepare(&mut self, rows: &[OutboxRow]) -> Result<(), Fault> {
        for row in rows {
            if self.inserts.contains_key(&row.table) {
                continue;
            }
            let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            if row.table.is_empty() || !row.table.chars().all(letter) {
                let detail = format!("{:?} is not the name of an outbox table", row.table);
                return Err(faults::refused(detail, "use letters, digits and underscores"));
            }
            let insert = format!(
                "insert into public.{} (id, aggregate_type, aggregate_id, version, type, payload, \
                 created_at) values ($1::text::uuid, $2, $3, $4, $5, $6, \
                 timestamptz 'epoch' + $7::bigint * interval '1 millisecond')",
                row.table
            );
            let statement = self.client.prepare(&insert).await;
            let statement = statement.map_err(|error| faults::fault(&error))?;
            self.inserts.insert(row.table.clone(), statement);
        }
        Ok(())
    }

    /// One transaction in one round trip, if it is not long: the server takes the statements in
    /// the order in which they are first polled.
    async fn transact(&self, rows: &[OutboxRow], end: &'static str) -> Result<(), Error> {
        let mut chunks = rows.chunks(PIPELINED_ROWS).peekable();
        let mut first = true;
        while let Some(chunk) = chunks.next() {
            let mut sent: Vec<BoxFuture<'_, Result<(), Error>>> = Vec::new();
            if std::mem::take(&mut first) {
                sent.push(Box::pin(self.client.batch_execute("begin")));
            }
            sent.extend(chunk.iter().map(|row| -> BoxFuture<'_, _> { Box::pin(self.insert(row)) }));
            if chunks.peek().is_none() {
                sent.push(Box::pin(self.client.batch_execute(end)));
            }
            try_join_all(sent).await?;
        }
        Ok(())
    }

    async fn insert(&self, row: &OutboxRow) -> Result<(), Error> {
        let Some(statement) = self.inserts.get(&row.table) else {
            return Ok(());
        };
        self.client
            .execute(
                statement,
                &[
                    &row.id,
                    &row.aggregate_type,
                    &row.aggregate_id,
                    &row.version,
                    &row.event_type,
                    &row.payload,
                    &row.created_ms,
                ],
            )
            .await
            .map(drop)
    }
}
