//! What a document gets of each value; the table is in `docs/types.md`.
use std::fmt;

use serde::ser::{Error, SerializeMap, SerializeStruct};
use serde::{Serialize, Serializer};

use crate::row::Uuid;

use super::encoding::BinaryMode;
use super::value::{Bits, Geometry, Row, Semantic};

/// The longest string of bits that is filled up to its column's length.
const FILLED_BITS_MAX: usize = 65_536;

impl Serialize for Semantic<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => to.serialize_unit(),
            Self::Bool(value) => to.serialize_bool(*value),
            Self::Int(value) => to.serialize_i64(*value),
            Self::Float(value) => float(*value, to),
            Self::Double(value) => double(*value, to),
            Self::Text(text) => to.serialize_str(text),
            Self::Zoned(text) | Self::ZonedTime(text) => to.collect_str(&Trimmed(text)),
            Self::Interval(text) | Self::Json(text) | Self::Xml(text) | Self::Enum(text) => {
                to.serialize_str(text)
            }
            Self::Bytes(bytes) => to.serialize_str(&BinaryMode::Base64.encode(bytes)),
            Self::Decimal(value) => to.collect_str(value),
            Self::Date(value) => to.collect_str(value),
            Self::Time(value) => to.collect_str(value),
            Self::Timestamp(value) => to.collect_str(value),
            Self::Infinite(value) => to.collect_str(value),
            Self::OffsetTime(time, offset) => to.collect_str(&Offset(time, *offset)),
            Self::Span(value) => to.collect_str(value),
            Self::Year(value) => to.serialize_i32(*value),
            Self::Uuid(bytes) => to.collect_str(&Uuid(*bytes)),
            Self::EnumSet(texts) => texts.serialize(to),
            Self::Bits(bits) => to.collect_str(bits),
            Self::Geometry(geometry) => geometry.serialize(to),
            Self::Array(items) => items.serialize(to),
            Self::Map(entries) => {
                to.collect_map(entries.iter().map(|(key, value)| (key.as_ref(), value)))
            }
            Self::Row(row) => row.serialize(to),
            Self::Unavailable => {
                Err(S::Error::custom("a value that the database did not send has no document"))
            }
        }
    }
}

/// Columns that the database did not send are left out: what is stored stays.
impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        for (name, value) in self.columns.iter().filter(|(_, value)| !value.is_unavailable()) {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl Serialize for Geometry<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut fields = to.serialize_struct("Geometry", 2)?;
        fields.serialize_field("srid", &self.srid)?;
        fields.serialize_field("wkb", &BinaryMode::Base64.encode(self.wkb))?;
        fields.end()
    }
}

/// The 64-bit number with the same digits, so that 0.1 stays 0.1.
fn float<S: Serializer>(value: f32, to: S) -> Result<S::Ok, S::Error> {
    let digits = format!("{value:e}").parse::<f64>();
    double(digits.unwrap_or_else(|_| f64::from(value)), to)
}

fn double<S: Serializer>(value: f64, to: S) -> Result<S::Ok, S::Error> {
    if value.is_nan() {
        return to.serialize_str("NaN");
    }
    if value.is_infinite() {
        return to.serialize_str(if value > 0.0 { "Infinity" } else { "-Infinity" });
    }
    to.serialize_f64(value)
}

/// A time without the zeros at its end that say nothing: a snapshot writes `00.7Z` where the stream
/// writes `00.700Z`.
struct Trimmed<'a>(&'a str);

impl fmt::Display for Trimmed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((before, rest)) = self.0.split_once('.') else { return f.write_str(self.0) };
        let (digits, zone) = rest.split_at(rest.find(['Z', '+', '-']).unwrap_or(rest.len()));
        match digits.trim_end_matches('0') {
            "" => write!(f, "{before}{zone}"),
            digits => write!(f, "{before}.{digits}{zone}"),
        }
    }
}

struct Offset<'a>(&'a super::Time, i64);

impl fmt::Display for Offset<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let (sign, seconds) = (if self.1 < 0 { '-' } else { '+' }, self.1.unsigned_abs());
        if seconds == 0 {
            return f.write_str("Z");
        }
        write!(f, "{sign}{:02}:{:02}", seconds / 3600, seconds / 60 % 60)?;
        if seconds % 60 == 0 { Ok(()) } else { write!(f, ":{:02}", seconds % 60) }
    }
}

impl fmt::Display for Bits<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.little_endian.iter().rev();
        let text: String = bytes.map(|byte| format!("{byte:08b}")).collect();
        let ones = text.trim_start_matches('0');
        let width = self.length.filter(|length| *length <= FILLED_BITS_MAX).unwrap_or(1);
        for _ in ones.len()..width {
            f.write_str("0")?;
        }
        f.write_str(ones)
    }
}
