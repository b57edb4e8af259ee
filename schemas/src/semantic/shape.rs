//! A writer's schema as reading needs it: what the wire holds, and what it means.
use std::sync::Arc;

use super::meaning::Meaning;

/// A type of the writer.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) base: Base,
    pub(super) meaning: Meaning,
    /// How many types lie inside one another here.
    pub(super) height: usize,
}

/// What the wire holds.
#[derive(Debug)]
pub(super) enum Base {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Text,
    Bytes,
    Fixed(usize),
    Enum(Box<[Box<str>]>),
    Array(Arc<Shape>),
    Map(Arc<Shape>),
    Union(Box<[Arc<Shape>]>),
    Record(Box<[Field]>),
}

/// A field of a record, by its name in the schema.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: Box<str>,
    pub(super) shape: Arc<Shape>,
    /// The bytes of its default, where it has a plain one.
    pub(super) default: Option<Box<[u8]>>,
}

impl Base {
    /// The type in an error's words.
    pub(super) fn describe(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Int => "int",
            Self::Long => "long",
            Self::Float => "float",
            Self::Double => "double",
            Self::Text => "string",
            Self::Bytes => "bytes",
            Self::Fixed(_) => "fixed",
            Self::Enum(_) => "enum",
            Self::Array(_) => "array",
            Self::Map(_) => "map",
            Self::Union(_) => "union",
            Self::Record(_) => "record",
        }
    }

    /// How many types lie inside one another below.
    pub(super) fn height(&self) -> usize {
        match self {
            Self::Array(inner) | Self::Map(inner) => inner.height,
            Self::Union(branches) => branches.iter().map(|of| of.height).max().unwrap_or(0),
            Self::Record(fields) => fields.iter().map(|of| of.shape.height).max().unwrap_or(0),
            Self::Null
            | Self::Boolean
            | Self::Int
            | Self::Long
            | Self::Float
            | Self::Double
            | Self::Text
            | Self::Bytes
            | Self::Fixed(_)
            | Self::Enum(_) => 0,
        }
    }
}
