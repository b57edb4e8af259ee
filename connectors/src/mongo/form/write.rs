//! Values as BSON, written once, straight into the row that goes out.

use std::io::Write as _;

use bson::RawDocumentBuf;
use bson::spec::ElementType;
use readmill_schemas::Timestamp;
use readmill_schemas::row::Decimal;
use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::name::Name;
use super::{FormError, Wrong, decimal};

type Written = Result<(), FormError>;

/// Room for most rows, so that they need not move while they are written.
const ROW_BYTES: usize = 1 << 10;

/// The one name that belongs to the stamp.
pub const STAMP: &str = "_readmill";

/// A document that is being written, at any depth.
#[derive(Debug)]
pub struct Open<B> {
    row: B,
    /// Where the lengths are to be written, outermost first: two for a variant with fields.
    lengths: [Option<usize>; 2],
    /// The number of the next item of an array.
    next: u32,
    /// The name of the value that comes next, of a map.
    name: String,
}

/// A row as a whole.
pub type Row = Open<Vec<u8>>;
type Inner<'a> = Open<&'a mut Vec<u8>>;

impl Row {
    /// An empty row.
    pub fn row() -> Self {
        let mut row = Vec::with_capacity(ROW_BYTES);
        row.extend_from_slice(&[0; 4]);
        Open { row, lengths: [Some(0), None], next: 0, name: String::new() }
    }

    /// Writes a field.
    pub fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Written {
        value.serialize(element(&mut self.row, name)?).map_err(|error| error.in_field(name))
    }

    /// Writes the fields of a state on top. Only a structure has fields.
    pub fn state<T: Serialize + ?Sized>(&mut self, state: &T) -> Written {
        state.serialize(Value { row: &mut self.row, at: Place::Top, form: Form::Plain })
    }

    /// The row.
    pub fn close(mut self) -> Result<RawDocumentBuf, FormError> {
        finish(&mut self.row, self.lengths)?;
        RawDocumentBuf::from_bytes(self.row).map_err(|_| Wrong::NotBson.somewhere())
    }
}

/// Where a value goes.
#[derive(Clone, Copy)]
enum Place {
    /// Its fields go on top of the row.
    Top,
    /// Into an element whose type stands here.
    Element(usize),
}

/// What a number or a text means, as its type's name has told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    Date,
    Decimal,
}

/// A value that is being written.
struct Value<'a> {
    row: &'a mut Vec<u8>,
    at: Place,
    form: Form,
}

/// Begins an element: its type is known when its value is.
fn element<'a>(row: &'a mut Vec<u8>, name: &str) -> Result<Value<'a>, FormError> {
    if name.bytes().any(|byte| byte == 0) {
        return Err(Wrong::Name.somewhere());
    }
    let at = Place::Element(row.len());
    row.push(0);
    row.extend_from_slice(name.as_bytes());
    row.push(0);
    Ok(Value { row, at, form: Form::Plain })
}

/// Ends documents that began where the lengths are, the inner one first.
fn finish(row: &mut Vec<u8>, lengths: [Option<usize>; 2]) -> Written {
    for at in lengths.into_iter().rev().flatten() {
        row.push(0);
        let length = length(row.len().saturating_sub(at))?;
        if let Some(place) = row.get_mut(at..at.saturating_add(4)) {
            place.copy_from_slice(&length);
        }
    }
    Ok(())
}

fn length(bytes: usize) -> Result<[u8; 4], FormError> {
    i32::try_from(bytes).map(i32::to_le_bytes).map_err(|_| Wrong::Length.somewhere())
}

impl<'a> Value<'a> {
    fn begin(self, kind: ElementType) -> Result<&'a mut Vec<u8>, FormError> {
        let Place::Element(at) = self.at else { return Err(Wrong::NoStructure.somewhere()) };
        if let Some(place) = self.row.get_mut(at) {
            *place = kind as u8;
        }
        Ok(self.row)
    }

    fn put(self, kind: ElementType, bytes: &[u8]) -> Written {
        self.begin(kind)?.extend_from_slice(bytes);
        Ok(())
    }

    fn open(self, kind: ElementType) -> Result<Inner<'a>, FormError> {
        let (row, length_at) = match (self.at, kind) {
            (Place::Top, ElementType::EmbeddedDocument) => (self.row, None),
            (Place::Top | Place::Element(_), _) => {
                let row = self.begin(kind)?;
                let length_at = row.len();
                row.extend_from_slice(&[0; 4]);
                (row, Some(length_at))
            }
        };
        Ok(Open { row, lengths: [length_at, None], next: 0, name: String::new() })
    }

    /// A document with one field, whose value is a document or an array.
    fn open_variant(self, name: &str, kind: ElementType) -> Result<Inner<'a>, FormError> {
        let outer = self.open(ElementType::EmbeddedDocument)?;
        let outer_at = outer.lengths.into_iter().flatten().next();
        let inner = outer.into_element(name)?.open(kind)?;
        let inner_at = inner.lengths.into_iter().flatten().next();
        Ok(Open { lengths: [outer_at, inner_at], ..inner })
    }
}

impl<'a> Inner<'a> {
    const fn is_top(&self) -> bool {
        self.lengths[0].is_none() && self.lengths[1].is_none()
    }

    fn check(&self, name: &str) -> Written {
        let reserved = name == "_id" || name == STAMP || name.starts_with('$');
        if self.is_top() && reserved {
            return Err(Wrong::Reserved.somewhere().in_field(name));
        }
        Ok(())
    }

