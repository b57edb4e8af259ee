//! Whether the rows of a writer's schema can be read by a contract at all, before one comes.
//!
//! Only columns are compared. Whether a value fits its column's type is the row's own question,
//! since Debezium writes several types in more than one way.
use serde_json::Value;
use thiserror::Error;

use crate::semantic::{RowReader, SchemaError};
use crate::{Contract, WriterSchema};

/// Why no row of a schema can be read by a contract.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Misfit {
    /// The schema itself cannot be read.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// Columns are missing for which the contract has no default.
    #[error("the table has no column {columns}, and the contract no default")]
    Missing {
        /// Their names.
        columns: String,
    },
}

/// Compares the columns of a table's envelope, or of its flattened row, with those of a contract.
///
/// # Errors
/// When no row can be read.
pub fn check(writer: &WriterSchema, contract: &Contract) -> Result<(), Misfit> {
    let reader = RowReader::of(writer)?;
    let row = reader.within("after").unwrap_or(reader);
    let has = |name: &Value| name.as_str().is_some_and(|name| row.has_column(name));
    let contract: Value = serde_json::from_str(contract.text).unwrap_or_default();
    let fields = contract.get("fields").and_then(Value::as_array);
    let missing = fields.into_iter().flatten().filter(|field| {
        let aliases = field.get("aliases").and_then(Value::as_array);
        let known = field.get("name").into_iter().chain(aliases.into_iter().flatten());
        field.get("default").is_none() && !known.into_iter().any(has)
    });
    let missing: Vec<&str> =
        missing.filter_map(|field| field.get("name").and_then(Value::as_str)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Misfit::Missing { columns: missing.join(", ") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coupons::CouponHistory;

    #[track_caller]
    fn judge(columns: &[&str], wanted: &str) {
        let column = |name: &&str| format!(r#"{{"name": "{name}", "type": "long"}}"#);
        let fields: Vec<String> = columns.iter().map(column).collect();
        let row = format!(
            r#"{{"type": "record", "name": "s.coupon_history.Value", "fields": [{}]}}"#,
            fields.join(", ")
        );
        let envelope = format!(
            r#"{{"type": "record", "name": "s.coupon_history.Envelope", "fields": [
                {{"name": "before", "type": ["null", {row}], "default": null}},
                {{"name": "after", "type": ["null", "s.coupon_history.Value"], "default": null}}
            ]}}"#
        );
        for text in [row, envelope] {
            let judged = check(&WriterSchema::parse(&text).unwrap(), &CouponHistory::CONTRACT);
            let told = judged.map_or_else(|why| why.to_string(), |()| "fits".to_owned());
            assert!(told.contains(wanted), "{told}");
        }
    }

    #[test]
    fn columns_that_a_contract_needs_are_missed() {
        judge(&["id", "coupon_id", "action", "at", "more"], "fits");
        judge(&["id", "action"], "no column coupon_id, at");
    }
}
