//! How many records of a model are held, read again and again: others hold and release them too.

use std::sync::Arc;
use std::time::Duration;

use readmill_core::ReadModel;
use tokio::time::{MissedTickBehavior, interval};

use crate::fault::Fault;
use crate::metrics::Meter;
use crate::ports::Ports;

/// A person who deals with held records sees the gauge follow within this time.
const REFRESH_INTERVAL: Duration = Duration::from_secs(10);

/// Keeps the gauge right, from now on until it is dropped.
pub async fn watch_held<M: ReadModel>(ports: Arc<Ports<M>>) -> Result<(), Fault> {
    let mut refresh = interval(REFRESH_INTERVAL);
    refresh.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        refresh.tick().await;
        match ports.held.count(M::NAME).await {
            Ok(count) => {
                let count = i64::try_from(count).unwrap_or(i64::MAX);
                ports.metrics.set(Meter::Held, &[M::NAME], count);
            }
            // The workers say so when it concerns them; the gauge keeps its last number.
            Err(fault) => tracing::debug!(model = M::NAME, %fault, "held records not counted"),
        }
    }
}
