//! What readers of `tickets` get: concerts: who has which ticket, and which reservations break
//! the rules.

use std::collections::VecDeque;

use readmill_core::Rollup;
use readmill_schemas::Timestamp;
use serde::{Deserialize, Serialize};

/// The most tickets of one document: a concert with more is offered block by block.
pub const MOST_TICKETS: i64 = 20_000;
/// The most conflicts that a document lists. Those beyond are counted only.
pub const LISTED_CONFLICTS: usize = 100;
/// How many cancels a document remembers, so that what is told again of them is known.
pub const REMEMBERED_CANCELS: usize = 100;

/// The check whether what was reserved is what there was.
pub const CONFLICTS: Rollup = Rollup::of_documents(
    "conflicts",
    "concerts that keep the rules and concerts that do not, with their conflicts",
);

/// A concert.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Concert {
    /// How many tickets there are, numbered from 1 on.
    pub total: i64,
    /// When the sale ends, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sale_ends_at: Option<Timestamp>,
    /// How many of them are reserved.
    pub reserved_count: i64,
    /// Who has which: each number once, by number.
    pub reserved: Vec<Reservation>,
    /// How many reservations stand that break a rule.
    pub conflict_count: i64,
    /// Those of them that came first, in the order in which they came.
    pub conflicts: Vec<Reservation>,
    /// The reservations given up last, by id.
    pub cancelled: VecDeque<String>,
}

/// A reservation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// The ticket's number.
    pub number: i64,
    /// Who reserved it.
    pub member_id: String,
    /// The reservation.
    pub reservation_id: String,
    /// When.
    pub at: Timestamp,
}
