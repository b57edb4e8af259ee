//! Running a read model: a worker for each assigned partition, until the log ends or one must stop.

use std::sync::Arc;
use std::time::Duration;

use readmill_core::{Counts, ReadModel};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::fault::{Fault, Remedy};
use crate::feed::Feed;
use crate::gauge;
use crate::leave::Leave;
use crate::metrics::Meter;
use crate::mirror;
use crate::noted;
use crate::overdue;
use crate::patience::Patience;
use crate::ports::{Log, Ports};
use crate::pulse::Pulse;
use crate::reached::Reached;
use crate::river::River;
use crate::tally::Tally;

/// The bounds of a running model.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// At most about so many records go through the river together.
    pub batch_records: usize,
    /// Keys of one partition are folded and written in so many groups side by side.
    pub shards_per_partition: usize,
    /// So many documents of a partition are kept in memory.
    pub cached_documents_per_partition: usize,
    /// No more is taken in while so many records of a partition are not settled.
    pub open_records_per_partition: usize,
    /// No more is taken in while the unsettled records of a partition have so many bytes.
    pub open_bytes_per_partition: usize,
    /// An event that has waited in its document for longer is held.
    pub waiting_limit_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            batch_records: 4096,
            shards_per_partition: 4,
            cached_documents_per_partition: 16_384,
            open_records_per_partition: 16_384,
            open_bytes_per_partition: 16 << 20,
            waiting_limit_ms: 24 * 60 * 60 * 1000,
        }
    }
}

/// What a running model shares with those who watch it.
#[derive(Debug, Clone)]
pub struct Watch {
    /// The counts.
    pub tally: Tally,
    /// The pulse.
    pub pulse: Pulse,
    /// Turns true when the process is to stop.
    pub stop: watch::Receiver<bool>,
    /// How far its workers have come.
    pub reached: Reached,
    /// Whether they may take records in.
    pub leave: Leave,
}

impl Watch {
    /// Of a model that takes records in whenever there are some.
    pub fn new(tally: Tally, pulse: Pulse, stop: watch::Receiver<bool>) -> Self {
        Self { tally, pulse, stop, reached: Reached::default(), leave: Leave::always() }
    }
}

/// Runs a model over a log until the log ends, `stop` turns true, or a fault needs a person.
///
/// # Errors
/// The fault that needs a person; what was settled before it stays settled.
pub async fn run<M: ReadModel>(
    ports: Arc<Ports<M>>,
    mut log: Box<dyn Log>,
    limits: Limits,
    watch: Watch,
) -> Result<Counts, Fault> {
    ports.metrics.begin(M::NAME);
    let mut workers: JoinSet<Result<(), Fault>> = JoinSet::new();
    // It ends with this function.
    let mut watching = JoinSet::new();
    watching.spawn(gauge::watch_held(Arc::clone(&ports)));
    let waiting_limit = Duration::from_millis(limits.waiting_limit_ms);
    watching.spawn(overdue::hold_overdue(Arc::clone(&ports), waiting_limit, watch.clone()));
    watching.spawn(mirror::tend(Arc::clone(&ports), watch.clone()));
    let mut stop = watch.stop.clone();
    let mut reading = true;
    let mut result = loop {
        if !reading && workers.is_empty() {
            break Ok(());
        }
        tokio::select! {
            biased; // so that a simulation can be repeated
            feed = log.assigned(), if reading => match feed {
                Ok(Some(feed)) => {
                    workers.spawn(work(Arc::clone(&ports), feed, limits, watch.clone()));
                }
                Ok(None) => reading = false,
                Err(fault) => break Err(fault),
            },
            Some(worker) = workers.join_next() => {
                if let Err(fault) = outcome(worker) {
                    break Err(fault);
                }
            }
            Some(watcher) = watching.join_next() => {
                if let Err(fault) = outcome(watcher) {
                    break Err(fault);
                }
            }
            _ = stop.wait_for(|stop| *stop) => break Ok(()),
        }
    };
    let stopped = log.stop().await;
    while let Some(worker) = workers.join_next().await {
        result = result.and(outcome(worker));
    }
    result.and(stopped)?;
    Ok(watch.tally.counts())
}

/// One partition, from its assignment until it is taken away or ends.
async fn work<M: ReadModel>(
    ports: Arc<Ports<M>>,
    mut feed: Feed,
    limits: Limits,
    watch: Watch,
) -> Result<(), Fault> {
    let (model, partition) = (M::NAME, feed.partition.clone());
    tracing::info!(model, %partition, "partition assigned");
    ports.metrics.shift(Meter::Partitions, &[model], 1);
    let mut patience = Patience::new(feed.closing(), ports.metrics.clone(), model);
    let mut remembering = ports.memory.begin().await;
    let mut river = River::new(Arc::clone(&ports), &partition, limits, &watch, patience.clone());
    let mut result = tokio::select! {
        biased; // so that a simulation can be repeated
        result = river.flow(&mut feed) => result,
        fault = remembering.lost() => Err(fault),
    };
    drop(river);
    if let Err(fault) = &result
        && fault.remedy() == Remedy::ReadAgain
    {
        tracing::warn!(model, %partition, %fault, "what is not settled is read again");
        drop(remembering);
        return if feed.read_again() { Ok(()) } else { result };
    }
    if let Err(fault) = &result
        && fault.remedy() == Remedy::GoBack
    {
        result = noted::go_back(&mut patience, &ports, (feed, remembering), fault).await;
    }
    ports.metrics.shift(Meter::Partitions, &[model], -1);
    tracing::info!(model, %partition, "partition released");
    match result {
        Err(fault) if fault.remedy() == Remedy::LetGo => Ok(()),
        result => result,
    }
}

fn outcome(worker: Result<Result<(), Fault>, tokio::task::JoinError>) -> Result<(), Fault> {
    worker.unwrap_or_else(|error| Err(Fault::defect("a worker", &error)))
}
