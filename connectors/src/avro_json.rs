//! Avro bodies as JSON that a person can read and edit, and back, by the schema of the writer.
//!
//! Bytes stand as `{"$hex": "00ff"}`, or as `{"$text": "…"}` if they are printable text. The branch
//! of a union is not named: on the way back the first that fits is taken, and the body must read as
//! the same JSON again.

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use readmill_schemas::WriterSchema;
use serde_json::{Map, Number, Value as Json, json};
use thiserror::Error;

use crate::held;

/// Bytes in hexadecimal digits.
pub const HEX: &str = "$hex";
/// Bytes that are text.
pub const TEXT: &str = "$text";

/// Why a body has no JSON, or JSON no body. What stands in them is not told.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AvroJsonError {
    /// The bytes are not of the schema.
    #[error("the bytes are not of the schema {schema}")]
    Unreadable {
        /// The schema's name.
        schema: String,
    },
    /// More bytes than the schema wants.
    #[error("{count} bytes are left behind the last field of the schema {schema}")]
    Trailing {
        /// The schema's name.
        schema: String,
        /// How many bytes.
        count: usize,
    },
    /// The JSON is not of the schema.
    #[error("the JSON does not fit the schema {schema}: {detail}")]
    Misfit {
        /// The schema's name.
        schema: String,
        /// Where, as far as it is known.
        detail: String,
    },
}

/// What a body says.
///
/// # Errors
/// When it is not of the schema, to its last byte.
pub fn to_json(writer: &WriterSchema, body: &[u8]) -> Result<Json, AvroJsonError> {
    let unreadable = |_| AvroJsonError::Unreadable { schema: name(writer) };
    let reader = GenericDatumReader::builder(writer.schema())
        .writer_schemata(schemata(writer))
        .and_then(|reader| reader.build())
        .map_err(unreadable)?;
    let mut rest = body;
    let value = reader.read_value(&mut rest).map_err(unreadable)?;
    match rest.len() {
        0 => Ok(json_of(value)),
        count => Err(AvroJsonError::Trailing { schema: name(writer), count }),
    }
}

/// The body that says this.
///
/// # Errors
/// When the JSON is not of the schema, or the body would not read as the same JSON.
pub fn to_body(writer: &WriterSchema, json: &Json) -> Result<Vec<u8>, AvroJsonError> {
    let misfit =
        |detail: &str| AvroJsonError::Misfit { schema: name(writer), detail: detail.to_owned() };
    let of_library = |_| misfit("a field is missing or of another type");
    let value = value_of(json).map_err(|detail| misfit(&detail))?;
    let schemata: Vec<&apache_avro::Schema> = schemata(writer);
    let value = value.resolve_schemata(writer.schema(), schemata.clone()).map_err(of_library)?;
    let body = GenericDatumWriter::builder(writer.schema())
        .schemata(schemata)
        .and_then(|datum| datum.build()?.write_value_to_vec(value))
        .map_err(of_library)?;
    match difference(&to_json(writer, &body)?, json, "$") {
        None => Ok(body),
        Some(place) => Err(misfit(&format!("{place} is unknown to it or reads back otherwise"))),
    }
}

fn schemata(writer: &WriterSchema) -> Vec<&apache_avro::Schema> {
    writer.references().iter().chain(std::iter::once(writer.schema())).collect()
}

fn name(writer: &WriterSchema) -> String {
    writer.name().unwrap_or_else(|| "without a name".to_owned())
}

fn json_of(value: Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Boolean(value) => Json::Bool(value),
        Value::Int(value) | Value::Date(value) | Value::TimeMillis(value) => value.into(),
        Value::Long(value)
        | Value::TimeMicros(value)
        | Value::TimestampMillis(value)
        | Value::TimestampMicros(value)
        | Value::TimestampNanos(value)
        | Value::LocalTimestampMillis(value)
        | Value::LocalTimestampMicros(value)
        | Value::LocalTimestampNanos(value) => value.into(),
        Value::Float(value) => number(value.into()),
        Value::Double(value) => number(value),
        Value::Bytes(bytes) | Value::Fixed(_, bytes) => bytes_json(&bytes),
        Value::String(text) | Value::Enum(_, text) => Json::String(text),
        Value::Union(_, value) => json_of(*value),
        Value::Array(items) => items.into_iter().map(json_of).collect(),
        Value::Map(entries) => entries.into_iter().map(|(k, v)| (k, json_of(v))).collect(),
        Value::Record(fields) => {
            Json::Object(fields.into_iter().map(|(k, v)| (k, json_of(v))).collect::<Map<_, _>>())
        }
        Value::Decimal(ref decimal) => {
            <Vec<u8>>::try_from(decimal).map_or(Json::Null, |bytes| hex_json(&bytes))
        }
        Value::Duration(value) => hex_json(&<[u8; 12]>::from(value)),
        Value::Uuid(value) => Json::String(value.as_hyphenated().to_string()),
        Value::BigDecimal(value) => Json::String(value.to_string()),
    }
}

/// A number that JSON has no form for stands as text.
fn number(value: f64) -> Json {
    Number::from_f64(value).map_or_else(|| Json::String(value.to_string()), Json::Number)
}

/// Bytes as a person reads them best.
pub fn bytes_json(bytes: &[u8]) -> Json {
    let printable = |text: &&str| {
        !text.is_empty() && text.chars().all(|c| !c.is_control() || c == '\n' || c == '\t')
    };
    match std::str::from_utf8(bytes).ok().filter(printable) {
        Some(text) => json!({TEXT: text}),
        None => hex_json(bytes),
    }
}

