//! What contracts say of persons: which fields tell something about one, and who names them.
use std::collections::BTreeMap;

use serde_json::{Map, Value};
use thiserror::Error;

use crate::Contract;

type Object = Map<String, Value>;

/// The personal fields of contracts.
#[derive(Debug, Clone, Default)]
pub struct Annotations(Vec<Marked>);

/// A contract whose annotations cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("contract {contract}: {what}")]
pub struct AnnotationError {
    contract: String,
    what: String,
}

/// One contract.
#[derive(Debug, Clone)]
pub(super) struct Marked {
    name: &'static str,
    table: Option<&'static str>,
    records: BTreeMap<String, Vec<Mark>>,
}

/// One field of a record.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    /// Its name, and those that it had.
    names: Vec<String>,
    /// The field of the same record that names the person of whom it tells something.
    pub(super) about: Option<usize>,
    pub(super) nullable: bool,
    pub(super) meant: Meant,
}

/// What a field is, as far as its emptiest value depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Meant {
    Text,
    Uuid,
    Boolean,
    Number,
    Bytes,
    Decimal,
    Date,
    Time,
    Moment,
    /// An enum, with its first symbol.
    Symbol(String),
    /// A list, and the record in it.
    List(Option<String>),
    Record(String),
}

impl Annotations {
    /// Those of contracts; a contract that is named twice counts once.
    ///
    /// # Errors
    /// When a field is about one that its record does not have.
    pub fn of<'c>(
        contracts: impl IntoIterator<Item = &'c Contract>,
    ) -> Result<Self, AnnotationError> {
        let mut all: Vec<Marked> = Vec::new();
        for contract in contracts {
            if !all.iter().any(|known| known.name == contract.name) {
                let what = |what| AnnotationError { contract: contract.name.to_owned(), what };
                all.push(Marked::of(contract).map_err(what)?);
            }
        }
        Ok(Self(all))
    }

    pub(super) fn which(&self, is_it: impl Fn(&Marked) -> bool) -> impl Iterator<Item = &Marked> {
        self.0.iter().filter(move |marked| is_it(marked))
    }
}

impl Marked {
    fn of(contract: &Contract) -> Result<Self, String> {
        let json: Value = serde_json::from_str(contract.text).map_err(|error| error.to_string())?;
        let mut reading = Reading::default();
        reading.record(json.as_object().ok_or("it is no record")?)?;
        Ok(Self { name: contract.name, table: contract.table, records: reading.records })
    }

    /// Whether it is of the events of this full name.
    pub(super) fn is_of(&self, event: &str) -> bool {
        self.table.is_none() && self.name == event
    }

    /// Whether it is of the events that an outbox row calls so.
    pub(super) fn is_called(&self, event: &str) -> bool {
        self.table.is_none() && self.unqualified() == event
    }

    pub(super) fn table(&self) -> Option<&'static str> {
        self.table
    }

    /// The fields of the contract itself.
    pub(super) fn root(&self) -> &[Mark] {
        self.record(self.unqualified())
    }

    /// The fields of a record in it.
    pub(super) fn record(&self, name: &str) -> &[Mark] {
        self.records.get(name).map_or(&[], Vec::as_slice)
    }

    fn unqualified(&self) -> &'static str {
        self.name.rsplit('.').next().unwrap_or_default()
    }
}

impl Mark {
    /// Its name.
    pub(super) fn name(&self) -> &str {
        self.names.first().map_or("", String::as_str)
    }

    /// Which of a writer's fields is this one: by its name, else by one that it had.
    pub(super) fn source<'n>(&self, names: impl Iterator<Item = &'n str> + Clone) -> Option<usize> {
        self.names.iter().find_map(|name| names.clone().position(|known| known == *name))
    }

    /// The record that is in it.
    pub(super) fn within(&self) -> Option<&str> {
        match &self.meant {
            Meant::Record(name) | Meant::List(Some(name)) => Some(name),
            Meant::Text
            | Meant::Uuid
            | Meant::Boolean
            | Meant::Number
            | Meant::Bytes
            | Meant::Decimal
            | Meant::Date
            | Meant::Time
            | Meant::Moment
            | Meant::Symbol(_)
            | Meant::List(None) => None,
        }
    }
}

