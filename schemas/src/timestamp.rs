//! An instant in milliseconds, and its text by RFC 3339.
use std::fmt;
use std::str::FromStr;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

const MILLIS_A_DAY: i64 = 86_400_000;

/// Milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// Why a text is no timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TimestampError {
    /// The text is not of the form `2026-11-21T03:20:36.123Z`.
    #[error("not a timestamp like 2026-11-21T03:20:36.123Z")]
    Form,
    /// A part is out of its range, such as a thirteenth month.
    #[error("{part} is out of range in a timestamp")]
    Range {
        /// Which part.
        part: &'static str,
    },
}

impl Timestamp {
    /// The name by which serializers that are not for people know an instant: a store that has
    /// dates of its own writes the number as one.
    pub const FORM: &'static str = "readmill.timestamp";

    /// The start of 1970.
    pub const EPOCH: Self = Self(0);

    /// The instant so many milliseconds after the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The instant so many milliseconds later (or earlier), at most the last one there is.
    #[must_use]
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Reads RFC 3339 with any offset; what is finer than a millisecond is cut off.
    pub fn parse(text: &str) -> Result<Self, TimestampError> {
        let (date, rest) = text.split_once(['T', 't', ' ']).ok_or(TimestampError::Form)?;
        let days = parse_date(date)?;
        let zone = rest.find(['Z', 'z', '+', '-']).ok_or(TimestampError::Form)?;
        let (time, zone) = rest.split_at_checked(zone).ok_or(TimestampError::Form)?;
        let millis = parse_time(time)? - parse_zone(zone)?;
        // The earliest instants are within range only once the time of day is added.
        let sum = i128::from(days) * i128::from(MILLIS_A_DAY) + i128::from(millis);
        i64::try_from(sum).map(Self).map_err(|_| out_of("the year"))
    }
}

fn out_of(part: &'static str) -> TimestampError {
    TimestampError::Range { part }
}

/// Days since the epoch of `[+-]Y…YYYY-MM-DD`.
fn parse_date(text: &str) -> Result<i64, TimestampError> {
    let (sign, unsigned) = match text.as_bytes().first() {
        Some(b'-') => (-1, text.get(1..)),
        Some(b'+') => (1, text.get(1..)),
        Some(_) | None => (1, Some(text)),
    };
    let mut parts = unsigned.unwrap_or_default().split('-');
    let mut part = || parts.next().ok_or(TimestampError::Form);
    let (year, month, day) = (part()?, part()?, part()?);
    if parts.next().is_some() || !(4..=9).contains(&year.len()) {
        return Err(TimestampError::Form);
    }
    let year = sign * digits(year, year.len())?;
    let month = in_range(digits(month, 2)?, 1..=12, "the month")?;
    let day = in_range(digits(day, 2)?, 1..=days_of(year, month), "the day")?;
    Ok(days_from_civil(year, month, day))
}

/// Milliseconds of `HH:MM:SS[.f…]`.
fn parse_time(text: &str) -> Result<i64, TimestampError> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let mut parts = clock.split(':');
    let mut part = || digits(parts.next().ok_or(TimestampError::Form)?, 2);
    let hour = in_range(part()?, 0..=23, "the hour")?;
    let minute = in_range(part()?, 0..=59, "the minute")?;
    let second = in_range(part()?, 0..=60, "the second")?;
    if parts.next().is_some() || !(1..=18).contains(&fraction.len()) {
        return Err(TimestampError::Form);
    }
    digits(fraction, fraction.len())?;
    let mut millis = 0;
    for place in 0..3 {
        let digit = fraction.as_bytes().get(place).map_or(0, |digit| i64::from(digit - b'0'));
        millis = millis * 10 + digit;
    }
    Ok(((hour * 60 + minute) * 60 + second) * 1000 + millis)
}

/// Milliseconds that the zone is ahead of UTC.
fn parse_zone(text: &str) -> Result<i64, TimestampError> {
    let (sign, offset) = match text.as_bytes() {
        [b'Z' | b'z'] => return Ok(0),
        [b'+', ..] => (1, text.get(1..)),
        [b'-', ..] => (-1, text.get(1..)),
        _ => return Err(TimestampError::Form),
    };
    let (hours, minutes) =
        offset.and_then(|offset| offset.split_once(':')).ok_or(TimestampError::Form)?;
    let hours = in_range(digits(hours, 2)?, 0..=23, "the offset")?;
    let minutes = in_range(digits(minutes, 2)?, 0..=59, "the offset")?;
    Ok(sign * (hours * 60 + minutes) * 60_000)
}

fn digits(text: &str, length: usize) -> Result<i64, TimestampError> {
    if text.len() != length || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(TimestampError::Form);
    }
    text.parse().map_err(|_| TimestampError::Form)
}

fn in_range(
    value: i64,
    range: std::ops::RangeInclusive<i64>,
    part: &'static str,
) -> Result<i64, TimestampError> {
    if range.contains(&value) { Ok(value) } else { Err(out_of(part)) }
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Counts in years that begin in March, so that the leap day comes last, and eras of 400 years.
pub(crate) fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The inverse: (year, month, day).
pub(crate) fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil_from_days(self.0.div_euclid(MILLIS_A_DAY));
        let millis = self.0.rem_euclid(MILLIS_A_DAY);
        let sign = match year {
            ..=-1 => "-",
            0..=9999 => "",
            _ => "+",
        };
        let (seconds, millis) = (millis / 1000, millis % 1000);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(f, "{sign}{:04}-{month:02}-{day:02}", year.abs())?;
        write!(f, "T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        Self::parse(text)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_newtype_struct(Self::FORM, &self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(Reading)
        } else {
            deserializer.deserialize_i64(Reading)
        }
    }
}

struct Reading;

impl Visitor<'_> for Reading {
    type Value = Timestamp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a timestamp")
    }

    fn visit_i64<E: de::Error>(self, millis: i64) -> Result<Timestamp, E> {
        Ok(Timestamp(millis))
    }

    fn visit_i32<E: de::Error>(self, millis: i32) -> Result<Timestamp, E> {
        Ok(Timestamp(i64::from(millis)))
    }

    fn visit_u64<E: de::Error>(self, millis: u64) -> Result<Timestamp, E> {
        i64::try_from(millis).map(Timestamp).map_err(|_| E::custom("timestamp out of range"))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Timestamp, E> {
        Timestamp::parse(text).map_err(E::custom)
    }
}
