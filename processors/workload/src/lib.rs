//! A deterministic source: members, points and deliveries from a seed, and the relay behind them.
//!
//! [`Source`] plays the services and yields the outbox rows that they commit. [`Relay`] plays
//! Debezium: it turns rows into records, with the faults that real relays make. [`oracle`] folds
//! the rows without any of it, and says what must come out at the end.
#![deny(missing_docs)]

mod backlog;
mod chats;
mod coupons;
mod deals;
mod deliveries;
mod elders;
mod holdings;
mod journal;
mod knobs;
mod member;
mod members;
mod notices;
mod orders;
mod points;
mod relay;
mod reviews;
mod rng;
mod row;
mod service;
mod sheet;
mod source;
mod stock;
mod store_stats;
mod table_rows;
mod tickets;
mod wire;
pub mod written;

pub mod oracle;

pub use knobs::{KnobError, Knobs};
pub use relay::{Emission, Relay, Twist};
pub use rng::Rng;
pub use row::{SourceEvent, SourceRow, Subject, Table};
pub use source::Source;
pub use table_rows::{Change, Column, Kind, Layout};
pub use wire::{MissingSchema, Payloads, Wire, WrittenSchema, written_schemas};
