//! Turns the JSON of a contract's default into a constant of the field's type.
use apache_avro::Schema;
use apache_avro::schema::RecordSchema;
use serde_json::Value;

use super::constant::Constant;
use super::node::Number;
use super::types::{Kind, Names, kind};

/// The default, or nothing if it does not fit.
pub(super) fn constant<'s>(
    names: &Names<'s>,
    schema: &'s Schema,
    json: &Value,
) -> Option<Constant> {
    match kind(names.resolve(schema).ok()?) {
        Kind::Null => json.is_null().then_some(Constant::Null),
        Kind::Boolean => json.as_bool().map(Constant::Boolean),
        Kind::Number(number) => of_number(number, json),
        Kind::Text => json.as_str().map(|text| Constant::Text(text.into())),
        Kind::Bytes => bytes(json).map(Constant::Bytes),
        Kind::Fixed(size) => bytes(json).filter(|bytes| bytes.len() == size).map(Constant::Bytes),
        Kind::Enum(symbols) => {
            let name = json.as_str()?;
            let place = symbols.symbols.iter().position(|symbol| symbol == name)?;
            Some(Constant::Symbol { index: u32::try_from(place).ok()?, name: name.into() })
        }
        Kind::Array(items) => {
            let items = json.as_array()?.iter().map(|item| constant(names, items, item));
            items.collect::<Option<_>>().map(Constant::List)
        }
        Kind::Map(values) => {
            let entries = json.as_object()?.iter();
            let entry = |(key, value): (&String, &Value)| {
                Some((key.as_str().into(), constant(names, values, value)?))
            };
            entries.map(entry).collect::<Option<_>>().map(Constant::Fields)
        }
        Kind::Union(branches) => branches.iter().find_map(|branch| constant(names, branch, json)),
        Kind::Record(record) => fields(names, record, json),
        Kind::Name => None,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a float's default is written as a double")]
fn of_number(number: Number, json: &Value) -> Option<Constant> {
    match number {
        Number::Int => i32::try_from(json.as_i64()?).ok().map(Constant::Int),
        Number::Long => json.as_i64().map(Constant::Long),
        Number::Float => json.as_f64().map(|value| Constant::Float(value as f32)),
        Number::Double => json.as_f64().map(Constant::Double),
    }
}

/// Avro writes bytes in JSON as the characters of the same numbers.
fn bytes(json: &Value) -> Option<Box<[u8]>> {
    json.as_str()?.chars().map(|letter| u8::try_from(u32::from(letter)).ok()).collect()
}

fn fields<'s>(names: &Names<'s>, record: &'s RecordSchema, json: &Value) -> Option<Constant> {
    let object = json.as_object()?;
    let mut fields = Vec::new();
    for field in &record.fields {
        let json = object.get(&field.name).or(field.default.as_ref())?;
        fields.push((field.name.as_str().into(), constant(names, &field.schema, json)?));
    }
    Some(Constant::Fields(fields))
}
