//! Where the consumer groups of generations stand, and where they begin.

use std::sync::Arc;

use readmill_connectors::kafka::{GroupPositions, KafkaConfig, Places};
use readmill_core::Partition;
use readmill_engine::Fault;

use crate::config;

/// How far a generation is behind its log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Behind {
    /// Records that are still to be read.
    pub records: i64,
    /// Records that the log has in all.
    pub of: i64,
}

/// What a generation has committed. In partitions of which it has nothing, the beginning of their
/// logs.
///
/// # Errors
/// When no broker answers.
pub async fn committed(kafka: &Arc<KafkaConfig>, model: &config::Model) -> Result<Places, Fault> {
    asked(kafka, model, |positions, partitions| {
        let mut places = positions.committed(partitions)?;
        for (partition, (first, _)) in positions.logs(partitions)? {
            places.entry(partition).or_insert(first);
        }
        Ok(places)
    })
    .await
}

/// How far a generation is behind the ends of its log.
///
/// # Errors
/// When no broker answers.
pub async fn behind(kafka: &Arc<KafkaConfig>, model: &config::Model) -> Result<Behind, Fault> {
    asked(kafka, model, |positions, partitions| {
        let committed = positions.committed(partitions)?;
        let mut behind = Behind::default();
        for (partition, (first, end)) in positions.logs(partitions)? {
            let at = committed.get(&partition).copied().unwrap_or(first).max(first);
            behind.records += (end - at).max(0);
            behind.of += end - first;
        }
        Ok(behind)
    })
    .await
}

/// Lets a generation that nobody has begun begin at a time.
///
/// # Errors
/// When no broker answers, or the generation was begun.
pub async fn begin_at(
    kafka: &Arc<KafkaConfig>,
    model: &config::Model,
    time_ms: i64,
) -> Result<(), Fault> {
    asked(kafka, model, move |positions, partitions| {
        positions.commit(&positions.at_time(partitions, time_ms)?)
    })
    .await
}

/// Lets a generation that nobody has begun begin at these places.
///
/// # Errors
/// When no broker answers, or the generation was begun.
pub async fn begin_at_places(
    kafka: &Arc<KafkaConfig>,
    model: &config::Model,
    places: Places,
) -> Result<(), Fault> {
    asked(kafka, model, move |positions, _| positions.commit(&places)).await
}

/// Asks about a generation's group, beside the runtime: the client blocks.
async fn asked<T: Send + 'static>(
    kafka: &Arc<KafkaConfig>,
    model: &config::Model,
    ask: impl FnOnce(&GroupPositions, &[Partition]) -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let (kafka, group, topics) = (Arc::clone(kafka), model.group(kafka), model.topics.clone());
    let asking = move || {
        let positions = GroupPositions::of(&kafka, &group)?;
        let partitions = positions.partitions(&topics)?;
        ask(&positions, &partitions)
    };
    tokio::task::spawn_blocking(asking)
        .await
        .unwrap_or_else(|error| Err(Fault::defect("asking for positions", &error)))
}
