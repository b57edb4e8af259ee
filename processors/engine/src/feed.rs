//! The stream of one assigned partition: the log's end and the worker's end.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use readmill_core::{Partition, ResumeAt};
use tokio::sync::{mpsc, watch};

use crate::record::Record;

/// No record has been settled yet.
const NOTHING: i64 = -1;

/// The worker's end: batches in, settled positions out.
#[derive(Debug)]
pub struct Feed {
    /// The partition.
    pub partition: Partition,
    batches: mpsc::Receiver<Vec<Record>>,
    closing: watch::Receiver<bool>,
    settled: Arc<AtomicI64>,
}

/// The log's end: batches out, settled positions in. Dropping it lets the worker finish what is
/// queued and end.
#[derive(Debug)]
pub struct FeedLine {
    /// Where batches go; full means that the partition is to be paused.
    pub batches: mpsc::Sender<Vec<Record>>,
    closing: watch::Sender<bool>,
    settled: Arc<AtomicI64>,
}

/// Both ends for one partition, with room for `queued_batches` batches between them.
pub fn feed(partition: Partition, queued_batches: usize) -> (FeedLine, Feed) {
    let (sender, batches) = mpsc::channel(queued_batches);
    let (close, closing) = watch::channel(false);
    let settled = Arc::new(AtomicI64::new(NOTHING));
    let line = FeedLine { batches: sender, closing: close, settled: Arc::clone(&settled) };
    (line, Feed { partition, batches, closing, settled })
}

impl FeedLine {
    /// Where the partition is to be resumed, once anything has been settled.
    pub fn settled(&self) -> Option<ResumeAt> {
        match self.settled.load(Ordering::Acquire) {
            NOTHING => None,
            value => Some(ResumeAt::stored(value)),
        }
    }

    /// Asks the worker to end after the batch in its hands; what is queued is left unsettled.
    pub fn close(&self) {
        self.closing.send_replace(true);
    }

    /// Whether the worker has let go of its end.
    pub fn released(&self) -> bool {
        self.closing.is_closed()
    }
}

impl Feed {
    /// The next records: all that are queued, up to about `limit`; `None` when the feed has ended.
    pub async fn next(&mut self, limit: usize) -> Option<Vec<Record>> {
        let mut records = tokio::select! {
            biased;
            _ = self.closing.wait_for(|closing| *closing) => return None,
            first = self.batches.recv() => first?,
        };
        while records.len() < limit
            && let Ok(more) = self.batches.try_recv()
        {
            records.extend(more);
        }
        Some(records)
    }

    /// Tells the log what is settled.
    pub fn settle(&self, resume_at: ResumeAt) {
        self.settled.store(resume_at.value(), Ordering::Release);
    }

    /// Turns true when the partition is taken away or the process stops.
    pub fn closing(&self) -> watch::Receiver<bool> {
        self.closing.clone()
    }
}
