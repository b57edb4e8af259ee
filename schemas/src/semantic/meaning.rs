//! What a type means beyond its bytes: `connect.name`, `logicalType` and the source column's type.
use serde_json::{Map, Value};

use super::decimal::SCALE_MAX;
use super::shape::Base;

/// What a type means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    Plain,
    Decimal {
        scale: i32,
    },
    VariableScaleDecimal,
    Date,
    Time(Unit),
    Timestamp(Unit, Zone),
    ZonedTime,
    ZonedTimestamp,
    IsoDate,
    IsoTime,
    IsoTimestamp,
    Interval,
    Elapsed(Unit),
    Year,
    Uuid,
    Json,
    HstoreJson,
    Xml,
    Enum,
    EnumSet,
    Bits {
        length: Option<usize>,
    },
    Geometry,
    /// A binary column that the connector writes as text.
    EncodedBytes,
    Structured(Structured),
}

/// What a number of a time counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Millis,
    Micros,
    Nanos,
}

impl Unit {
    pub(super) fn per_second(self) -> i64 {
        match self {
            Self::Millis => 1_000,
            Self::Micros => 1_000_000,
            Self::Nanos => 1_000_000_000,
        }
    }
}

pub use super::moment::Zone;

/// The records of `time.precision.mode=structured`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Structured {
    Date,
    Time,
    ZonedTime,
    Timestamp,
    ZonedTimestamp,
    Duration,
}

/// The meaning that a schema's properties give to a type; `Err` names one that cannot lie over it.
pub(super) fn meaning(properties: &Map<String, Value>, base: &Base) -> Result<Meaning, String> {
    if let Some(name) = text(properties, "connect.name")
        && let Some(meaning) = named(name, properties)
    {
        return if fits(meaning, base) { Ok(meaning) } else { Err(name.to_owned()) };
    }
    if matches!(base, Base::Text) && is_binary_column(properties) {
        return Ok(Meaning::EncodedBytes);
    }
    // Avro's rule: a logical type that does not fit is no logical type.
    let logical = text(properties, "logicalType").and_then(|name| logical(name, properties));
    Ok(logical.filter(|meaning| fits(*meaning, base)).unwrap_or(Meaning::Plain))
}

fn named(name: &str, properties: &Map<String, Value>) -> Option<Meaning> {
    if let Some(name) = name.strip_prefix("io.debezium.time.") {
        return of_time(name);
    }
    Some(match name {
        "org.apache.kafka.connect.data.Decimal" => Meaning::Decimal { scale: scale(properties)? },
        "org.apache.kafka.connect.data.Date" => Meaning::Date,
        "org.apache.kafka.connect.data.Time" => Meaning::Time(Unit::Millis),
        "org.apache.kafka.connect.data.Timestamp" => Meaning::Timestamp(Unit::Millis, Zone::Local),
        "io.debezium.data.VariableScaleDecimal" => Meaning::VariableScaleDecimal,
        "io.debezium.data.Uuid" => Meaning::Uuid,
        "io.debezium.data.Json" if source_type(properties) == Some("HSTORE") => Meaning::HstoreJson,
        "io.debezium.data.Json" => Meaning::Json,
        "io.debezium.data.Xml" => Meaning::Xml,
        "io.debezium.data.Enum" => Meaning::Enum,
        "io.debezium.data.EnumSet" => Meaning::EnumSet,
        "io.debezium.data.Bits" => Meaning::Bits { length: number(properties, "length") },
        "io.debezium.data.geometry.Point"
        | "io.debezium.data.geometry.Geometry"
        | "io.debezium.data.geometry.Geography" => Meaning::Geometry,
        _ => return None,
    })
}

fn of_time(name: &str) -> Option<Meaning> {
    Some(match name {
        "Date" => Meaning::Date,
        "Time" => Meaning::Time(Unit::Millis),
        "MicroTime" => Meaning::Time(Unit::Micros),
        "NanoTime" => Meaning::Time(Unit::Nanos),
        "Timestamp" => Meaning::Timestamp(Unit::Millis, Zone::Local),
        "MicroTimestamp" => Meaning::Timestamp(Unit::Micros, Zone::Local),
        "NanoTimestamp" => Meaning::Timestamp(Unit::Nanos, Zone::Local),
        "ZonedTime" => Meaning::ZonedTime,
        "ZonedTimestamp" => Meaning::ZonedTimestamp,
        "IsoDate" => Meaning::IsoDate,
        "IsoTime" => Meaning::IsoTime,
        "IsoTimestamp" => Meaning::IsoTimestamp,
        "Year" => Meaning::Year,
        "Interval" => Meaning::Interval,
        "MicroDuration" => Meaning::Elapsed(Unit::Micros),
        "NanoDuration" => Meaning::Elapsed(Unit::Nanos),
        "StructuredDate" => Meaning::Structured(Structured::Date),
        "StructuredTime" => Meaning::Structured(Structured::Time),
        "StructuredZonedTime" => Meaning::Structured(Structured::ZonedTime),
        "StructuredTimestamp" => Meaning::Structured(Structured::Timestamp),
        "StructuredZonedTimestamp" => Meaning::Structured(Structured::ZonedTimestamp),
        "StructuredDuration" => Meaning::Structured(Structured::Duration),
        _ => return None,
    })
}

