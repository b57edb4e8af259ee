//! Why a row is not what its contract says; every error names the column, never its value.
use thiserror::Error;

/// Why a row is not what its contract says.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RowError {
    /// A column is not what the contract says.
    #[error("{column}: {fault}")]
    Column {
        /// The column.
        column: &'static str,
        /// What is wrong with it.
        fault: RowFault,
    },
    /// A change has no image that has the row or its key.
    #[error("op {op} without the image {image}, which has the row's key")]
    NoKey {
        /// Debezium's letter.
        op: &'static str,
        /// `before` or `after`.
        image: &'static str,
    },
    /// The contract is of events, or there is none of this number.
    #[error("contract number {which} is of no table")]
    NoTable {
        /// The number.
        which: usize,
    },
}

/// What is wrong with a column.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RowFault {
    /// The writer has no such column, and the contract no default.
    #[error("the table has no such column, and the contract no default")]
    Missing,
    /// The column is null.
    #[error("null; if the column may be null, let the contract say so")]
    Null,
    /// The database did not send the value.
    #[error(
        "not sent, since it did not change; mark it readmill.large in the contract, or set the \
         table's replica identity to full"
    )]
    Unavailable,
    /// The column is of another type.
    #[error("{found} where the contract says {expected}")]
    Kind {
        /// What the contract says.
        expected: &'static str,
        /// What the column is.
        found: &'static str,
    },
    /// A decimal came as a floating-point number.
    #[error(
        "an inexact number where the contract says decimal; set the connector's \
         decimal.handling.mode to precise or string, or let the contract say double"
    )]
    Inexact,
    /// The value is not in the range, or finer than the digits, of the contract's type.
    #[error("out of the range of {kind}")]
    Range {
        /// The contract's type.
        kind: &'static str,
    },
    /// An infinite date or timestamp.
    #[error("infinite where the contract says {kind}")]
    Infinite {
        /// The contract's type.
        kind: &'static str,
    },
    /// A text is not of its type's form, or no symbol of an enum.
    #[error("not of the form of {kind}")]
    Form {
        /// The contract's type.
        kind: &'static str,
    },
}

impl RowFault {
    /// The error of the column that has the fault.
    pub const fn of(self, column: &'static str) -> RowError {
        RowError::Column { column, fault: self }
    }
}
