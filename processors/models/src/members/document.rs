//! What readers of `members` get: dormant members, and how many stand where.

use readmill_core::Rollup;
use readmill_schemas::Timestamp;
use readmill_schemas::members::{DormantState, MessageKind};
use serde::{Deserialize, Serialize};

/// How many members stand where.
// No items: a member who is erased must not live on in what cannot forget.
pub const STATES: Rollup = Rollup::of_documents("states", "dormant members by state");

/// A member who is dormant, or was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// How far the dormancy is.
    pub state: DormantState,
    /// Since when.
    pub since: Timestamp,
    /// Personal: where messages go. It is in no roll-up, no mirror and no reaction.
    pub phone_number: String,
    /// When the member last used their points, if ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
    /// The last message of this dormancy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Message>,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The message.
    pub id: String,
    /// What it was sent for.
    pub kind: MessageKind,
    /// Whether it arrived.
    pub state: MessageState,
    /// When that was known.
    pub at: Timestamp,
    /// Why it did not arrive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// Whether a message arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MessageState {
    /// It did.
    Sent,
    /// It did not.
    Failed,
}
