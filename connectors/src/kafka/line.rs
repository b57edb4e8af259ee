//! A partition on its way: assigned, running, draining, released. Only a running one takes records.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rdkafka::error::KafkaResult;
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};
use readmill_core::{Finished, Partition, ResumeAt};
use readmill_engine::Record;
use readmill_engine::feed::{Back, Feed, FeedLine, feed};
use readmill_engine::{Lanes, Leave, Meter, Metrics, PartitionLabels};

use super::growth::Growth;
use super::lag::{Ages, Sight};
use super::note::Note;
use super::pace::LesserPace;
use super::queue_time::QueueTime;

/// What the brokers have not taken is committed again after so long, also where nothing more comes:
/// a commit that meets a rebalance is lost, and nobody is told.
const COMMIT_AGAIN: Duration = Duration::from_secs(2);
/// Somewhere in the log.
const ANYWHERE: ResumeAt = ResumeAt::stored(i64::MAX);
/// So many batches may queue before a worker.
const QUEUED_BATCHES: usize = 4;
/// A batch is handed on at this size at the latest.
pub const BATCH_RECORDS: usize = 1000;
/// A batch is handed on when it has so many bytes.
pub const BATCH_BYTES: usize = 1 << 20;

/// What all lines of a log have in common.
#[derive(Debug)]
pub struct Track {
    /// The model.
    pub model: &'static str,
    /// The metrics.
    pub metrics: Metrics,
    /// The lanes of the process.
    pub lanes: Lanes,
    /// Whether records may be taken in.
    pub leave: Leave,
    /// At most so many bytes of a partition queue before its worker.
    pub queued_bytes_per_partition: u64,
}

/// A partition that is ours, and has not begun.
#[derive(Debug)]
pub struct Assigned {
    /// The partition.
    pub partition: Partition,
    /// The lane of its topic.
    pub lane: Option<String>,
    /// Where it begins; none means that the client finds out.
    pub begin: Option<ResumeAt>,
    /// Whether the client finds out where the group stands, and not the first record.
    pub stands_anywhere: bool,
    /// What was noted when it was last given back.
    pub note: Note,
    /// What it waits for, if its topic has just grown by it.
    pub growth: Option<Growth>,
}

/// A partition whose records are handed to a worker.
#[derive(Debug)]
pub struct Running {
    partition: Partition,
    lane: Option<String>,
    track: Arc<Track>,
    feed: FeedLine,
    /// Polled and not handed on yet.
    pending: Vec<Record>,
    pending_bytes: usize,
    handed_bytes: u64,
    /// From the first record that was handed on to one past the last.
    handed: Option<(i64, i64)>,
    ages: Ages,
    /// The next offset that is expected of the log.
    next: Option<ResumeAt>,
    paused: bool,
    /// Whether its lane gives way to others, as of the last look.
    lesser: bool,
    /// Whether its records come through a queue of its own, which waits when nobody polls it.
    apart: bool,
    growth: Option<Growth>,
    queue: QueueTime,
    ledger: Kept,
}

/// What is known of a line's commits.
#[derive(Debug, Default)]
struct Kept {
    partitions: Option<i32>,
    /// What was last asked to be committed, and when; no time once the brokers have taken it.
    committed: Option<(ResumeAt, String)>,
    asked: Option<Instant>,
}

/// A partition that is being given back while it is still ours.
#[derive(Debug)]
pub struct Draining {
    partition: Partition,
    feed: FeedLine,
    track: Arc<Track>,
    kept: Kept,
}

/// What is to be committed for a partition.
#[derive(Debug)]
pub struct Commit {
    partition: Partition,
    resume_at: ResumeAt,
    note: String,
}

/// How far handing on came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handed {
    /// Nothing is left.
    All,
    /// Something is left, since its worker or its lane has no room for it now.
    Some,
}

