//! Where a reading of a log begins and ends, for logs that are read from one place to another.

use std::collections::BTreeMap;

use readmill_core::{Partition, ResumeAt};

/// Where reading begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Since {
    /// With the first record that there is.
    Beginning,
    /// With the first record that was stamped at this time or later, in milliseconds since 1970.
    Time(i64),
    /// At these places; partitions that are not named, with their first record.
    Places(BTreeMap<Partition, ResumeAt>),
}

/// Where reading ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Until {
    /// Where the log ends when it is opened.
    Now,
    /// At these places, or where the log ends before them; partitions that are not named are not
    /// read.
    Places(BTreeMap<Partition, ResumeAt>),
}

impl Until {
    /// Where reading of a partition ends that the log has up to `end`.
    pub fn within(&self, partition: &Partition, end: i64) -> i64 {
        match self {
            Self::Now => end,
            Self::Places(places) => places.get(partition).map_or(0, |at| at.value().min(end)),
        }
    }
}

/// From which place of a partition up to which other one is read; that one is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The first place. It is behind the wanted one where the log does not reach back so far.
    pub from: ResumeAt,
    /// One past the last place.
    pub to: ResumeAt,
}

impl Bounds {
    /// Bounds within a log that has its first record at `first` and ends at `end`.
    pub fn within(first: i64, end: i64, wanted: Option<ResumeAt>) -> Self {
        let from = wanted.map_or(first, ResumeAt::value).clamp(first.min(end), end);
        Self { from: ResumeAt::stored(from), to: ResumeAt::stored(end) }
    }

    /// How many records there are at most: an offset need not be a record.
    pub const fn most_records(self) -> u64 {
        self.to.value().saturating_sub(self.from.value()).cast_unsigned()
    }

    /// Whether nothing is between them.
    pub const fn is_empty(self) -> bool {
        self.most_records() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_within_the_log() {
        let table = [
            // first, end, wanted, from
            (0, 10, None, 0),
            (3, 10, None, 3),
            (3, 10, Some(0), 3),
            (3, 10, Some(7), 7),
            (3, 10, Some(12), 10),
            (10, 10, Some(4), 10),
        ];
        for (first, end, wanted, from) in table {
            let bounds = Bounds::within(first, end, wanted.map(ResumeAt::stored));
            assert_eq!((bounds.from.value(), bounds.to.value()), (from, end));
            assert_eq!(bounds.is_empty(), from == end);
        }
    }
}
