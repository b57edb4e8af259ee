//! The trail: the end of the log, read once more from a place before which everything is settled,
//! through the same stations as in the river.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use readmill_core::{Finished, Partition, ReadModel, Record, ResumeAt};
use tokio::time::{Instant, sleep};

use crate::fault::Fault;
use crate::feed::Feed;
use crate::forgotten::Forgetting;
use crate::patience::Patience;
use crate::ports::{Log, Script};
use crate::reader::Reader;
use crate::route::{Queues, Routed};

const BATCH_RECORDS: usize = 4096;
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Places in the partitions of a log.
pub type Places = BTreeMap<Partition, ResumeAt>;

/// The log from which what is checked was folded.
#[async_trait]
pub trait Trail: Debug + Send + Sync {
    /// The log from these places on, up to where it ends now.
    async fn open(&self, from: &Places) -> Result<Box<dyn Log>, Fault>;

    /// The places before which both sides had settled everything when the verification began.
    fn begins(&self) -> &Places;

    /// How far the left and the right side were settled then, each by itself.
    fn begun(&self) -> (&Places, &Places) {
        (self.begins(), self.begins())
    }

    /// Where it ends now.
    async fn ends(&self) -> Result<Places, Fault>;

    /// How far the left side is settled now.
    async fn settled(&self) -> Result<Places, Fault>;

    /// How far the right side is settled now; none where it stands where the trail begins.
    async fn right_settled(&self) -> Result<Option<Places>, Fault> {
        Ok(None)
    }

    /// Whether anybody was forgotten since it was read that these are.
    async fn has_forgotten_since(&self, _known: &Forgetting) -> Result<bool, Fault> {
        Ok(false)
    }

    /// Whether all that was folded into the two sides, and may not be in both, is in the log.
    fn is_whole(&self) -> bool;
}

/// The places before which both of two sides are settled.
pub fn behind_both(left: &Places, right: &Places) -> Places {
    let both = left.iter().filter_map(|(partition, at)| {
        let other = right.get(partition)?;
        Some((partition.clone(), *at.min(other)))
    });
    both.collect()
}

/// A trail that counts as settled what both sides have settled.
#[derive(Debug)]
pub struct OfBoth<'t>(pub &'t dyn Trail);

#[async_trait]
impl Trail for OfBoth<'_> {
    async fn open(&self, from: &Places) -> Result<Box<dyn Log>, Fault> {
        self.0.open(from).await
    }

    fn begins(&self) -> &Places {
        self.0.begins()
    }

    async fn ends(&self) -> Result<Places, Fault> {
        self.0.ends().await
    }

    async fn settled(&self) -> Result<Places, Fault> {
        let left = self.0.settled().await?;
        let right = self.0.right_settled().await?;
        Ok(right.map_or_else(|| left.clone(), |right| behind_both(&left, &right)))
    }

    fn is_whole(&self) -> bool {
        self.0.is_whole()
    }
}

/// Who goes along a trail.
#[async_trait]
pub trait Follows<M: ReadModel>: Send {
    /// Takes the next parts of a partition in.
    async fn take(&mut self, queues: Queues<M>) -> Result<(), Fault>;
}

/// Follows a log to its end. Records that lead to no document are passed over.
///
/// # Errors
/// A fault that does not pass.
pub async fn follow<M: ReadModel>(
    log: Box<dyn Log>,
    script: &Script,
    patience: &Patience,
    follower: &mut impl Follows<M>,
) -> Result<(), Fault> {
    let mut reader = Reader::<M>::new(script, patience.clone());
    let mut reading = Reading::begin(log);
    while let Some(records) = reading.next().await? {
        let (partition, at) = place(&records);
        follower.take(route(&mut reader, records).await?).await?;
        reading.settle(&partition, at);
    }
    reading.log.stop().await
}

/// A log that is read batch by batch, its partitions in turn.
struct Reading {
    log: Box<dyn Log>,
    coming: FuturesUnordered<Coming>,
    /// Those whose last batch is not settled yet.
    waiting: BTreeMap<Partition, Feed>,
    assigning: bool,
}

type Coming = Pin<Box<dyn Future<Output = (Feed, Option<Vec<Record>>)> + Send>>;

impl Reading {
    fn begin(log: Box<dyn Log>) -> Self {
        let (coming, waiting) = (FuturesUnordered::new(), BTreeMap::new());
        Self { log, coming, waiting, assigning: true }
    }

    async fn next(&mut self) -> Result<Option<Vec<Record>>, Fault> {
        while self.assigning || !self.coming.is_empty() {
            tokio::select! {
                biased;
                feed = self.log.assigned(), if self.assigning => match feed? {
                    Some(feed) => self.coming.push(next_of(feed)),
                    None => self.assigning = false,
                },
                Some((feed, records)) = self.coming.next(), if !self.coming.is_empty() => {
                    if let Some(records) = records.filter(|records| !records.is_empty()) {
                        self.waiting.insert(feed.partition.clone(), feed);
                        return Ok(Some(records));
                    }
                }
            }
        }
        Ok(None)
    }

