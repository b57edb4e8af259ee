//! What every domain of generated events can do.
use std::fmt::Debug;

use serde::{Serialize, de::DeserializeOwned};

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
}

/// The events of one domain; implemented by the generated enums.
pub trait Events:
    Sized + Clone + PartialEq + Debug + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// The contracts (latest version), in a fixed order.
    const CONTRACTS: &'static [Contract];

    /// Reads the event of contract number `which` with a plan made for it.
    fn read(which: usize, plan: &Plan, body: &[u8]) -> Result<Self, ReadError>;

    /// Which contract this event is written with.
    fn contract(&self) -> &'static Contract;

    /// Appends the Avro body (no framing).
    fn write(&self, out: &mut Vec<u8>);
}
