//! The stream of one assigned partition: the log's end and the worker's end.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use readmill_core::{Finished, Partition, Record, ResumeAt};
use tokio::sync::{mpsc, watch};

/// The worker's end: batches in, settled positions out.
#[derive(Debug)]
pub struct Feed {
    /// The partition.
    pub partition: Partition,
    batches: mpsc::Receiver<Vec<Record>>,
    closing: watch::Receiver<bool>,
    ended: bool,
    known: Finished,
    settled: Slate,
    taken_bytes: Arc<AtomicU64>,
    begins: Option<ResumeAt>,
    lane: Option<Arc<str>>,
    /// None where the log only goes forward.
    back: Option<BackSlot>,
}

/// A place before the present one, from which a log is to be read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Back {
    /// Where to resume.
    pub to: ResumeAt,
    /// What is finished beyond.
    pub finished: Finished,
}

type BackSlot = Arc<Mutex<Option<Back>>>;

/// How far a worker has come: where to resume, and what is finished beyond.
type Slate = Arc<Mutex<Option<(ResumeAt, Finished)>>>;

/// The log's end: batches out, settled positions in. Dropping it lets the worker finish what is
/// queued and end.
#[derive(Debug)]
pub struct FeedLine {
    /// Where batches go; full means that the partition is to be paused.
    pub batches: mpsc::Sender<Vec<Record>>,
    closing: watch::Sender<bool>,
    settled: Slate,
    taken_bytes: Arc<AtomicU64>,
    back: BackSlot,
}

/// Both ends for one partition, with room for `queued_batches` batches between them.
pub fn feed(partition: Partition, queued_batches: usize) -> (FeedLine, Feed) {
    let (sender, batches) = mpsc::channel(queued_batches);
    let (close, closing) = watch::channel(false);
    let settled = Slate::default();
    let taken_bytes = Arc::<AtomicU64>::default();
    let line = FeedLine {
        batches: sender,
        closing: close,
        settled: Arc::clone(&settled),
        taken_bytes: Arc::clone(&taken_bytes),
        back: BackSlot::default(),
    };
    let known = Finished::default();
    let (begins, lane, back) = (None, None, None);
    let feed = Feed {
        partition,
        batches,
        closing,
        ended: false,
        known,
        settled,
        taken_bytes,
        begins,
        lane,
        back,
    };
    (line, feed)
}

impl FeedLine {
    /// Where the partition is to be resumed, once anything has been settled.
    pub fn settled(&self) -> Option<ResumeAt> {
        self.progress().map(|(resume_at, _)| resume_at)
    }

    /// The same, with what is finished beyond it.
    pub fn progress(&self) -> Option<(ResumeAt, Finished)> {
        self.settled.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A way to ask for the same once this end is gone.
    pub fn progress_of(&self) -> impl Fn() -> Option<(ResumeAt, Finished)> + use<> {
        let slate = Arc::clone(&self.settled);
        move || slate.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// No more comes: the worker finishes what is queued, and ends. What it settles stays in sight.
    pub fn end(&mut self) {
        self.batches = mpsc::channel(1).0;
    }

    /// How many bytes the worker has taken so far; the rest of what was handed on is queued.
    pub fn taken_bytes(&self) -> u64 {
        self.taken_bytes.load(Ordering::Relaxed)
    }

    /// Where its worker wants to begin anew, once it has let go of its end.
    pub fn goes_back(&self) -> Option<Back> {
        let slot = self.released().then(|| self.back.lock());
        slot?.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets the worker ask for that; without this the log only goes forward.
    #[must_use]
    pub fn letting_back(&self, feed: Feed) -> Feed {
        Feed { back: Some(Arc::clone(&self.back)), ..feed }
    }

    /// Asks the worker to end after what it has begun; what is queued is left unsettled.
    pub fn close(&self) {
        self.closing.send_replace(true);
    }

    /// Whether the worker has let go of its end.
    pub fn released(&self) -> bool {
        self.closing.is_closed()
    }
}

impl Feed {
    /// The feed of a partition of which this is finished beyond the position that it resumes at.
    #[must_use]
    pub fn knowing(self, known: Finished) -> Self {
        Self { known, ..self }
    }

    /// The feed of a partition that begins here; none where it begins with the first record.
    #[must_use]
    pub fn beginning(self, begins: Option<ResumeAt>) -> Self {
        Self { begins, ..self }
    }

    /// The feed of a partition whose topic is in a lane.
    #[must_use]
    pub fn in_lane(self, lane: Option<&str>) -> Self {
        Self { lane: lane.map(Arc::from), ..self }
    }

    /// The lane of its topic, if it is in one.
    pub fn lane(&self) -> Option<&str> {
        self.lane.as_deref()
    }

    /// Where it begins; none if with the first record.
    pub const fn begins(&self) -> Option<ResumeAt> {
        self.begins
    }

    /// Asks the log to begin anew where this worker has settled last, with another feed. Answers
    /// false if it only goes forward.
    pub fn read_again(self) -> bool {
        let settled = self.settled.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (to, finished) =
            settled.unwrap_or_else(|| (self.begins.unwrap_or(ResumeAt::START), self.known.clone()));
        self.go_back(Back { to, finished })
    }

    /// Asks the log to begin anew at an earlier place, with another feed. Answers false if it only
    /// goes forward.
    pub fn go_back(self, back: Back) -> bool {
        let Some(slot) = &self.back else { return false };
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(back);
        true
    }

    /// What was finished before, once: a log that goes back makes it void.
    pub fn take_known(&mut self) -> Finished {
        std::mem::take(&mut self.known)
    }

    /// The next records: all that are queued, up to about `limit`; `None` when the feed has ended.
    pub async fn next(&mut self, limit: usize) -> Option<Vec<Record>> {
        let first = tokio::select! {
            biased;
            Ok(_) = self.closing.wait_for(|closing| *closing) => None,
            first = self.batches.recv() => first,
        };
        self.ended = first.is_none();
        let mut records = first?;
        while records.len() < limit
            && let Ok(more) = self.batches.try_recv()
        {
            records.extend(more);
        }
        let bytes: usize = records.iter().map(Record::bytes).sum();
        self.taken_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        Some(records)
    }

    /// Whether no more records will come.
    pub const fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether the partition is taken away, or the process stops.
    pub fn is_closing(&self) -> bool {
        *self.closing.borrow()
    }

    /// Tells the log what is settled, and what is finished beyond.
    pub fn settle(&self, resume_at: ResumeAt, finished: Finished) {
        let mut settled = self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        *settled = Some((resume_at, finished));
    }

    /// Turns true when the partition is taken away or the process stops.
    pub fn closing(&self) -> watch::Receiver<bool> {
        self.closing.clone()
    }
}
