//! Finding the places of one cluster in another.

use std::collections::BTreeMap;

use readmill_connectors::kafka::{GroupPositions, Landmarks};
use readmill_core::Partition;
use readmill_engine::{Bounds, Fault};
use readmill_schemas::Timestamp;

use super::file::Noted;
use crate::cli::{By, PositionsImportArgs};
use crate::exit::{Exit, Failure};

/// What is asked for.
#[derive(Debug)]
pub struct Asked {
    by: By,
    rewind_ms: i64,
    places: Vec<Noted>,
}

/// Where a partition is to begin, and how that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// Which.
    pub partition: Partition,
    /// Where it begins.
    pub offset: i64,
    /// Where its log ends now.
    pub end: i64,
    /// How that was found, in words.
    pub how: String,
}

impl Asked {
    /// The places of another cluster, under the names that their topics have here.
    ///
    /// # Errors
    /// When a topic of the model has no place, or a place no topic.
    pub fn of(
        args: &PositionsImportArgs,
        places: Vec<Noted>,
        topics: &[String],
    ) -> Result<Self, Failure> {
        let names: BTreeMap<&str, &str> =
            args.topics.iter().map(|(old, new)| (old.as_str(), new.as_str())).collect();
        let renamed = |place: Noted| {
            let name = names.get(&*place.partition.topic).copied();
            let name = name.map_or_else(|| place.partition.topic.to_string(), str::to_owned);
            Noted { partition: Partition::new(name.as_str(), place.partition.index), ..place }
        };
        let places: Vec<Noted> = places.into_iter().map(renamed).collect();
        let hint = "say which topic is which with --topic OLD=NEW";
        for place in &places {
            let topic = &*place.partition.topic;
            if !topics.iter().any(|known| known == topic) {
                let told = format!("{topic} is none of the model's topics here");
                return Err(Failure::new(Exit::Usage, told, hint));
            }
        }
        for topic in topics {
            if !places.iter().any(|place| *place.partition.topic == **topic) {
                let told = format!("nothing was written down of {topic}");
                return Err(Failure::new(Exit::Usage, told, hint));
            }
        }
        let rewind_ms = i64::try_from(args.rewind.as_millis()).unwrap_or(i64::MAX);
        Ok(Self { by: args.by, rewind_ms, places })
    }

    /// Finds all places.
    ///
    /// # Errors
    /// When no broker answers, or a place cannot be found.
    pub fn plan(
        &self,
        positions: &GroupPositions,
        landmarks: &Landmarks,
    ) -> Result<Vec<Planned>, Fault> {
        let mut planned = Vec::new();
        for (partition, bounds) in positions.bounds()? {
            let one = Here { positions, partition: &partition, bounds };
            let (offset, how) = match self.by {
                By::Time => self.by_time(one)?,
                By::Offset => self.by_offset(one)?,
                By::Record => self.by_record(one, landmarks)?,
            };
            planned.push(Planned { partition, offset, end: bounds.to.value(), how });
        }
        Ok(planned)
    }

    fn noted(&self, partition: &Partition) -> Result<&Noted, Fault> {
        let found = self.places.iter().find(|place| place.partition == *partition);
        found.ok_or_else(|| lost(partition, "the other cluster has no such partition".to_owned()))
    }

    /// The time before which nothing of a topic is needed: in other partitions its records may
    /// stand in any of them. None if a partition has records, and none of them was settled.
    fn time(&self, topic: &str) -> Option<i64> {
        let its = || self.places.iter().filter(|place| *place.partition.topic == *topic);
        if its().any(|place| place.last.is_none() && place.offset < place.end) {
            return None;
        }
        let times = its().filter_map(|place| place.last.as_ref().map(|last| last.timestamp_ms));
        times.min().map(|time| time.saturating_sub(self.rewind_ms))
    }

    fn by_time(&self, here: Here<'_>) -> Result<(i64, String), Fault> {
        let Some(time_ms) = self.time(&here.partition.topic) else {
            return Ok((here.first(), FROM_THE_BEGINNING.to_owned()));
        };
        let at = Timestamp::from_millis(time_ms);
        Ok((here.at_time(time_ms)?, format!("from {at} on")))
    }

    fn by_offset(&self, here: Here<'_>) -> Result<(i64, String), Fault> {
        let (first, end) = (here.first(), here.end());
        let offset = self.noted(here.partition)?.offset;
        if (first..=end).contains(&offset) {
            return Ok((offset, "the same offset".to_owned()));
        }
        Err(lost(here.partition, format!("offset {offset} is not within {first} to {end}")))
    }

    fn by_record(&self, here: Here<'_>, landmarks: &Landmarks) -> Result<(i64, String), Fault> {
        let Some(last) = &self.noted(here.partition)?.last else {
            return Ok((here.first(), FROM_THE_BEGINNING.to_owned()));
        };
        let from = here.at_time(last.timestamp_ms.saturating_sub(self.rewind_ms))?;
        match landmarks.behind(here.partition, (from, here.end()), last)? {
            Some(offset) => Ok((offset, "right behind the record settled last".to_owned())),
            None => Err(lost(here.partition, "the record settled last is not there".to_owned())),
        }
    }
}

const FROM_THE_BEGINNING: &str = "nothing was settled: from the beginning";

/// One partition of this cluster.
#[derive(Clone, Copy)]
struct Here<'a> {
    positions: &'a GroupPositions,
    partition: &'a Partition,
    bounds: Bounds,
}

impl Here<'_> {
    const fn first(&self) -> i64 {
        self.bounds.from.value()
    }

    const fn end(&self) -> i64 {
        self.bounds.to.value()
    }

    /// The place of its first record of a time or later.
    fn at_time(&self, time_ms: i64) -> Result<i64, Fault> {
        let one = BTreeMap::from([(self.partition.clone(), self.bounds)]);
        let found = self.positions.at_time(&one, time_ms)?;
        Ok(found.get(self.partition).map_or(self.first(), |at| at.value()))
    }
}

fn lost(partition: &Partition, detail: String) -> Fault {
    Fault::Refused {
        service: "kafka",
        detail: format!("{partition}: {detail}"),
        hint: "is it a copy of the other cluster's topic? by time (--by time) no copy is needed",
    }
}
