//! What readers of `points` get: members' points, and what their ledgers come to.

use std::collections::{BTreeMap, VecDeque};

use readmill_core::Rollup;
use readmill_schemas::Timestamp;
use serde::{Deserialize, Serialize};

/// How many entries of the ledger a document shows.
pub const SHOWN_ENTRIES: usize = 20;
/// How many uses a document remembers for a cancel. The cancel of an older one waits, and is
/// counted as waiting, for good.
pub const CANCELLABLE_USES: usize = 100;

/// What the ledger's entries came to. It is an entry's own day that counts, however late it comes.
// No items: a member who is erased must not live on in what cannot forget.
pub const LEDGER: Rollup = Rollup::of_events(
    "ledger",
    "entries by kind and day: how many, how many points, the least and the greatest",
)
.with_extremes();

/// Who could spend how much.
pub const TIERS: Rollup =
    Rollup::of_documents("tiers", "members by what they can spend: how many, and how many points");

/// A member's points.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// What can be spent: the sum of what is left in all lots.
    pub available: i64,
    /// The lots in which something is left, by their ids.
    pub lots: BTreeMap<String, Lot>,
    /// The uses that can still be cancelled, newest last.
    pub uses: VecDeque<Use>,
    /// Count and sum of every kind of entry.
    pub totals: BTreeMap<Kind, Total>,
    /// The latest entries, newest last.
    pub history: VecDeque<Entry>,
}

/// Points earned at one time, which expire together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lot {
    /// As earned.
    pub earned: i64,
    /// Not used yet.
    pub left: i64,
    /// When the rest expires.
    pub expires_at: Timestamp,
}

/// Points that were used, with what is needed to give them back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use {
    /// The use.
    pub use_id: String,
    /// What it took from which lots, of those that have not ended since.
    pub took: BTreeMap<String, Lot>,
}

/// The kinds of ledger entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Points were earned.
    Earned,
    /// Points were used.
    Used,
    /// An earn was taken back.
    EarnCancelled,
    /// A use was taken back.
    UseCancelled,
    /// Points of another programme became points here.
    Converted,
    /// What was left of a lot expired.
    Expired,
    /// The member left, and what was left in all lots is forfeited.
    Forfeited,
}

impl Kind {
    /// Its name, as documents and roll-ups have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Earned => "earned",
            Self::Used => "used",
            Self::EarnCancelled => "earn_cancelled",
            Self::UseCancelled => "use_cancelled",
            Self::Converted => "converted",
            Self::Expired => "expired",
            Self::Forfeited => "forfeited",
        }
    }
}

/// The tier of so many points.
pub const fn tier(points: i64) -> &'static str {
    match points {
        ..1 => "0",
        1..1_000 => "1-999",
        1_000..10_000 => "1000-9999",
        10_000..100_000 => "10000-99999",
        100_000.. => "100000-",
    }
}

/// Count and sum of a kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Total {
    /// How many entries.
    pub count: i64,
    /// How many points.
    pub points: i64,
}

/// One line of the ledger, as shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub kind: Kind,
    /// What it did to the available points.
    pub change: i64,
}
