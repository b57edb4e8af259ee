//! The values of a row, each as what its column means, borrowing from the body where it can.
use std::borrow::Cow;

use super::blank::Defaults;
use super::decimal::Decimal;
use super::moment::{Date, Infinity, Moment, Span, Time};

/// A value of a column.
///
/// Its document value (what serde writes) stands in `docs/types.md`.
#[derive(Debug, Clone, PartialEq)]
pub enum Semantic<'a> {
    /// SQL's null.
    Null,
    /// A boolean, or a `bit(1)`.
    Bool(bool),
    /// A whole number that is no other thing.
    Int(i64),
    /// A number of 32 bits.
    Float(f32),
    /// A number of 64 bits.
    Double(f64),
    /// A text, also of types that are only text (inet, ltree, ranges).
    Text(Cow<'a, str>),
    /// Bytes, however the connector wrote them.
    Bytes(Cow<'a, [u8]>),
    /// An exact number.
    Decimal(Decimal<'a>),
    /// A day.
    Date(Date),
    /// A time of day.
    Time(Time),
    /// A day and a time.
    Timestamp(Moment),
    /// PostgreSQL's infinite date or timestamp.
    Infinite(Infinity),
    /// A timestamp with an offset, by RFC 3339, as it was written.
    Zoned(&'a str),
    /// A time with an offset, as it was written.
    ZonedTime(&'a str),
    /// A time with an offset, written in parts.
    OffsetTime(Time, i64),
    /// A length of time by ISO 8601, as it was written.
    Interval(&'a str),
    /// A length of time in parts.
    Span(Span),
    /// A year.
    Year(i32),
    /// A UUID.
    Uuid([u8; 16]),
    /// JSON's text.
    Json(&'a str),
    /// XML's text.
    Xml(&'a str),
    /// One of an enum's texts.
    Enum(&'a str),
    /// Some of a set's texts.
    EnumSet(Vec<&'a str>),
    /// A string of bits.
    Bits(Bits<'a>),
    /// A shape in space.
    Geometry(Geometry<'a>),
    /// Items.
    Array(Vec<Semantic<'a>>),
    /// Keys and values (hstore).
    Map(Vec<(Cow<'a, str>, Semantic<'a>)>),
    /// The columns of a row, or the fields of a record without another meaning.
    Row(Row<'a>),
    /// The database did not send the value, since it did not change: keep what is stored.
    Unavailable,
}

/// The columns of a row in the writer's order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Row<'a> {
    /// Names and values.
    pub columns: Vec<(&'a str, Semantic<'a>)>,
    /// Which of them are their columns' defaults.
    pub(super) defaults: Defaults,
}

impl<'a> Row<'a> {
    /// A row of known values.
    pub fn new(columns: Vec<(&'a str, Semantic<'a>)>) -> Self {
        Self { columns, defaults: Defaults::default() }
    }

    /// The value of a column.
    pub fn get(&self, name: &str) -> Option<&Semantic<'a>> {
        self.columns.iter().find(|(column, _)| *column == name).map(|(_, value)| value)
    }
}

impl<'a> Semantic<'a> {
    /// The row, if it is one.
    pub fn row(&self) -> Option<&Row<'a>> {
        if let Self::Row(row) = self { Some(row) } else { None }
    }

    /// What it is, in an error's words.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "a whole number",
            Self::Float(_) => "a floating-point number of 32 bits",
            Self::Double(_) => "a floating-point number",
            Self::Text(_) => "a text",
            Self::Bytes(_) => "bytes",
            Self::Decimal(_) => "a decimal",
            Self::Date(_) => "a date",
            Self::Time(_) => "a time of day",
            Self::Timestamp(_) => "a timestamp",
            Self::Infinite(_) => "an infinite date or timestamp",
            Self::Zoned(_) => "a timestamp with an offset",
            Self::ZonedTime(_) | Self::OffsetTime(..) => "a time with an offset",
            Self::Interval(_) | Self::Span(_) => "a length of time",
            Self::Year(_) => "a year",
            Self::Uuid(_) => "a uuid",
            Self::Json(_) => "JSON",
            Self::Xml(_) => "XML",
            Self::Enum(_) => "an enum's text",
            Self::EnumSet(_) => "a set of texts",
            Self::Bits(_) => "a string of bits",
            Self::Geometry(_) => "a shape in space",
            Self::Array(_) => "an array",
            Self::Map(_) => "a map",
            Self::Row(_) => "a record",
            Self::Unavailable => "nothing",
        }
    }

    /// Whether the database did not send the value.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable)
    }
}

/// A string of bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bits<'a> {
    /// The bits, the least significant byte first; zeros at the end may be left out.
    pub little_endian: &'a [u8],
    /// How many bits the column has, unless it has no limit.
    pub length: Option<usize>,
}

/// A shape in space: well-known binary and the system of its coordinates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry<'a> {
    /// Well-known binary, not looked into.
    pub wkb: &'a [u8],
    /// The spatial reference system, if there is one.
    pub srid: Option<i32>,
}
