//! From what a column means to what a contract calls it: the same value exactly, or an error.
use super::{Decimal, RowFault, TimestampMicros, Uuid};
use crate::Timestamp;
use crate::semantic::{Date, Moment, Semantic, Time};

/// The result of reading a column's value.
pub type Column<T> = Result<T, RowFault>;

/// What a value of a column can be read as.
pub trait FromColumn: Sized {
    /// The same value, or why it has none here.
    fn of(value: &Semantic<'_>) -> Column<Self>;
}

/// A value, or none for null.
pub fn nullable<T>(
    value: &Semantic<'_>,
    read: impl FnOnce(&Semantic<'_>) -> Column<T>,
) -> Column<Option<T>> {
    if matches!(value, Semantic::Null) { Ok(None) } else { read(value).map(Some) }
}

/// The items of an array, or the texts of a set.
pub fn items<T>(value: &Semantic<'_>, read: impl Fn(&Semantic<'_>) -> Column<T>) -> Column<Vec<T>> {
    if let Semantic::EnumSet(texts) = value {
        return texts.iter().map(|text| read(&Semantic::Enum(text))).collect();
    }
    let Semantic::Array(items) = value else { return other("a list", value) };
    items.iter().map(read).collect()
}

/// The symbol of an enum that a text is, or the enum's default.
pub fn symbol<T: Copy>(
    value: &Semantic<'_>,
    all: &[T],
    text_of: impl Fn(T) -> &'static str,
    default: Option<T>,
) -> Column<T> {
    let text = String::of(value)?;
    let found = all.iter().copied().find(|symbol| text_of(*symbol) == text);
    found.or(default).ok_or(RowFault::Form { kind: "the enum's symbols" })
}

/// Why a value is none of what the contract says.
#[cold]
pub(super) fn other<T>(expected: &'static str, value: &Semantic<'_>) -> Column<T> {
    Err(if matches!(value, Semantic::Null) {
        RowFault::Null
    } else if matches!(value, Semantic::Unavailable) {
        RowFault::Unavailable
    } else if matches!(value, Semantic::Infinite(_)) {
        RowFault::Infinite { kind: expected }
    } else {
        RowFault::Kind { expected, found: value.kind() }
    })
}

impl FromColumn for bool {
    fn of(value: &Semantic<'_>) -> Column<Self> {
        if let Semantic::Bool(value) = value {
            return Ok(*value);
        }
        // MariaDB's boolean is a small number.
        let Semantic::Int(number) = value else { return other("a boolean", value) };
        match number {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(RowFault::Range { kind: "a boolean" }),
        }
    }
}

impl FromColumn for i64 {
    fn of(value: &Semantic<'_>) -> Column<Self> {
        if let Semantic::Int(value) = value {
            return Ok(*value);
        }
        if let Semantic::Year(value) = value {
            return Ok(Self::from(*value));
        }
        // MariaDB's unsigned numbers, and PostgreSQL's numeric without digits behind the point.
        let Semantic::Decimal(value) = value else { return other("a whole number", value) };
        let units = Decimal::try_from(value)?.units(0);
        let units = units.and_then(|units| units.try_into().ok());
        units.ok_or(RowFault::Range { kind: "a whole number of 64 bits" })
    }
}

impl FromColumn for i32 {
    fn of(value: &Semantic<'_>) -> Column<Self> {
        let fault = |_| RowFault::Range { kind: "a whole number of 32 bits" };
        Self::try_from(i64::of(value)?).map_err(fault)
    }
}

impl FromColumn for f64 {
    fn of(value: &Semantic<'_>) -> Column<Self> {
        let number = if let Semantic::Double(value) = value {
            *value
        } else if let Semantic::Float(value) = value {
            // The number with the same digits, as in documents: 0.1 stays 0.1.
            format!("{value:e}").parse().unwrap_or_else(|_| Self::from(*value))
        } else {
            return other("a floating-point number", value);
        };
        finite(number.is_finite()).map(|()| number)
    }
}

impl FromColumn for f32 {
    fn of(value: &Semantic<'_>) -> Column<Self> {
        let kind = "a floating-point number of 32 bits";
        let Semantic::Float(number) = value else { return other(kind, value) };
        finite(number.is_finite()).map(|()| *number)
    }
}

/// What is not finite has no JSON, and so no place in a stored change.
fn finite(is_finite: bool) -> Column<()> {
    if is_finite { Ok(()) } else { Err(RowFault::Range { kind: "the finite numbers" }) }
}

impl FromColumn for String {
    fn of(value: &Semantic<'_>) -> Column<Self> {
        if let Semantic::Text(text) = value {
            return Ok(text.clone().into_owned());
        }
        if let Semantic::Json(text)
        | Semantic::Xml(text)
        | Semantic::Enum(text)
        | Semantic::Interval(text) = value
        {
            return Ok((*text).to_owned());
        }
        if let Semantic::Span(span) = value {
            return Ok(span.to_string());
        }
        if let Semantic::Bits(bits) = value {
            return Ok(bits.to_string());
        }
        let Semantic::Uuid(bytes) = value else { return other("a text", value) };
        Ok(Uuid(*bytes).to_string())
    }
}

impl FromColumn for Vec<u8> {
    fn of(value: &Semantic<'_>) -> Column<Self> {
        let Semantic::Bytes(bytes) = value else { return other("bytes", value) };
        Ok(bytes.clone().into_owned())
    }
}

impl FromColumn for Uuid {
    fn of(value: &Semantic<'_>) -> Column<Self> {
        if let Semantic::Text(text) = value {
            return text.parse().map_err(|_| RowFault::Form { kind: "a uuid" });
        }
        let Semantic::Uuid(bytes) = value else { return other("a uuid", value) };
        Ok(Self(*bytes))
    }
}

impl FromColumn for Date {
    fn of(value: &Semantic<'_>) -> Column<Self> {
        let Semantic::Date(date) = value else { return other("a date", value) };
        Ok(*date)
    }
}

impl FromColumn for Time {
    fn of(value: &Semantic<'_>) -> Column<Self> {
        let Semantic::Time(time) = value else { return other("a time of day", value) };
        Ok(*time)
    }
}

impl FromColumn for TimestampMicros {
    fn of(value: &Semantic<'_>) -> Column<Self> {
        let kind = "a timestamp in microseconds";
        since_epoch(kind, 1_000_000, value).map(Self::from_micros)
    }
}

impl FromColumn for Timestamp {
    fn of(value: &Semantic<'_>) -> Column<Self> {
        let kind = "a timestamp in milliseconds";
        since_epoch(kind, 1_000, value).map(Self::from_millis)
    }
}

/// The count of a timestamp's units, if it is a whole one; without a zone it is read as if its
/// clock showed UTC.
fn since_epoch(kind: &'static str, per_second: u32, value: &Semantic<'_>) -> Column<i64> {
    let Moment { seconds, nanos, .. } = if let Semantic::Timestamp(moment) = value {
        *moment
    } else if let Semantic::Zoned(text) = value {
        Moment::of_zoned(text).ok_or(RowFault::Form { kind })?
    } else {
        return other(kind, value);
    };
    let unit = 1_000_000_000 / per_second;
    let count = i128::from(seconds) * i128::from(per_second) + i128::from(nanos / unit);
    let count = i64::try_from(count).ok().filter(|_| nanos.is_multiple_of(unit));
    count.ok_or(RowFault::Range { kind })
}
