//! BSON as values. What is stored as a date or a decimal is given to a type as the number or the
//! text that it asks for, so that documents from before there were such are read too.

use bson::raw::RawIter;
use bson::{RawBsonRef, RawDocument};
use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};
use serde::{Deserialize, forward_to_deserialize_any};

use super::write::STAMP;
use super::{FormError, Wrong, decimal};

/// Reads a whole document.
pub fn from_document<'de, T: Deserialize<'de>>(from: &'de RawDocument) -> Result<T, FormError> {
    T::deserialize(Fields { from: from.iter_elements(), on_top: false, value: None })
}

/// The fields of a document, one after the other.
pub struct Fields<'de> {
    from: RawIter<'de>,
    /// Whether the key and the stamp are passed over.
    on_top: bool,
    value: Option<(&'de str, RawBsonRef<'de>)>,
}

impl<'de> Fields<'de> {
    /// Of the state in a row.
    pub fn of_state(row: &'de RawDocument) -> Self {
        Self { from: row.iter_elements(), on_top: true, value: None }
    }

    fn of(document: &'de RawDocument) -> Self {
        Self { from: document.iter_elements(), on_top: false, value: None }
    }

    fn next(&mut self) -> Result<Option<(&'de str, RawBsonRef<'de>)>, FormError> {
        for element in self.from.by_ref() {
            let element = element.map_err(|_| Wrong::NotBson.somewhere())?;
            let name = element.key().as_str();
            if !(self.on_top && (name == "_id" || name == STAMP)) {
                let value = element.value();
                let value = value.map_err(|_| Wrong::NotBson.somewhere().in_field(name))?;
                return Ok(Some((name, value)));
            }
        }
        Ok(None)
    }
}

impl<'de> MapAccess<'de> for Fields<'de> {
    type Error = FormError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, FormError> {
        self.value = self.next()?;
        let Some((name, _)) = self.value else { return Ok(None) };
        seed.deserialize(Name(name)).map(Some).map_err(|error| error.in_field(name))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, FormError> {
        let Some((name, value)) = self.value.take() else {
            return Err(Wrong::Type.somewhere());
        };
        seed.deserialize(Value(value)).map_err(|error| error.in_field(name))
    }
}

impl<'de> Deserializer<'de> for Fields<'de> {
    type Error = FormError;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FormError> {
        visitor.visit_map(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FormError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, FormError> {
        visitor.visit_newtype_struct(self)
    }

    /// A word with something in it is a document with one field.
    fn deserialize_enum<V: Visitor<'de>>(
        mut self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, FormError> {
        let Some((name, value)) = self.next()? else { return Err(Wrong::Type.somewhere()) };
        if self.next()?.is_some() {
            return Err(Wrong::Type.somewhere());
        }
        visitor.visit_enum(Word { name, value }).map_err(|error| error.in_field(name))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// A value.
#[derive(Clone, Copy)]
struct Value<'de>(RawBsonRef<'de>);

impl<'de> Deserializer<'de> for Value<'de> {
    type Error = FormError;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FormError> {
        match self.0 {
            RawBsonRef::Double(value) => visitor.visit_f64(value),
            RawBsonRef::String(text) => visitor.visit_borrowed_str(text),
            RawBsonRef::Array(items) => visitor.visit_seq(Items(items.iter_elements())),
            RawBsonRef::Document(document) => visitor.visit_map(Fields::of(document)),
            RawBsonRef::Boolean(value) => visitor.visit_bool(value),
            RawBsonRef::Null => visitor.visit_unit(),
            RawBsonRef::Int32(value) => visitor.visit_i32(value),
            RawBsonRef::Int64(value) => visitor.visit_i64(value),
            RawBsonRef::DateTime(at) => visitor.visit_i64(at.timestamp_millis()),
            RawBsonRef::Decimal128(number) => match decimal::unpack(number.bytes()) {
                Some(text) => visitor.visit_string(text),
                None => Err(Wrong::NotBson.somewhere()),
            },
            RawBsonRef::Binary(binary) => visitor.visit_borrowed_bytes(binary.bytes),
            RawBsonRef::RegularExpression(_)
            | RawBsonRef::JavaScriptCode(_)
            | RawBsonRef::JavaScriptCodeWithScope(_)
            | RawBsonRef::Timestamp(_)
            | RawBsonRef::ObjectId(_)
            | RawBsonRef::Symbol(_)
            | RawBsonRef::Undefined
            | RawBsonRef::MaxKey
            | RawBsonRef::MinKey
            | RawBsonRef::DbPointer(_) => Err(Wrong::NotBson.somewhere()),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FormError> {
        match self.0.as_null() {
            Some(()) => visitor.visit_none(),
            None => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, FormError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, FormError> {
        if let Some(word) = self.0.as_str() {
            let word: StrDeserializer<'_, FormError> = word.into_deserializer();
            return visitor.visit_enum(word);
        }
        let document = self.0.as_document().ok_or_else(|| Wrong::Type.somewhere())?;
        Fields::of(document).deserialize_enum(name, variants, visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FormError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map struct identifier
    }
}

/// The items of an array.
struct Items<'de>(RawIter<'de>);

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = FormError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, FormError> {
        let Some(element) = self.0.next() else { return Ok(None) };
        let value = element.and_then(|element| element.value());
        seed.deserialize(Value(value.map_err(|_| Wrong::NotBson.somewhere())?)).map(Some)
    }
}

/// A word with something in it.
struct Word<'de> {
    name: &'de str,
    value: RawBsonRef<'de>,
}

impl<'de> EnumAccess<'de> for Word<'de> {
    type Error = FormError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), FormError> {
        Ok((seed.deserialize(Name(self.name))?, self))
    }
}

impl<'de> VariantAccess<'de> for Word<'de> {
    type Error = FormError;

    fn unit_variant(self) -> Result<(), FormError> {
        self.value.as_null().ok_or_else(|| Wrong::Type.somewhere())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, FormError> {
        seed.deserialize(Value(self.value))
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        _length: usize,
        visitor: V,
    ) -> Result<V::Value, FormError> {
        Value(self.value).deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, FormError> {
        Value(self.value).deserialize_any(visitor)
    }
}

/// A name as the key of a map, or of a structure.
struct Name<'de>(&'de str);

/// Numbers that are keys.
macro_rules! digits {
    ($($method:ident => $visit:ident),+ $(,)?) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FormError> {
            visitor.$visit(self.0.parse().map_err(|_| Wrong::Type.somewhere())?)
        }
    )+};
}

impl<'de> Deserializer<'de> for Name<'de> {
    type Error = FormError;

    fn is_human_readable(&self) -> bool {
        true
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FormError> {
        visitor.visit_borrowed_str(self.0)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FormError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, FormError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, FormError> {
        let word: StrDeserializer<'_, FormError> = self.0.into_deserializer();
        visitor.visit_enum(word)
    }

    digits!(
        deserialize_bool => visit_bool,
        deserialize_i8 => visit_i8,
        deserialize_i16 => visit_i16,
        deserialize_i32 => visit_i32,
        deserialize_i64 => visit_i64,
        deserialize_u8 => visit_u8,
        deserialize_u16 => visit_u16,
        deserialize_u32 => visit_u32,
        deserialize_u64 => visit_u64,
    );

    forward_to_deserialize_any! {
        f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct
        identifier ignored_any
    }
}