fn logical(name: &str, properties: &Map<String, Value>) -> Option<Meaning> {
    Some(match name {
        "decimal" => Meaning::Decimal { scale: scale(properties)? },
        "uuid" => Meaning::Uuid,
        "date" => Meaning::Date,
        "time-millis" => Meaning::Time(Unit::Millis),
        "time-micros" => Meaning::Time(Unit::Micros),
        "timestamp-millis" => Meaning::Timestamp(Unit::Millis, Zone::Utc),
        "timestamp-micros" => Meaning::Timestamp(Unit::Micros, Zone::Utc),
        "timestamp-nanos" => Meaning::Timestamp(Unit::Nanos, Zone::Utc),
        "local-timestamp-millis" => Meaning::Timestamp(Unit::Millis, Zone::Local),
        "local-timestamp-micros" => Meaning::Timestamp(Unit::Micros, Zone::Local),
        "local-timestamp-nanos" => Meaning::Timestamp(Unit::Nanos, Zone::Local),
        _ => return None,
    })
}

fn fits(meaning: Meaning, base: &Base) -> bool {
    match meaning {
        Meaning::Plain => true,
        Meaning::Decimal { .. } => matches!(base, Base::Bytes | Base::Fixed(_)),
        Meaning::Uuid => matches!(base, Base::Text | Base::Fixed(16)),
        Meaning::Bits { .. } => matches!(base, Base::Bytes),
        Meaning::Date | Meaning::Year => matches!(base, Base::Int),
        Meaning::Time(_) => matches!(base, Base::Int | Base::Long),
        Meaning::Timestamp(..) | Meaning::Elapsed(_) => matches!(base, Base::Long),
        Meaning::VariableScaleDecimal | Meaning::Geometry | Meaning::Structured(_) => {
            matches!(base, Base::Record(_))
        }
        Meaning::ZonedTime
        | Meaning::ZonedTimestamp
        | Meaning::IsoDate
        | Meaning::IsoTime
        | Meaning::IsoTimestamp
        | Meaning::Interval
        | Meaning::Json
        | Meaning::HstoreJson
        | Meaning::Xml
        | Meaning::Enum
        | Meaning::EnumSet
        | Meaning::EncodedBytes => matches!(base, Base::Text),
    }
}

fn text<'s>(properties: &'s Map<String, Value>, key: &str) -> Option<&'s str> {
    properties.get(key).and_then(Value::as_str)
}

/// A parameter of Connect, which are all texts.
fn parameter<'s>(properties: &'s Map<String, Value>, key: &str) -> Option<&'s str> {
    properties.get("connect.parameters")?.get(key)?.as_str()
}

fn number<T: std::str::FromStr>(properties: &Map<String, Value>, key: &str) -> Option<T> {
    parameter(properties, key)?.parse().ok()
}

/// Avro's scale, or Connect's; none is zero, and one beyond all bounds is none of a decimal.
fn scale(properties: &Map<String, Value>) -> Option<i32> {
    let scale = match properties.get("scale") {
        Some(scale) => scale.as_i64()?,
        None => number(properties, "scale").unwrap_or(0),
    };
    i32::try_from(scale).ok().filter(|scale| scale.unsigned_abs() <= SCALE_MAX)
}

/// The column's type, if the connector is told to pass it on (`datatype.propagate.source.type`).
fn source_type(properties: &Map<String, Value>) -> Option<&str> {
    parameter(properties, "__debezium.source.column.type")
}

/// Whether the column is binary, or an array of such.
pub(super) fn is_binary_column(properties: &Map<String, Value>) -> bool {
    let binary = ["BYTEA", "BINARY", "VARBINARY", "TINYBLOB", "BLOB", "MEDIUMBLOB", "LONGBLOB"];
    source_type(properties).is_some_and(|name| {
        let name = name.trim_start_matches('_');
        binary.iter().any(|known| name.eq_ignore_ascii_case(known))
    })
}
