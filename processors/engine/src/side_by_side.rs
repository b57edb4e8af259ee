//! A log that is read to its end, all of its partitions side by side.

use tokio::task::JoinSet;

use crate::fault::Fault;
use crate::feed::Feed;
use crate::ports::Log;

/// Has each partition read by a worker of its own, and hands on what each has found, in whichever
/// order they end.
///
/// # Errors
/// The first fault of a worker or of the log; the other workers are given up then.
pub async fn side_by_side<T, Work>(
    mut log: Box<dyn Log>,
    mut read: impl FnMut(Feed) -> Work,
    mut found: impl FnMut(T),
) -> Result<(), Fault>
where
    T: Send + 'static,
    Work: Future<Output = Result<T, Fault>> + Send + 'static,
{
    let mut workers: JoinSet<Result<T, Fault>> = JoinSet::new();
    let mut reading = true;
    let end = loop {
        if !reading && workers.is_empty() {
            break Ok(());
        }
        tokio::select! {
            feed = log.assigned(), if reading => match feed {
                Ok(Some(feed)) => drop(workers.spawn(read(feed))),
                Ok(None) => reading = false,
                Err(fault) => break Err(fault),
            },
            Some(worker) = workers.join_next() => {
                let defect = |error| Err(Fault::defect("a reader", &error));
                match worker.unwrap_or_else(defect) {
                    Ok(one) => found(one),
                    Err(fault) => break Err(fault),
                }
            }
        }
    };
    let stopped = log.stop().await;
    workers.shutdown().await;
    end.and(stopped)
}
