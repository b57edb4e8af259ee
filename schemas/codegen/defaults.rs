//! Whether the defaults of a contract are of their fields' types.
use serde_json::Value;

use super::model::{Contract, Shape, Type};

/// Refuses a default that does not fit, naming the field.
pub fn check(contract: &Contract) -> Result<(), String> {
    for definition in &contract.types {
        let Shape::Record(fields) = &definition.shape else {
            continue;
        };
        for field in fields {
            let at = format!("{}: {}.{}", contract.file, definition.name, field.name);
            let Some(default) = &field.default else {
                continue;
            };
            if !fits(contract, &field.kind, default) {
                return Err(format!("{at}: the default {default} is not of the field's type"));
            }
            // A default's text lives in the plan, and what borrows from the body cannot hold it.
            if contract.borrowed && !default.is_null() && contract.holds_text(&field.kind) {
                return Err(format!("{at}: a borrowed text cannot have a default"));
            }
        }
    }
    Ok(())
}

fn fits(contract: &Contract, kind: &Type, default: &Value) -> bool {
    match kind {
        Type::Boolean => default.is_boolean(),
        Type::Int => default.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
        Type::Long | Type::Timestamp | Type::Micros => default.as_i64().is_some(),
        Type::Date => default.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
        // Avro's own form of them says little to a reader: null alone is taken.
        Type::Time | Type::Uuid | Type::Decimal(_) => false,
        Type::Float | Type::Double => default.is_number(),
        Type::Bytes => default.as_str().is_some_and(|text| text.chars().all(|c| c <= '\u{ff}')),
        Type::Text => default.is_string(),
        Type::Array(_) => default.as_array().is_some_and(Vec::is_empty),
        // Avro: a default is of the union's first branch.
        Type::Nullable { null_first: true, .. } => default.is_null(),
        Type::Nullable { inner, null_first: false } => fits(contract, inner, default),
        Type::Named(name) => contract.definition(name).is_some_and(|named| match &named.shape {
            Shape::Record(_) => false,
            Shape::Enum { symbols, .. } => {
                default.as_str().is_some_and(|text| symbols.iter().any(|symbol| symbol == text))
            }
        }),
    }
}
