//! Serde's view of a body through a plan: each node visits what it reads.
use serde::de::value::SeqDeserializer;
use serde::de::{Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::access::{Fields, Items, Keyed};
use super::cursor::Cursor;
use super::error::{ReadError, ReadFault};
use super::node::{Arena, Node, Number, Symbol, misfit};

/// A value about to be read.
pub(super) struct Value<'p, 'c, 'de> {
    pub(super) arena: &'p Arena,
    pub(super) node: &'p Node,
    pub(super) body: &'c mut Cursor<'de>,
}

impl<'p, 'de> Value<'p, '_, 'de> {
    /// Follows a union, so that the node is one of a value.
    #[inline(always)]
    fn settled(mut self) -> Result<Self, ReadError> {
        self.node = self.arena.settle(self.node, self.body)?;
        Ok(self)
    }

    fn number<V: Visitor<'de>>(
        self,
        from: Number,
        to: Number,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        #[expect(clippy::cast_precision_loss, reason = "Avro's promotion to float may round")]
        let (single, double) = match from {
            Number::Int if to == Number::Long => {
                return visitor.visit_i64(i64::from(self.body.int()?));
            }
            Number::Int => {
                let number = self.body.int()?;
                (number as f32, f64::from(number))
            }
            Number::Long => {
                let number = self.body.long()?;
                (number as f32, number as f64)
            }
            Number::Float | Number::Double => {
                let number = self.body.float()?;
                (number, f64::from(number))
            }
        };
        match to {
            Number::Double => visitor.visit_f64(double),
            Number::Int | Number::Long | Number::Float => visitor.visit_f32(single),
        }
    }

    fn symbol(&mut self, symbols: &'p [Symbol]) -> Result<(u32, &'p str), ReadError> {
        let place = self.body.place(symbols.len())?;
        match place.map(|place| symbols.get(place)) {
            Ok(Some(Symbol::Is { index, name })) => Ok((*index, name)),
            Ok(Some(Symbol::Misfit(name))) => Err(misfit(name)),
            Ok(None) => Err(ReadFault::Symbol { found: 0, symbols: symbols.len() }.into()),
            Err(found) => Err(ReadFault::Symbol { found, symbols: symbols.len() }.into()),
        }
    }
}

/// Visits what the asked-for node holds, without asking what else it might be.
macro_rules! expect {
    ($($method:ident: $node:pat => $visit:ident, $read:ident;)+) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
            match self.node {
                $node => visitor.$visit(self.body.$read()?),
                _ => self.deserialize_any(visitor),
            }
        }
    )+};
}

impl<'de> Deserializer<'de> for Value<'_, '_, 'de> {
    type Error = ReadError;

    fn is_human_readable(&self) -> bool {
        false
    }

    expect! {
        deserialize_bool: Node::Boolean => visit_bool, boolean;
        deserialize_i32: Node::Number(Number::Int) => visit_i32, int;
        deserialize_i64: Node::Number(Number::Long) => visit_i64, long;
        deserialize_f64: Node::Number(Number::Double) => visit_f64, double;
        deserialize_str: Node::Text => visit_borrowed_str, text;
        deserialize_string: Node::Text => visit_borrowed_str, text;
        deserialize_bytes: Node::Bytes => visit_borrowed_bytes, bytes;
        deserialize_byte_buf: Node::Bytes => visit_borrowed_bytes, bytes;
    }

    /// Out of line: what is asked for is rarely something else than what there is.
    #[inline(never)]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let mut value = self.settled()?;
        match value.node {
            Node::Null | Node::Union(_) => visitor.visit_unit(),
            Node::Boolean => visitor.visit_bool(value.body.boolean()?),
            Node::Number(Number::Int) => visitor.visit_i32(value.body.int()?),
            Node::Number(Number::Long) => visitor.visit_i64(value.body.long()?),
            Node::Number(Number::Float) => visitor.visit_f32(value.body.float()?),
            Node::Number(Number::Double) => visitor.visit_f64(value.body.double()?),
            Node::Promoted { from, to } => value.number(*from, *to, visitor),
            Node::Text => visitor.visit_borrowed_str(value.body.text()?),
            Node::Bytes => visitor.visit_borrowed_bytes(value.body.bytes()?),
            Node::Fixed(size) => visitor.visit_borrowed_bytes(value.body.take(*size)?),
            Node::Enum(symbols) => visitor.visit_str(value.symbol(symbols)?.1),
            Node::Array(items) => {
                let node = value.arena.node(*items);
                Items::read(value.arena, node, value.body, visitor)
            }
            Node::Map(values) => {
                let node = value.arena.node(*values);
                Keyed::read(value.arena, node, value.body, visitor)
            }
            Node::Record(record) => Fields::read(value.arena, record, value.body, visitor),
        }
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let value = self.settled()?;
        if matches!(value.node, Node::Null) {
            visitor.visit_none()
        } else {
            visitor.visit_some(value)
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let mut value = self.settled()?;
        if let Node::Enum(symbols) = value.node {
            return visitor.visit_enum(value.symbol(symbols)?.0.into_deserializer());
        }
        if matches!(value.node, Node::Text) {
            return visitor.visit_enum(value.body.text()?.into_deserializer());
        }
        value.deserialize_any(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let value = self.settled()?;
        let bytes = match value.node {
            Node::Array(items) => {
                let node = value.arena.node(*items);
                return Items::read(value.arena, node, value.body, visitor);
            }
            Node::Bytes => value.body.bytes()?,
            Node::Fixed(size) => value.body.take(*size)?,
            Node::Null
            | Node::Boolean
            | Node::Number(_)
            | Node::Promoted { .. }
            | Node::Text
            | Node::Enum(_)
            | Node::Map(_)
            | Node::Union(_)
            | Node::Record(_) => return value.deserialize_any(visitor),
        };
        visitor.visit_seq(SeqDeserializer::new(bytes.iter().copied()))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.arena.skip(self.node, self.body)?;
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        i8 i16 i128 u8 u16 u32 u64 u128 f32 char unit unit_struct tuple tuple_struct map struct
        identifier
    }
}
