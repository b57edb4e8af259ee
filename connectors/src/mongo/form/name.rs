//! Keys of maps, which are names in BSON.

use serde::ser::{Impossible, Serialize, Serializer};

use super::{FormError, Wrong};

type Named = Result<String, FormError>;
type Never = Impossible<String, FormError>;

/// A key of a map as a name: a text, a word, or a number in digits.
pub struct Name;

macro_rules! digits {
    ($($method:ident: $number:ty),+ $(,)?) => {$(
        fn $method(self, value: $number) -> Named {
            Ok(value.to_string())
        }
    )+};
}

/// What is no name.
macro_rules! no_name {
    ($($method:ident($($of:ty),*)),+ $(,)?) => {$(
        fn $method(self, $(_: $of),*) -> Named {
            none()
        }
    )+};
}

impl Serializer for Name {
    type Ok = String;
    type Error = FormError;
    type SerializeSeq = Never;
    type SerializeTuple = Never;
    type SerializeTupleStruct = Never;
    type SerializeTupleVariant = Never;
    type SerializeMap = Never;
    type SerializeStruct = Never;
    type SerializeStructVariant = Never;

    fn is_human_readable(&self) -> bool {
        true
    }

    digits!(
        serialize_bool: bool,
        serialize_i8: i8,
        serialize_i16: i16,
        serialize_i32: i32,
        serialize_i64: i64,
        serialize_u8: u8,
        serialize_u16: u16,
        serialize_u32: u32,
        serialize_u64: u64,
        serialize_char: char,
        serialize_str: &str,
    );
    no_name!(
        serialize_f32(f32),
        serialize_f64(f64),
        serialize_bytes(&[u8]),
        serialize_none(),
        serialize_unit(),
        serialize_unit_struct(&'static str),
    );

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Named {
        value.serialize(self)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Named {
        Ok(variant.to_owned())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Named {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _value: &T,
    ) -> Named {
        none()
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Never, FormError> {
        none()
    }

    fn serialize_tuple(self, _: usize) -> Result<Never, FormError> {
        none()
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Never, FormError> {
        none()
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _length: usize,
    ) -> Result<Never, FormError> {
        none()
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Never, FormError> {
        none()
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Never, FormError> {
        none()
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _length: usize,
    ) -> Result<Never, FormError> {
        none()
    }
}

fn none<T>() -> Result<T, FormError> {
    Err(Wrong::Name.somewhere())
}
