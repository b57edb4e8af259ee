//! Values: drawn for a writer's type, and any value that was read.
use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::fmt;

use apache_avro::types::Value as Avro;
use readmill_schemas::Wire;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::Draw;
use super::schema::{Body, Side, Type};

/// What was read, with its exact type; floats as their bits. An enum's symbol is a text.
#[derive(Debug, Clone, PartialEq)]
pub enum Any {
    Null,
    Boolean(bool),
    Int(i32),
    Long(i64),
    Float(u32),
    Double(u64),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Any>),
    Fields(BTreeMap<String, Any>),
}

impl Any {
    /// How many values there are in it.
    pub fn count(&self) -> usize {
        1 + match self {
            Self::List(items) => items.iter().map(Self::count).sum(),
            Self::Fields(fields) => fields.values().map(Self::count).sum(),
            _ => 0,
        }
    }

    /// What the reference library read; unions are left out, since only their values count.
    pub fn of(value: &Avro) -> Self {
        match value {
            Avro::Null => Self::Null,
            Avro::Boolean(value) => Self::Boolean(*value),
            Avro::Int(value) => Self::Int(*value),
            Avro::Long(value) => Self::Long(*value),
            Avro::Float(value) => Self::Float(value.to_bits()),
            Avro::Double(value) => Self::Double(value.to_bits()),
            Avro::String(text) | Avro::Enum(_, text) => Self::Text(text.clone()),
            Avro::Bytes(bytes) | Avro::Fixed(_, bytes) => Self::Bytes(bytes.clone()),
            Avro::Array(items) => Self::List(items.iter().map(Self::of).collect()),
            Avro::Map(entries) => {
                Self::Fields(entries.iter().map(|(key, v)| (key.clone(), Self::of(v))).collect())
            }
            Avro::Record(fields) => {
                Self::Fields(fields.iter().map(|(key, v)| (key.clone(), Self::of(v))).collect())
            }
            Avro::Union(_, value) => Self::of(value),
            other => panic!("a logical type: {other:?}"),
        }
    }
}

thread_local! {
    /// The most items that a plan has promised on this thread: what `Vec`s are made for.
    pub static PROMISED: Cell<usize> = const { Cell::new(0) };
}

struct AnyVisitor;

impl<'de> Visitor<'de> for AnyVisitor {
    type Value = Any;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_unit<E>(self) -> Result<Any, E> {
        Ok(Any::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Any, E> {
        Ok(Any::Boolean(value))
    }

    fn visit_i32<E>(self, value: i32) -> Result<Any, E> {
        Ok(Any::Int(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Any, E> {
        Ok(Any::Long(value))
    }

    fn visit_f32<E>(self, value: f32) -> Result<Any, E> {
        Ok(Any::Float(value.to_bits()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Any, E> {
        Ok(Any::Double(value.to_bits()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Any, E> {
        Ok(Any::Text(text.to_owned()))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Any, E> {
        Ok(Any::Bytes(bytes.to_vec()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Any, A::Error> {
        // As much as the plan promises, so that too much of it would be seen.
        let promised = items.size_hint().unwrap_or_default();
        PROMISED.set(PROMISED.get().max(promised));
        let mut list = Vec::with_capacity(promised);
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Any::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Any, A::Error> {
        let mut fields = BTreeMap::new();
        while let Some((key, value)) = entries.next_entry()? {
            fields.insert(key, value);
        }
        Ok(Any::Fields(fields))
    }
}

impl<'de> Deserialize<'de> for Any {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyVisitor)
    }
}

impl Wire<'_> for Any {}

const LONGS: [i64; 8] = [0, 1, -1, 63, -65, 4_294_967_297, i64::MAX, i64::MIN];
const INTS: [i32; 8] = [0, 1, -1, 63, -65, 16_777_217, i32::MAX, i32::MIN];
const TEXTS: [&str; 6] = [
    "",
    "a",
    "\u{0}",
    "ß",
    "𝄞 clef",
    "longer than sixty-three bytes, so that its length takes two of them",
];
const DOUBLES: [f64; 8] =
    [0.0, -0.0, 0.1, -2.5, f64::MAX, 5e-324, f64::INFINITY, 9_007_199_254_740_993.0];
const FLOATS: [f32; 8] = [0.0, -0.0, 0.1, -2.5, f32::MAX, 1e-45, f32::NEG_INFINITY, 16_777_217.0];

/// A value of a writer's type.
pub fn value(bytes: &mut &[u8], side: &Side, kind: &Type, depth: usize) -> Avro {
    let draw = |bytes: &mut &[u8], count: usize| Draw::new(bytes).below(count);
    match kind {
        Type::Null => Avro::Null,
        Type::Boolean => Avro::Boolean(draw(bytes, 2) == 1),
        Type::Int => Avro::Int(INTS[draw(bytes, 8)]),
        Type::Long => Avro::Long(LONGS[draw(bytes, 8)]),
        Type::Float => Avro::Float(FLOATS[draw(bytes, 8)]),
        Type::Double => Avro::Double(DOUBLES[draw(bytes, 8)]),
        Type::Text => Avro::String(TEXTS[draw(bytes, 6)].to_owned()),
        Type::Bytes if draw(bytes, 8) == 7 => Avro::Bytes(vec![0xff, 0xfe]),
        Type::Bytes => Avro::Bytes(TEXTS[draw(bytes, 6)].as_bytes().to_vec()),
        Type::Array(items) => {
            let count = if depth < 6 { draw(bytes, 4) } else { 0 };
            Avro::Array((0..count).map(|_| value(bytes, side, items, depth + 1)).collect())
        }
        Type::Map(values) => {
            let count = if depth < 6 { draw(bytes, 3) } else { 0 };
            let keys = TEXTS.iter().take(count).map(|key| (*key).to_owned());
            let entries: HashMap<_, _> =
                keys.map(|key| (key, value(bytes, side, values, depth + 1))).collect();
            Avro::Map(entries)
        }
        Type::Union(branches) => {
            let null = branches.iter().position(|branch| *branch == Type::Null);
            let place = null.filter(|_| depth >= 6).unwrap_or_else(|| draw(bytes, branches.len()));
            let inner = value(bytes, side, &branches[place], depth);
            Avro::Union(u32::try_from(place).unwrap(), Box::new(inner))
        }
        Type::Named(place) => match &side.0[*place].body {
            Body::Fixed(size) => Avro::Fixed(*size, vec![Draw::new(bytes).byte(); *size]),
            Body::Enum { symbols, .. } => {
                let place = draw(bytes, symbols.len());
                Avro::Enum(u32::try_from(place).unwrap(), symbols[place].clone())
            }
            Body::Record(fields) => {
                let field = |field: &super::schema::Field| {
                    (field.name.clone(), value(bytes, side, &field.kind, depth + 1))
                };
                Avro::Record(fields.iter().map(field).collect())
            }
        },
    }
}
