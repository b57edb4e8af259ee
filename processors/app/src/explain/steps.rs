//! What each record of a key did, found out by folding one after the other.

use std::collections::BTreeSet;

use readmill_core::document::Taken;
use readmill_core::{Document, Identity, Key, Outcome, Position, ReadModel};
use readmill_engine::Fault;
use readmill_engine::history::{History, Sources, Touch};
use readmill_engine::route::{Task, Told};
use readmill_schemas::Events as _;
use serde_json::Value as Json;

use crate::fields::{Changed, changes};

/// One record, and what it did to the document.
#[derive(Debug)]
pub struct Step {
    /// Where it stands.
    pub position: Position,
    /// The document that it is for, if it is another one, which this one embeds.
    pub of: Option<Key>,
    /// When it came into the log.
    pub came_ms: i64,
    /// When its source committed it, where it could be read.
    pub committed_ms: Option<i64>,
    /// The contract of its event, where it could be read.
    pub event: Option<&'static str>,
    /// The row's own id; empty where it has none.
    pub event_id: String,
    /// How the change is known.
    pub identity: Option<Identity>,
    /// What became of it when it came.
    pub outcome: Outcome,
    /// Why it waited or was held.
    pub why: Option<String>,
    /// Whether nothing proved that it was new.
    pub undecided: bool,
    /// What became of it later, if it waited, and the record that brought that about.
    pub then: Option<(Outcome, Position)>,
    /// The document's revision afterwards.
    pub revision: i64,
    /// What it changed.
    pub changed: Vec<Changed>,
}

/// A document that is folded step by step.
#[derive(Debug)]
pub struct Folding<M: ReadModel> {
    history: History<M>,
    key: Key,
    revision: i64,
    state: Option<Json>,
    steps: Vec<Step>,
    /// The keys of all documents that were embedded at any time, by it or by one of these.
    pub embedded: BTreeSet<Key>,
}

impl<M: ReadModel> Folding<M> {
    /// Nothing is folded yet.
    pub fn new(sources: &Sources, key: &Key) -> Self {
        Self {
            history: History::new(sources),
            key: key.clone(),
            revision: 0,
            state: None,
            steps: Vec::new(),
            embedded: BTreeSet::new(),
        }
    }

    /// Folds one record more.
    ///
    /// # Errors
    /// A fault that does not pass, or a state that cannot be written as JSON.
    pub async fn fold(&mut self, touch: &Touch<M>) -> Result<(), Fault> {
        let taken = self.history.fold(touch.key.clone(), touch.part.clone()).await?;
        if let Some(touched) = self.history.document(&touch.key) {
            self.embedded.extend(touched.stamp.embedded.into_iter().map(|(key, _)| key));
        }
        let is_own = touch.key == self.key;
        let (revision, changed) = self.look()?;
        if !is_own && changed.is_empty() {
            return Ok(());
        }
        if is_own {
            self.note_released(&touch.part.from, &taken);
        }
        self.steps.push(step(touch, taken, revision, changed));
        if !is_own && let Some(step) = self.steps.last_mut() {
            step.of = Some(touch.key.clone());
        }
        Ok(())
    }

    /// The document's revision, and what has changed in it since the last look.
    fn look(&mut self) -> Result<(i64, Vec<Changed>), Fault> {
        let document = self.history.document(&self.key);
        let revision = document.as_ref().map_or(0, |document| document.stamp.revision);
        if revision == self.revision {
            return Ok((revision, Vec::new()));
        }
        let state = document.as_ref().map(state).transpose()?.flatten();
        let changed = changes(self.state.as_ref(), state.as_ref());
        (self.revision, self.state) = (revision, state);
        Ok((revision, changed))
    }

    fn note_released(&mut self, by: &Position, taken: &Taken) {
        for (position, outcome) in &taken.released {
            let waits = |step: &&mut Step| {
                step.position == *position
                    && step.outcome == Outcome::Waiting
                    && step.then.is_none()
            };
            if let Some(step) = self.steps.iter_mut().find(waits) {
                step.then = Some((*outcome, by.clone()));
            }
        }
    }

    /// What each record did, and what came of all of them.
    pub fn end(self) -> (Vec<Step>, Option<Document<M>>) {
        let document = self.history.document(&self.key);
        (self.steps, document)
    }
}

fn step<M: ReadModel>(
    touch: &Touch<M>,
    taken: Taken,
    revision: i64,
    changed: Vec<Changed>,
) -> Step {
    let (told, identity) = match &touch.part.task {
        Task::Take(told) => (Some(told), Some(&told.identity)),
        Task::Hold { identity, .. } => (None, identity.as_ref()),
        Task::Retry { .. }
        | Task::GiveUp(_)
        | Task::Look { .. }
        | Task::Embed { .. }
        | Task::Forget { .. }
        | Task::HoldOverdue { .. } => (None, None),
    };
    let event = told.map(|Told { event, .. }| event.contract().name);
    Step {
        position: touch.part.from.clone(),
        of: None,
        came_ms: touch.came_ms,
        committed_ms: told.map(|told| told.committed_ms),
        event,
        event_id: touch.event_id.clone(),
        identity: identity.cloned(),
        outcome: taken.outcome,
        why: taken.why,
        undecided: taken.undecided,
        then: None,
        revision,
        changed,
    }
}

/// A document's state as JSON; none if it has none.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn state<M: ReadModel>(document: &Document<M>) -> Result<Option<Json>, Fault> {
    let state = document.state.as_ref().map(serde_json::to_value).transpose();
    state.map_err(|error| Fault::defect(M::NAME, &error))
}
