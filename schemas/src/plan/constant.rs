//! The defaults of a contract's fields, read like values of the body.
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::error::ReadError;

/// A default.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Constant {
    Null,
    Boolean(bool),
    Int(i32),
    Long(i64),
    Float(f32),
    Double(f64),
    Text(Box<str>),
    Bytes(Box<[u8]>),
    Symbol { index: u32, name: Box<str> },
    List(Vec<Constant>),
    Fields(Vec<(Box<str>, Constant)>),
}

impl<'de> IntoDeserializer<'de, ReadError> for &Constant {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for &Constant {
    type Error = ReadError;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self {
            Constant::Null => visitor.visit_unit(),
            Constant::Boolean(value) => visitor.visit_bool(*value),
            Constant::Int(value) => visitor.visit_i32(*value),
            Constant::Long(value) => visitor.visit_i64(*value),
            Constant::Float(value) => visitor.visit_f32(*value),
            Constant::Double(value) => visitor.visit_f64(*value),
            Constant::Text(text) => visitor.visit_str(text),
            Constant::Bytes(bytes) => visitor.visit_bytes(bytes),
            Constant::Symbol { name, .. } => visitor.visit_str(name),
            Constant::List(items) => visitor.visit_seq(SeqDeserializer::new(items.iter())),
            Constant::Fields(fields) => {
                let fields = fields.iter().map(|(name, value)| (&**name, value));
                visitor.visit_map(MapDeserializer::new(fields))
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self {
            Constant::Null => visitor.visit_none(),
            Constant::Boolean(_)
            | Constant::Int(_)
            | Constant::Long(_)
            | Constant::Float(_)
            | Constant::Double(_)
            | Constant::Text(_)
            | Constant::Bytes(_)
            | Constant::Symbol { .. }
            | Constant::List(_)
            | Constant::Fields(_) => visitor.visit_some(self),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        if let Constant::Symbol { index, .. } = self {
            return visitor.visit_enum((*index).into_deserializer());
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        if let Constant::Bytes(bytes) = self {
            return visitor.visit_seq(SeqDeserializer::new(bytes.iter().copied()));
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct tuple tuple_struct map struct identifier ignored_any
    }
}
