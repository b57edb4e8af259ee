//! From a schema's text to shapes: names resolved, nesting and number of types bounded.
use std::collections::BTreeMap;
use std::mem::replace;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::blank::default_bytes;
use super::error::SchemaError;
use super::meaning::{Meaning, is_binary_column, meaning};
use super::shape::{Base, Field, Shape};
use super::{DEPTH_MAX, TYPES_MAX};

type Compiled = Result<Arc<Shape>, SchemaError>;

/// Parses a schema's text; names that it refers to are found in the texts before it.
pub(super) fn compile(texts: &[&str]) -> Compiled {
    let mut compiler = Compiler::default();
    let mut last = None;
    for text in texts {
        let schema: Value = serde_json::from_str(text).map_err(|_| form("schema"))?;
        last = Some(compiler.shape("", "", &schema)?);
    }
    last.ok_or_else(|| form("schema"))
}

#[derive(Default)]
struct Compiler {
    /// By full name; nothing while the type is being read, since a type inside itself has no
    /// bottom.
    names: BTreeMap<String, Option<Arc<Shape>>>,
    types: usize,
    /// Within an array of a binary column: the connector tells the type of the whole alone.
    binary_items: bool,
}

impl Compiler {
    fn shape(&mut self, path: &str, space: &str, schema: &Value) -> Compiled {
        self.types += 1;
        if self.types > TYPES_MAX {
            return Err(SchemaError::Wide { limit: TYPES_MAX });
        }
        match schema {
            Value::String(name) => self.by_name(path, space, name, &Map::new()),
            Value::Array(branches) => {
                let branches = branches.iter().map(|branch| self.shape(path, space, branch));
                let branches = branches.collect::<Result<_, _>>()?;
                self.finish(path, Base::Union(branches), &Map::new())
            }
            Value::Object(properties) => self.complex(path, space, properties),
            Value::Null | Value::Bool(_) | Value::Number(_) => Err(form(path)),
        }
    }

    fn by_name(
        &self,
        path: &str,
        space: &str,
        name: &str,
        properties: &Map<String, Value>,
    ) -> Compiled {
        if let Some(base) = primitive(name) {
            let mut shape = self.finish(path, base, properties)?;
            if self.binary_items && matches!(shape.base, Base::Text) && shape.is_plain() {
                let encoded = Shape { base: Base::Text, meaning: Meaning::EncodedBytes, height: 1 };
                shape = Arc::new(encoded);
            }
            return Ok(shape);
        }
        let full = full_name(space, name);
        let known = self.names.get(&full).or_else(|| self.names.get(name));
        match known {
            Some(Some(shape)) => Ok(Arc::clone(shape)),
            Some(None) => Err(deep(path)),
            None => Err(SchemaError::Unknown { path: path.to_owned(), name: full }),
        }
    }

    fn complex(&mut self, path: &str, space: &str, properties: &Map<String, Value>) -> Compiled {
        let Some(kind) = properties.get("type") else { return Err(form(path)) };
        let Value::String(kind) = kind else { return self.shape(path, space, kind) };
        let base = match kind.as_str() {
            "array" => {
                let outside = replace(&mut self.binary_items, is_binary_column(properties));
                let items = self.inner(path, space, properties.get("items"));
                self.binary_items = outside;
                Base::Array(items?)
            }
            "map" => Base::Map(self.inner(path, space, properties.get("values"))?),
            "record" | "error" | "enum" | "fixed" => {
                return self.defined(path, space, kind, properties);
            }
            name => return self.by_name(path, space, name, properties),
        };
        self.finish(path, base, properties)
    }

    fn inner(&mut self, path: &str, space: &str, schema: Option<&Value>) -> Compiled {
        self.shape(path, space, schema.ok_or_else(|| form(path))?)
    }

    fn defined(
        &mut self,
        path: &str,
        space: &str,
        kind: &str,
        properties: &Map<String, Value>,
    ) -> Compiled {
        let word = |key: &str| properties.get(key).and_then(Value::as_str);
        let name = word("name").ok_or_else(|| form(path))?;
        let full = full_name(word("namespace").unwrap_or(space), name);
        let space = full.rsplit_once('.').map_or("", |(space, _)| space).to_owned();
        self.names.insert(full.clone(), None);
        let base = match kind {
            "enum" => Base::Enum(symbols(path, properties)?),
            "fixed" => {
                let size = properties.get("size").and_then(Value::as_u64);
                let size = size.and_then(|size| usize::try_from(size).ok());
                Base::Fixed(size.ok_or_else(|| form(path))?)
            }
            _ => Base::Record(self.fields(path, &space, properties)?),
        };
        let shape = self.finish(path, base, properties)?;
        self.names.insert(full, Some(Arc::clone(&shape)));
        Ok(shape)
    }

    fn fields(
        &mut self,
        path: &str,
        space: &str,
        properties: &Map<String, Value>,
    ) -> Result<Box<[Field]>, SchemaError> {
        let fields = properties.get("fields").and_then(Value::as_array);
        let fields = fields.ok_or_else(|| form(path))?;
        let field = |field: &Value| {
            let name = field.get("name").and_then(Value::as_str).ok_or_else(|| form(path))?;
            let inner = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            let shape = self.inner(&inner, space, field.get("type"))?;
            let default = field.get("default").and_then(|value| default_bytes(&shape, value));
            Ok(Field { name: name.into(), shape, default })
        };
        fields.iter().map(field).collect()
    }

    fn finish(&self, path: &str, base: Base, properties: &Map<String, Value>) -> Compiled {
        let height = base.height() + 1;
        if height > DEPTH_MAX {
            return Err(deep(path));
        }
        let meaning = meaning(properties, &base).map_err(|name| SchemaError::Misfit {
            path: path.to_owned(),
            name,
            base: base.describe().to_owned(),
        })?;
        Ok(Arc::new(Shape { base, meaning, height }))
    }
}

fn primitive(name: &str) -> Option<Base> {
    Some(match name {
        "null" => Base::Null,
        "boolean" => Base::Boolean,
        "int" => Base::Int,
        "long" => Base::Long,
        "float" => Base::Float,
        "double" => Base::Double,
        "string" => Base::Text,
        "bytes" => Base::Bytes,
        _ => return None,
    })
}

fn symbols(path: &str, properties: &Map<String, Value>) -> Result<Box<[Box<str>]>, SchemaError> {
    let symbols = properties.get("symbols").and_then(Value::as_array);
    let symbols = symbols.ok_or_else(|| form(path))?.iter();
    symbols.map(|symbol| symbol.as_str().map(Into::into).ok_or_else(|| form(path))).collect()
}

fn full_name(space: &str, name: &str) -> String {
    if name.contains('.') || space.is_empty() { name.to_owned() } else { format!("{space}.{name}") }
}

fn form(path: &str) -> SchemaError {
    SchemaError::Form { path: path.to_owned() }
}

fn deep(path: &str) -> SchemaError {
    SchemaError::Deep { path: path.to_owned(), limit: DEPTH_MAX }
}

impl Shape {
    /// Whether the type means no more than its bytes.
    pub(super) fn is_plain(&self) -> bool {
        self.meaning == Meaning::Plain
    }
}
