//! From a body to the values of its columns, by the writer's shapes.
use std::borrow::Cow;

use super::body::Body;
use super::decimal::Decimal;
use super::encoding::BinaryMode;
use super::error::{SemanticError, SemanticFault};
use super::meaning::Meaning;
use super::shape::{Base, Field, Shape};
use super::value::{Bits, Geometry, Row, Semantic};
use super::{RowReader, scalar, structured};

type Value<'a> = Result<Semantic<'a>, SemanticError>;

impl RowReader {
    pub(super) fn value<'a>(&'a self, shape: &'a Shape, body: &mut Body<'a>) -> Value<'a> {
        match &shape.base {
            Base::Null => Ok(Semantic::Null),
            Base::Boolean => Ok(Semantic::Bool(body.boolean()?)),
            Base::Int => Ok(scalar::number(shape.meaning, i64::from(body.int()?))),
            Base::Long => Ok(scalar::number(shape.meaning, body.long()?)),
            Base::Float => Ok(Semantic::Float(body.float()?)),
            Base::Double => Ok(Semantic::Double(body.double()?)),
            Base::Text => self.text(shape.meaning, body.text()?),
            Base::Bytes => self.bytes(shape.meaning, body.bytes()?),
            Base::Fixed(size) => self.bytes(shape.meaning, body.take(*size)?),
            Base::Enum(symbols) => {
                let place = body.place(symbols.len())?;
                Ok(Semantic::Enum(symbols.get(place).map_or("", |symbol| symbol)))
            }
            Base::Array(items) => self.array(items, body),
            Base::Map(values) => self.map(values, body),
            Base::Union(branches) => {
                let place = body.place(branches.len())?;
                branches.get(place).map_or(Ok(Semantic::Null), |branch| self.value(branch, body))
            }
            Base::Record(fields) => self.record(shape.meaning, fields, body),
        }
    }

    /// A value that is one of many.
    fn item<'a>(&'a self, shape: &'a Shape, body: &mut Body<'a>) -> Value<'a> {
        let before = body.remaining();
        let value = self.value(shape, body)?;
        body.ended(before)?;
        Ok(value)
    }

    fn bytes<'a>(&self, meaning: Meaning, bytes: &'a [u8]) -> Value<'a> {
        if let Meaning::Decimal { scale } = meaning {
            return Ok(Semantic::Decimal(Decimal::new(bytes, scale)?));
        }
        if let Meaning::Bits { length } = meaning {
            return Ok(Semantic::Bits(Bits { little_endian: bytes, length }));
        }
        if meaning == Meaning::Uuid {
            let fault = |_| SemanticFault::Form { kind: "a uuid" };
            return Ok(Semantic::Uuid(bytes.try_into().map_err(fault)?));
        }
        let unavailable = self.placeholder.is_bytes(bytes);
        let value = Semantic::Bytes(Cow::Borrowed(bytes));
        Ok(if unavailable { Semantic::Unavailable } else { value })
    }

    fn text<'a>(&self, meaning: Meaning, text: &'a str) -> Value<'a> {
        if self.placeholder.is_text(text) {
            return Ok(Semantic::Unavailable);
        }
        if meaning == Meaning::EncodedBytes {
            return self.encoded(text);
        }
        scalar::text(meaning, text).map_err(Into::into)
    }

    /// A binary column's text; a connector that leaves bytes as bytes writes no such text.
    fn encoded<'a>(&self, text: &'a str) -> Value<'a> {
        if self.binary == BinaryMode::Bytes {
            return Ok(Semantic::Text(Cow::Borrowed(text)));
        }
        let bytes = self.binary.decode(text).ok_or(SemanticFault::Form { kind: "bytes" })?;
        Ok(Semantic::Bytes(Cow::Owned(bytes)))
    }

    fn array<'a>(&'a self, shape: &'a Shape, body: &mut Body<'a>) -> Value<'a> {
        let mut items = Vec::new();
        loop {
            let count = body.block()?;
            if count == 0 {
                break;
            }
            for _ in 0..count {
                let place = items.len();
                items.push(self.item(shape, body).map_err(|error| error.in_item(place))?);
            }
        }
        let unavailable = self.placeholder.is_array(&items);
        Ok(if unavailable { Semantic::Unavailable } else { Semantic::Array(items) })
    }

    fn map<'a>(&'a self, shape: &'a Shape, body: &mut Body<'a>) -> Value<'a> {
        let mut entries = Vec::new();
        loop {
            let count = body.block()?;
            if count == 0 {
                break;
            }
            for _ in 0..count {
                let place = entries.len();
                let key = body.text().map_err(|fault| SemanticError::from(fault).in_item(place))?;
                let value = self.item(shape, body).map_err(|error| error.in_item(place))?;
                entries.push((Cow::Borrowed(key), value));
            }
        }
        let unavailable = self.placeholder.is_map(&entries);
        Ok(if unavailable { Semantic::Unavailable } else { Semantic::Map(entries) })
    }

    fn record<'a>(
        &'a self,
        meaning: Meaning,
        fields: &'a [Field],
        body: &mut Body<'a>,
    ) -> Value<'a> {
        let mut row = Row::new(Vec::with_capacity(fields.len()));
        for field in fields {
            let bytes = body.rest();
            let value = self.column(field, body).map_err(|error| error.in_column(&field.name))?;
            if let Some(default) = &field.default {
                let read = bytes.get(..bytes.len() - body.remaining());
                row.defaults.set(row.columns.len(), read == Some(default));
            }
            row.columns.push((&field.name, value));
        }
        if meaning == Meaning::VariableScaleDecimal {
            return variable(&row);
        }
        if meaning == Meaning::Geometry {
            return geometry(&row);
        }
        if let Meaning::Structured(kind) = meaning {
            return structured::read(kind, &row).map_err(Into::into);
        }
        Ok(Semantic::Row(row))
    }

    fn is_binary(&self, column: &str) -> bool {
        self.binary_columns.iter().any(|name| name == column)
    }

    fn column<'a>(&'a self, field: &'a Field, body: &mut Body<'a>) -> Value<'a> {
        let value = self.item(&field.shape, body)?;
        if let Semantic::Text(Cow::Borrowed(text)) = value
            && self.is_binary(&field.name)
        {
            return self.encoded(text);
        }
        Ok(value)
    }
}

fn variable<'a>(row: &Row<'a>) -> Value<'a> {
    let (Some(Semantic::Int(scale)), Some(Semantic::Bytes(Cow::Borrowed(value)))) =
        (row.get("scale"), row.get("value"))
    else {
        return Err(SemanticFault::Form { kind: "a decimal of variable scale" }.into());
    };
    let scale = i32::try_from(*scale).map_err(|_| SemanticFault::Range { kind: "a scale" })?;
    Ok(Semantic::Decimal(Decimal::new(value, scale)?))
}

fn geometry<'a>(row: &Row<'a>) -> Value<'a> {
    let srid = row.get("srid").and_then(|srid| {
        if let Semantic::Int(srid) = srid { i32::try_from(*srid).ok() } else { None }
    });
    if let Some(Semantic::Bytes(Cow::Borrowed(wkb))) = row.get("wkb") {
        return Ok(Semantic::Geometry(Geometry { wkb, srid }));
    }
    if row.get("wkb").is_some_and(Semantic::is_unavailable) {
        return Ok(Semantic::Unavailable);
    }
    Err(SemanticFault::Form { kind: "a geometry" }.into())
}
