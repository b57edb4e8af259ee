//! A started model as it is served: its counts, its state, its documents.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use readmill_core::{Counts, Key, ReadModel};
use readmill_engine::{Fault, Rollups, Store, Tally};
use readmill_models::Row;

use crate::http::{ModelState, ServedModel, Standing};

/// One model of this process.
#[derive(Debug)]
pub struct Model<M: ReadModel> {
    row: Row,
    store: Arc<dyn Store<M>>,
    rollups: Rollups,
    tally: Tally,
    end: End,
}

/// How a model's work ended, once it has: noted by who runs it, read by who serves it.
#[derive(Debug, Clone, Default)]
pub struct End(Arc<Mutex<Option<ModelState>>>);

impl End {
    /// Notes the end.
    pub fn note(&self, result: &Result<Counts, Fault>) {
        let state = match result {
            Ok(_) => ModelState::Ended,
            Err(fault) => ModelState::Failed(fault.to_string()),
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(state);
    }

    fn state(&self) -> Option<ModelState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<M: ReadModel> Model<M> {
    /// A model whose documents are in `store`.
    pub const fn new(
        row: Row,
        store: Arc<dyn Store<M>>,
        rollups: Rollups,
        tally: Tally,
        end: End,
    ) -> Self {
        Self { row, store, rollups, tally, end }
    }
}

#[async_trait]
impl<M: ReadModel> ServedModel for Model<M> {
    fn row(&self) -> Row {
        self.row
    }

    fn counts(&self) -> Counts {
        self.tally.counts()
    }

    fn state(&self) -> ModelState {
        let working =
            || if self.tally.has_begun() { ModelState::Running } else { ModelState::Starting };
        self.end.state().unwrap_or_else(working)
    }

    async fn get(&self, key: &Key) -> Result<Standing, Fault> {
        let found = self.store.load(std::slice::from_ref(key)).await?;
        Standing::of::<M>(found.first().and_then(Option::as_ref))
    }

    fn rollups(&self) -> &Rollups {
        &self.rollups
    }
}