/// A contract's text on the way to its marks. The build has checked the text already.
#[derive(Default)]
struct Reading {
    records: BTreeMap<String, Vec<Mark>>,
    symbols: BTreeMap<String, String>,
}

impl Reading {
    fn record(&mut self, object: &Object) -> Result<String, String> {
        let name = text(object, "name")?.to_owned();
        // Known before its fields are read, so that they may name it.
        self.records.insert(name.clone(), Vec::new());
        let listed = object.get("fields").and_then(Value::as_array);
        let fields: Vec<&Object> =
            listed.into_iter().flatten().filter_map(Value::as_object).collect();
        let mut marks = Vec::new();
        for field in &fields {
            marks.push(self.field(field, &fields).map_err(|what| format!("{name}: {what}"))?);
        }
        self.records.insert(name.clone(), marks);
        Ok(name)
    }

    fn field(&mut self, field: &Object, siblings: &[&Object]) -> Result<Mark, String> {
        let name = text(field, "name")?;
        let about = match field.get("readmill.personal") {
            None => None,
            Some(whom) => {
                let named = |sibling: &&Object| sibling.get("name") == Some(whom);
                let place = siblings.iter().position(named);
                Some(place.ok_or_else(|| format!("{name} is about {whom}, which is no field"))?)
            }
        };
        let elder = field.get("aliases").and_then(Value::as_array).into_iter().flatten();
        let names = std::iter::once(name).chain(elder.filter_map(Value::as_str));
        let names = names.map(str::to_owned).collect();
        let (meant, nullable) = self.kind(field.get("type").unwrap_or(&Value::Null))?;
        Ok(Mark { names, about, nullable, meant })
    }

    fn kind(&mut self, json: &Value) -> Result<(Meant, bool), String> {
        match json {
            Value::Array(branches) => {
                let is_null = |branch: &Value| branch.as_str() == Some("null");
                let inner = branches.iter().find(|branch| !is_null(branch));
                let (meant, _) = self.kind(inner.unwrap_or(&Value::Null))?;
                Ok((meant, branches.iter().any(is_null)))
            }
            Value::Object(object) => Ok((self.complex(object)?, false)),
            Value::String(name) => Ok((self.named(name), false)),
            Value::Null | Value::Bool(_) | Value::Number(_) => Err(format!("{json} is no type")),
        }
    }

    fn complex(&mut self, object: &Object) -> Result<Meant, String> {
        let logical = object.get("logicalType").and_then(Value::as_str);
        match (text(object, "type")?, logical) {
            ("record", _) => Ok(Meant::Record(self.record(object)?)),
            ("enum", _) => {
                let symbols = object.get("symbols").and_then(Value::as_array);
                let first = symbols.and_then(|all| all.first()).and_then(Value::as_str);
                let first = first.unwrap_or_default().to_owned();
                self.symbols.insert(text(object, "name")?.to_owned(), first.clone());
                Ok(Meant::Symbol(first))
            }
            ("array", _) => {
                let (items, _) = self.kind(object.get("items").unwrap_or(&Value::Null))?;
                let within = if let Meant::Record(name) = items { Some(name) } else { None };
                Ok(Meant::List(within))
            }
            (_, Some("decimal")) => Ok(Meant::Decimal),
            (_, Some("uuid")) => Ok(Meant::Uuid),
            (_, Some("date")) => Ok(Meant::Date),
            (_, Some("time-millis" | "time-micros")) => Ok(Meant::Time),
            (_, Some("timestamp-millis" | "timestamp-micros")) => Ok(Meant::Moment),
            (name, _) => Ok(self.named(name)),
        }
    }

    fn named(&self, name: &str) -> Meant {
        match name {
            "boolean" => Meant::Boolean,
            "int" | "long" | "float" | "double" => Meant::Number,
            "bytes" => Meant::Bytes,
            _ if self.records.contains_key(name) => Meant::Record(name.to_owned()),
            _ => self.symbols.get(name).map_or(Meant::Text, |first| Meant::Symbol(first.clone())),
        }
    }
}

fn text<'a>(object: &'a Object, key: &str) -> Result<&'a str, String> {
    let value = object.get(key).and_then(Value::as_str);
    value.ok_or_else(|| format!("{key} is missing or not a text"))
}
