//! What a connector writes where the database sent it nothing: a column's default, or a zero.
use serde_json::Value;

use super::shape::{Base, Shape};
use super::text;
use super::value::{Row, Semantic};
use crate::encode;

/// How many of a row's first columns are compared with their defaults.
const COMPARED: usize = 128;

/// Those of the first columns whose values are their columns' defaults.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Defaults(u128);

impl Defaults {
    pub(super) fn set(&mut self, place: usize, is_default: bool) {
        if place < COMPARED {
            self.0 |= u128::from(is_default) << place;
        }
    }

    /// Of columns that were not compared it is the safe answer.
    fn has(self, place: usize) -> bool {
        place >= COMPARED || self.0 >> place & 1 == 1
    }
}

/// The bytes of a field's default, where it is a plain one: Avro's is of a union's first branch.
pub(super) fn default_bytes(shape: &Shape, default: &Value) -> Option<Box<[u8]>> {
    let mut out = Vec::new();
    match (&shape.base, default) {
        (Base::Union(branches), default) => {
            let inner = default_bytes(branches.first()?, default)?;
            out.push(0);
            out.extend(inner);
        }
        (Base::Boolean, Value::Bool(value)) => encode::boolean(*value, &mut out),
        (Base::Int | Base::Long, Value::Number(value)) => encode::long(value.as_i64()?, &mut out),
        (Base::Float, Value::Number(value)) => {
            encode::float(value.to_string().parse().ok()?, &mut out);
        }
        (Base::Double, Value::Number(value)) => encode::double(value.as_f64()?, &mut out),
        (Base::Text, Value::String(value)) => encode::text(value, &mut out),
        (Base::Bytes, Value::String(value)) => {
            let bytes: Option<Vec<u8>> = value.chars().map(|c| u8::try_from(c).ok()).collect();
            encode::bytes(&bytes?, &mut out);
        }
        (_, _) => return None,
    }
    Some(out.into())
}

impl Row<'_> {
    /// Whether the image says anything but its key.
    ///
    /// PostgreSQL sends the key alone of a row before its change, unless the table's replica
    /// identity is full; Debezium fills the other columns up with nulls, or where there can be
    /// none with the column's default, or a zero. What a transform adds (`__…`) says nothing.
    pub fn says_more_than(&self, key: &[&str]) -> bool {
        self.columns.iter().enumerate().any(|(place, (name, value))| {
            let is_other = !key.contains(name) && !name.starts_with("__");
            is_other && !self.defaults.has(place) && !is_zero(value)
        })
    }
}

/// Whether a value is what Debezium writes for none in a column that cannot be null.
fn is_zero(value: &Semantic<'_>) -> bool {
    match value {
        Semantic::Null | Semantic::Unavailable => true,
        Semantic::Bool(value) => !value,
        Semantic::Int(value) => *value == 0,
        Semantic::Year(value) => *value == 0,
        Semantic::Float(value) => *value == 0.0,
        Semantic::Double(value) => *value == 0.0,
        // Also a decimal's text.
        Semantic::Text(text) => text.bytes().all(|byte| matches!(byte, b'0' | b'.')),
        Semantic::Bytes(bytes) => bytes.is_empty(),
        Semantic::Decimal(value) => value.unscaled().iter().all(|byte| *byte == 0),
        Semantic::Date(date) => date.days == 0,
        Semantic::Time(time) => (time.seconds, time.nanos) == (0, 0),
        Semantic::OffsetTime(time, offset) => (time.seconds, time.nanos, *offset) == (0, 0, 0),
        Semantic::Timestamp(moment) => (moment.seconds, moment.nanos) == (0, 0),
        Semantic::Zoned(text) => {
            text::zoned(text).is_some_and(|moment| (moment.seconds, moment.nanos) == (0, 0))
        }
        Semantic::ZonedTime(text) | Semantic::Interval(text) => {
            !text.bytes().any(|byte| matches!(byte, b'1'..=b'9'))
        }
        Semantic::Span(span) => *span == super::Span::default(),
        Semantic::Json(text) => matches!(*text, "" | "{}"),
        Semantic::Xml(text) | Semantic::Enum(text) => text.is_empty(),
        Semantic::EnumSet(texts) => texts.is_empty(),
        Semantic::Bits(bits) => bits.little_endian.iter().all(|byte| *byte == 0),
        // The byte order and the kind of shape come first.
        Semantic::Geometry(geometry) => {
            geometry.wkb.get(5..).is_none_or(|rest| rest.iter().all(|byte| *byte == 0))
        }
        Semantic::Array(items) => items.is_empty(),
        Semantic::Map(entries) => entries.is_empty(),
        Semantic::Row(row) => row.columns.iter().all(|(_, value)| is_zero(value)),
        Semantic::Uuid(_) | Semantic::Infinite(_) => false,
    }
}
