//! How far the workers of a model have come in this process, for those who hand over to others.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use readmill_core::{Partition, ResumeAt};

/// Where each partition stands that this process works on; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Reached {
    partitions: Arc<Mutex<BTreeMap<Partition, Place>>>,
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
    use super::*;

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
