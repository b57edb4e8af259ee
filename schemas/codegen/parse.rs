//! Reads a contract file and refuses what the generator does not understand, naming the field.
use serde_json::{Map, Value};

use super::model::{Contract, Definition, Digits, Field, Shape, Table, Told, Type};
use super::{defaults, names, personal, table};

type Object = Map<String, Value>;

/// The contract in a file whose name must say the same as its text.
pub fn contract(file: &str, text: &str) -> Result<Contract, String> {
    let (domain, record, version) = name_parts(file)
        .ok_or_else(|| format!("{file}: the name is not <domain>/<Record>.v<N>.avsc"))?;
    let json: Value = serde_json::from_str(text).map_err(|error| format!("{file}: {error}"))?;
    let object = json.as_object().ok_or_else(|| format!("{file}: not a record"))?;
    let of_table = object.contains_key("readmill.table") || object.contains_key("readmill.key");
    let mut parser = Parser { file, of_table, types: Vec::new() };
    let at = parser.at(record);
    if object.get("namespace").and_then(Value::as_str) != Some(&format!("readmill.{domain}")) {
        return Err(format!("{at}: the namespace must be readmill.{domain}"));
    }
    if object.get("name").and_then(Value::as_str) != Some(record) {
        return Err(format!("{at}: the name inside differs from the file's"));
    }
    let borrowed = match object.get("readmill.borrowed") {
        None => false,
        Some(Value::Bool(borrowed)) => *borrowed,
        Some(other) => return Err(format!("{at}: readmill.borrowed is {other}")),
    };
    let table = if of_table { Some(table_of(&at, object)?) } else { None };
    parser.record(&at, object, true)?;
    let contract = Contract {
        file: file.to_owned(),
        domain: domain.to_owned(),
        record: record.to_owned(),
        version,
        borrowed,
        table,
        types: parser.types,
    };
    defaults::check(&contract)?;
    table::check(&contract)?;
    personal::check(&contract)?;
    Ok(contract)
}

fn table_of(at: &str, object: &Object) -> Result<Table, String> {
    let name = text(at, object, "readmill.table")?.to_owned();
    Ok(Table { name, key: texts(at, object, "readmill.key")? })
}

fn name_parts(file: &str) -> Option<(&str, &str, u32)> {
    let (domain, name) = file.strip_suffix(".avsc")?.split_once('/')?;
    let (record, version) = name.split_once(".v")?;
    let valid = names::is_valid(domain) && names::is_valid(record);
    Some((domain, record, version.parse().ok()?)).filter(|_| valid)
}

/// What the record of a contract may have.
const TOP: [&str; 9] = [
    "type",
    "name",
    "namespace",
    "doc",
    "aliases",
    "fields",
    "readmill.borrowed",
    "readmill.table",
    "readmill.key",
];

/// What a field may have.
const FIELD: [&str; 7] =
    ["name", "type", "doc", "default", "aliases", "readmill.person", "readmill.personal"];

/// What a column may have.
const COLUMN: [&str; 8] = [
    "name",
    "type",
    "doc",
    "default",
    "aliases",
    "readmill.person",
    "readmill.personal",
    "readmill.large",
];

struct Parser<'a> {
    file: &'a str,
    of_table: bool,
    types: Vec<Definition>,
}