impl Assigned {
    /// Begins: from now on records are taken.
    pub fn run(self, track: Arc<Track>) -> (Running, Feed) {
        let (line, worker) = feed(self.partition.clone(), QUEUED_BATCHES);
        let Note { partitions, finished } = self.note;
        let running = Running {
            partition: self.partition,
            lane: self.lane,
            track,
            feed: line,
            pending: Vec::new(),
            pending_bytes: 0,
            handed_bytes: 0,
            handed: None,
            ages: Ages::default(),
            next: self.begin,
            paused: false,
            lesser: false,
            apart: false,
            growth: self.growth,
            queue: QueueTime::default(),
            ledger: Kept { partitions, ..Kept::default() },
        };
        let worker = running.feed.letting_back(worker);
        // A store that forgets must not take it for an earlier place than it is.
        let begins = if self.stands_anywhere { Some(ANYWHERE) } else { running.next };
        let worker = worker.knowing(finished).beginning(begins);
        let worker = worker.in_lane(running.lane.as_deref());
        (running, worker)
    }
}

impl Running {
    /// Where its worker wants to begin anew, if it does.
    pub fn goes_back(&self) -> Option<Back> {
        self.feed.goes_back()
    }

    /// Begins anew, with another worker: what was polled is forgotten.
    pub fn begin_anew(&mut self, begin: Option<ResumeAt>, finished: Finished) -> Feed {
        let (line, worker) = feed(self.partition.clone(), QUEUED_BATCHES);
        self.feed = line;
        self.pending.clear();
        self.pending_bytes = 0;
        self.handed_bytes = 0;
        self.handed = None;
        self.ages = Ages::default();
        self.next = begin;
        self.queue = QueueTime::default();
        self.ledger.committed = None;
        let worker = self.feed.letting_back(worker).knowing(finished).beginning(begin);
        worker.in_lane(self.lane.as_deref())
    }

    /// Takes a polled record. Answers whether the batch is complete: then it is to be handed on
    /// before more is polled.
    pub fn push(&mut self, record: Record) -> bool {
        self.next = Some(ResumeAt::stored(record.position.offset.0 + 1));
        self.pending_bytes += record.bytes();
        self.pending.push(record);
        self.is_full()
    }

    /// Whether a batch is complete.
    pub const fn is_full(&self) -> bool {
        self.pending.len() >= BATCH_RECORDS || self.pending_bytes >= BATCH_BYTES
    }

    /// Hands polled records on, as far as the worker and the lane have room at this pace.
    pub fn hand_on(&mut self, pace: &mut LesserPace, now: Instant) -> Handed {
        if self.pending.is_empty() {
            return Handed::All;
        }
        let queued = self.queued_bytes();
        let most = self.track.queued_bytes_per_partition;
        let full = queued > 0 && queued + self.pending_bytes as u64 > most;
        let Ok(place) = self.feed.batches.try_reserve() else { return Handed::Some };
        let passing = self.growth.as_ref().map_or(usize::MAX, Growth::open_records);
        let room = if full { 0 } else { self.pending.len().min(passing) };
        let granted = match &self.lane {
            Some(lane) if room > 0 => self.track.lanes.grant(lane, room, pace, now),
            Some(_) | None => room,
        };
        if granted == 0 {
            return Handed::Some;
        }
        let rest = self.pending.split_off(granted.min(self.pending.len()));
        let batch = std::mem::replace(&mut self.pending, rest);
        let bytes: usize = batch.iter().map(Record::bytes).sum();
        self.pending_bytes -= bytes;
        self.handed_bytes += bytes as u64;
        if let (Some(first), Some(last)) = (batch.first(), batch.last()) {
            let from = self.handed.map_or(first.position.offset.0, |(from, _)| from);
            self.handed = Some((from, last.position.offset.0 + 1));
            self.ages.handed_on(first, last, self.feed.settled());
        }
        if let Some(lane) = &self.lane {
            let labels = [self.track.model, lane];
            self.track.metrics.add(Meter::LaneRecords, &labels, batch.len() as u64);
        }
        if let Some(growth) = &mut self.growth {
            growth.passed(batch.len());
        }
        if self.lesser {
            pace.hand_on(batch.len());
        }
        place.send(batch);
        if self.pending.is_empty() { Handed::All } else { Handed::Some }
    }

