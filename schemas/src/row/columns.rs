//! The columns of one image, found by the names that a contract has for them.
use serde::{Deserialize, Serialize};

use super::{RowError, RowFault};
use crate::semantic::{Row, Semantic};

/// A value that the database leaves out of an update that does not change it (TOAST).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Large<T> {
    /// The value.
    Now(T),
    /// It was not sent, since it did not change: keep what is stored.
    Unchanged,
}

impl<T> Large<T> {
    /// The value, if it was sent.
    pub const fn now(&self) -> Option<&T> {
        match self {
            Self::Now(value) => Some(value),
            Self::Unchanged => None,
        }
    }

    /// What is now to be stored, where `stored` was until now.
    pub fn or(self, stored: T) -> T {
        match self {
            Self::Now(value) => value,
            Self::Unchanged => stored,
        }
    }

    /// What is now to be stored over what stood; none if it was not sent and nothing stood.
    pub fn over(self, stood: Option<&T>) -> Option<T>
    where
        T: Clone,
    {
        match self {
            Self::Now(value) => Some(value),
            Self::Unchanged => stood.cloned(),
        }
    }
}

/// The columns of an image, and of the one before it, where what was not sent may stand.
#[derive(Debug, Clone, Copy)]
pub struct Columns<'a> {
    image: &'a Row<'a>,
    before: Option<&'a Row<'a>>,
}

impl<'a> Columns<'a> {
    /// Of an image; `before` is one that has all of the row.
    pub const fn new(image: &'a Row<'a>, before: Option<&'a Row<'a>>) -> Self {
        Self { image, before }
    }

    /// A column's value by its name or by an elder one; where the writer has none, the default.
    pub fn value<T>(
        &self,
        name: &'static str,
        elder: &[&str],
        read: impl FnOnce(&Semantic<'_>) -> Result<T, RowFault>,
        default: Option<fn() -> T>,
    ) -> Result<T, RowError> {
        match self.large(name, elder, read, default)? {
            Large::Now(value) => Ok(value),
            Large::Unchanged => Err(RowFault::Unavailable.of(name)),
        }
    }

    /// The same of a value that need not have been sent.
    pub fn large<T>(
        &self,
        name: &'static str,
        elder: &[&str],
        read: impl FnOnce(&Semantic<'_>) -> Result<T, RowFault>,
        default: Option<fn() -> T>,
    ) -> Result<Large<T>, RowError> {
        let Some(value) = find(self.image, name, elder) else {
            let default = default.ok_or_else(|| RowFault::Missing.of(name))?;
            return Ok(Large::Now(default()));
        };
        let value = if value.is_unavailable() {
            self.before.and_then(|before| find(before, name, elder))
        } else {
            Some(value)
        };
        match value.filter(|value| !value.is_unavailable()) {
            None => Ok(Large::Unchanged),
            Some(value) => read(value).map(Large::Now).map_err(|fault| fault.of(name)),
        }
    }
}

fn find<'a>(row: &'a Row<'a>, name: &str, elder: &[&str]) -> Option<&'a Semantic<'a>> {
    row.get(name).or_else(|| elder.iter().find_map(|elder| row.get(elder)))
}
