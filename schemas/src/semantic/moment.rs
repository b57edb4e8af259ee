//! Dates, times of day, timestamps and durations, and their texts by ISO 8601.
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::timestamp::civil_from_days;

use super::error::SemanticFault;
use super::text;

const NANOS: u32 = 1_000_000_000;
const DAY_S: i64 = 86_400;

/// Whether a timestamp is an instant or what a clock on some wall showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// An instant; its text ends with `Z`.
    Utc,
    /// The column has no zone, and so the text has none.
    Local,
}

/// PostgreSQL's dates and timestamps before and after all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Infinity {
    /// After all others.
    Positive,
    /// Before all others.
    Negative,
}

/// A day of the proleptic Gregorian calendar.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(into = "String", try_from = "String")]
pub struct Date {
    /// Days since 1970-01-01.
    pub days: i64,
}

/// A time of day, or MariaDB's span of at most 838 hours; it may be negative.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(into = "String", try_from = "String")]
pub struct Time {
    /// Whole seconds, rounded down.
    pub seconds: i64,
    /// What is more, in nanoseconds.
    pub nanos: u32,
}

/// A day and a time of that day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Whole seconds since 1970-01-01T00:00:00, rounded down.
    pub seconds: i64,
    /// What is more, in nanoseconds.
    pub nanos: u32,
    /// Whether it is an instant.
    pub zone: Zone,
}

/// A length of time in the calendar's units, each with its sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// Years.
    pub years: i64,
    /// Months.
    pub months: i64,
    /// Days.
    pub days: i64,
    /// Hours.
    pub hours: i64,
    /// Minutes.
    pub minutes: i64,
    /// Seconds, rounded towards zero.
    pub seconds: i64,
    /// The rest, with the sign of the seconds.
    pub nanos: i64,
}

impl Moment {
    /// The instant of a timestamp by RFC 3339, of any year.
    pub fn of_zoned(text: &str) -> Option<Self> {
        text::zoned(text)
    }
}

impl TryFrom<String> for Date {
    type Error = SemanticFault;

    fn try_from(text: String) -> Result<Self, SemanticFault> {
        text::date(&text).ok_or(SemanticFault::Form { kind: "a date" })
    }
}

impl From<Date> for String {
    fn from(date: Date) -> Self {
        date.to_string()
    }
}

impl TryFrom<String> for Time {
    type Error = SemanticFault;

    fn try_from(text: String) -> Result<Self, SemanticFault> {
        text::long_time(&text).ok_or(SemanticFault::Form { kind: "a time" })
    }
}

impl From<Time> for String {
    fn from(time: Time) -> Self {
        time.to_string()
    }
}

/// Splits a count of so many a second into seconds and nanoseconds.
pub(super) fn split(count: i64, per_second: i64) -> (i64, u32) {
    let nanos = count.rem_euclid(per_second) * (i64::from(NANOS) / per_second);
    (count.div_euclid(per_second), u32::try_from(nanos).unwrap_or(0))
}

impl fmt::Display for Infinity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Positive => "infinity",
            Self::Negative => "-infinity",
        })
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil_from_days(self.days);
        let sign = match year {
            ..=-1 => "-",
            0..=9999 => "",
            _ => "+",
        };
        write!(f, "{sign}{:04}-{month:02}-{day:02}", year.abs())
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut seconds, mut nanos) = (self.seconds.unsigned_abs(), self.nanos);
        if self.seconds < 0 {
            f.write_str("-")?;
            if nanos > 0 {
                (seconds, nanos) = (seconds - 1, NANOS - nanos);
            }
        }
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(f, "{hour:02}:{minute:02}:{second:02}")?;
        fraction(nanos, f)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = Date { days: self.seconds.div_euclid(DAY_S) };
        let time = Time { seconds: self.seconds.rem_euclid(DAY_S), nanos: self.nanos };
        write!(f, "{date}T{time}")?;
        match self.zone {
            Zone::Utc => f.write_str("Z"),
            Zone::Local => Ok(()),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("P")?;
        for (count, unit) in [(self.years, 'Y'), (self.months, 'M'), (self.days, 'D')] {
            if count != 0 {
                write!(f, "{count}{unit}")?;
            }
        }
        let has_seconds = self.seconds != 0 || self.nanos != 0;
        let has_time = self.hours != 0 || self.minutes != 0 || has_seconds;
        if !has_time && (self.years, self.months, self.days) != (0, 0, 0) {
            return Ok(());
        }
        f.write_str("T")?;
        for (count, unit) in [(self.hours, 'H'), (self.minutes, 'M')] {
            if count != 0 {
                write!(f, "{count}{unit}")?;
            }
        }
        if !has_seconds && has_time {
            return Ok(());
        }
        let sign = if self.seconds < 0 || self.nanos < 0 { "-" } else { "" };
        write!(f, "{sign}{}", self.seconds.unsigned_abs())?;
        fraction(u32::try_from(self.nanos.unsigned_abs()).unwrap_or(0), f)?;
        f.write_str("S")
    }
}

impl Span {
    /// A length of time of so many units of which a second has so many.
    pub(super) fn elapsed(count: i64, per_second: i64) -> Self {
        let nanos = count % per_second * (i64::from(NANOS) / per_second);
        Self { seconds: count / per_second, nanos, ..Self::default() }
    }
}

/// The digits behind the point, without the zeros that say nothing.
fn fraction(nanos: u32, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if nanos == 0 {
        return Ok(());
    }
    let digits = format!("{nanos:09}");
    write!(f, ".{}", digits.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_have_texts() {
        let table = [
            (0, 1_000, "1970-01-01T00:00:00"),
            (-1, 1_000_000, "1969-12-31T23:59:59.999999"),
            (1_709_210_096_700, 1_000, "2024-02-29T12:34:56.7"),
            (-210_863_520_000_000, 1_000, "-4712-01-01T00:00:00"),
            (i64::MAX, 1_000_000_000, "2262-04-11T23:47:16.854775807"),
            (i64::MIN, 1_000, "-292275055-05-16T16:47:04.192"),
        ];
        for (count, per_second, expected) in table {
            let (seconds, nanos) = split(count, per_second);
            assert_eq!(Moment { seconds, nanos, zone: Zone::Local }.to_string(), expected);
        }
    }

    #[test]
    fn times_may_be_negative_and_long() {
        let table = [
            (0, "00:00:00"),
            (86_400_000_000, "24:00:00"),
            (-500_000, "-00:00:00.5"),
            (-3_020_399_000_000, "-838:59:59"),
            (-1_500_000, "-00:00:01.5"),
            (i64::MIN, "-2562047788:00:54.775808"),
        ];
        for (micros, expected) in table {
            let (seconds, nanos) = split(micros, 1_000_000);
            assert_eq!(Time { seconds, nanos }.to_string(), expected);
        }
    }

    #[test]
    fn spans_have_texts() {
        let table = [
            (Span::default(), "PT0S"),
            (Span { years: -1, days: 2, ..Span::default() }, "P-1Y2D"),
            (Span { minutes: 5, ..Span::default() }, "PT5M"),
            (Span::elapsed(-1, 1_000_000), "PT-0.000001S"),
            (Span::elapsed(i64::MIN, 1_000_000), "PT-9223372036854.775808S"),
        ];
        for (span, expected) in table {
            assert_eq!(span.to_string(), expected);
        }
    }
}
