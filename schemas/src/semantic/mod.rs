//! What the columns of a row mean: every semantic type of Debezium, Kafka Connect and Avro.
//!
//! A [`RowReader`] is made once for a writer's schema, from its text: `apache-avro` leaves
//! `connect.name` and its parameters out. It reads any record, such as a whole envelope, a row
//! alone, or a key. `docs/types.md` has the table of the types and of their document values.
mod blank;
mod body;
mod compile;
mod decimal;
mod document;
mod encoding;
mod error;
mod meaning;
mod moment;
mod placeholder;
mod read;
mod scalar;
mod shape;
mod structured;
mod text;
mod value;

use std::sync::Arc;

use crate::WriterSchema;

use body::Body;
use placeholder::Placeholder;
use shape::{Base, Shape};

pub use decimal::{DECIMAL_BYTES_MAX, Decimal, SCALE_MAX};
pub use encoding::BinaryMode;
pub use error::{SchemaError, SemanticError, SemanticFault};
pub use moment::{Date, Infinity, Moment, Span, Time, Zone};
pub use placeholder::UNAVAILABLE;
pub(crate) use text::uuid;
pub use value::{Bits, Geometry, Row, Semantic};

/// How deeply types may lie inside one another.
pub const DEPTH_MAX: usize = 48;

/// How many types a schema may have in all.
pub const TYPES_MAX: usize = 100_000;

/// How many items and fields without content one body may have in all.
pub const IDLE_VALUES_MAX: usize = 4_096;

/// What a schema does not say about its connector.
#[derive(Debug, Clone)]
pub struct Conventions {
    /// `binary.handling.mode`. It is applied to columns that are known to be binary: those whose
    /// type is passed on (`datatype.propagate.source.type`), and those named here.
    pub binary: BinaryMode,
    /// Binary columns by name, for connectors that do not pass their types on.
    pub binary_columns: Vec<String>,
    /// `unavailable.value.placeholder`.
    pub placeholder: String,
}

impl Default for Conventions {
    fn default() -> Self {
        let placeholder = UNAVAILABLE.to_owned();
        Self { binary: BinaryMode::default(), binary_columns: Vec::new(), placeholder }
    }
}

/// Reads the rows of one writer's schema.
#[derive(Debug, Clone)]
pub struct RowReader {
    shape: Arc<Shape>,
    placeholder: Arc<Placeholder>,
    binary: BinaryMode,
    binary_columns: Arc<[String]>,
}

impl RowReader {
    /// For a schema that stands on its own, under Debezium's defaults.
    pub fn of(writer: &WriterSchema) -> Result<Self, SchemaError> {
        Self::parse(&[writer.text()], &Conventions::default())
    }

    /// For the last of the texts; names that it refers to are found in those before.
    pub fn parse(texts: &[&str], conventions: &Conventions) -> Result<Self, SchemaError> {
        Ok(Self {
            shape: compile::compile(texts)?,
            placeholder: Arc::new(Placeholder::new(&conventions.placeholder)),
            binary: conventions.binary,
            binary_columns: conventions.binary_columns.as_slice().into(),
        })
    }

    /// The reader of a field's record alone, such as an envelope's `after`.
    pub fn within(&self, field: &str) -> Option<Self> {
        let Base::Record(fields) = &self.shape.base else { return None };
        let field = fields.iter().find(|known| &*known.name == field)?;
        let is_record = |shape: &&Arc<Shape>| matches!(shape.base, Base::Record(_));
        let record = if let Base::Union(branches) = &field.shape.base {
            branches.iter().find(is_record)?
        } else {
            &field.shape
        };
        Some(Self { shape: Arc::clone(record), ..self.clone() })
    }

    /// Whether the record has a field of this name.
    pub fn has_column(&self, name: &str) -> bool {
        let Base::Record(fields) = &self.shape.base else { return false };
        fields.iter().any(|field| &*field.name == name)
    }

    /// Reads a whole body.
    pub fn read<'a>(&'a self, body: &'a [u8]) -> Result<Semantic<'a>, SemanticError> {
        let mut rest = Body::new(body);
        let value = self.value(&self.shape, &mut rest)?;
        match rest.remaining() {
            0 => Ok(value),
            count => Err(SemanticFault::Trailing { count }.into()),
        }
    }
}
