//! The river: one partition through the eight stations, in this one function.

use std::sync::Arc;
use std::time::Instant;

use readmill_core::{
    Entered, Forgotten, Guard, Offset, Outcome, Partition, ReadModel, Record, ResumeAt, stands,
};

use crate::fault::Fault;
use crate::feed::Feed;
use crate::leave::{Leave, Take};
use crate::metrics::{Meter, Observer};
use crate::noted::Notes;
use crate::open::Open;
use crate::patience::{Patience, patiently};
use crate::ports::{Held, HeldRecord, Ports, Unfolded};
use crate::progress::Progress;
use crate::reader::{self, Reader};
use crate::route::Routed;
use crate::run::{Limits, Watch};
use crate::shard::{self, End};
use crate::shards::Shards;
use crate::station::Lap;
use crate::station::Station::{Envelope, Event, Intake, Route, Settle, Wire};
use crate::tally::{Settled, Tally};
use crate::traces::InHand;

/// One partition's river.
#[derive(Debug)]
pub struct River<M: ReadModel> {
    ports: Arc<Ports<M>>,
    partition: Partition,
    limits: Limits,
    tally: Tally,
    patience: Patience,
    reader: Reader<M>,
    shards: Shards<M>,
    open: Option<Open>,
    progress: Progress,
    leave: Leave,
    heard: Listening,
    fresh: Fresh,
    in_hand: InHand,
}

/// Where it is observed how fresh documents are.
#[derive(Debug, Default)]
struct Fresh {
    of_model: Observer,
    of_lane: Observer,
}

/// What a river has heard of whoever is forgotten.
#[derive(Debug)]
struct Listening {
    /// How often its leave had run out.
    lapses: u64,
    /// Who was forgotten.
    of: Arc<Forgotten>,
}

/// What happens next.
enum Turn {
    /// Records have come.
    In(Vec<Record>),
    /// A shard has come back.
    Out(Result<Vec<End>, Fault>),
}

impl<M: ReadModel> River<M> {
    /// A river for a newly assigned partition.
    pub fn new(
        ports: Arc<Ports<M>>,
        partition: &Partition,
        limits: Limits,
        watch: &Watch,
        patience: Patience,
    ) -> Self {
        Self {
            partition: partition.clone(),
            limits,
            tally: watch.tally.clone(),
            progress: Progress::of::<M>(partition, ports.metrics.clone(), watch),
            leave: watch.leave.clone(),
            heard: Listening { lapses: watch.leave.lapses(), of: ports.script.forgotten.now() },
            reader: Reader::new(&ports.script, patience.clone()),
            shards: Shards::new(Arc::clone(&ports), partition.clone(), &limits, &patience),
            ports,
            patience,
            open: None,
            fresh: Fresh::default(),
            in_hand: InHand::default(),
        }
    }

    /// Flows until the feed has ended and all that was begun is settled.
    ///
    /// # Errors
    /// A fault that does not pass, or `Abandoned`: then whoever reads what is not settled again
    /// finds the stamps of what was written.
    pub async fn flow(&mut self, feed: &mut Feed) -> Result<(), Fault> {
        let ports = Arc::clone(&self.ports);
        let mut notes = self.begin(feed).await?;
        while let Some(turn) = self.turn(feed).await {
            let mut lap = Lap::begin(&ports.metrics, M::NAME);
            match turn {
                Turn::In(records) => {
                    let records = lap.of(Intake, self.intake(feed, records).await?);
                    self.in_hand.take_in((&ports.metrics, M::NAME), &records, lap.last());
                    let mut routed = Routed::new(self.shards.count());
                    for (at, record) in records.iter().enumerate() {
                        let traced = self.in_hand.of(record.position.offset);
                        let lap = Lap::sampled(&ports.metrics, M::NAME, at);
                        let mut lap = lap.following(traced);
                        let passing = async {
                            let framed = lap.of(Wire, reader::wire(record))?;
                            let change = self.reader.envelope(record, framed).await;
                            let mut change = lap.of(Envelope, change)?;
                            let event = self.reader.event(&record.position, &mut change).await;
                            Ok((change, lap.of(Event, event)?))
                        };
                        let passed = passing.await;
                        let passed = self.reader.heard(record, passed);
                        lap.of(Route, routed.add(record, passed))?;
                    }
                    // 6 fold and 7 write, timed in each shard
                    self.hand_on(routed).await?;
                }
                Turn::Out(ends) => {
                    self.listen().await?;
                    self.settle(ends?);
                    lap.note(Settle);
                }
            }
            if let Some(open) = &self.open {
                self.progress.show(open);
                let (resume_at, finished) = (open.resume_at(), open.finished());
                let settled = (resume_at, &finished);
                notes.note(&mut self.patience, &ports, &feed.partition, settled).await?;
                feed.settle(resume_at, finished);
            }
        }
        if feed.has_ended() {
            return Ok(());
        }
        Err(Fault::defect("a river", &"records are open, and no shard has them"))
    }

