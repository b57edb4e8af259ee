//! The emptiest value of a type, such that what reads it today can read it still.
use apache_avro::Schema;

use super::marks::{Mark, Marked, Meant};
use crate::encode;
use crate::plan::DEPTH_MAX;
use crate::plan::error::ReadFault;
use crate::plan::node::Number;
use crate::plan::types::{Kind, Names, kind};

const NO_UUID: &str = "00000000-0000-0000-0000-000000000000";

/// Writes empty values by a writer's schema.
#[derive(Clone, Copy)]
pub(super) struct Blank<'w> {
    pub(super) names: &'w Names<'w>,
    pub(super) marked: &'w Marked,
}

impl<'w> Blank<'w> {
    /// Appends the emptiest value of a type. What a contract says of it decides whether it may be
    /// null, and which text is none.
    pub(super) fn write(
        self,
        schema: &'w Schema,
        mark: Option<&'w Mark>,
        depth: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), ReadFault> {
        if depth > DEPTH_MAX {
            return Err(ReadFault::Deep { limit: DEPTH_MAX });
        }
        let undefined =
            |name| ReadFault::Refused { message: format!("the type {name} is not defined") };
        let schema = self.names.resolve(schema).map_err(undefined)?;
        let meant = mark.map(|mark| &mark.meant);
        match kind(schema) {
            Kind::Null | Kind::Name => {}
            Kind::Boolean => encode::boolean(false, out),
            Kind::Number(Number::Int | Number::Long) => encode::long(0, out),
            Kind::Number(Number::Float) => encode::float(0.0, out),
            Kind::Number(Number::Double) => encode::double(0.0, out),
            Kind::Text => encode::text(text(meant), out),
            Kind::Bytes => encode::bytes(bytes(schema, meant), out),
            Kind::Fixed(size) => out.resize(out.len() + size, 0),
            // The first symbol; and no block of items.
            Kind::Enum(_) | Kind::Array(_) | Kind::Map(_) => out.push(0),
            Kind::Union(branches) => {
                let is_null = |branch: &Schema| matches!(branch, Schema::Null);
                let may_be_null = mark.is_none_or(|mark| mark.nullable);
                let wanted = |branch: &&Schema| is_null(branch) == may_be_null;
                let found = branches.iter().enumerate().find(|(_, branch)| wanted(branch));
                let Some((place, branch)) = found.or_else(|| branches.iter().enumerate().next())
                else {
                    return Err(ReadFault::Branch { found: 0, branches: 0 });
                };
                encode::long(i64::try_from(place).unwrap_or_default(), out);
                self.write(branch, mark, depth + 1, out)?;
            }
            Kind::Record(record) => {
                let marks = mark.and_then(Mark::within).map(|name| self.marked.record(name));
                let names = record.fields.iter().map(|field| field.name.as_str());
                for (place, field) in record.fields.iter().enumerate() {
                    let is_it = |mark: &&Mark| mark.source(names.clone()) == Some(place);
                    let within = marks.map_or(mark, |marks| marks.iter().find(is_it));
                    self.write(&field.schema, within, depth + 1, out)?;
                }
            }
        }
        Ok(())
    }
}

/// Connectors write columns of many types as text.
fn text(meant: Option<&Meant>) -> &str {
    match meant {
        Some(Meant::Uuid) => NO_UUID,
        Some(Meant::Decimal | Meant::Number) => "0",
        Some(Meant::Date) => "1970-01-01",
        Some(Meant::Time) => "00:00:00",
        Some(Meant::Moment) => "1970-01-01T00:00:00Z",
        Some(Meant::Symbol(first)) => first,
        Some(Meant::Text | Meant::Boolean | Meant::Bytes | Meant::List(_) | Meant::Record(_))
        | None => "",
    }
}

/// A decimal needs a byte; a big one has its own bytes and its scale inside.
fn bytes(schema: &Schema, meant: Option<&Meant>) -> &'static [u8] {
    match (schema, meant) {
        (Schema::BigDecimal, _) => &[2, 0, 0],
        (Schema::Decimal(_), _) | (_, Some(Meant::Decimal | Meant::Number)) => &[0],
        (Schema::Uuid(_), _) | (_, Some(Meant::Uuid)) => &[0; 16],
        _ => &[],
    }
}

/// The emptiest value as JSON text, by the contract alone.
pub(super) fn json(marked: &Marked, mark: &Mark) -> String {
    if mark.nullable {
        return "null".to_owned();
    }
    match &mark.meant {
        Meant::Text | Meant::Bytes => "\"\"".to_owned(),
        Meant::Uuid => format!("\"{NO_UUID}\""),
        Meant::Boolean => "false".to_owned(),
        Meant::Number | Meant::Decimal | Meant::Date | Meant::Time | Meant::Moment => {
            "0".to_owned()
        }
        Meant::Symbol(first) => format!("\"{first}\""),
        Meant::List(_) => "[]".to_owned(),
        Meant::Record(name) => {
            let field = |mark: &Mark| format!("\"{}\":{}", mark.name(), json(marked, mark));
            let fields: Vec<String> = marked.record(name).iter().map(field).collect();
            format!("{{{}}}", fields.join(","))
        }
    }
}
