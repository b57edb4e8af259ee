//! What readers of `holdings` get: accounts, and what they hold and have reserved together.

use readmill_core::Rollup;
use readmill_schemas::holdings::{Cash, Position, ReservedOrder};
use serde::{Deserialize, Serialize};

/// The most securities, and the most reserved orders, of one account.
pub const MOST_LISTED: usize = 2_000;

/// Who holds what.
pub const HELD: Rollup = Rollup::of_documents(
    "held",
    "accounts that hold a security, by symbol: how many, and how many shares",
);

/// What the opening of the market will bring.
pub const RESERVED: Rollup = Rollup::of_documents(
    "reserved",
    "reserved orders by symbol and side: how many, and for how many shares",
);

/// An account after one of its entries. Its lists are sorted, and have nothing that is nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// The last entry that is part of it.
    pub entry_no: i64,
    /// Its cash, by currency.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cash: Vec<Cash>,
    /// Its shares, by symbol.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub positions: Vec<Position>,
    /// Its reserved orders, by number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reserved: Vec<ReservedOrder>,
}
