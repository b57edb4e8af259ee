//! Rows of ordinary tables as the types that contracts name.
//!
//! A [`RowReader`](crate::semantic::RowReader) reads what a connector wrote; [`RowChange::read`]
//! makes of it what a contract says, exactly or not at all. `docs/types.md` has the table.
mod change;
mod check;
mod column;
mod columns;
mod correction;
mod decimal;
mod error;
mod layout;
mod micros;
mod replica;
// The generator names rows by it, too.
#[path = "../../codegen/snake.rs"]
mod snake;
mod uuid;

use serde::{Deserialize, Serialize};

use crate::semantic::Row;

pub use change::{PersonalKey, RowChange, TableRow};
pub use check::{Misfit, check};
pub use column::{Column, FromColumn, items, nullable, symbol};
pub use columns::{Columns, Large};
pub use correction::CorrectionPlace;
pub use decimal::{DIGITS_MAX, Decimal};
pub use error::{RowError, RowFault};
pub use layout::{ColumnKind, Layout, LayoutColumn};
pub use micros::TimestampMicros;
pub use replica::{KeyPart, NotSent, Replicated, Stored, Tables, key_text};
pub use uuid::Uuid;

/// What happened to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum RowOp {
    /// It came to be.
    #[serde(rename = "c")]
    Create,
    /// It changed.
    #[serde(rename = "u")]
    Update,
    /// It is gone.
    #[serde(rename = "d")]
    Delete,
    /// It was there when a snapshot read it.
    #[serde(rename = "r")]
    Read,
}

impl RowOp {
    /// By the letter of Debezium's `op`; nothing for a truncation or a message, which have no row.
    pub fn of(letter: &str) -> Option<Self> {
        match letter {
            "c" => Some(Self::Create),
            "u" => Some(Self::Update),
            "d" => Some(Self::Delete),
            "r" => Some(Self::Read),
            _ => None,
        }
    }

    /// The letter of Debezium's `op`.
    pub const fn letter(self) -> &'static str {
        match self {
            Self::Create => "c",
            Self::Update => "u",
            Self::Delete => "d",
            Self::Read => "r",
        }
    }
}

/// A row before and after a change, as the connector wrote them.
///
/// A flattened row of a deletion (rewritten, with `__deleted`) is the image `before`.
#[derive(Debug, Clone, Copy)]
pub struct Images<'a> {
    /// What happened.
    pub op: RowOp,
    /// The row before the change, as far as it was sent.
    pub before: Option<&'a Row<'a>>,
    /// The row after the change.
    pub after: Option<&'a Row<'a>>,
}
