//! The stored document held against the one that the log folds to.

use readmill_core::{Document, Key, Position, ReadModel};
use readmill_engine::Fault;
use readmill_engine::history::{Sources, Touch};
use readmill_engine::route::Task;

use super::steps::{Folding, state};
use crate::config;
use crate::fields::{Changed, changes};
use crate::services::Services;

/// What is stored under the key.
#[derive(Debug)]
pub enum Stored<M: ReadModel> {
    /// This, if anything is.
    Found(Option<Box<Document<M>>>),
    /// It cannot be looked at, and why.
    Unseen(Fault),
}

/// How the two compare.
#[derive(Debug)]
pub enum Compared {
    /// The document as it was some time ago is compared with nothing.
    NotAsked,
    /// What is stored cannot be looked at, and why.
    Unseen(String),
    /// Both have taken in the same, and are equal.
    Equal,
    /// Both have taken in the same, and differ.
    Differs(Vec<Changed>),
    /// The stored one has not taken in all that the log has for it.
    Behind {
        /// How many records are missing.
        records: usize,
        /// The first of them.
        first: Position,
        /// How it differs from a fold of the others.
        differs: Vec<Changed>,
    },
    /// The stored one has taken in what was not read: the log has lost it, or a person brought it.
    Ahead,
    /// Its copies of other documents are of other revisions.
    OtherCopies(Vec<Key>),
    /// A record of the key is held by one and not by the other.
    Held {
        /// Whether by the stored one.
        by_stored: bool,
    },
}

impl<M: ReadModel> Stored<M> {
    /// Looks what is stored. Another process may have the embedded store.
    pub async fn load(services: &Services, model: &config::Model, key: &Key) -> Self {
        let loading = async {
            let live = services.live_or_first(model).await;
            let store = services.documents::<M>(&live).await?;
            let found = store.load(std::slice::from_ref(key)).await?;
            Ok(found.into_iter().next().flatten())
        };
        match loading.await {
            Ok(found) => Self::Found(found.map(Box::new)),
            Err(fault) => Self::Unseen(fault),
        }
    }

    /// Compares it with what the records fold to.
    ///
    /// # Errors
    /// A fault that does not pass.
    pub async fn compare(
        &self,
        sources: &Sources,
        key: &Key,
        touches: &[&Touch<M>],
        folded: Option<&Document<M>>,
    ) -> Result<Compared, Fault> {
        let found = match self {
            Self::Unseen(fault) => return Ok(Compared::Unseen(fault.to_string())),
            Self::Found(found) => found.as_deref(),
        };
        let empty = Document::default();
        let (stored, folded) = (found.unwrap_or(&empty), folded.unwrap_or(&empty));
        let missing = |touch: &&&Touch<M>| touch.key == *key && !knows(stored, touch);
        let missing: Vec<&&Touch<M>> = touches.iter().filter(missing).collect();
        let by_stored = stored.stamp.is_held();
        if missing.is_empty() && by_stored != folded.stamp.is_held() {
            return Ok(Compared::Held { by_stored });
        }
        if stored.stamp.knows_beyond(&folded.stamp) {
            return Ok(Compared::Ahead);
        }
        let Some(first) = missing.first() else {
            let copies = other_copies(stored, folded);
            if !copies.is_empty() {
                return Ok(Compared::OtherCopies(copies));
            }
            let differs = differences(stored, folded)?;
            let is_equal = differs.is_empty();
            return Ok(if is_equal { Compared::Equal } else { Compared::Differs(differs) });
        };
        let (records, first) = (missing.len(), first.part.from.clone());
        let mut folding = Folding::<M>::new(sources, key);
        for touch in touches.iter().filter(|touch| touch.key != *key || knows(stored, touch)) {
            folding.fold(touch).await?;
        }
        let (_, before) = folding.end();
        let differs = differences(stored, &before.unwrap_or_default())?;
        Ok(Compared::Behind { records, first, differs })
    }
}

/// Whether a document has taken in what a record brings. Of one that cannot be read, and is known
/// by nothing else, nobody can tell whether it was.
fn knows<M: ReadModel>(document: &Document<M>, touch: &Touch<M>) -> bool {
    let from = &touch.part.from;
    let identity = match &touch.part.task {
        Task::Take(told) => Some(&told.identity),
        Task::Hold { identity, .. } => identity.as_ref(),
        Task::Retry { .. }
        | Task::GiveUp(_)
        | Task::Look { .. }
        | Task::Embed { .. }
        | Task::Forget { .. }
        | Task::HoldOverdue { .. } => None,
    };
    let is_queued = document.stamp.has_queued(from);
    is_queued || identity.is_none_or(|identity| document.stamp.knows(identity))
}

fn other_copies<M: ReadModel>(stored: &Document<M>, folded: &Document<M>) -> Vec<Key> {
    let copies = &stored.stamp.embedded;
    let others = copies.iter().filter(|copy| !folded.stamp.embedded.contains(copy));
    others.map(|(key, _)| key.clone()).collect()
}

/// What is to be changed in the folded document to make it the stored one.
fn differences<M: ReadModel>(
    stored: &Document<M>,
    folded: &Document<M>,
) -> Result<Vec<Changed>, Fault> {
    Ok(changes(state(folded)?.as_ref(), state(stored)?.as_ref()))
}
