//! How a model's work ended, once it has: noted by who runs it, read by who serves it.

use std::sync::{Arc, Mutex, PoisonError};

use readmill_core::Counts;
use readmill_engine::Fault;

use crate::http::ModelState;

/// The end, or that it has not come.
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

    /// What it is, if it has come.
    pub fn state(&self) -> Option<ModelState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
