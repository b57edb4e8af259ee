//! What every domain of generated events can do.
use std::fmt::Debug;

use serde::{Serialize, de::DeserializeOwned};

use crate::row::{Images, RowError};
use crate::{Plan, ReadError};

/// The latest version of a contract: what we want to read, and what we write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contract {
    /// The record's full name.
    pub name: &'static str,
    /// The version.
    pub version: u32,
    /// The schema, as JSON.
    pub text: &'static str,
    /// The table whose rows it describes, such as `coupon` or `shop.coupon`; none for events.
    pub table: Option<&'static str>,
}

/// What may tell of persons, as its contract marks them.
pub trait Personal {
    /// Shows the ids of the persons of whom it tells.
    fn persons<'e>(&'e self, see: &mut dyn FnMut(&'e str));

    /// Puts an alias in the place of a person's id, and empties what else it tells of that person.
    fn forget(&mut self, person: &str, alias: &str);
}

/// The events of one domain; implemented by the generated enums.
pub trait Events:
    Personal + Clone + PartialEq + Debug + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// The contracts (latest version), in a fixed order.
    const CONTRACTS: &'static [Contract];

    /// Reads the event of contract number `which` with a plan made for it.
    fn read(which: usize, plan: &Plan, body: &[u8]) -> Result<Self, ReadError>;

    /// The change of a row of the table of contract number `which`.
    ///
    /// # Errors
    /// When the contract is of events, or a column is not what it says.
    fn read_row(which: usize, images: Images<'_>) -> Result<Self, RowError>;

    /// The contract of this event or change.
    fn contract(&self) -> &'static Contract;
}

/// Domains of events alone, which we may write ourselves; the rows of tables are not ours to write.
pub trait WrittenEvents: Events {
    /// Appends the Avro body (no framing).
    fn write(&self, out: &mut Vec<u8>);
}
