//! What can be asked of the workload, and which wishes make no sense.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The most members that are simulated: their balances are kept in memory.
const MOST_MEMBERS: u32 = 10_000_000;
/// The latest start, so that no event lies beyond the year 9999.
const LATEST_START_MS: i64 = 253_402_300_799_000 / 2;

/// The wishes. Equal knobs give equal rows and equal records, byte by byte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Knobs {
    /// What decides everything that is left to chance.
    pub seed: u64,
    /// How many events the services commit; duplicates of the relay come on top.
    pub events: u64,
    /// How many members there are, and about how many deliveries are open at a time.
    pub members: u32,
    /// The share of events that goes to the hottest tenth of the members, and within it to its
    /// hottest tenth, and so on; 0 spreads them evenly.
    pub skew_per_mille: u32,
    /// The share of events that belong to deliveries, of those that belong to deliveries or points.
    pub deliveries_per_mille: u32,
    /// The share of events of all the other services together: of orders, coupons, chats and so on.
    pub others_per_mille: u32,
    /// The share of deliveries that come from the legacy service, which keeps no versions.
    pub unversioned_per_mille: u32,
    /// The share of records that the relay publishes twice.
    pub duplicates_per_mille: u32,
    /// The share of records that the relay publishes behind their successor of the same key.
    pub swaps_per_mille: u32,
    /// The share of points events where the service commits a cancel before its earn.
    pub early_per_mille: u32,
    /// The share of rows whose payload cannot be read; their keys are held.
    pub poison_per_mille: u32,
    /// When the first event is committed, in milliseconds since 1970.
    pub start_ms: i64,
    /// How many events are committed in a second of the simulated time.
    pub events_per_second: u32,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            seed: 1,
            events: 100_000,
            members: 10_000,
            skew_per_mille: 300,
            deliveries_per_mille: 400,
            others_per_mille: 0,
            unversioned_per_mille: 333,
            duplicates_per_mille: 10,
            swaps_per_mille: 5,
            early_per_mille: 5,
            poison_per_mille: 0,
            // 2026-11-01T00:00:00Z
            start_ms: 1_793_491_200_000,
            events_per_second: 1_000,
        }
    }
}

/// Why a wish cannot be granted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{knob} is {found}, and must be {allowed}")]
pub struct KnobError {
    /// The knob.
    pub knob: &'static str,
    /// Its value.
    pub found: String,
    /// What it may be.
    pub allowed: &'static str,
}

impl Knobs {
    /// Checks every wish.
    ///
    /// # Errors
    /// The first one that makes no sense.
    pub fn checked(self) -> Result<Self, KnobError> {
        let shares = [
            ("skew_per_mille", self.skew_per_mille, 990, "0 to 990"),
            ("deliveries_per_mille", self.deliveries_per_mille, 1000, "0 to 1000"),
            ("others_per_mille", self.others_per_mille, 1000, "0 to 1000"),
            ("unversioned_per_mille", self.unversioned_per_mille, 1000, "0 to 1000"),
            ("duplicates_per_mille", self.duplicates_per_mille, 500, "0 to 500"),
            ("swaps_per_mille", self.swaps_per_mille, 300, "0 to 300"),
            ("early_per_mille", self.early_per_mille, 300, "0 to 300"),
            ("poison_per_mille", self.poison_per_mille, 1000, "0 to 1000"),
        ];
        for (knob, found, most, allowed) in shares {
            within(knob, found <= most, found, allowed)?;
        }
        let (members, rate) = (self.members, self.events_per_second);
        let known = (1..=MOST_MEMBERS).contains(&members);
        within("members", known, members, "1 to 10000000")?;
        let in_time = (0..=LATEST_START_MS).contains(&self.start_ms);
        within("start_ms", in_time, self.start_ms, "milliseconds since 1970, up to the year 5984")?;
        within("events_per_second", rate > 0, rate, "at least 1")?;
        let countable = self.events <= 1_000_000_000_000;
        within("events", countable, self.events, "at most 1000000000000")?;
        Ok(self)
    }
}

fn within(
    knob: &'static str,
    fits: bool,
    found: impl ToString,
    allowed: &'static str,
) -> Result<(), KnobError> {
    if fits { Ok(()) } else { Err(KnobError { knob, found: found.to_string(), allowed }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_make_sense() {
        assert_eq!(Knobs::default().checked(), Ok(Knobs::default()));
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let ok = Knobs::default;
        let table = [
            (Knobs { members: 0, ..ok() }, "members is 0, and must be 1 to 10000000"),
            (
                Knobs { swaps_per_mille: 301, ..ok() },
                "swaps_per_mille is 301, and must be 0 to 300",
            ),
            (
                Knobs { events_per_second: 0, ..ok() },
                "events_per_second is 0, and must be at least 1",
            ),
            (
                Knobs { start_ms: -1, ..ok() },
                "start_ms is -1, and must be milliseconds since 1970, up to the year 5984",
            ),
        ];
        for (knobs, told) in table {
            assert_eq!(knobs.checked().unwrap_err().to_string(), told);
        }
    }

    #[test]
    fn an_unknown_knob_is_refused() {
        let told = serde_json::from_str::<Knobs>(r#"{"sede": 1}"#).unwrap_err().to_string();
        assert!(told.contains("unknown field `sede`"), "{told}");
    }
}
