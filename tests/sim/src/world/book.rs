//! The schema registry, with every way in which one fails.

use std::sync::Arc;

use async_trait::async_trait;
use readmill_engine::{Fault, SchemaBook};
use readmill_schemas::{SchemaId, WriterSchema};

use crate::faults::Kind;
use crate::wire::{self, STEPS_LATER};

use super::{Who, World, refused, silent};

const SERVICE: &str = "registry";

/// The registry, as one instance reaches it.
#[derive(Debug)]
pub struct SimBook {
    /// The world.
    pub world: World,
    /// Whose calls these are.
    pub who: Who,
}

#[async_trait]
impl SchemaBook for SimBook {
    async fn schema(&self, id: SchemaId) -> Result<Arc<WriterSchema>, Fault> {
        self.world.way(self.who).await;
        if self.world.strikes(Kind::BookSilent) {
            return Err(silent(SERVICE));
        }
        if self.world.strikes(Kind::BookRefused) {
            return Err(refused(SERVICE));
        }
        if id == STEPS_LATER && self.world.strikes(Kind::BookUnknown) {
            self.world.note(self.who, || format!("the registry does not know schema {id}"));
            return Err(Fault::UnknownSchema { id: id.0 });
        }
        if id == STEPS_LATER && self.world.strikes(Kind::BookUnusable) {
            self.world.note(self.who, || format!("the registry has garbage for schema {id}"));
            return Err(Fault::UnusableSchema { id: id.0, detail: "by the seed".to_owned() });
        }
        wire::schema(id).ok_or(Fault::UnknownSchema { id: id.0 })
    }
}
