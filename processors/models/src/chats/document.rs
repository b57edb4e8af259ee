//! What readers of `chats` get: who is in a chat, its newest messages, and how far devices have
//! seen them.

use std::collections::BTreeSet;

use readmill_core::Rollup;
use readmill_schemas::chats::MessagePosted;
use serde::{Deserialize, Serialize};

use crate::one_of::one_of;

/// How many members of a chat are known by name. Those beyond are only counted.
pub const NAMED_MEMBERS: usize = 5_000;
/// How many messages a chat's inbox has.
pub const SHOWN_MESSAGES: usize = 100;
/// How much of the last message is shown.
pub const SHOWN_CHARACTERS: usize = 80;

/// When people write: by the clocks of their devices, which an hour forgives.
pub const MESSAGES: Rollup = Rollup::of_events("messages", "messages posted by hour");

one_of! {
    /// A chat under `chat/<chat>`, or how far a device has seen it under `seen/<chat>/<device>`.
    pub enum Document {
        /// A chat.
        Chat(Chat) = chat,
        /// The highest message that a device has shown.
        Seen(i64) = seen,
    }
}

/// A chat.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Chat {
    /// What it is called.
    pub title: String,
    /// How many are in it.
    pub members: i64,
    /// Whether all of them were always known by name, so that nobody can have been counted twice.
    pub is_exact: bool,
    /// Who is in it, as far as they are known by name.
    pub member_ids: BTreeSet<String>,
    /// The message with the highest id, with the beginning of its text.
    pub last: Option<MessagePosted>,
    /// The ids of the newest messages.
    pub inbox: BTreeSet<i64>,
}
