//! Values that come in parts: `time.precision.mode=structured`, and an hstore's JSON object.
use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::error::SemanticFault;
use super::meaning::Structured;
use super::moment::{Infinity, Moment, Span, Time, Zone};
use super::text::date_of;
use super::value::{Row, Semantic};

/// A record of parts as what it means.
pub(super) fn read<'a>(kind: Structured, row: &Row<'a>) -> Result<Semantic<'a>, SemanticFault> {
    let fault = SemanticFault::Form { kind: "a structured time" };
    if let Some(Semantic::Text(special)) = row.get("specialValue") {
        return match special.as_ref() {
            "POSITIVE_INFINITY" => Ok(Semantic::Infinite(Infinity::Positive)),
            "NEGATIVE_INFINITY" => Ok(Semantic::Infinite(Infinity::Negative)),
            _ => Err(fault),
        };
    }
    let read = match kind {
        Structured::Date => date(row).map(|days| Semantic::Date(super::Date { days })),
        Structured::Time => time(row).map(Semantic::Time),
        Structured::ZonedTime => {
            time(row).zip(offset(row)).map(|(time, offset)| Semantic::OffsetTime(time, offset))
        }
        Structured::Timestamp => moment(row, 0, Zone::Local),
        Structured::ZonedTimestamp => offset(row).and_then(|offset| moment(row, offset, Zone::Utc)),
        Structured::Duration => Some(Semantic::Span(span(row))),
    };
    read.ok_or(fault)
}

fn part(row: &Row<'_>, name: &str) -> Option<i64> {
    if let Some(Semantic::Int(value)) = row.get(name) { Some(*value) } else { None }
}

fn within(row: &Row<'_>, name: &str, max: i64) -> Option<i64> {
    part(row, name).filter(|value| (0..=max).contains(value))
}

fn date(row: &Row<'_>) -> Option<i64> {
    let date = date_of(part(row, "year")?, part(row, "month")?, part(row, "day")?)?;
    Some(date.days)
}

fn time(row: &Row<'_>) -> Option<Time> {
    let (hour, minute) = (within(row, "hour", 24)?, within(row, "minute", 59)?);
    let seconds = (hour * 60 + minute) * 60 + within(row, "second", 60)?;
    let nanos = u32::try_from(within(row, "nanos", 999_999_999)?).ok()?;
    Some(Time { seconds, nanos })
}

fn offset(row: &Row<'_>) -> Option<i64> {
    part(row, "offsetSeconds").filter(|offset| offset.unsigned_abs() < 86_400)
}

fn moment<'a>(row: &Row<'_>, offset: i64, zone: Zone) -> Option<Semantic<'a>> {
    let (days, time) = (date(row)?, time(row)?);
    let seconds = days * 86_400 + time.seconds - offset;
    Some(Semantic::Timestamp(Moment { seconds, nanos: time.nanos, zone }))
}

fn span(row: &Row<'_>) -> Span {
    let part = |name| part(row, name).unwrap_or(0);
    Span {
        years: part("years"),
        months: part("months"),
        days: part("days"),
        hours: part("hours"),
        minutes: part("minutes"),
        seconds: part("seconds"),
        nanos: part("nanos"),
    }
}

/// The entries of an object of texts and nulls, in its order.
pub(super) struct Entries<'a>(pub(super) Vec<(Cow<'a, str>, Semantic<'a>)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Reading)
    }
}

struct Reading;

impl<'de> Visitor<'de> for Reading {
    type Value = Entries<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of texts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<'de>, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, value)) = map.next_entry::<String, Option<String>>()? {
            let value = value.map_or(Semantic::Null, |text| Semantic::Text(text.into()));
            entries.push((Cow::Owned(key), value));
        }
        Ok(Entries(entries))
    }
}
