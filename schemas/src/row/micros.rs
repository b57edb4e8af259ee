//! An instant in microseconds, as databases keep it, and its text by RFC 3339.
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::RowFault;
use crate::Timestamp;
use crate::semantic::{Moment, Semantic, Zone};

use super::column::FromColumn;

/// Microseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(into = "String", try_from = "String")]
pub struct TimestampMicros(i64);

impl TimestampMicros {
    /// The instant so many microseconds after the epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// The instant without what is finer than a millisecond.
    pub const fn to_millis(self) -> Timestamp {
        Timestamp::from_millis(self.0.div_euclid(1_000))
    }
}

impl fmt::Display for TimestampMicros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = u32::try_from(self.0.rem_euclid(1_000_000) * 1_000).unwrap_or(0);
        Moment { seconds: self.0.div_euclid(1_000_000), nanos, zone: Zone::Utc }.fmt(f)
    }
}

impl FromStr for TimestampMicros {
    type Err = RowFault;

    fn from_str(text: &str) -> Result<Self, RowFault> {
        Self::of(&Semantic::Zoned(text))
    }
}

impl TryFrom<String> for TimestampMicros {
    type Error = RowFault;

    fn try_from(text: String) -> Result<Self, RowFault> {
        text.parse()
    }
}

impl From<TimestampMicros> for String {
    fn from(at: TimestampMicros) -> Self {
        at.to_string()
    }
}
