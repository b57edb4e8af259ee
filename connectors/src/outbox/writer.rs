//! Many transactions over several connections, each aggregate's in their order.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use readmill_engine::Fault;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use xxhash_rust::xxh3::xxh3_64;

use super::config::OutboxConfig;
use super::faults;
use super::lane::{self, Job, Lane};

/// The tables as a service's migration would make them.
const DDL: &str = include_str!("../../debezium/postgres/outbox.sql");
const MISSING: &str = "select count(*) from unnest(array['points_outbox', 'deliveries_outbox_a', \
                       'deliveries_outbox_b', 'deliveries_outbox_c']) as name \
                       where to_regclass('public.' || name) is null";
const QUEUED_TRANSACTIONS: usize = 64;

/// A row of an outbox table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// The table, in the schema `public`.
    pub table: String,
    /// The row's id, a UUID.
    pub id: String,
    /// The kind of aggregate.
    pub aggregate_type: String,
    /// The aggregate.
    pub aggregate_id: String,
    /// Its version, where the service keeps one.
    pub version: Option<i64>,
    /// The event's name.
    pub event_type: String,
    /// The event, framed Avro.
    pub payload: Vec<u8>,
    /// When the service wrote it, in milliseconds since 1970.
    pub created_ms: i64,
}

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Transactions that were committed.
    pub transactions: u64,
    /// Rows in them.
    pub rows: u64,
    /// Transactions that were rolled back besides.
    pub rolled_back: u64,
}

/// Writes outbox rows.
#[derive(Debug)]
pub struct OutboxWriter {
    config: OutboxConfig,
}

impl OutboxWriter {
    /// Connects, and makes the tables if any of them is missing.
    ///
    /// # Errors
    /// When the database does not answer or refuses.
    pub async fn connect(config: OutboxConfig) -> Result<Self, Fault> {
        let client = lane::connect(&config).await?;
        let counted = client.query_one(MISSING, &[]).await;
        let missing: i64 = counted.map_err(|error| faults::fault(&error))?.get(0);
        if missing > 0 {
            client.batch_execute(DDL).await.map_err(|error| faults::fault(&error))?;
        }
        Ok(Self { config })
    }

    /// Writes each item as one transaction; all rows of an item must be of one aggregate. Tells
    /// `progress` how many rows are committed, now and then.
    ///
    /// # Errors
    /// The first fault of any connection; transactions committed before stay committed.
    pub async fn write(
        &self,
        transactions: impl IntoIterator<Item = Vec<OutboxRow>>,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Written, Fault> {
        let committed = Arc::new(AtomicU64::new(0));
        let mut lanes = JoinSet::new();
        let mut queues = Vec::new();
        for _ in 0..self.config.connections.max(1) {
            let (queue, jobs) = mpsc::channel(QUEUED_TRANSACTIONS);
            let lane = Lane::open(&self.config).await?;
            lanes.spawn(lane.run(jobs, Arc::clone(&committed)));
            queues.push(queue);
        }
        let mut written = self
            .feed(transactions, &queues, || {
                progress(committed.load(Ordering::Relaxed));
            })
            .await?;
        drop(queues);
        while let Some(ended) = lanes.join_next().await {
            ended.map_err(|error| Fault::Silent {
                service: "postgresql",
                detail: format!("a connection's task ended: {error}"),
            })??;
        }
        written.rows = committed.load(Ordering::Relaxed);
        progress(written.rows);
        Ok(written)
    }

    /// Hands transactions to their lanes. A lane that is gone has a fault to tell: it is told by
    /// whoever joins it.
    async fn feed(
        &self,
        transactions: impl IntoIterator<Item = Vec<OutboxRow>>,
        queues: &[mpsc::Sender<Job>],
        mut progress: impl FnMut(),
    ) -> Result<Written, Fault> {
        let mut written = Written::default();
        let mut rollbacks = 0;
        for rows in transactions {
            let Some(first) = rows.first() else { continue };
            if rows.iter().any(|row| row.aggregate_id != first.aggregate_id) {
                let detail = "a transaction has rows of several aggregates".to_owned();
                let hint = "write each aggregate in a transaction of its own: connections are \
                            chosen by aggregate";
                return Err(faults::refused(detail, hint));
            }
            rollbacks += self.config.rollbacks_per_mille;
            let in_vain = rollbacks >= 1000;
            rollbacks %= 1000;
            let lanes = queues.len().max(1) as u64;
            let lane = usize::try_from(xxh3_64(first.aggregate_id.as_bytes()) % lanes);
            let Some(queue) = lane.ok().and_then(|lane| queues.get(lane)) else {
                break;
            };
            if queue.send(Job { rows, in_vain }).await.is_err() {
                break;
            }
            written.transactions += 1;
            written.rolled_back += u64::from(in_vain);
            progress();
        }
        Ok(written)
    }
}
