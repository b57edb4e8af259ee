//! Events that come as JSON text: read by their contract, with its defaults.
//!
//! Not the fast path: the text is written as Avro first and then read by the contract's plan, so
//! that both kinds of payload are judged by the same rules.

use apache_avro::Schema;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use thiserror::Error;

use crate::{Contract, Plan, PlanError, WriterSchema};

/// A contract that reads JSON text.
#[derive(Debug)]
pub struct JsonContract {
    name: &'static str,
    schema: Schema,
    plan: Plan,
}

/// Why a text is no event of a contract. What stands in it is not told.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum JsonError {
    /// It is not JSON.
    #[error("the payload is not JSON: line {line}, column {column}")]
    Malformed {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// It is JSON of another shape.
    #[error("the payload does not fit the contract {contract}")]
    Misfit {
        /// The contract.
        contract: &'static str,
    },
}

impl JsonContract {
    /// Makes a contract ready to read text.
    ///
    /// # Errors
    /// When the contract is none, which the build excludes.
    pub fn new(contract: &Contract) -> Result<Self, PlanError> {
        let itself = WriterSchema::parse(contract.text).map_err(|error| PlanError::Contract {
            contract: contract.name.to_owned(),
            message: error.to_string(),
        })?;
        let plan = Plan::compile(&itself, contract)?;
        Ok(Self { name: contract.name, schema: itself.schema().clone(), plan })
    }

    /// The text's event as an Avro body, for the contract's plan.
    ///
    /// # Errors
    /// When the text is not JSON, or not of the contract.
    pub fn body(&self, text: &[u8]) -> Result<Vec<u8>, JsonError> {
        let json: serde_json::Value = serde_json::from_slice(text)
            .map_err(|error| JsonError::Malformed { line: error.line(), column: error.column() })?;
        let misfit = |_| JsonError::Misfit { contract: self.name };
        let value = Value::try_from(json).map_err(misfit)?.resolve(&self.schema).map_err(misfit)?;
        let writer = GenericDatumWriter::builder(&self.schema).build().map_err(misfit)?;
        writer.write_value_to_vec(value).map_err(misfit)
    }

    /// The plan for the bodies that it makes.
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Events;
    use crate::points::PointsEvent;

    fn read(which: usize, text: &str) -> Result<PointsEvent, String> {
        let contract = JsonContract::new(&PointsEvent::CONTRACTS[which]).unwrap();
        let body = contract.body(text.as_bytes()).map_err(|error| error.to_string())?;
        PointsEvent::read(which, contract.plan(), &body).map_err(|error| error.to_string())
    }

    fn number(name: &str) -> usize {
        let is_it = |contract: &Contract| contract.name == format!("readmill.points.{name}");
        PointsEvent::CONTRACTS.iter().position(is_it).unwrap()
    }

    #[test]
    fn a_text_is_read_with_the_defaults_of_its_contract() {
        let text = r#"{"ledger_id": "l", "member_id": "m", "occurred_at": 1000, "lot_id": "a",
                       "points": 5, "expires_at": 2000, "unknown": true}"#;
        let PointsEvent::PointsEarned(earned) = read(number("PointsEarned"), text).unwrap() else {
            panic!("another event");
        };
        assert_eq!((earned.points, earned.reason.as_str(), earned.order_no), (5, "order", None));
        assert_eq!(earned.occurred_at.as_millis(), 1000);
        let text = r#"{"ledger_id": "l", "member_id": "m", "occurred_at": 1, "use_id": "u",
                       "points": 3, "order_no": "7", "lots": [{"lot_id": "a", "points": 3}]}"#;
        let PointsEvent::PointsUsed(used) = read(number("PointsUsed"), text).unwrap() else {
            panic!("another event");
        };
        assert_eq!((used.order_no.as_deref(), used.lots[0].points), (Some("7"), 3));
    }

    #[test]
    fn what_is_wrong_is_told_without_what_stands_there() {
        let which = number("EarnCancelled");
        let secret = r#"{"ledger_id": "l", "member_id": 70123, "occurred_at": 1, "lot_id": "a"}"#;
        let told = read(which, secret).unwrap_err();
        assert!(
            told.contains("readmill.points.EarnCancelled") && !told.contains("70123"),
            "{told}"
        );
        assert!(read(which, "{\"ledger_id\"").unwrap_err().contains("line 1, column 12"));
        assert!(read(which, "[]").is_err());
    }
}
