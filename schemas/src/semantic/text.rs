//! The texts that Debezium writes for dates and times, checked and read.
use crate::timestamp::days_from_civil;

use super::error::SemanticFault;
use super::moment::{Date, Moment, Time, Zone};

/// No database's year is beyond; it keeps sums within their types.
const YEAR_MAX: i64 = 999_999_999;

/// `[+-]Y…YYYY-MM-DD` with or without a `Z` behind it.
pub(super) fn date(text: &str) -> Option<Date> {
    civil(text.strip_suffix('Z').unwrap_or(text))
}

/// `HH:MM:SS[.f…]`, with or without a `Z` behind it.
pub(super) fn time(text: &str) -> Option<Time> {
    clock(text.strip_suffix('Z').unwrap_or(text))
}

/// A date, `T`, a time, with or without a `Z` that says nothing.
pub(super) fn local(text: &str) -> Option<Moment> {
    moment(text.strip_suffix('Z').unwrap_or(text), Zone::Local)
}

/// Whether the text is a time with an offset.
pub(super) fn is_zoned_time(text: &str) -> bool {
    zone_of(text).is_some_and(|(at, _)| clock(at).is_some())
}

/// Whether the text is a timestamp by RFC 3339, of any year.
pub(super) fn is_zoned(text: &str) -> bool {
    zoned(text).is_some()
}

/// The instant of a timestamp by RFC 3339, of any year.
pub(super) fn zoned(text: &str) -> Option<Moment> {
    let (at, offset) = zone_of(text)?;
    let moment = moment(at, Zone::Utc)?;
    Some(Moment { seconds: moment.seconds - offset, ..moment })
}

/// The text in front of the offset, and the offset in seconds.
fn zone_of(text: &str) -> Option<(&str, i64)> {
    if let Some(rest) = text.strip_suffix('Z') {
        return Some((rest, 0));
    }
    let (rest, offset) = text.split_at_checked(text.rfind(['+', '-'])?)?;
    let (sign, offset) = offset.split_at_checked(1)?;
    let mut units = [(3_600, 24), (60, 60), (1, 60)].into_iter();
    let mut seconds = 0;
    for part in offset.split(':') {
        let (unit, bound) = units.next()?;
        seconds += unit * number(part, 2).filter(|part| *part < bound)?;
    }
    Some((rest, if sign == "-" { -seconds } else { seconds }))
}