    /// Looks whether its lane gives way to others.
    pub fn is_lesser(&mut self) -> bool {
        self.lesser = self.lane.as_ref().is_some_and(|lane| self.track.lanes.is_lesser(lane));
        self.lesser
    }

    /// Whether its records are to come through a queue of its own from now on.
    pub fn sets_apart(&mut self) -> bool {
        let now = self.lesser && !self.apart;
        self.apart |= now;
        now
    }

    /// How many records are handed on and not settled, at most.
    fn open_records(&self) -> i64 {
        let (open, _) = self.work();
        open
    }

    /// How many records are handed on and not settled, and how many are settled, both at most: an
    /// offset need not be a record.
    pub fn work(&self) -> (i64, i64) {
        let Some((from, to)) = self.handed else { return (0, 0) };
        let settled = self.feed.settled().map_or(from, ResumeAt::value);
        ((to - settled).max(0), (settled - from).max(0))
    }

    /// Whether anything of it is polled and not settled.
    pub fn is_busy(&self) -> bool {
        !self.pending.is_empty() || self.open_records() > 0
    }

    /// Whether something waits to be handed on.
    pub const fn is_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// What it waits for, if its topic has just grown by it and something waits.
    pub fn growing(&mut self) -> Option<(&mut Growth, usize)> {
        let now = Instant::now();
        if let Some(partitions) = self.growth.as_ref().and_then(|growth| growth.is_over(now)) {
            tracing::info!(partition = %self.partition, "the new partition waits no longer");
            self.ledger.partitions = Some(partitions);
            self.growth = None;
        }
        let pending = self.pending.len();
        self.growth.as_mut().filter(|_| pending > 0).map(|growth| (growth, pending))
    }

    /// Whether everything before `end` is settled.
    pub fn has_passed(&self, end: i64) -> bool {
        let idle = if self.is_busy() { None } else { self.next };
        self.settled().into_iter().chain(idle).any(|at| at.value() >= end)
    }

    /// For how long what is in hand has been, unless it rests: a new partition waits for others,
    /// and where nothing may be taken in, nobody is late.
    pub fn waited(&mut self, now: Instant) -> Duration {
        if self.growth.is_some() || !self.track.leave.is_given() {
            self.queue = QueueTime::default();
            return Duration::ZERO;
        }
        let (busy, next, settled) = (self.is_busy(), self.next, self.settled());
        self.queue.look(next.filter(|_| busy), settled, now)
    }

    /// The lane of its topic.
    pub fn lane(&self) -> Option<&str> {
        self.lane.as_deref()
    }

    /// What is to be done about fetching after records were handed on: true to stop it, false to
    /// go on with it.
    pub fn valve(&mut self, handed: Handed) -> Option<bool> {
        let pause = match handed {
            Handed::Some => !self.apart && (self.paused || self.is_full()),
            Handed::All => false,
        };
        (std::mem::replace(&mut self.paused, pause) != pause).then_some(pause)
    }

    fn queued_bytes(&self) -> u64 {
        self.handed_bytes.saturating_sub(self.feed.taken_bytes())
    }

    /// Where reading goes on, if that is known.
    pub const fn next(&self) -> Option<ResumeAt> {
        self.next
    }

    /// Records are polled from elsewhere from now on.
    pub const fn jump(&mut self) {
        self.next = None;
    }

    /// Where the partition would be resumed, once anything has been settled.
    pub fn settled(&self) -> Option<ResumeAt> {
        self.feed.settled()
    }

    /// The brokers have taken this.
    pub fn committed(&mut self, at: ResumeAt) {
        if self.ledger.committed.as_ref().is_some_and(|(asked, _)| *asked == at) {
            self.ledger.asked = None;
        }
    }

