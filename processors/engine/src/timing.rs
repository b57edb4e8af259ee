//! How long calls of stores, mirrors and topics take.

use std::time::Instant;

use readmill_core::ReadModel;

use crate::metrics::{Meter, Metrics, Observer};

/// A call that is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// Documents are loaded.
    Load,
    /// Documents are written.
    Put,
    /// Records are held.
    Hold,
    /// Views are shown.
    Show,
    /// Reactions are sent.
    Say,
}

impl Call {
    /// The name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Put => "put",
            Self::Hold => "hold",
            Self::Show => "show",
            Self::Say => "say",
        }
    }
}

/// Times calls of one kind.
#[derive(Debug)]
pub struct Timing(Observer);

impl Timing {
    /// Of a model.
    pub fn of<M: ReadModel>(metrics: &Metrics, call: Call) -> Self {
        Self(metrics.observer(Meter::Store, &[M::NAME, call.name()]))
    }

    /// Times a call, whatever comes of it.
    pub async fn time<T>(&self, call: impl Future<Output = T>) -> T {
        let since = Instant::now();
        let done = call.await;
        self.0.observe(since.elapsed().as_secs_f64());
        done
    }
}
