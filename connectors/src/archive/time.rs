//! Where the records of an archive begin that were stamped at a time or later.

use std::collections::BTreeMap;
use std::path::Path;

use readmill_core::{Partition, ResumeAt};
use readmill_engine::{Fault, Record};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::layout::Manifest;
use super::reading::Reading;

/// The place of the first such record in each partition; the end where there is none. All records
/// before it are looked at.
pub async fn places(
    dir: &Path,
    topics: &[String],
    manifest: &Manifest,
    since_ms: i64,
) -> Result<BTreeMap<Partition, ResumeAt>, Fault> {
    let mut places = BTreeMap::new();
    for (partition, entry) in manifest.partitions_of(topics) {
        let reading = Reading::new(dir, &partition, entry, ResumeAt::START);
        places.insert(partition, first(reading, since_ms).await?);
    }
    Ok(places)
}

async fn first(reading: Reading, since_ms: i64) -> Result<ResumeAt, Fault> {
    let (sender, mut batches) = mpsc::channel(1);
    let reader = spawn_blocking(move || reading.run(&sender));
    while let Some(batch) = batches.recv().await {
        let is_in = |record: &&Record| record.timestamp_ms >= since_ms;
        if let Some(record) = batch.iter().find(is_in) {
            return Ok(ResumeAt::stored(record.position.offset.0));
        }
    }
    let ended = reader.await.map_err(|error| Fault::defect("the reader of an archive", &error))?;
    ended.fault.map_or(Ok(ended.next), Err)
}
