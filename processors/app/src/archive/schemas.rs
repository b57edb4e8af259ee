//! The schemas that records name: fetched and kept before the records are.

use std::sync::Arc;
use std::time::Duration;

use readmill_connectors::archive::{Appender, Names};
use readmill_core::Record;
use readmill_engine::{Fault, Remedy, SchemaBook};
use readmill_schemas::SchemaId;
use tokio::runtime::Handle;
use tokio::sync::watch;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What was met of the registry's schemas.
#[derive(Debug)]
pub struct Schemas {
    names: Names,
    book: Arc<dyn SchemaBook>,
    runtime: Handle,
    stop: watch::Receiver<bool>,
}

impl Schemas {
    /// Nothing was met yet.
    pub fn new(book: Arc<dyn SchemaBook>, stop: watch::Receiver<bool>) -> Self {
        Self { names: Names::default(), book, runtime: Handle::current(), stop }
    }

    /// How many were met.
    pub fn count(&self) -> usize {
        self.names.count()
    }

    /// Keeps what a record names and was not met yet.
    ///
    /// # Errors
    /// When the registry refuses, the archive has another schema under an id, or all is to stop.
    pub fn keep(&mut self, record: &Record, appender: &mut Appender) -> Result<(), Fault> {
        while let Some(id) = self.names.unmet(record) {
            self.meet(id, appender)?;
        }
        Ok(())
    }

    /// A registry that is out is waited for. What it does not know is no reason to stop: a model
    /// that reads such a record holds it, from the archive as from the log.
    fn meet(&mut self, id: SchemaId, appender: &mut Appender) -> Result<(), Fault> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.runtime.block_on(self.book.schema(id)) {
                Ok(schema) => {
                    appender.keep(id, &schema)?;
                    self.names.meet(id, Some(&schema));
                    return Ok(());
                }
                Err(fault) => match fault.remedy() {
                    Remedy::Retry => {
                        tracing::warn!(%fault, "will ask again");
                        self.wait(pause)?;
                        pause = (pause * 2).min(LONGEST_PAUSE);
                    }
                    Remedy::Hold => {
                        tracing::warn!(%fault, "records of this schema are copied without it");
                        appender.note_unknown(id);
                        self.names.meet(id, None);
                        return Ok(());
                    }
                    Remedy::Stop | Remedy::LetGo | Remedy::GoBack | Remedy::ReadAgain => {
                        return Err(fault);
                    }
                },
            }
        }
    }

    fn wait(&mut self, pause: Duration) -> Result<(), Fault> {
        let stop = &mut self.stop;
        let waited = self.runtime.block_on(async {
            tokio::time::timeout(pause, stop.wait_for(|stop| *stop)).await.is_err()
        });
        if waited { Ok(()) } else { Err(Fault::Abandoned) }
    }
}