impl Parser<'_> {
    fn at(&self, path: &str) -> String {
        format!("{}: {path}", self.file)
    }

    fn record(&mut self, at: &str, object: &Object, top: bool) -> Result<String, String> {
        let known: &[&str] = if top { &TOP } else { &["type", "name", "doc", "aliases", "fields"] };
        only(at, object, known)?;
        let name = self.name(at, object)?;
        // Defined before its fields are read, so that they may name it.
        let place = self.types.len();
        let doc = doc(at, object)?;
        self.types.push(Definition { name: name.clone(), doc, shape: Shape::Record(Vec::new()) });
        let listed = object.get("fields").and_then(Value::as_array);
        let listed = listed.ok_or_else(|| format!("{at}: a record needs fields"))?;
        let mut fields: Vec<Field> = Vec::new();
        for json in listed {
            let field = self.field(at, json)?;
            let same = |other: &Field| names::field(&other.name) == names::field(&field.name);
            if fields.iter().any(same) {
                return Err(format!("{at}.{}: two fields have this name", field.name));
            }
            fields.push(field);
        }
        if let Some(definition) = self.types.get_mut(place) {
            definition.shape = Shape::Record(fields);
        }
        Ok(name)
    }

    fn field(&mut self, record: &str, json: &Value) -> Result<Field, String> {
        let object = json.as_object().ok_or_else(|| format!("{record}: a field is no object"))?;
        let name = text(record, object, "name")?;
        let at = format!("{record}.{name}");
        let known: &[&str] = if self.of_table { &COLUMN } else { &FIELD };
        only(&at, object, known)?;
        let large = object.get("readmill.large").unwrap_or(&Value::Bool(false));
        if !names::is_valid(name) {
            return Err(format!("{at}: not a name"));
        }
        let kind = object.get("type").ok_or_else(|| format!("{at}: a field needs a type"))?;
        Ok(Field {
            name: name.to_owned(),
            aliases: texts(&at, object, "aliases")?,
            doc: doc(&at, object)?,
            kind: self.kind(&at, kind)?,
            default: object.get("default").cloned(),
            large: large.as_bool().ok_or_else(|| format!("{at}: readmill.large is {large}"))?,
            told: told(&at, object)?,
        })
    }

    fn kind(&mut self, at: &str, json: &Value) -> Result<Type, String> {
        match json {
            Value::String(name) => self.named(at, name),
            Value::Array(branches) => self.nullable(at, branches),
            Value::Object(object) => self.complex(at, object),
            Value::Null | Value::Bool(_) | Value::Number(_) => {
                Err(format!("{at}: {json} is not a type"))
            }
        }
    }

    fn named(&self, at: &str, name: &str) -> Result<Type, String> {
        Ok(match name {
            "boolean" => Type::Boolean,
            "int" => Type::Int,
            "long" => Type::Long,
            "float" => Type::Float,
            "double" => Type::Double,
            "bytes" => Type::Bytes,
            "string" => Type::Text,
            _ if self.types.iter().any(|known| known.name == name) => Type::Named(name.to_owned()),
            _ => {
                return Err(format!("{at}: the generator does not support the type {name}"));
            }
        })
    }

    fn nullable(&mut self, at: &str, branches: &[Value]) -> Result<Type, String> {
        let null = Value::String("null".to_owned());
        let (inner, null_first) = match branches {
            [first, second] if *first == null => (second, true),
            [first, second] if *second == null => (first, false),
            _ => {
                return Err(format!(
                    "{at}: of unions only those of null and one type are supported"
                ));
            }
        };
        let inner = self.kind(at, inner)?;
        if matches!(inner, Type::Nullable { .. }) {
            return Err(format!("{at}: a union within a union"));
        }
        Ok(Type::Nullable { inner: Box::new(inner), null_first })
    }

    fn complex(&mut self, at: &str, object: &Object) -> Result<Type, String> {
        match text(at, object, "type")? {
            "record" => Ok(Type::Named(self.record(at, object, false)?)),
            "enum" => Ok(Type::Named(self.symbols(at, object)?)),
            "array" => {
                only(at, object, &["type", "items"])?;
                let items = object.get("items").ok_or_else(|| format!("{at}: no items"))?;
                Ok(Type::Array(Box::new(self.kind(&format!("{at}[]"), items)?)))
            }
            name => {
                let logical = object.get("logicalType").and_then(Value::as_str);
                if self.of_table && (name, logical) == ("bytes", Some("decimal")) {
                    return decimal(at, object);
                }
                only(at, object, &["type", "logicalType"])?;
                match (name, logical) {
                    ("long", Some("timestamp-millis")) => Ok(Type::Timestamp),
                    ("long", Some("timestamp-micros")) if self.of_table => Ok(Type::Micros),
                    ("int", Some("date")) if self.of_table => Ok(Type::Date),
                    ("int", Some("time-millis")) if self.of_table => Ok(Type::Time),
                    ("long", Some("time-micros")) if self.of_table => Ok(Type::Time),
                    ("string", Some("uuid")) if self.of_table => Ok(Type::Uuid),
                    (_, None) => self.named(at, name),
                    (_, Some(logical)) => {
                        Err(format!("{at}: the generator does not support {logical} on {name}"))
                    }
                }
            }
        }
    }

    fn symbols(&mut self, at: &str, object: &Object) -> Result<String, String> {
        only(at, object, &["type", "name", "doc", "aliases", "symbols", "default"])?;
        let name = self.name(at, object)?;
        let symbols = texts(at, object, "symbols")?;
        if symbols.is_empty() || !symbols.iter().all(|symbol| names::is_valid(symbol)) {
            return Err(format!("{at}: the symbols of {name} are missing or not names"));
        }
        let default = object.get("default").map(|_| text(at, object, "default")).transpose()?;
        if default.is_some_and(|default| !symbols.iter().any(|symbol| symbol == default)) {
            return Err(format!("{at}: the default of {name} is not one of its symbols"));
        }
        let shape = Shape::Enum { symbols, default: default.map(str::to_owned) };
        self.types.push(Definition { name: name.clone(), doc: doc(at, object)?, shape });
        Ok(name)
    }

    fn name(&self, at: &str, object: &Object) -> Result<String, String> {
        let name = text(at, object, "name")?;
        if !names::is_valid(name) {
            return Err(format!("{at}: {name} is not a plain name"));
        }
        if self.types.iter().any(|known| known.name == name) {
            return Err(format!("{at}: {name} is defined twice"));
        }
        Ok(name.to_owned())
    }
}

