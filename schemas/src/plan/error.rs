//! Why a plan cannot be made, and why a body cannot be read; both name the field, never a value.
use std::fmt;

use serde::de::{self, Unexpected};
use thiserror::Error;

/// Why a contract cannot be read from what a writer writes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PlanError {
    /// The contract's own text is unreadable.
    #[error("contract {contract}: {message}")]
    Contract {
        /// The contract's name.
        contract: String,
        /// What the parser said.
        message: String,
    },
    /// A field of the contract has neither a value nor a default.
    #[error("{path}: the writer lacks the field and the contract has no default")]
    Missing {
        /// The field.
        path: String,
    },
    /// The writer's type is not one that the contract's can be read from.
    #[error("{path}: cannot read {writer} as {reader}")]
    Misfit {
        /// The field.
        path: String,
        /// The writer's type.
        writer: String,
        /// The contract's type.
        reader: String,
    },
    /// Two fields of the contract would be read from one of the writer's.
    #[error("{path}: another field is read from the same field of the writer")]
    Twice {
        /// The field.
        path: String,
    },
    /// The default does not fit the field.
    #[error("{path}: the default is not of the field's type")]
    Default {
        /// The field.
        path: String,
    },
    /// A name stands for nothing.
    #[error("{path}: the type {name} is not defined")]
    Unknown {
        /// The field.
        path: String,
        /// The name.
        name: String,
    },
    /// The types are nested too deeply.
    #[error("{path}: types are nested deeper than {limit}")]
    Deep {
        /// The field.
        path: String,
        /// The bound.
        limit: usize,
    },
    /// A record has too many values, counting those of the records in it.
    #[error("{path}: a record of more than {limit} values")]
    Wide {
        /// The field.
        path: String,
        /// The bound.
        limit: usize,
    },
}

/// Where in a body reading failed, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadError(Box<Inner>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Inner {
    /// The steps from the failing value outwards.
    path: Vec<Step>,
    fault: ReadFault,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Field(Box<str>),
    Item(usize),
}

/// Why a body cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReadFault {
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
    /// An int is out of its range.
    #[error("number out of the range of an int")]
    Range,
    /// A length is negative.
    #[error("negative length")]
    NegativeLength,
    /// A block of an array or a map is not of the size that it tells.
    #[error("block of another size than it tells")]
    BlockSize,
    /// A boolean is neither zero nor one.
    #[error("boolean of {found}")]
    Boolean {
        /// The byte.
        found: u8,
    },
    /// A text is not UTF-8.
    #[error("text is not utf-8")]
    Utf8,
    /// The writer's union has no such branch.
    #[error("no branch {found} in a union of {branches}")]
    Branch {
        /// The number read.
        found: i64,
        /// How many there are.
        branches: usize,
    },
    /// The writer's enum has no such symbol.
    #[error("no symbol {found} in an enum of {symbols}")]
    Symbol {
        /// The number read.
        found: i64,
        /// How many there are.
        symbols: usize,
    },
    /// The writer's value is one that the contract has no place for.
    #[error("the contract has no place for {what}")]
    Misfit {
        /// The branch or symbol of the writer's schema.
        what: String,
    },
    /// Values are nested too deeply.
    #[error("nested deeper than {limit}")]
    Deep {
        /// The bound.
        limit: usize,
    },
    /// An array has more empty items than make sense.
    #[error("more than {limit} items without content")]
    Idle {
        /// The bound.
        limit: u32,
    },
    /// The body goes on after the value.
    #[error("{count} bytes are left over")]
    Trailing {
        /// How many.
        count: usize,
    },
    /// The type that is read into refuses.
    #[error("{message}")]
    Refused {
        /// What it said.
        message: String,
    },
}

impl ReadError {
    /// An asked-for contract that the domain does not have.
    pub fn no_contract(which: usize) -> Self {
        ReadFault::Refused { message: format!("there is no contract number {which}") }.into()
    }

    /// The fault.
    pub fn fault(&self) -> &ReadFault {
        &self.0.fault
    }

    /// The path of the value that failed, such as `lots[2].points`; empty for the whole.
    pub fn path(&self) -> String {
        let mut path = String::new();
        for step in self.0.path.iter().rev() {
            match step {
                Step::Field(name) if path.is_empty() => path.push_str(name),
                Step::Field(name) => path.extend([".", name]),
                Step::Item(place) => path.push_str(&format!("[{place}]")),
            }
        }
        path
    }
}

/// What reading a body fails with.
pub(crate) trait Failure: From<ReadFault> {
    fn in_field(self, name: &str) -> Self;
    fn in_item(self, place: usize) -> Self;
}

impl Failure for ReadError {
    #[cold]
    fn in_field(mut self, name: &str) -> Self {
        self.0.path.push(Step::Field(name.into()));
        self
    }

    #[cold]
    fn in_item(mut self, place: usize) -> Self {
        self.0.path.push(Step::Item(place));
        self
    }
}

/// A failure that another reading of the body will tell.
#[derive(Debug)]
pub struct Untold;

impl From<ReadFault> for Untold {
    #[inline]
    fn from(_: ReadFault) -> Self {
        Self
    }
}

impl Failure for Untold {
    #[inline]
    fn in_field(self, _: &str) -> Self {
        self
    }

    #[inline]
    fn in_item(self, _: usize) -> Self {
        self
    }
}

impl From<ReadFault> for ReadError {
    #[cold]
    fn from(fault: ReadFault) -> Self {
        Self(Box::new(Inner { path: Vec::new(), fault }))
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.path.is_empty() {
            return write!(f, "body: {}", self.0.fault);
        }
        write!(f, "{}: {}", self.path(), self.0.fault)
    }
}

impl std::error::Error for ReadError {}

impl de::Error for ReadError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        ReadFault::Refused { message: message.to_string() }.into()
    }

    // Serde's own words quote the value, and a payload must not get into a message.
    fn invalid_type(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::custom(format_args!("{} where {expected} is expected", kind(found)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::custom(format_args!("{} that is not {expected}", kind(found)))
    }

    fn unknown_variant(_: &str, _: &'static [&'static str]) -> Self {
        Self::custom("unknown variant")
    }

    fn unknown_field(_: &str, _: &'static [&'static str]) -> Self {
        Self::custom("unknown field")
    }
}

fn kind(found: Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "a boolean",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "a whole number",
        Unexpected::Float(_) => "a float",
        Unexpected::Char(_) | Unexpected::Str(_) => "a text",
        Unexpected::Bytes(_) => "bytes",
        Unexpected::Unit | Unexpected::Option => "null",
        Unexpected::Seq => "an array",
        Unexpected::Map | Unexpected::NewtypeStruct => "a record",
        Unexpected::Enum
        | Unexpected::UnitVariant
        | Unexpected::NewtypeVariant
        | Unexpected::TupleVariant
        | Unexpected::StructVariant => "an enum",
        Unexpected::Other(_) => "something else",
    }
}
