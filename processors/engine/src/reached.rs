//! How far the workers of a model have come in this process, for those who hand over to others.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use readmill_core::{Partition, Position, ResumeAt};
use tokio::sync::Notify;

/// Where each partition stands that this process works on; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Reached {
    partitions: Arc<Mutex<BTreeMap<Partition, Place>>>,
    moved: Arc<Notify>,
}

/// Where one partition stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    resume_at: ResumeAt,
    rests: bool,
}

impl Reached {
    /// Notes where a partition would be resumed.
    pub fn note(&self, partition: &Partition, resume_at: ResumeAt) {
        self.with(|partitions| match partitions.get_mut(partition) {
            Some(place) => place.resume_at = resume_at,
            None => {
                partitions.insert(partition.clone(), Place { resume_at, rests: false });
            }
        });
        self.moved.notify_waiters();
    }

    /// Notes whether a partition rests: nothing of it is open, and no more is taken.
    pub fn rest(&self, partition: &Partition, rests: bool) {
        self.with(|partitions| {
            if let Some(place) = partitions.get_mut(partition) {
                place.rests = rests;
            }
        });
    }

    /// Forgets a partition that was let go.
    pub fn release(&self, partition: &Partition) {
        self.with(|partitions| partitions.remove(partition));
    }

    /// Where a partition would be resumed that this process works on.
    pub fn place(&self, partition: &Partition) -> Option<ResumeAt> {
        self.with(|partitions| partitions.get(partition).map(|place| place.resume_at))
    }

    /// Waits until a record is settled here, and all before it: what follows from it is durable.
    /// For ever, if others work on its partition.
    pub async fn settled(&self, record: &Position) {
        loop {
            // Told of what comes between the look and the wait, too.
            let mut moved = pin!(self.moved.notified());
            moved.as_mut().enable();
            if self.place(&record.partition).is_some_and(|at| at.covers(record.offset)) {
                return;
            }
            moved.await;
        }
    }

    /// Whether all partitions rest.
    pub fn rests(&self) -> bool {
        self.with(|partitions| partitions.values().all(|place| place.rests))
    }

    /// Where all partitions would be resumed.
    pub fn places(&self) -> BTreeMap<Partition, ResumeAt> {
        self.with(|partitions| {
            partitions
                .iter()
                .map(|(partition, place)| (partition.clone(), place.resume_at))
                .collect()
        })
    }

    fn with<T>(&self, look: impl FnOnce(&mut BTreeMap<Partition, Place>) -> T) -> T {
        look(&mut self.partitions.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use readmill_core::Offset;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_for_a_record_is_told_when_it_is_settled() {
        let reached = Reached::default();
        let [ours, others] = [0, 1].map(|index| Partition::new("t", index));
        reached.note(&ours, ResumeAt::stored(5));
        let at = |partition: &Partition, offset| Position {
            partition: partition.clone(),
            offset: Offset(offset),
        };
        reached.settled(&at(&ours, 4)).await;
        for (record, note) in [(at(&ours, 5), 6), (at(&ours, 9), 20)] {
            let mut waiting = pin!(reached.settled(&record));
            assert!(timeout(Duration::from_secs(60), &mut waiting).await.is_err());
            reached.note(&ours, ResumeAt::stored(note));
            timeout(Duration::from_millis(1), waiting).await.unwrap();
        }
        assert!(timeout(Duration::from_secs(60), reached.settled(&at(&others, 0))).await.is_err());
        reached.release(&ours);
        assert_eq!(reached.place(&ours), None);
    }

    #[test]
    fn a_model_rests_when_all_its_partitions_do() {
        let reached = Reached::default();
        assert!(reached.rests());
        let [one, two] = [0, 1].map(|index| Partition::new("t", index));
        reached.note(&one, ResumeAt::stored(5));
        reached.note(&two, ResumeAt::stored(0));
        reached.rest(&one, true);
        assert!(!reached.rests());
        reached.rest(&two, true);
        assert!(reached.rests());
        reached.note(&one, ResumeAt::stored(6));
        assert!(reached.rests());
        reached.rest(&one, false);
        assert!(!reached.rests());
        reached.release(&one);
        assert!(reached.rests());
        assert_eq!(reached.places(), BTreeMap::from([(two, ResumeAt::stored(0))]));
    }
}
