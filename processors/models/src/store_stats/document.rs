//! What readers of `store_stats` get: the days of stores and the calls of organisations.

use readmill_core::{Key, Rollup, Window};
use readmill_schemas::Timestamp;
use serde::{Deserialize, Serialize};

/// How many days a store's document has, with its latest.
pub const SHOWN_DAYS: i64 = 14;
/// Days begin at midnight in Seoul, which has no summer time: that far ahead of UTC.
pub const ZONE_MS: i64 = 9 * 3_600_000;

/// How stores compare.
pub const ACCEPTANCE: Rollup = Rollup::of_documents(
    "acceptance",
    "stores by day and by how many thousandths of their orders they accepted",
);

/// How long APIs take.
pub const API: Rollup = Rollup::of_events(
    "api",
    "calls by day, organisation and API: how long they took, in milliseconds",
)
.with_extremes();

/// How often they fail.
pub const API_FAILURES: Rollup = Rollup::of_events(
    "api_failures",
    "calls that failed by day, organisation and API: how long they took, in milliseconds",
);

/// A document: a store under `store/<id>`, or an organisation under `organisation/<id>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// A store's days, the oldest first, none of them 14 days older than the last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<Day>,
    /// What an organisation calls; its statistics are in the roll-ups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<Calls>,
}

/// A store's orders of one day. There are sums and counts only, so that days can be added up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Day {
    /// The day, such as `2026-11-21`.
    pub date: String,
    /// Orders that were offered.
    pub offered: i64,
    /// Those that were taken.
    pub accepted: i64,
    /// Those that were refused, or lapsed.
    pub declined: i64,
    /// From offer to acceptance, over all that were accepted.
    pub acceptance_sum_ms: i64,
    /// Orders that were cooked.
    pub cooked: i64,
    /// From acceptance to readiness, over all that were cooked.
    pub cooking_sum_ms: i64,
    /// Those of them for which a time was promised.
    pub promised: i64,
    /// Those that were ready by then.
    pub kept: i64,
}

/// An organisation's calls.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calls {
    /// How many.
    pub count: i64,
    /// How many of them failed.
    pub failed: i64,
    /// The latest one.
    pub latest_at: Timestamp,
}

/// The key of a store's document.
pub fn store_key(store_id: &str) -> Key {
    Key(format!("store/{store_id}"))
}

/// The day in which an instant is, where the stores are.
pub fn date_of(at: Timestamp) -> String {
    Window::Day.of(at.plus_millis(ZONE_MS))
}
