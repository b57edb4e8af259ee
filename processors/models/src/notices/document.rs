//! What readers of `notices` get: requests of stores, in the feeds of their managers.

use readmill_schemas::Timestamp;
use serde::{Deserialize, Serialize};

/// A request, under `request/<table>/<id>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The store that asks for it.
    pub store_id: String,
    /// How it stands.
    pub status: String,
    /// The sales manager whom it concerns: whom it was assigned to, or else who entered it.
    pub manager_id: String,
    /// How many notices were given of it: one each time it became complete.
    pub notices: i64,
    /// Its place in the manager's feed, while it is complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feed: Option<Feed>,
}

/// A place in a feed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feed {
    /// Whose feed.
    pub manager_id: String,
    /// When the request was completed, to the millisecond.
    pub completed_at: Timestamp,
}
