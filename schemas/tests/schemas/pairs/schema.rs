//! Schemas as the generator knows them, and their JSON.
use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// A type; named ones stand in a list beside it.
#[derive(Debug, Clone, PartialEq)]
pub enum Type {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Text,
    Bytes,
    Array(Box<Type>),
    Map(Box<Type>),
    Union(Vec<Type>),
    Named(usize),
}

#[derive(Debug, Clone)]
pub struct Field {
    pub name: String,
    pub aliases: Vec<String>,
    pub kind: Type,
    pub default: Option<Value>,
}

#[derive(Debug, Clone)]
pub enum Body {
    Record(Vec<Field>),
    Enum { symbols: Vec<String>, default: Option<String> },
    Fixed(usize),
}

#[derive(Debug, Clone)]
pub struct Definition {
    pub name: String,
    pub aliases: Vec<String>,
    pub body: Body,
}

/// One side of a pair: the definitions, of which the first is the outermost record.
#[derive(Debug, Clone, Default)]
pub struct Side(pub Vec<Definition>);

impl Side {
    /// The schema's text.
    pub fn text(&self) -> String {
        self.json(&Type::Named(0), &mut BTreeSet::new()).to_string()
    }

    /// A name is defined where it is met first and named from then on.
    fn json(&self, kind: &Type, met: &mut BTreeSet<usize>) -> Value {
        match kind {
            Type::Null => json!("null"),
            Type::Boolean => json!("boolean"),
            Type::Int => json!("int"),
            Type::Long => json!("long"),
            Type::Float => json!("float"),
            Type::Double => json!("double"),
            Type::Text => json!("string"),
            Type::Bytes => json!("bytes"),
            Type::Array(items) => json!({"type": "array", "items": self.json(items, met)}),
            Type::Map(values) => json!({"type": "map", "values": self.json(values, met)}),
            Type::Union(branches) => {
                Value::Array(branches.iter().map(|branch| self.json(branch, met)).collect())
            }
            Type::Named(place) if met.insert(*place) => self.definition(&self.0[*place], met),
            Type::Named(place) => json!(self.0[*place].name),
        }
    }

    fn definition(&self, of: &Definition, met: &mut BTreeSet<usize>) -> Value {
        let mut json = Map::new();
        json.insert("name".to_owned(), json!(of.name));
        if !of.aliases.is_empty() {
            json.insert("aliases".to_owned(), json!(of.aliases));
        }
        let (kind, key, value) = match &of.body {
            Body::Fixed(size) => ("fixed", "size", json!(size)),
            Body::Enum { symbols, default } => {
                if let Some(default) = default {
                    json.insert("default".to_owned(), json!(default));
                }
                ("enum", "symbols", json!(symbols))
            }
            Body::Record(fields) => {
                let fields = fields.iter().map(|field| self.field(field, met)).collect();
                ("record", "fields", Value::Array(fields))
            }
        };
        json.insert("type".to_owned(), json!(kind));
        json.insert(key.to_owned(), value);
        Value::Object(json)
    }

    fn field(&self, field: &Field, met: &mut BTreeSet<usize>) -> Value {
        let mut json = json!({"name": field.name, "type": self.json(&field.kind, met)});
        if !field.aliases.is_empty() {
            json["aliases"] = json!(field.aliases);
        }
        if let Some(default) = &field.default {
            json["default"] = default.clone();
        }
        json
    }
}

/// The kind that two branches must share to be meant for one another.
pub fn class(kind: &Type, side: &Side) -> (u8, usize) {
    match kind {
        Type::Null => (0, 0),
        Type::Boolean => (1, 0),
        Type::Int | Type::Long | Type::Float | Type::Double => (2, 0),
        Type::Text | Type::Bytes => (3, 0),
        Type::Array(_) => (4, 0),
        Type::Map(_) => (5, 0),
        Type::Union(_) => (6, 0),
        Type::Named(place) => match side.0.get(*place).map(|of| &of.body) {
            Some(Body::Record(_)) | None => (7, *place),
            Some(Body::Enum { .. }) => (8, 0),
            Some(Body::Fixed(_)) => (9, 0),
        },
    }
}
