//! Avro's resolution of a value, restated over values as the specification tells it.
use apache_avro::types::Value as Avro;
use serde_json::Value;

use super::schema::{Body, Field, Type, class};
use super::{Any, Pair};

/// What the reader must read; nothing if the reader has no place for what was written.
pub fn resolve(pair: &Pair, writer: &Type, reader: &Type, value: &Avro) -> Option<Any> {
    let each = |from: &Type, to: &Type, value: &Avro| resolve(pair, from, to, value);
    match (writer, reader, value) {
        (Type::Union(branches), _, Avro::Union(place, value)) => {
            each(&branches[usize::try_from(*place).unwrap()], reader, value)
        }
        (_, Type::Union(options), _) => {
            let wanted = class(writer, &pair.writer);
            let option = options.iter().find(|to| class(to, &pair.reader) == wanted)?;
            each(writer, option, value)
        }
        (Type::Array(from), Type::Array(to), Avro::Array(items)) => {
            items.iter().map(|item| each(from, to, item)).collect::<Option<_>>().map(Any::List)
        }
        (Type::Map(from), Type::Map(to), Avro::Map(entries)) => {
            let entry =
                |(key, value): (&String, &Avro)| Some((key.clone(), each(from, to, value)?));
            entries.iter().map(entry).collect::<Option<_>>().map(Any::Fields)
        }
        (Type::Named(from), Type::Named(to), _) if from == to => named(pair, *from, value),
        _ => scalar(reader, value),
    }
}

fn named(pair: &Pair, place: usize, value: &Avro) -> Option<Any> {
    match (&pair.writer.0[place].body, &pair.reader.0[place].body, value) {
        (Body::Fixed(_), _, Avro::Fixed(_, bytes)) => Some(Any::Bytes(bytes.clone())),
        (_, Body::Enum { symbols, default }, Avro::Enum(_, symbol)) => {
            let found = symbols.iter().find(|known| *known == symbol).or(default.as_ref());
            found.cloned().map(Any::Text)
        }
        (Body::Record(writer), Body::Record(reader), Avro::Record(values)) => {
            let field = |own: &Field| {
                let from = writer
                    .iter()
                    .position(|field| field.name == own.name || own.aliases.contains(&field.name));
                let read = match from {
                    Some(at) => resolve(pair, &writer[at].kind, &own.kind, &values[at].1)?,
                    None => default(pair, &own.kind, own.default.as_ref()?),
                };
                Some((own.name.clone(), read))
            };
            reader.iter().map(field).collect::<Option<_>>().map(Any::Fields)
        }
        other => panic!("{other:?}"),
    }
}

#[allow(clippy::cast_precision_loss, reason = "promotion may round")]
fn scalar(reader: &Type, value: &Avro) -> Option<Any> {
    Some(match (reader, value) {
        (Type::Null, Avro::Null) => Any::Null,
        (Type::Boolean, Avro::Boolean(value)) => Any::Boolean(*value),
        (Type::Int, Avro::Int(value)) => Any::Int(*value),
        (Type::Long, Avro::Int(value)) => Any::Long(i64::from(*value)),
        (Type::Long, Avro::Long(value)) => Any::Long(*value),
        (Type::Float, Avro::Int(value)) => Any::Float((*value as f32).to_bits()),
        (Type::Float, Avro::Long(value)) => Any::Float((*value as f32).to_bits()),
        (Type::Float, Avro::Float(value)) => Any::Float(value.to_bits()),
        (Type::Double, Avro::Int(value)) => Any::Double(f64::from(*value).to_bits()),
        (Type::Double, Avro::Long(value)) => Any::Double((*value as f64).to_bits()),
        (Type::Double, Avro::Float(value)) => Any::Double(f64::from(*value).to_bits()),
        (Type::Double, Avro::Double(value)) => Any::Double(value.to_bits()),
        (Type::Text, Avro::String(text)) => Any::Text(text.clone()),
        (Type::Text, Avro::Bytes(bytes)) => Any::Text(String::from_utf8(bytes.clone()).ok()?),
        (Type::Bytes, Avro::String(text)) => Any::Bytes(text.clone().into_bytes()),
        (Type::Bytes, Avro::Bytes(bytes)) => Any::Bytes(bytes.clone()),
        _ => return None,
    })
}

/// A reader's default; that of a union is of its first branch.
#[allow(clippy::cast_possible_truncation, reason = "a float's default is a JSON number")]
fn default(pair: &Pair, kind: &Type, json: &Value) -> Any {
    let text = || json.as_str().unwrap().to_owned();
    match kind {
        Type::Null => Any::Null,
        Type::Boolean => Any::Boolean(json.as_bool().unwrap()),
        Type::Int => Any::Int(i32::try_from(json.as_i64().unwrap()).unwrap()),
        Type::Long => Any::Long(json.as_i64().unwrap()),
        Type::Float => Any::Float((json.as_f64().unwrap() as f32).to_bits()),
        Type::Double => Any::Double(json.as_f64().unwrap().to_bits()),
        Type::Text => Any::Text(text()),
        Type::Bytes => Any::Bytes(text().into_bytes()),
        Type::Array(items) => {
            let items = json.as_array().unwrap().iter().map(|item| default(pair, items, item));
            Any::List(items.collect())
        }
        Type::Map(values) => {
            let entries = json.as_object().unwrap().iter();
            Any::Fields(entries.map(|(k, v)| (k.clone(), default(pair, values, v))).collect())
        }
        Type::Union(branches) => default(pair, &branches[0], json),
        Type::Named(place) => match &pair.reader.0[*place].body {
            Body::Fixed(_) => Any::Bytes(text().into_bytes()),
            Body::Enum { .. } => Any::Text(text()),
            Body::Record(fields) => {
                let field = |field: &Field| {
                    let json = json.get(&field.name).or(field.default.as_ref()).unwrap();
                    (field.name.clone(), default(pair, &field.kind, json))
                };
                Any::Fields(fields.iter().map(field).collect())
            }
        },
    }
}
