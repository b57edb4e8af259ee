//! What the wire may say: contracts, framing, plans from a writer's bytes to typed events.
#![deny(missing_docs)]

pub mod encode;
mod events;
pub mod framing;
pub mod json;
pub mod plan;
pub mod redact;
pub mod row;
pub mod semantic;
pub mod shape;
mod timestamp;
pub mod writer;

pub use events::{Contract, Events, Personal, WrittenEvents};
pub use framing::{Framed, SchemaId};
pub use plan::{Plan, PlanError, ReadError, ReadFault, Wire};
pub use redact::{Annotations, Person, RedactError, Redacted, Redaction};
pub use row::{Images, RowChange, RowError, RowOp, TableRow};
pub use shape::Shape;
pub use timestamp::{Timestamp, TimestampError};
pub use writer::{WriterSchema, WriterSchemaError};

include!(concat!(env!("OUT_DIR"), "/contracts.rs"));
