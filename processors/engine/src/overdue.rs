//! The bound on the age of waiting events: what has waited for too long is held, for a person.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use readmill_core::{Document, Key, ReadModel, Sent};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::fault::{Fault, Remedy};
use crate::patience::{Patience, patiently};
use crate::ports::Ports;
use crate::route::{Part, Queues, Task};
use crate::run::Watch;
use crate::shard::{Batch, Shard};
use crate::tally::Settled;

/// Documents are looked through so many times within the limit, but not more often than once in
/// the shortest of these intervals, nor more rarely than once in the longest.
const ROUNDS: u32 = 8;
const SHORTEST_INTERVAL: Duration = Duration::from_millis(500);
const LONGEST_INTERVAL: Duration = Duration::from_secs(600);

/// More are found in the next round.
const MAX_KEYS_A_ROUND: usize = 1024;

/// Holds what has waited for longer than `limit`, from now on until it is dropped. Every process
/// does so for all documents: each write is by compare-and-set.
///
/// # Errors
/// A fault that does not pass.
pub async fn hold_overdue<M: ReadModel>(
    ports: Arc<Ports<M>>,
    limit: Duration,
    watch: Watch,
) -> Result<(), Fault> {
    let between = (limit / ROUNDS).clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL);
    let mut rounds = interval_at(Instant::now() + between, between);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let patience = Patience::new(watch.stop.clone(), ports.metrics.clone(), M::NAME);
    let limit_ms = i64::try_from(limit.as_millis()).unwrap_or(i64::MAX);
    loop {
        rounds.tick().await;
        let before_ms = ports.clock.now_ms().saturating_sub(limit_ms);
        match round(&ports, before_ms, &watch, patience.clone()).await {
            Err(fault) if fault.remedy() == Remedy::LetGo => return Ok(()),
            Err(fault) if fault.remedy() == Remedy::GoBack => continue,
            round => round?,
        }
    }
}

async fn round<M: ReadModel>(
    ports: &Ports<M>,
    before_ms: i64,
    watch: &Watch,
    mut patience: Patience,
) -> Result<(), Fault> {
    let mut overdue = Vec::new();
    let mut visit = |key: Key, document: Document<M>| {
        let mut waiting = document.stamp.waiting.into_iter();
        if overdue.len() < MAX_KEYS_A_ROUND
            && let Some(waiting) = waiting.find(|waiting| waiting.is_overdue(before_ms))
        {
            overdue.push((key, waiting.record));
        }
    };
    patiently!(patience, ports.store.scan_waiting(&mut visit))?;
    let mut shard = Shard::new(NonZeroUsize::MIN, patience);
    for (key, record) in overdue {
        // Nothing is owed to its partition's worker for this.
        let (partition, from) = (record.position.partition.clone(), record.position.held());
        let batch = Batch::of(ports, &from.partition, Sent::NOTHING);
        let task = Task::HoldOverdue { before_ms };
        let part = Part { record: Arc::new(record), from: from.clone(), task };
        let ends = shard.fold_and_write(batch, Queues::from([(key, vec![part])])).await?;
        let released = ends.into_iter().flat_map(|end| end.taken.released).collect();
        watch.tally.count(&partition, Settled { released, ..Settled::default() });
    }
    Ok(())
}
