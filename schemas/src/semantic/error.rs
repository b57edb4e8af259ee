//! Why a row cannot be read; every error names the column, never its value.
use std::fmt;

use thiserror::Error;

/// Why a schema's rows cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SchemaError {
    /// The text is no Avro schema.
    #[error("{path}: no schema")]
    Form {
        /// Where in the schema.
        path: String,
    },
    /// A name stands for nothing.
    #[error("{path}: the type {name} is not defined")]
    Unknown {
        /// Where in the schema.
        path: String,
        /// The name.
        name: String,
    },
    /// A semantic type lies over an Avro type that cannot carry it.
    #[error("{path}: {name} over {base}")]
    Misfit {
        /// Where in the schema.
        path: String,
        /// The semantic type.
        name: String,
        /// The Avro type.
        base: String,
    },
    /// The types are nested too deeply, or contain themselves.
    #[error("{path}: types are nested deeper than {limit}")]
    Deep {
        /// Where in the schema.
        path: String,
        /// The bound.
        limit: usize,
    },
    /// The schema has too many types in all.
    #[error("more than {limit} types")]
    Wide {
        /// The bound.
        limit: usize,
    },
}

/// Where in a row reading failed, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SemanticError(Box<(Vec<Step>, SemanticFault)>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Column(Box<str>),
    Item(usize),
}

/// Why a row cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SemanticFault {
    /// The body ends within a value.
    #[error("{needed} more bytes are needed and {remaining} are left")]
    Truncated {
        /// How many bytes the value still needs.
        needed: u64,
        /// How many there are.
        remaining: usize,
    },
    /// A number is spread over more bytes than it can have.
    #[error("overlong number")]
    Overlong,
    /// A number is beyond what its type can have.
    #[error("number out of the range of {kind}")]
    Range {
        /// The type.
        kind: &'static str,
    },
    /// A length is negative.
    #[error("negative length")]
    NegativeLength,
    /// A boolean is neither zero nor one.
    #[error("boolean of {found}")]
    Boolean {
        /// The byte.
        found: u8,
    },
    /// A text is not UTF-8.
    #[error("text is not utf-8")]
    Utf8,
    /// A union or an enum has no such branch or symbol.
    #[error("no branch {found} of {branches}")]
    Branch {
        /// The number read.
        found: i64,
        /// How many there are.
        branches: usize,
    },
    /// A text is not of its type's form.
    #[error("not of the form of {kind}")]
    Form {
        /// The type.
        kind: &'static str,
    },
    /// A body has more empty items than make sense.
    #[error("more than {limit} values without content")]
    Idle {
        /// The bound.
        limit: usize,
    },
    /// The body goes on after the row.
    #[error("{count} bytes are left over")]
    Trailing {
        /// How many.
        count: usize,
    },
}

impl SemanticError {
    /// The fault.
    pub fn fault(&self) -> SemanticFault {
        self.0.1
    }

    /// The column's path, such as `after.tags[2]`; empty for the whole body.
    pub fn path(&self) -> String {
        let mut path = String::new();
        for step in self.0.0.iter().rev() {
            match step {
                Step::Column(name) if path.is_empty() => path.push_str(name),
                Step::Column(name) => path.extend([".", name]),
                Step::Item(place) => path.push_str(&format!("[{place}]")),
            }
        }
        path
    }

    #[cold]
    pub(super) fn in_column(mut self, name: &str) -> Self {
        self.0.0.push(Step::Column(name.into()));
        self
    }

    #[cold]
    pub(super) fn in_item(mut self, place: usize) -> Self {
        self.0.0.push(Step::Item(place));
        self
    }
}

impl From<SemanticFault> for SemanticError {
    #[cold]
    fn from(fault: SemanticFault) -> Self {
        Self(Box::new((Vec::new(), fault)))
    }
}

impl fmt::Display for SemanticError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.0.is_empty() {
            return write!(f, "row: {}", self.0.1);
        }
        write!(f, "{}: {}", self.path(), self.0.1)
    }
}

impl std::error::Error for SemanticError {}
