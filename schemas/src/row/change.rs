//! A change of a row: what happened, to which, and how it looked before and after.
use std::fmt::Debug;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Images, RowError, RowOp};
use crate::Personal;
use crate::semantic::Row;

/// A row of a table, as a contract names its columns; implemented by the generated types.
pub trait TableRow:
    Sized + Clone + PartialEq + Debug + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// The primary key: the column's type, or a tuple of them.
    type Key: Clone + Ord + Debug + Serialize + DeserializeOwned + Send + Sync + 'static;

    /// The columns of the primary key.
    const KEY: &'static [&'static str];

    /// The row's key.
    fn key(&self) -> Self::Key;

    /// The key in an image, which needs to have no other column.
    fn key_of(image: &Row<'_>) -> Result<Self::Key, RowError>;

    /// The row in a whole image; a value that was not sent is taken from the one before.
    fn of(image: &Row<'_>, before: Option<&Row<'_>>) -> Result<Self, RowError>;
}

/// Persons in a row's key.
pub trait PersonalKey: TableRow {
    /// Shows the ids of the persons in a key.
    fn persons_of<'e>(key: &'e Self::Key, see: &mut dyn FnMut(&'e str));

    /// Puts an alias in the place of a person's id in a key.
    fn forget_in(key: &mut Self::Key, person: &str, alias: &str);
}

/// A change of a row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct RowChange<T: TableRow> {
    /// What happened.
    pub op: RowOp,
    /// The row's key, also where the source told no more than it.
    pub key: T::Key,
    /// The row before the change, if the source gave all of it, and it is what the contract says.
    pub before: Option<T>,
    /// The row after the change; none if it is gone.
    pub after: Option<T>,
}

impl<T: TableRow> RowChange<T> {
    /// Makes a contract's change of a row's images.
    ///
    /// # Errors
    /// When a column is not what the contract says.
    pub fn read(images: Images<'_>) -> Result<Self, RowError> {
        let Images { op, before, after } = images;
        let missing = |image| RowError::NoKey { op: op.letter(), image };
        let whole = before.filter(|before| before.says_more_than(T::KEY));
        if op == RowOp::Delete {
            let key = T::key_of(before.ok_or_else(|| missing("before"))?)?;
            let before = whole.and_then(|before| T::of(before, None).ok());
            return Ok(Self { op, key, before, after: None });
        }
        let image = after.ok_or_else(|| missing("after"))?;
        let key = T::key_of(image)?;
        // Debezium makes two changes of one of the key: an image of another key has not all of it.
        let is_same = |before: &&Row<'_>| T::key_of(before).is_ok_and(|before| before == key);
        let whole = whole.filter(is_same);
        let after = T::of(image, whole)?;
        let before = whole.and_then(|before| T::of(before, None).ok());
        Ok(Self { op, key, before, after: Some(after) })
    }
}

impl<T: Personal + PersonalKey> Personal for RowChange<T> {
    fn persons<'e>(&'e self, see: &mut dyn FnMut(&'e str)) {
        T::persons_of(&self.key, see);
        for image in self.before.iter().chain(&self.after) {
            image.persons(see);
        }
    }

    fn forget(&mut self, person: &str, alias: &str) {
        T::forget_in(&mut self.key, person, alias);
        for image in self.before.iter_mut().chain(&mut self.after) {
            image.forget(person, alias);
        }
    }
}
