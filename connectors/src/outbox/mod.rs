//! Outbox tables in PostgreSQL, written as services would write them: for tests and load.

pub(crate) mod address;
mod config;
pub(crate) mod faults;
pub(crate) mod lane;
pub(crate) mod tls;
mod writer;

pub use config::OutboxConfig;
pub use lane::connect;
pub use writer::{OutboxRow, OutboxWriter, Written};
