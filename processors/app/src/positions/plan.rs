//! Finding the places of one cluster in another.

use std::collections::BTreeMap;

use readmill_connectors::kafka::{GroupPositions, Landmarks};
use readmill_core::Partition;
use readmill_engine::Fault;

use super::file::Place;
use crate::cli::{By, PositionsImportArgs};
use crate::exit::{Exit, Failure};

/// What is asked for.
#[derive(Debug)]
pub struct Asked {
    by: By,
    rewind_ms: i64,
    places: Vec<Place>,
    topics: Vec<String>,
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
        places: Vec<Place>,
        topics: Vec<String>,
    ) -> Result<Self, Failure> {
        let names: BTreeMap<&str, &str> =
            args.topics.iter().map(|(old, new)| (old.as_str(), new.as_str())).collect();
        let renamed = |place: Place| {
            let name = names.get(&*place.partition.topic).copied();
            let name = name.map_or_else(|| place.partition.topic.to_string(), str::to_owned);
            Place { partition: Partition::new(name.as_str(), place.partition.index), ..place }
        };
        let places: Vec<Place> = places.into_iter().map(renamed).collect();
        let hint = "say which topic is which with --topic OLD=NEW";
        for place in &places {
            let topic = &*place.partition.topic;
            if !topics.iter().any(|known| known == topic) {
                let told = format!("{topic} is none of the model's topics here");
                return Err(Failure::new(Exit::Usage, told, hint));
            }
        }
        for topic in &topics {
            if !places.iter().any(|place| *place.partition.topic == **topic) {
                let told = format!("nothing was written down of {topic}");
                return Err(Failure::new(Exit::Usage, told, hint));
            }
        }
        let rewind_ms = i64::try_from(args.rewind.as_millis()).unwrap_or(i64::MAX);
        Ok(Self { by: args.by, rewind_ms, places, topics })
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
        let partitions = positions.partitions(&self.topics)?;
        let logs = positions.logs(&partitions)?;
        let mut planned = Vec::new();
        for partition in partitions {
            let (first, end) = logs.get(&partition).copied().unwrap_or_default();
            let (offset, how) = match self.by {
                By::Time => self.by_time(positions, &partition, first)?,
                By::Offset => self.by_offset(&partition, (first, end))?,
                By::Record => self.by_record(positions, landmarks, &partition, (first, end))?,
            };
            planned.push(Planned { partition, offset, end, how });
        }
        Ok(planned)
    }

    fn place(&self, partition: &Partition) -> Option<&Place> {
        self.places.iter().find(|place| place.partition == *partition)
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

    fn by_time(
        &self,
        positions: &GroupPositions,
        partition: &Partition,
        first: i64,
    ) -> Result<(i64, String), Fault> {
        let Some(time_ms) = self.time(&partition.topic) else {
            return Ok((first, "nothing was settled: from the beginning".to_owned()));
        };
        let found = positions.at_time(std::slice::from_ref(partition), time_ms)?;
        let at = readmill_schemas::Timestamp::from_millis(time_ms);
        Ok((found.get(partition).copied().unwrap_or(first), format!("from {at} on")))
    }

    fn by_offset(
        &self,
        partition: &Partition,
        (first, end): (i64, i64),
    ) -> Result<(i64, String), Fault> {
        match self.place(partition) {
            Some(place) if (first..=end).contains(&place.offset) => {
                Ok((place.offset, "the same offset".to_owned()))
            }
            Some(place) => Err(lost(
                partition,
                format!("offset {} is not within {first} to {end}", place.offset),
            )),
            None => Err(lost(partition, "the other cluster has no such partition".to_owned())),
        }
    }

    fn by_record(
        &self,
        positions: &GroupPositions,
        landmarks: &Landmarks,
        partition: &Partition,
        (first, end): (i64, i64),
    ) -> Result<(i64, String), Fault> {
        let Some(place) = self.place(partition) else {
            return Err(lost(partition, "the other cluster has no such partition".to_owned()));
        };
        let Some(last) = &place.last else {
            return Ok((first, "nothing was settled: from the beginning".to_owned()));
        };
        let time_ms = last.timestamp_ms.saturating_sub(self.rewind_ms);
        let from = positions.at_time(std::slice::from_ref(partition), time_ms)?;
        let from = from.get(partition).copied().unwrap_or(first);
        match landmarks.behind(partition, (from, end), last)? {
            Some(offset) => Ok((offset, "right behind the record settled last".to_owned())),
            None => Err(lost(partition, "the record settled last is not there".to_owned())),
        }
    }
}

fn lost(partition: &Partition, detail: String) -> Fault {
    Fault::Refused {
        service: "kafka",
        detail: format!("{partition}: {detail}"),
        hint: "is it a copy of the other cluster's topic? by time (--by time) no copy is needed",
    }
}