/// Bytes in hexadecimal digits.
pub fn hex_json(bytes: &[u8]) -> Json {
    json!({HEX: hex_text(bytes)})
}

/// The hexadecimal digits of bytes.
pub fn hex_text(bytes: &[u8]) -> String {
    held::hex_text(bytes)
}

/// The bytes that a JSON object stands for.
pub fn bytes_of(object: &Map<String, Json>) -> Option<Result<Vec<u8>, String>> {
    let (name, value) = object.iter().next().filter(|_| object.len() == 1)?;
    let text = value.as_str();
    match name.as_str() {
        HEX => Some(
            text.and_then(held::bytes_of_hex).ok_or_else(|| format!("{HEX} wants pairs of digits")),
        ),
        TEXT => {
            Some(text.map(|t| t.as_bytes().to_vec()).ok_or_else(|| format!("{TEXT} wants text")))
        }
        _ => None,
    }
}

fn value_of(json: &Json) -> Result<Value, String> {
    Ok(match json {
        Json::Array(items) => Value::Array(items.iter().map(value_of).collect::<Result<_, _>>()?),
        Json::Object(object) => match bytes_of(object) {
            Some(bytes) => Value::Bytes(bytes?),
            None => {
                let fields = object.iter().map(|(k, v)| Ok((k.clone(), value_of(v)?)));
                Value::Map(fields.collect::<Result<_, String>>()?)
            }
        },
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {
            Value::try_from(json.clone()).map_err(|_| "a number is out of range".to_owned())?
        }
    })
}

/// Where what was written differs from what was wanted; fields that took their default do not.
fn difference(found: &Json, wanted: &Json, place: &str) -> Option<String> {
    match (found, wanted) {
        (Json::Object(found), Json::Object(wanted)) => match (bytes_of(found), bytes_of(wanted)) {
            (Some(found), Some(wanted)) => (found != wanted).then(|| place.to_owned()),
            _ => wanted.iter().find_map(|(name, wanted)| {
                let place = format!("{place}.{name}");
                match found.get(name) {
                    Some(found) => difference(found, wanted, &place),
                    None => Some(place),
                }
            }),
        },
        (Json::Array(found), Json::Array(wanted)) if found.len() == wanted.len() => {
            (0..).zip(found.iter().zip(wanted)).find_map(|(at, (found, wanted)): (usize, _)| {
                difference(found, wanted, &format!("{place}[{at}]"))
            })
        }
        (Json::Number(found), Json::Number(wanted)) => {
            let same = found == wanted || found.as_f64() == wanted.as_f64() && found.is_f64();
            (!same).then(|| place.to_owned())
        }
        (found, wanted) => (found != wanted).then(|| place.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r#"{"type": "record", "name": "a.R", "fields": [
        {"name": "text", "type": ["null", "string"]},
        {"name": "bytes", "type": ["null", "bytes"], "default": null},
        {"name": "share", "type": "double"},
        {"name": "count", "type": ["null", "long"]},
        {"name": "kind", "type": {"type": "enum", "name": "K", "symbols": ["X", "Y"]}},
        {"name": "parts", "type": {"type": "array", "items": {"type": "record", "name": "P",
            "fields": [{"name": "f", "type": {"type": "fixed", "name": "F", "size": 2}}]}}},
        {"name": "more", "type": {"type": "map", "values": "P"}}
    ]}"#;

    fn writer() -> WriterSchema {
        WriterSchema::parse(SCHEMA).unwrap()
    }

    fn whole() -> Json {
        json!({
            "text": "배달", "bytes": {"$hex": "00ff"}, "share": 1.5, "count": i64::MAX,
            "kind": "Y", "parts": [{"f": {"$hex": "0102"}}],
            "more": {"a.b": {"f": {"$hex": "ff00"}}},
        })
    }

    #[test]
    fn what_is_written_reads_back() {
        let mut shapes = vec![whole()];
        for (name, value) in [
            ("text", Json::Null),
            ("bytes", json!({"$text": "{\"a\": 1}"})),
            ("share", json!(2.0)),
            ("count", Json::Null),
            ("parts", json!([])),
        ] {
            let mut shape = whole();
            shape[name] = value;
            shapes.push(shape);
        }
        for shape in shapes {
            let body = to_body(&writer(), &shape).unwrap();
            assert_eq!(to_json(&writer(), &body).unwrap(), shape);
        }
        let mut short = whole();
        short.as_object_mut().unwrap().remove("bytes");
        let body = to_body(&writer(), &short).unwrap();
        assert_eq!(to_json(&writer(), &body).unwrap()["bytes"], Json::Null);
    }

    #[test]
    fn what_does_not_fit_is_told_without_its_content() {
        let table = [
            ("kind", json!("secret")),
            ("count", json!("secret")),
            ("stranger", json!("secret")),
            ("bytes", json!({"$hex": "secret"})),
            ("parts", json!([{"f": {"$hex": "01"}}])),
            ("share", Json::Null),
        ];
        for (name, value) in table {
            let mut shape = whole();
            shape[name] = value;
            let told = to_body(&writer(), &shape).unwrap_err().to_string();
            assert!(told.contains("a.R") && !told.contains("secret"), "{name}: {told}");
        }
    }

    #[test]
    fn bytes_of_another_schema_are_refused() {
        let body = to_body(&writer(), &whole()).unwrap();
        for cut in 0..body.len() {
            assert!(to_json(&writer(), &body[..cut]).is_err(), "{cut}");
        }
        let longer = [body, vec![0]].concat();
        let told = to_json(&writer(), &longer).unwrap_err();
        assert_eq!(told, AvroJsonError::Trailing { schema: "a.R".to_owned(), count: 1 });
    }
}
