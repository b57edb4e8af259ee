//! What the crate promises: what is written is read, what is old is read, what is hostile is told.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by them")]

mod case;
mod debezium;
mod differential;
mod evolution;
mod exceptions;
mod generator;
mod golden;
mod hostile;
mod hostile_pairs;
mod pairs;
mod resolution;
mod round_trip;
mod straight;
mod timestamps;

use readmill_schemas::{Contract, Plan, PlanError, WriterSchema};

#[track_caller]
fn schema(text: &str) -> WriterSchema {
    WriterSchema::parse(text).unwrap()
}

/// A plan between two schemas given as text.
fn between(writer: &str, reader: &str) -> Result<Plan, PlanError> {
    Plan::between(&schema(writer), &schema(reader))
}

/// A plan for bytes that were written by the contract itself.
#[track_caller]
fn own(contract: &Contract) -> Plan {
    Plan::compile(&schema(contract.text), contract).unwrap()
}