    fn settle(&mut self, partition: &Partition, at: ResumeAt) {
        if let Some(feed) = self.waiting.remove(partition) {
            feed.settle(at, Finished::default());
            self.coming.push(next_of(feed));
        }
    }
}

fn next_of(mut feed: Feed) -> Coming {
    Box::pin(async move {
        let records = feed.next(BATCH_RECORDS).await;
        (feed, records)
    })
}

/// Of which partition records are, and the place behind the last of them.
fn place(records: &[Record]) -> (Partition, ResumeAt) {
    let nowhere = || (Partition::new("", 0), ResumeAt::START);
    records.last().map_or_else(nowhere, |Record { position, .. }| {
        (position.partition.clone(), ResumeAt::stored(position.offset.0 + 1))
    })
}

async fn route<M: ReadModel>(
    reader: &mut Reader<M>,
    records: Vec<Record>,
) -> Result<Queues<M>, Fault> {
    let mut routed = Routed::new(1);
    for record in records.into_iter().map(Arc::new) {
        let passed = reader.read(&record).await;
        routed.add(&record, reader.heard(&record, passed))?;
    }
    Ok(routed.shards.pop().unwrap_or_default())
}

/// Waits until the left side has settled all that is in the log now. Answers false if it has not
/// within the limit.
///
/// # Errors
/// A fault of the log.
pub async fn settled_to_the_end(trail: &dyn Trail, limit: Duration) -> Result<bool, Fault> {
    let until = Instant::now() + limit;
    let ends = trail.ends().await?;
    let mut last = None;
    loop {
        let settled = trail.settled().await?;
        if covers(&settled, &ends) {
            return Ok(true);
        }
        // What is left may be no records: the ends of transactions, or what was given up.
        if last.as_ref() == Some(&settled) && !has_records(trail, &settled, &ends).await? {
            return Ok(true);
        }
        if Instant::now() >= until {
            return Ok(false);
        }
        last = Some(settled);
        sleep(LOOK_EVERY).await;
    }
}

/// Whether some places are at or behind others, in every partition.
fn covers(settled: &Places, ends: &Places) -> bool {
    ends.iter().all(|(partition, end)| place_in(settled, partition) >= *end)
}

fn place_in(places: &Places, partition: &Partition) -> ResumeAt {
    places.get(partition).copied().unwrap_or(ResumeAt::START)
}

/// Whether there are records between places.
async fn has_records(trail: &dyn Trail, from: &Places, to: &Places) -> Result<bool, Fault> {
    let mut reading = Reading::begin(trail.open(from).await?);
    let mut found = false;
    while let Some(records) = reading.next().await? {
        let is_before = |record: &Record| {
            place_in(to, &record.position.partition).covers(record.position.offset)
        };
        found = records.iter().any(is_before);
        if found {
            break;
        }
        let (partition, at) = place(&records);
        reading.settle(&partition, at);
    }
    // Whoever stops in the middle lets go of what it was handed first.
    let Reading { mut log, coming, waiting, .. } = reading;
    drop((coming, waiting));
    log.stop().await?;
    Ok(found)
}

/// When the oldest record was stamped that was not settled when a trail began, in milliseconds
/// since 1970; none if all were.
///
/// # Errors
/// A fault of the log.
pub async fn oldest_ms(trail: &dyn Trail) -> Result<Option<i64>, Fault> {
    let mut reading = Reading::begin(trail.open(trail.begins()).await?);
    let mut first: BTreeMap<Partition, i64> = BTreeMap::new();
    while let Some(records) = reading.next().await? {
        let (partition, at) = place(&records);
        let stamped = records.first().map_or(i64::MAX, |record| record.timestamp_ms);
        first.entry(partition.clone()).or_insert(stamped);
        reading.settle(&partition, at);
    }
    reading.log.stop().await?;
    Ok(first.into_values().min())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behind_both_is_what_neither_lacks() {
        let at = |index, at| (Partition::new("t", index), ResumeAt::stored(at));
        let left = Places::from([at(0, 5), at(1, 2), at(2, 9)]);
        let right = Places::from([at(0, 3), at(1, 4)]);
        assert_eq!(behind_both(&left, &right), Places::from([at(0, 3), at(1, 2)]));
    }

    #[test]
    fn places_cover_others_in_every_partition() {
        let places = |all: &[(i32, i64)]| -> Places {
            let place =
                |(index, at): &(i32, i64)| (Partition::new("t", *index), ResumeAt::stored(*at));
            all.iter().map(place).collect()
        };
        let ends = places(&[(0, 5), (1, 0)]);
        assert!(covers(&places(&[(0, 5)]), &ends), "an empty partition has nothing to settle");
        assert!(!covers(&places(&[(0, 4), (1, 7)]), &ends));
    }
}
