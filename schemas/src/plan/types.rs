//! Avro's types as resolution sees them: what the wire holds, what it means, and what it is called.
use std::collections::BTreeMap;

use apache_avro::Schema;
use apache_avro::schema::{EnumSchema, InnerDecimalSchema, RecordSchema, UuidSchema};

use super::node::Number;

/// What the wire holds.
#[derive(Clone, Copy)]
pub(crate) enum Kind<'s> {
    Null,
    Boolean,
    Number(Number),
    Text,
    Bytes,
    Fixed(usize),
    Enum(&'s EnumSchema),
    Array(&'s Schema),
    Map(&'s Schema),
    Union(&'s [Schema]),
    Record(&'s RecordSchema),
    /// A name that stands for another schema.
    Name,
}

pub(crate) fn kind(schema: &Schema) -> Kind<'_> {
    match schema {
        Schema::Null => Kind::Null,
        Schema::Boolean => Kind::Boolean,
        Schema::Int | Schema::Date | Schema::TimeMillis => Kind::Number(Number::Int),
        Schema::Long
        | Schema::TimeMicros
        | Schema::TimestampMillis
        | Schema::TimestampMicros
        | Schema::TimestampNanos
        | Schema::LocalTimestampMillis
        | Schema::LocalTimestampMicros
        | Schema::LocalTimestampNanos => Kind::Number(Number::Long),
        Schema::Float => Kind::Number(Number::Float),
        Schema::Double => Kind::Number(Number::Double),
        Schema::String | Schema::Uuid(UuidSchema::String) => Kind::Text,
        Schema::Bytes | Schema::BigDecimal | Schema::Uuid(UuidSchema::Bytes) => Kind::Bytes,
        Schema::Fixed(fixed) | Schema::Duration(fixed) | Schema::Uuid(UuidSchema::Fixed(fixed)) => {
            Kind::Fixed(fixed.size)
        }
        Schema::Decimal(decimal) => match &decimal.inner {
            InnerDecimalSchema::Bytes => Kind::Bytes,
            InnerDecimalSchema::Fixed(fixed) => Kind::Fixed(fixed.size),
        },
        Schema::Enum(symbols) => Kind::Enum(symbols),
        Schema::Array(array) => Kind::Array(&array.items),
        Schema::Map(map) => Kind::Map(&map.types),
        Schema::Union(union) => Kind::Union(union.variants()),
        Schema::Record(record) => Kind::Record(record),
        Schema::Ref { .. } => Kind::Name,
    }
}

/// The meaning that a logical type adds; values of two different meanings are never mixed up,
/// since microseconds read as milliseconds would be wrong without anyone noticing.
pub(super) fn meaning(schema: &Schema) -> Option<(&'static str, usize)> {
    let name = match schema {
        Schema::Decimal(decimal) => return Some(("decimal", decimal.scale)),
        Schema::BigDecimal => "big-decimal",
        Schema::Uuid(_) => "uuid",
        Schema::Date => "date",
        Schema::TimeMillis => "time-millis",
        Schema::TimeMicros => "time-micros",
        Schema::TimestampMillis => "timestamp-millis",
        Schema::TimestampMicros => "timestamp-micros",
        Schema::TimestampNanos => "timestamp-nanos",
        Schema::LocalTimestampMillis => "local-timestamp-millis",
        Schema::LocalTimestampMicros => "local-timestamp-micros",
        Schema::LocalTimestampNanos => "local-timestamp-nanos",
        Schema::Duration(_) => "duration",
        Schema::Null
        | Schema::Boolean
        | Schema::Int
        | Schema::Long
        | Schema::Float
        | Schema::Double
        | Schema::Bytes
        | Schema::String
        | Schema::Array(_)
        | Schema::Map(_)
        | Schema::Union(_)
        | Schema::Record(_)
        | Schema::Enum(_)
        | Schema::Fixed(_)
        | Schema::Ref { .. } => return None,
    };
    Some((name, 0))
}

/// The type in an error's words.
pub(super) fn describe(schema: &Schema) -> String {
    if let Some((name, _)) = meaning(schema) {
        return name.to_owned();
    }
    let plain = match kind(schema) {
        Kind::Null => "null",
        Kind::Boolean => "boolean",
        Kind::Number(Number::Int) => "int",
        Kind::Number(Number::Long) => "long",
        Kind::Number(Number::Float) => "float",
        Kind::Number(Number::Double) => "double",
        Kind::Text => "string",
        Kind::Bytes => "bytes",
        Kind::Array(_) => "array",
        Kind::Map(_) => "map",
        Kind::Union(branches) => {
            let branches: Vec<String> = branches.iter().map(describe).collect();
            return format!("union of {}", branches.join(", "));
        }
        Kind::Fixed(size) => return format!("fixed({size})"),
        Kind::Enum(symbols) => return format!("enum {}", symbols.name.name()),
        Kind::Record(record) => return format!("record {}", record.name.name()),
        Kind::Name => {
            return schema.name().map_or_else(String::new, |name| name.name().to_owned());
        }
    };
    plain.to_owned()
}

/// The named types of a schema, by full name.
pub(crate) struct Names<'s>(BTreeMap<String, &'s Schema>);

impl<'s> Names<'s> {
    pub(crate) fn of(schemas: impl IntoIterator<Item = &'s Schema>) -> Self {
        let mut names = Self(BTreeMap::new());
        for schema in schemas {
            names.collect(schema);
        }
        names
    }

    fn collect(&mut self, schema: &'s Schema) {
        let kind = kind(schema);
        if let (Some(name), false) = (schema.name(), matches!(kind, Kind::Name)) {
            self.0.entry(name.fullname(None)).or_insert(schema);
        }
        match kind {
            Kind::Array(inner) | Kind::Map(inner) => self.collect(inner),
            Kind::Union(branches) => branches.iter().for_each(|branch| self.collect(branch)),
            Kind::Record(record) => {
                record.fields.iter().for_each(|field| self.collect(&field.schema));
            }
            Kind::Null
            | Kind::Boolean
            | Kind::Number(_)
            | Kind::Text
            | Kind::Bytes
            | Kind::Fixed(_)
            | Kind::Enum(_)
            | Kind::Name => {}
        }
    }

    /// The schema itself, or the one that its name stands for.
    pub(crate) fn resolve(&self, schema: &'s Schema) -> Result<&'s Schema, String> {
        let Schema::Ref { name } = schema else {
            return Ok(schema);
        };
        let name = name.fullname(None);
        self.0.get(&name).copied().ok_or(name)
    }
}

/// Whether the contract's named type has the writer's name, or once had; namespaces do not count,
/// since Debezium's are made of topics.
pub(super) fn same_name(writer: &Schema, reader: &Schema) -> bool {
    let (Some(writer), Some(name)) = (writer.name(), reader.name()) else {
        return false;
    };
    let is_alias = |alias: &apache_avro::schema::Alias| alias.name() == writer.name();
    writer.name() == name.name() || reader.aliases().is_some_and(|all| all.iter().any(is_alias))
}