    /// Waits for records, as long as there is room for more and leave to take them, or for a shard.
    async fn turn(&mut self, feed: &mut Feed) -> Option<Turn> {
        while !feed.has_ended() && self.has_room() {
            let has_leave = self.leave.is_given();
            let is_idle = self.open.as_ref().is_none_or(|open| open.records() == 0);
            self.progress.rest(is_idle && !has_leave);
            let limit = self.limits.batch_records;
            let taking = async {
                if has_leave {
                    self.leave.take(feed, limit).await
                } else {
                    self.leave.wait(feed).await
                }
            };
            tokio::select! {
                biased; // so that a simulation can be repeated
                Some(ends) = self.shards.next() => return Some(Turn::Out(ends)),
                take = taking => match take {
                    Take::Changed => continue,
                    Take::Next(Some(records)) => return Some(Turn::In(records)),
                    Take::Next(None) if feed.is_closing() && !stands(Guard::Drain) => return None,
                    Take::Next(None) if feed.is_closing() => self.shards.forget_queued(),
                    Take::Next(None) => {}
                },
            }
            break;
        }
        self.shards.next().await.map(Turn::Out)
    }

    /// Whoever slept longer than its leave may have written of persons who were forgotten
    /// meanwhile: what it has in hand is not settled but read again, and then heard without them.
    async fn listen(&mut self) -> Result<(), Fault> {
        if self.leave.lapses() != self.heard.lapses {
            self.leave.renewed().await;
            let heard =
                Listening { lapses: self.leave.lapses(), of: self.ports.script.forgotten.now() };
            let before = std::mem::replace(&mut self.heard, heard);
            if *before.of != *self.heard.of {
                return Err(Fault::Overslept);
            }
        }
        Ok(())
    }

    fn has_room(&self) -> bool {
        let Limits { open_records_per_partition, open_bytes_per_partition, .. } = self.limits;
        self.open.as_ref().is_none_or(|open| {
            open.records() < open_records_per_partition && open.bytes() < open_bytes_per_partition
        })
    }

    /// What must be known before the first record is taken. A store that is silent now is as much
    /// in the way as later.
    async fn begin(&mut self, feed: &Feed) -> Result<Notes, Fault> {
        self.progress.begin(feed.begins().unwrap_or(ResumeAt::START));
        self.fresh = Fresh::of::<M>(&self.ports, feed.lane());
        let notes = Notes::compare(&mut self.patience, &self.ports, feed).await?;
        self.find_unread().await?;
        self.progress.begun();
        self.tally.assign();
        Ok(notes)
    }

    /// What others could not read of the partition is held: its reactions may not be sent.
    async fn find_unread(&mut self) -> Result<(), Fault> {
        let held = Arc::clone(&self.ports.held);
        let which = Held::Unread(self.partition.clone());
        let offsets = async || {
            let mut unread = Vec::new();
            let mut visit = |held: HeldRecord| unread.push(held.position().offset);
            held.visit(M::NAME, &which, &mut visit).await.map(|()| unread)
        };
        let unread: Vec<Offset> = patiently!(self.patience, offsets())?;
        self.shards.note_unread(unread);
        Ok(())
    }

