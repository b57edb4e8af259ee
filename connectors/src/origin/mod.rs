//! Origins: what other systems say of the keys of documents, for whoever reconciles the two.

mod faults;
mod lines;
mod look;
mod postgres;
mod relation;
mod signal;

pub use lines::LinesOrigin;
pub use look::{OriginLook, OriginPlace, SlotLook, look};
pub use postgres::{PostgresOrigin, Publishing};
pub use relation::Relation;
pub use signal::Signals;