    fn into_element(self, name: &str) -> Result<Value<'a>, FormError> {
        self.check(name)?;
        element(self.row, name)
    }

    fn named<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Written {
        self.check(name)?;
        let written = element(self.row, name).and_then(|element| value.serialize(element));
        written.map_err(|error| error.in_field(name))
    }

    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Written {
        let at = Place::Element(self.row.len());
        self.row.push(0);
        write!(self.row, "{}", self.next).map_err(|_| Wrong::Length.somewhere())?;
        self.row.push(0);
        self.next = self.next.saturating_add(1);
        value.serialize(Value { row: self.row, at, form: Form::Plain })
    }

    fn end_it(self) -> Written {
        finish(self.row, self.lengths)
    }
}

impl<'a> Serializer for Value<'a> {
    type Ok = ();
    type Error = FormError;
    type SerializeSeq = Inner<'a>;
    type SerializeTuple = Inner<'a>;
    type SerializeTupleStruct = Inner<'a>;
    type SerializeTupleVariant = Inner<'a>;
    type SerializeMap = Inner<'a>;
    type SerializeStruct = Inner<'a>;
    type SerializeStructVariant = Inner<'a>;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn serialize_bool(self, value: bool) -> Written {
        self.put(ElementType::Boolean, &[u8::from(value)])
    }

    fn serialize_i8(self, value: i8) -> Written {
        self.serialize_i32(value.into())
    }

    fn serialize_i16(self, value: i16) -> Written {
        self.serialize_i32(value.into())
    }

    fn serialize_i32(self, value: i32) -> Written {
        self.put(ElementType::Int32, &value.to_le_bytes())
    }

    fn serialize_i64(self, value: i64) -> Written {
        let is_date = self.form == Form::Date;
        let kind = if is_date { ElementType::DateTime } else { ElementType::Int64 };
        self.put(kind, &value.to_le_bytes())
    }

    fn serialize_u8(self, value: u8) -> Written {
        self.serialize_i32(value.into())
    }

    fn serialize_u16(self, value: u16) -> Written {
        self.serialize_i32(value.into())
    }

    fn serialize_u32(self, value: u32) -> Written {
        self.serialize_i64(value.into())
    }

    fn serialize_u64(self, value: u64) -> Written {
        self.serialize_i64(i64::try_from(value).map_err(|_| Wrong::Number.somewhere())?)
    }

    fn serialize_f32(self, value: f32) -> Written {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Written {
        self.put(ElementType::Double, &value.to_le_bytes())
    }

    fn serialize_char(self, value: char) -> Written {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    /// A decimal with more digits than fit stays the text that it is.
    fn serialize_str(self, value: &str) -> Written {
        let exact = if self.form == Form::Decimal { decimal::pack(value) } else { None };
        if let Some(bytes) = exact {
            return self.put(ElementType::Decimal128, &bytes);
        }
        let length = length(value.len().saturating_add(1))?;
        let row = self.begin(ElementType::String)?;
        row.extend_from_slice(&length);
        row.extend_from_slice(value.as_bytes());
        row.push(0);
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Written {
        let length = length(value.len())?;
        let row = self.begin(ElementType::Binary)?;
        row.extend_from_slice(&length);
        // The generic subtype.
        row.push(0);
        row.extend_from_slice(value);
        Ok(())
    }

    fn serialize_none(self) -> Written {
        self.put(ElementType::Null, &[])
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Written {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Written {
        self.serialize_none()
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Written {
        self.serialize_none()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Written {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Written {
        let form = match name {
            Timestamp::FORM => Form::Date,
            Decimal::FORM => Form::Decimal,
            _ => Form::Plain,
        };
        value.serialize(Value { form, ..self })
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Written {
        let mut open = self.open(ElementType::EmbeddedDocument)?;
        open.named(variant, value)?;
        open.end_it()
    }

    fn serialize_seq(self, _length: Option<usize>) -> Result<Inner<'a>, FormError> {
        self.open(ElementType::Array)
    }

    fn serialize_tuple(self, _length: usize) -> Result<Inner<'a>, FormError> {
        self.open(ElementType::Array)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Inner<'a>, FormError> {
        self.open(ElementType::Array)
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Result<Inner<'a>, FormError> {
        self.open_variant(variant, ElementType::Array)
    }

    fn serialize_map(self, _length: Option<usize>) -> Result<Inner<'a>, FormError> {
        self.open(ElementType::EmbeddedDocument)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Inner<'a>, FormError> {
        self.open(ElementType::EmbeddedDocument)
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Result<Inner<'a>, FormError> {
        self.open_variant(variant, ElementType::EmbeddedDocument)
    }
}

/// The traits of what has items.
macro_rules! items {
    ($($of:ident :: $one:ident),+ $(,)?) => {$(
        impl $of for Inner<'_> {
            type Ok = ();
            type Error = FormError;

            fn $one<T: Serialize + ?Sized>(&mut self, value: &T) -> Written {
                self.item(value)
            }

            fn end(self) -> Written {
                self.end_it()
            }
        }
    )+};
}

items!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field,
);

/// The traits of what has fields.
macro_rules! fields {
    ($($of:ident),+) => {$(
        impl $of for Inner<'_> {
            type Ok = ();
            type Error = FormError;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Written {
                self.named(name, value)
            }

            fn end(self) -> Written {
                self.end_it()
            }
        }
    )+};
}

fields!(SerializeStruct, SerializeStructVariant);

impl SerializeMap for Inner<'_> {
    type Ok = ();
    type Error = FormError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Written {
        self.name = key.serialize(Name)?;
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Written {
        let name = std::mem::take(&mut self.name);
        let written = self.named(&name, value);
        self.name = name;
        written
    }

    fn end(self) -> Written {
        self.end_it()
    }
}
