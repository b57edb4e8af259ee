//! Numbers and texts as what they mean.
use std::borrow::Cow;

use super::error::SemanticFault;
use super::meaning::{Meaning, Unit, Zone};
use super::moment::{Date, Infinity, Moment, Span, Time, split};
use super::structured;
use super::text;
use super::value::Semantic;

/// PostgreSQL's infinite dates, as Debezium turns them into days: streamed, and in a snapshot.
const INFINITE_DAYS: [(i64, Infinity); 4] = [
    (2_146_033_979, Infinity::Positive),
    (-622_191_234, Infinity::Positive),
    (-2_147_472_691, Infinity::Negative),
    (-625_821_272, Infinity::Negative),
];

/// PostgreSQL's infinite timestamps in microseconds, and in milliseconds as its driver has them.
const INFINITE_MICROS: [(i64, Infinity); 2] =
    [(i64::MAX, Infinity::Positive), (i64::MIN, Infinity::Negative)];
const INFINITE_MILLIS: [(i64, Infinity); 2] = [
    (9_223_372_036_825_200_000, Infinity::Positive),
    (-9_223_372_036_832_400_000, Infinity::Negative),
];

/// The same in texts, streamed and in a snapshot.
const INFINITE_TEXTS: [(&str, Infinity); 8] = [
    ("infinity", Infinity::Positive),
    ("-infinity", Infinity::Negative),
    ("+292278994-08-16T23:00:00Z", Infinity::Positive),
    ("-292275055-05-16T23:00:00Z", Infinity::Negative),
    ("+5877611-06-21Z", Infinity::Positive),
    ("-5877611-06-22Z", Infinity::Negative),
    ("+292278994-08-16Z", Infinity::Positive),
    ("+292269055-12-02Z", Infinity::Negative),
];

/// A whole number as what it means.
pub(super) fn number<'a>(meaning: Meaning, value: i64) -> Semantic<'a> {
    let infinite = |table: &[(i64, Infinity)]| {
        table.iter().find(|(known, _)| *known == value).map(|(_, infinity)| *infinity)
    };
    match meaning {
        Meaning::Date => match infinite(&INFINITE_DAYS) {
            Some(infinity) => Semantic::Infinite(infinity),
            None => Semantic::Date(Date { days: value }),
        },
        Meaning::Time(unit) => {
            let (seconds, nanos) = split(value, unit.per_second());
            Semantic::Time(Time { seconds, nanos })
        }
        Meaning::Timestamp(unit, zone) => {
            let known = match (unit, zone) {
                (Unit::Millis, Zone::Local) => infinite(&INFINITE_MILLIS),
                (Unit::Micros, Zone::Local) => infinite(&INFINITE_MICROS),
                (Unit::Nanos, _) | (_, Zone::Utc) => None,
            };
            let (seconds, nanos) = split(value, unit.per_second());
            let moment = Semantic::Timestamp(Moment { seconds, nanos, zone });
            known.map_or(moment, Semantic::Infinite)
        }
        Meaning::Elapsed(unit) => Semantic::Span(Span::elapsed(value, unit.per_second())),
        Meaning::Year => i32::try_from(value).map_or(Semantic::Int(value), Semantic::Year),
        Meaning::Plain
        | Meaning::Decimal { .. }
        | Meaning::VariableScaleDecimal
        | Meaning::ZonedTime
        | Meaning::ZonedTimestamp
        | Meaning::IsoDate
        | Meaning::IsoTime
        | Meaning::IsoTimestamp
        | Meaning::Interval
        | Meaning::Uuid
        | Meaning::Json
        | Meaning::HstoreJson
        | Meaning::Xml
        | Meaning::Enum
        | Meaning::EnumSet
        | Meaning::Bits { .. }
        | Meaning::Geometry
        | Meaning::EncodedBytes
        | Meaning::Structured(_) => Semantic::Int(value),
    }
}

/// A text as what it means.
pub(super) fn text(meaning: Meaning, text: &str) -> Result<Semantic<'_>, SemanticFault> {
    let form = |kind| SemanticFault::Form { kind };
    let checked = |well: bool, kind, value| if well { Ok(value) } else { Err(form(kind)) };
    let may_be_infinite =
        matches!(meaning, Meaning::ZonedTimestamp | Meaning::IsoTimestamp | Meaning::IsoDate);
    let infinite = INFINITE_TEXTS.iter().find(|(known, _)| *known == text);
    if let (Some((_, infinity)), true) = (infinite, may_be_infinite) {
        return Ok(Semantic::Infinite(*infinity));
    }
    Ok(match meaning {
        Meaning::ZonedTimestamp => {
            checked(text::is_zoned(text), "a timestamp", Semantic::Zoned(text))?
        }
        Meaning::ZonedTime => {
            checked(text::is_zoned_time(text), "a time", Semantic::ZonedTime(text))?
        }
        Meaning::Interval => {
            checked(text::is_interval(text), "an interval", Semantic::Interval(text))?
        }
        Meaning::IsoDate => Semantic::Date(text::date(text).ok_or(form("a date"))?),
        Meaning::IsoTime => Semantic::Time(text::time(text).ok_or(form("a time"))?),
        Meaning::IsoTimestamp => Semantic::Timestamp(text::local(text).ok_or(form("a timestamp"))?),
        // What Debezium writes of a deleted row whose column cannot be null and was not sent.
        Meaning::Uuid if text.is_empty() => Semantic::Null,
        Meaning::Uuid => Semantic::Uuid(text::uuid(text)?),
        Meaning::Json => Semantic::Json(text),
        Meaning::HstoreJson => hstore(text)?,
        Meaning::Xml => Semantic::Xml(text),
        Meaning::Enum => Semantic::Enum(text),
        Meaning::EnumSet if text.is_empty() => Semantic::EnumSet(Vec::new()),
        Meaning::EnumSet => Semantic::EnumSet(text.split(',').collect()),
        Meaning::Plain
        | Meaning::Decimal { .. }
        | Meaning::VariableScaleDecimal
        | Meaning::Date
        | Meaning::Time(_)
        | Meaning::Timestamp(..)
        | Meaning::Elapsed(_)
        | Meaning::Year
        | Meaning::Bits { .. }
        | Meaning::Geometry
        | Meaning::EncodedBytes
        | Meaning::Structured(_) => Semantic::Text(Cow::Borrowed(text)),
    })
}

/// An hstore's JSON: an object of texts and nulls.
fn hstore(text: &str) -> Result<Semantic<'_>, SemanticFault> {
    let fault = SemanticFault::Form { kind: "an hstore" };
    let read: Result<structured::Entries<'_>, _> = serde_json::from_str(text);
    Ok(Semantic::Map(read.map_err(|_| fault)?.0))
}
