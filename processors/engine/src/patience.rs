//! Asking again: back-off for transient faults, given up only when the partition is.

use std::time::Duration;

use tokio::sync::watch;

use crate::fault::Fault;
use crate::metrics::{Meter, Metrics};

/// The first pause; each further one is twice as long.
pub const FIRST_PAUSE_MS: u64 = 50;
const LONGEST_PAUSE_MS: u64 = 5_000;

/// Makes a call again until it succeeds or fails for another reason than a transient one.
///
/// A macro, because an async closure that borrows cannot be sent between threads yet.
macro_rules! patiently {
    ($patience:expr, $call:expr) => {{
        let mut pause_ms = $crate::patience::FIRST_PAUSE_MS;
        loop {
            match $call.await {
                Err(fault) if fault.remedy() == $crate::fault::Remedy::Retry => {
                    $patience.wait(&fault, &mut pause_ms).await?;
                }
                done => {
                    $patience.note_end(pause_ms, done.is_ok());
                    break done;
                }
            }
        }
    }};
}
pub(crate) use patiently;

/// How one partition's work waits for services.
#[derive(Debug, Clone)]
pub struct Patience {
    closing: watch::Receiver<bool>,
    metrics: Metrics,
    model: &'static str,
}

impl Patience {
    /// Patience until `closing` turns true.
    pub const fn new(
        closing: watch::Receiver<bool>,
        metrics: Metrics,
        model: &'static str,
    ) -> Self {
        Self { closing, metrics, model }
    }

    /// Where it is counted how often it waits.
    pub fn metrics(&self) -> Metrics {
        self.metrics.clone()
    }

    /// Waits before the next try of a call that met a transient fault.
    ///
    /// # Errors
    /// `Abandoned` once the partition is given up.
    pub async fn wait(&mut self, fault: &Fault, pause_ms: &mut u64) -> Result<(), Fault> {
        tracing::warn!(model = self.model, pause_ms, %fault, "will ask again");
        self.metrics.add(Meter::Retries, &[self.model], 1);
        self.pause(*pause_ms).await?;
        *pause_ms = (*pause_ms * 2).min(LONGEST_PAUSE_MS);
        Ok(())
    }

    /// Tells that a service answers again, if it was waited for.
    pub fn note_end(&self, pause_ms: u64, well: bool) {
        if well && pause_ms > FIRST_PAUSE_MS {
            tracing::info!(model = self.model, "it answers again");
        }
    }

    /// Waits, unless the partition is given up meanwhile.
    ///
    /// # Errors
    /// `Abandoned` when it is.
    pub async fn pause(&mut self, pause_ms: u64) -> Result<(), Fault> {
        let wait = tokio::time::sleep(Duration::from_millis(pause_ms));
        tokio::select! {
            biased; // so that a simulation can be repeated
            () = wait => Ok(()),
            _ = self.closing.wait_for(|closing| *closing) => Err(Fault::Abandoned),
        }
    }
}