/// A time as [`Time`] writes it: of any length, with a sign.
pub(super) fn long_time(text: &str) -> Option<Time> {
    let (negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (hours, _) = rest.split_once(':')?;
    let hours_of = number(hours, hours.len().clamp(2, 16))?;
    let within = clock(&format!("00{}", rest.get(hours.len()..)?))?;
    let seconds = hours_of.checked_mul(3_600)?.checked_add(within.seconds)?;
    Some(match (negative, within.nanos) {
        (false, nanos) => Time { seconds, nanos },
        (true, 0) => Time { seconds: -seconds, nanos: 0 },
        (true, nanos) => Time { seconds: -seconds - 1, nanos: 1_000_000_000 - nanos },
    })
}

fn moment(text: &str, zone: Zone) -> Option<Moment> {
    let (date, time) = text.split_once('T')?;
    let (days, time) = (civil(date)?.days, clock(time)?);
    Some(Moment { seconds: days * 86_400 + time.seconds, nanos: time.nanos, zone })
}

fn civil(text: &str) -> Option<Date> {
    let (sign, rest) = match text.as_bytes().first()? {
        b'-' => (-1, text.get(1..)?),
        b'+' => (1, text.get(1..)?),
        _ => (1, text),
    };
    let mut parts = rest.split('-');
    let year = parts.next()?;
    let year = number(year, year.len().clamp(4, 9))? * sign;
    let (month, day) = (number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    let ended = parts.next().is_none();
    if ended { date_of(year, month, day) } else { None }
}

/// The day, if there is such a one.
pub(super) fn date_of(year: i64, month: i64, day: i64) -> Option<Date> {
    let fits = (-YEAR_MAX..=YEAR_MAX).contains(&year) && (1..=12).contains(&month);
    let days = if fits { days_from_civil(year, month, 1) } else { return None };
    let (next_year, next_month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    let length = days_from_civil(next_year, next_month, 1) - days;
    (1..=length).contains(&day).then_some(Date { days: days + day - 1 })
}

fn clock(text: &str) -> Option<Time> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = clock.split(':');
    let (hour, minute) = (number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    let second = parts.next().map_or(Some(0), |part| number(part, 2))?;
    let fits = hour <= 24 && minute < 60 && second <= 60 && parts.next().is_none();
    if !fits || fraction.len() > 9 {
        return None;
    }
    let nanos = if fraction.is_empty() { 0 } else { number(&format!("{fraction:0<9}"), 9)? };
    let seconds = (hour * 60 + minute) * 60 + second;
    Some(Time { seconds, nanos: u32::try_from(nanos).ok()? })
}

fn number(text: &str, length: usize) -> Option<i64> {
    let fits = text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    if fits { text.parse().ok() } else { None }
}

/// A duration by ISO 8601, every part with a sign of its own.
pub(super) fn is_interval(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('P').filter(|rest| !rest.is_empty()) else {
        return false;
    };
    let (days, time) = rest.split_once('T').map_or((rest, None), |(d, t)| (d, Some(t)));
    parts_are(days, "YMWD") && time.is_none_or(|time| !time.is_empty() && parts_are(time, "HMS"))
}

fn parts_are(mut text: &str, mut units: &str) -> bool {
    while !text.is_empty() {
        let number = text.trim_start_matches(['-', '+']);
        let digits = number.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        let unit = digits.chars().next().and_then(|unit| units.find(unit));
        let (Some(place), true) = (unit, digits.len() < number.len()) else { return false };
        units = units.get(place + 1..).unwrap_or_default();
        text = digits.get(1..).unwrap_or_default();
    }
    true
}

/// The 16 bytes of a UUID's text.
pub(crate) fn uuid(text: &str) -> Result<[u8; 16], SemanticFault> {
    let fault = SemanticFault::Form { kind: "a uuid" };
    let dashes = [8, 13, 18, 23];
    let well = text.len() == 36 && dashes.iter().all(|at| text.as_bytes().get(*at) == Some(&b'-'));
    let digits = text.replace('-', "");
    if !well || digits.len() != 32 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(fault);
    }
    u128::from_str_radix(&digits, 16).map(u128::to_be_bytes).map_err(|_| fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read() {
        let read = |text| local(text).map(|moment| moment.to_string());
        let table = [
            ("1970-01-01T00:00:00Z", Some("1970-01-01T00:00:00")),
            ("-4712-01-01T00:00:00.100Z", Some("-4712-01-01T00:00:00.1")),
            ("+294276-12-31T23:59:59.999999Z", Some("+294276-12-31T23:59:59.999999")),
            ("2023-02-29T00:00:00Z", None),
            ("2024-02-29", None),
            ("+99999999999-01-01T00:00:00Z", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(read(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn forms_are_told_apart() {
        let zoned = ["1970-01-01T00:00:00.000Z", "-4712-01-01T00:00:00+05:30"];
        assert!(zoned.into_iter().all(is_zoned));
        assert_eq!(super::zoned("1970-01-01T00:00:00+01:30:30").map(|at| at.seconds), Some(-5_430));
        assert!(
            ["T00:00+24", "T00:00+01:60", "T00:00+01:00:00:00"]
                .iter()
                .all(|end| !is_zoned(&format!("1970-01-01{end}")))
        );
        assert!(
            ["1970-01-01T00:00:00", "1970-01-01Z", "x", "", "-", "é+"].iter().all(|t| !is_zoned(t))
        );
        assert!(["24:00:00Z", "12:30:00.5+01:00", "12:30Z"].into_iter().all(is_zoned_time));
        assert!(["P0Y-1M2DT0H0M-0.000001S", "P1D", "PT1S"].into_iter().all(is_interval));
        assert!(["", "P", "PT", "P1", "PD", "P1S", "1D", "PT1S1H"].iter().all(|t| !is_interval(t)));
    }
}
