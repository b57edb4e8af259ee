//! Who has the word: of several generations that fold the same records, one tells reactions.

use std::sync::Arc;

use readmill_core::Position;
use tokio::sync::watch;

use crate::roster::Roster;

/// Whether it is a generation's to tell what its documents owe to a record. What is another's is
/// as good as told.
#[derive(Debug, Clone, Default)]
pub struct Word(Option<(u32, watch::Receiver<Arc<Roster>>)>);

impl Word {
    /// Of a model that has no other generations.
    pub const fn alone() -> Self {
        Self(None)
    }

    /// Of one generation, as its roster says at the time.
    pub const fn of(generation: u32, roster: watch::Receiver<Arc<Roster>>) -> Self {
        Self(Some((generation, roster)))
    }

    /// Whether a record's reactions are its own to tell.
    pub fn is_ours(&self, record: &Position) -> bool {
        self.0
            .as_ref()
            .is_none_or(|(generation, roster)| roster.borrow().speaks(*generation, record))
    }
}