/// A decimal of so many digits; without a precision, of any.
fn decimal(at: &str, object: &Object) -> Result<Type, String> {
    only(at, object, &["type", "logicalType", "precision", "scale"])?;
    let number = |key: &str| match object.get(key) {
        None => Ok(None),
        Some(number) => {
            let found = number.as_u64().and_then(|number| u32::try_from(number).ok());
            found.map(Some).ok_or_else(|| format!("{at}: {key} is {number}"))
        }
    };
    match (number("precision")?, number("scale")?) {
        (None, None) => Ok(Type::Decimal(None)),
        (Some(precision), scale) if precision > 0 && scale.unwrap_or(0) <= precision => {
            Ok(Type::Decimal(Some(Digits { precision, scale: scale.unwrap_or(0) })))
        }
        (_, _) => Err(format!("{at}: precision and scale do not fit")),
    }
}

/// What a field has to do with a person.
fn told(at: &str, object: &Object) -> Result<Option<Told>, String> {
    match (object.get("readmill.person"), object.get("readmill.personal")) {
        (None, None) => Ok(None),
        (Some(Value::Bool(true)), None) => Ok(Some(Told::Person)),
        (None, Some(Value::String(of))) => Ok(Some(Told::Of(of.clone()))),
        (_, _) => Err(format!(
            "{at}: readmill.person is true, or readmill.personal names the field of the person"
        )),
    }
}

fn only(at: &str, object: &Object, known: &[&str]) -> Result<(), String> {
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(format!("{at}: the generator does not support the property {key}")),
        None => Ok(()),
    }
}

fn text<'a>(at: &str, object: &'a Object, key: &str) -> Result<&'a str, String> {
    let value = object.get(key).and_then(Value::as_str);
    value.ok_or_else(|| format!("{at}: {key} is missing or not a text"))
}

fn texts(at: &str, object: &Object, key: &str) -> Result<Vec<String>, String> {
    let Some(value) = object.get(key) else {
        return Ok(Vec::new());
    };
    let list = value.as_array().map(|list| list.iter().map(|item| item.as_str()));
    let list: Option<Vec<&str>> = list.and_then(Iterator::collect);
    let list = list.ok_or_else(|| format!("{at}: {key} is not a list of texts"))?;
    Ok(list.into_iter().map(str::to_owned).collect())
}

fn doc(at: &str, object: &Object) -> Result<String, String> {
    match object.get("doc").and_then(Value::as_str).map(str::trim) {
        Some(doc) if !doc.is_empty() => Ok(doc.to_owned()),
        Some(_) | None => Err(format!("{at}: has no doc")),
    }
}