    /// Station 1: takes records in. A log that goes back (a topic made anew, positions reset by
    /// hand) is followed: what was folded before is known by its stamps, and counted.
    async fn intake(
        &mut self,
        feed: &mut Feed,
        records: Vec<Record>,
    ) -> Result<Vec<Arc<Record>>, Fault> {
        let Some(first) = records.first().map(|first| first.position.offset) else {
            return Ok(Vec::new());
        };
        if self.open.as_ref().is_some_and(|open| open.has_met(first)) {
            tracing::warn!(model = M::NAME, partition = %feed.partition, offset = first.0,
                "the log went back");
            while let Some(ends) = self.shards.next().await {
                self.settle(ends?);
            }
            self.open = None;
            self.in_hand.clear();
        }
        let begin = || Open::starting_at(ResumeAt::stored(first.0), feed.take_known());
        let open = self.open.get_or_insert_with(begin);
        let mut settled = Settled::default();
        let mut taken = Vec::with_capacity(records.len());
        for record in records {
            match open.enter(&record) {
                Entered::Open => taken.push(Arc::new(record)),
                Entered::FinishedBefore => settled.ends.push(Outcome::Duplicate),
                Entered::Again => {}
            }
        }
        self.tally.count(&self.partition, settled);
        self.ports.metrics.observe(Meter::Batch, &[M::NAME], taken.len() as f64);
        Ok(taken)
    }

    /// From station 5 to the shards. Records that end here are held or skipped.
    async fn hand_on(&mut self, routed: Routed<M>) -> Result<(), Fault> {
        self.shards.note_unread(routed.unread);
        self.hold_keyless(&routed.keyless).await?;
        let Some(open) = &mut self.open else { return Ok(()) };
        let (mut settled, began) = (Settled::default(), Instant::now());
        for (position, parts, end) in routed.records {
            if let Some(ended) = open.expect(position.offset, parts, end) {
                self.in_hand.end(&self.ports.metrics, position.offset, ended.outcome, began);
                settled.add(position, ended, 0);
            }
        }
        self.tally.count(&self.partition, settled);
        self.shards.hand_on(routed.shards, Offset(open.resume_at().value()));
        Ok(())
    }

    async fn hold_keyless(&mut self, keyless: &[(Arc<Record>, String)]) -> Result<(), Fault> {
        let held_at_ms = self.ports.clock.now_ms();
        let hold = |(record, reason): &(Arc<Record>, String)| {
            let record = Record::clone(record);
            HeldRecord::new::<M>(None, Unfolded::All, reason.clone(), held_at_ms, record)
        };
        let held: Vec<HeldRecord> = keyless.iter().map(hold).collect();
        shard::keep(&mut self.patience, &self.ports, &held).await
    }

    /// Station 8: parts have their outcomes; the ledger says how far records are contiguous.
    fn settle(&mut self, ends: Vec<End>) {
        let Some(open) = &mut self.open else { return };
        let mut settled = Settled::default();
        let (now_ms, began) = (self.ports.clock.now_ms(), Instant::now());
        for End { from, taken, committed_ms, .. } in ends {
            if taken.undecided {
                self.ports.metrics.add(Meter::Undecided, &[M::NAME], 1);
            }
            if let Some(ms) = committed_ms.filter(|_| taken.outcome == Outcome::Applied) {
                self.fresh.observe(now_ms - ms);
            }
            let partition = from.partition.clone();
            // Its own end first: what it released may be itself.
            if let Some(ended) = open.part_ended(from.offset, taken.outcome) {
                self.in_hand.end(&self.ports.metrics, from.offset, ended.outcome, began);
                settled.add(from, ended, committed_ms.unwrap_or(0));
            }
            for (position, outcome) in taken.released {
                let ours = position.partition == partition;
                if !ours || !open.released(position.offset, outcome) {
                    settled.released.push((position, outcome));
                }
            }
        }
        self.tally.count(&self.partition, settled);
        self.shards.go_on(Offset(open.resume_at().value()));
    }
}

impl Fresh {
    /// Of a model, and of the lane of a topic.
    fn of<M: ReadModel>(ports: &Ports<M>, lane: Option<&str>) -> Self {
        let of_model = ports.metrics.observer(Meter::Freshness, &[M::NAME]);
        let lane = lane.map(|lane| ports.metrics.observer(Meter::LaneFreshness, &[M::NAME, lane]));
        Self { of_model, of_lane: lane.unwrap_or_default() }
    }

    /// An event was applied so long after its source had committed it.
    fn observe(&self, after_ms: i64) {
        let seconds = after_ms.max(0) as f64 / 1000.0;
        self.of_model.observe(seconds);
        self.of_lane.observe(seconds);
    }
}