    /// What is to be committed, if that has changed.
    pub fn unsaved(&mut self) -> Option<Commit> {
        self.ledger.unsaved(&self.partition, &self.feed)
    }

    /// Shows how much is queued.
    pub fn show(&mut self) {
        let place = PartitionLabels::of(self.track.model, &self.partition);
        let labels = place.as_array();
        let queued = self.queued_bytes() + self.pending_bytes as u64;
        let queued = i64::try_from(queued).unwrap_or(i64::MAX);
        self.track.metrics.set(Meter::QueuedBytes, &labels, queued);
        self.track.metrics.set(Meter::Paused, &labels, self.paused.into());
        let oldest_ms = self.ages.oldest_ms(self.feed.settled(), self.pending.first());
        let lag = super::lag::age(oldest_ms, SystemTime::now());
        self.track.metrics.set_seconds(Meter::LagSeconds, &labels, lag);
    }

    /// Shows how many records the log has beyond what is settled, as far as that is seen.
    pub fn show_lag(&self, sight: Sight) {
        if let Some(lag) = sight.lag(self.settled(), self.is_busy()) {
            let place = PartitionLabels::of(self.track.model, &self.partition);
            self.track.metrics.set(Meter::LagRecords, &place.as_array(), lag);
        }
    }

    fn hide(&self) {
        let place = PartitionLabels::of(self.track.model, &self.partition);
        let shown = [Meter::QueuedBytes, Meter::Paused, Meter::LagRecords, Meter::LagSeconds];
        for meter in shown {
            self.track.metrics.remove(meter, &place.as_array());
        }
    }

    /// Gives the partition back: the worker finishes what it has begun, and takes nothing more.
    pub fn drain(self) -> Draining {
        self.hide();
        self.feed.close();
        let Self { partition, feed, track, ledger: kept, .. } = self;
        Draining { partition, feed, track, kept }
    }

    /// The partition was lost: whoever owns it now reads again what is not committed. Nothing is
    /// left here that could commit.
    pub fn abandon(self) {
        self.hide();
        self.feed.close();
    }
}

impl Draining {
    /// Whether the worker has finished.
    pub fn is_released(&self) -> bool {
        self.feed.released()
    }

    /// Lets go, with what is to be committed while the partition is still ours. A worker that
    /// needs longer is left behind; compare-and-set makes it harmless.
    pub fn release(mut self) -> Option<Commit> {
        if !self.is_released() {
            let partition = &self.partition;
            tracing::warn!(%partition, "work in hand took longer than drain_limit_ms: given up");
            self.track.metrics.add(Meter::DrainGivenUp, &[self.track.model], 1);
        }
        self.kept.unsaved(&self.partition, &self.feed)
    }
}

impl Kept {
    fn unsaved(&mut self, partition: &Partition, feed: &FeedLine) -> Option<Commit> {
        let (resume_at, finished) = feed.progress()?;
        let note = Note { partitions: self.partitions, finished };
        let commit = (resume_at, note.to_text(resume_at));
        let is_due = self.asked.is_some_and(|asked| asked.elapsed() >= COMMIT_AGAIN);
        if self.committed.as_ref() == Some(&commit) && !is_due {
            return None;
        }
        self.asked = Some(Instant::now());
        self.committed = Some(commit.clone());
        let (resume_at, note) = commit;
        Some(Commit { partition: partition.clone(), resume_at, note })
    }
}

/// Commits as librdkafka takes them; none when there are none.
pub fn list_of_commits(commits: &[Commit]) -> Option<TopicPartitionList> {
    let mut list = TopicPartitionList::with_capacity(commits.len());
    for Commit { partition, resume_at, note } in commits {
        let mut place = list.add_partition(&partition.topic, partition.index);
        let set: KafkaResult<()> = place.set_offset(KafkaOffset::Offset(resume_at.value()));
        place.set_metadata(note);
        if let Err(error) = set {
            tracing::error!(%partition, %error, "the settled offset cannot be committed");
        }
    }
    (list.count() > 0).then_some(list)
}
