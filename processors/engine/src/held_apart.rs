//! Held records of several generations of a model in one store: each generation has its own.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::fault::Fault;
use crate::ports::{Held, HeldRecord, HeldStore};

/// Names that live as long as the process: a handful, one for each generation that it folds.
static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());

/// The name of a model's generation, such as `points@2`; the first one has the model's own.
pub fn name_of(model: &'static str, generation: u32) -> &'static str {
    if generation <= 1 {
        return model;
    }
    let name = format!("{model}@{generation}");
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(name.as_str()) {
        return known;
    }
    let name: &'static str = Box::leak(name.into_boxed_str());
    names.insert(name);
    name
}

/// The held records of one generation, kept under its name.
#[derive(Debug)]
pub struct HeldApart {
    store: Arc<dyn HeldStore>,
    model: &'static str,
    generation: u32,
}

impl HeldApart {
    /// The held records of a generation of a model.
    pub const fn of(store: Arc<dyn HeldStore>, model: &'static str, generation: u32) -> Self {
        Self { store, model, generation }
    }

    fn renamed(&self, records: &[HeldRecord]) -> Vec<HeldRecord> {
        let model = name_of(self.model, self.generation);
        records.iter().map(|record| HeldRecord { model, ..record.clone() }).collect()
    }
}

#[async_trait]
impl HeldStore for HeldApart {
    async fn hold(&self, records: &[HeldRecord]) -> Result<(), Fault> {
        self.store.hold(&self.renamed(records)).await
    }

    async fn count(&self, _: &str) -> Result<u64, Fault> {
        self.store.count(name_of(self.model, self.generation)).await
    }

    async fn visit(
        &self,
        model: &'static str,
        which: &Held,
        visit: &mut (dyn FnMut(HeldRecord) + Send),
    ) -> Result<(), Fault> {
        let name = name_of(self.model, self.generation);
        let mut renamed = |held: HeldRecord| visit(HeldRecord { model, ..held });
        self.store.visit(name, which, &mut renamed).await
    }

    async fn replace(&self, records: &[HeldRecord]) -> Result<(), Fault> {
        self.store.replace(&self.renamed(records)).await
    }

    async fn release(&self, records: &[HeldRecord]) -> Result<(), Fault> {
        self.store.release(&self.renamed(records)).await
    }
}
