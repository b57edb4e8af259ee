//! Outbox tables in PostgreSQL, written as services would write them: for tests and load.

mod config;
pub(crate) mod faults;
pub(crate) mod lane;
mod writer;

pub use config::OutboxConfig;
pub use writer::{OutboxRow, OutboxWriter, Written};
