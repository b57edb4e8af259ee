//! Rows of tables as contracts name them: what the real Debezium wrote, and values of every kind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

// What the generated contracts of the tests name by `crate`.
use readmill_schemas::*;

include!(concat!(env!("OUT_DIR"), "/kinds.rs"));

mod every_kind;
mod golden;
mod images;
mod life;
mod replica;
mod values;
