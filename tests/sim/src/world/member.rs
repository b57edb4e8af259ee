//! A member of the consumer group, as the Kafka log of the product is one: it polls, hands on,
//! pauses, drains, commits, and learns late that it was expelled.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use readmill_core::{Finished, Partition, ResumeAt};
use readmill_engine::feed::{Feed, FeedLine, feed};
use readmill_engine::{Fault, Log, Record};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::check;
use crate::faults::Kind;
use crate::scenario::Consumer;

use super::group::{Committed, MemberId, Orders};
use super::{Who, World};

/// So many batches may queue before a worker.
const QUEUED_BATCHES: usize = 2;
/// Some runs fit into it; the rest is read again.
const LONGEST_TEXT_BYTES: usize = 24;
const DRAIN_STEP: Duration = Duration::from_millis(10);

/// The engine's end of a member.
#[derive(Debug)]
pub struct MemberLog {
    feeds: mpsc::UnboundedReceiver<Feed>,
    stop: watch::Sender<bool>,
    member: Option<JoinHandle<()>>,
}

impl MemberLog {
    /// Joins the group for `who`. Answers the poller's task too, so that it can be killed.
    pub fn join(world: World, who: Who, consumer: Consumer) -> Self {
        let (sender, feeds) = mpsc::unbounded_channel();
        let (stop, stopping) = watch::channel(false);
        let id = 0;
        let lines = BTreeMap::new();
        let member = Member { world, who, id, consumer, feeds: sender, stopping, lines };
        Self { feeds, stop, member: Some(tokio::spawn(member.run())) }
    }

    /// The way to kill the poller.
    pub fn poller(&self) -> Option<tokio::task::AbortHandle> {
        self.member.as_ref().map(JoinHandle::abort_handle)
    }
}

#[async_trait]
impl Log for MemberLog {
    async fn assigned(&mut self) -> Result<Option<Feed>, Fault> {
        Ok(self.feeds.recv().await)
    }

    async fn stop(&mut self) -> Result<(), Fault> {
        self.stop.send_replace(true);
        if let Some(member) = self.member.take() {
            // A poller that was killed has nothing to say.
            let _ = member.await;
        }
        Ok(())
    }
}

/// The polling loop.
struct Member {
    world: World,
    who: Who,
    id: MemberId,
    consumer: Consumer,
    feeds: mpsc::UnboundedSender<Feed>,
    stopping: watch::Receiver<bool>,
    lines: BTreeMap<Partition, Line>,
}

/// An assigned partition.
struct Line {
    feed: FeedLine,
    /// The next offset to fetch.
    next: i64,
    /// Fetched and not handed on yet.
    pending: Vec<Record>,
    committed: Option<(ResumeAt, Finished)>,
}

impl Member {
    async fn run(mut self) {
        self.join();
        let mut committed = Instant::now();
        while !*self.stopping.borrow() {
            self.world.gate(self.who).await;
            let now_ms = self.world.now_ms();
            match self.world.look(|world| world.group.beat(self.id, now_ms)) {
                Some(orders) => self.follow(orders).await,
                None => self.expelled(),
            }
            self.fetch();
            if committed.elapsed() >= self.consumer.commit_interval {
                committed = Instant::now();
                let all: Vec<Partition> = self.lines.keys().cloned().collect();
                all.iter().for_each(|partition| self.commit(partition));
            }
            self.pause().await;
        }
        self.leave().await;
    }

    fn join(&mut self) {
        let now_ms = self.world.now_ms();
        self.id = self.world.look(|world| world.group.join(now_ms));
        self.world.note(self.who, || format!("joins as member {}", self.id));
    }

    /// Everything is lost: past draining, past committing.
    fn expelled(&mut self) {
        self.world.note(self.who, || format!("learns that member {} was expelled", self.id));
        self.lines.values().for_each(|line| line.feed.close());
        self.lines.clear();
        self.join();
    }

    async fn follow(&mut self, orders: Orders) {
        if !orders.revoke.is_empty() {
            self.give_up(&orders.revoke).await;
        }
        for (partition, Committed { offset, text }) in orders.assign {
            let Committed { offset, text } = self.perhaps_reset(&partition, offset, text);
            self.world.note(self.who, || format!("is assigned {partition} from {offset} {text}"));
            let (line, worker) = feed(partition.clone(), QUEUED_BATCHES);
            let line = Line { feed: line, next: offset, pending: Vec::new(), committed: None };
            self.lines.insert(partition, line);
            let known = Finished::from_text(&text, ResumeAt::stored(offset));
            // Nobody listens any more once the engine has stopped; the feed is dropped then.
            let _ = self.feeds.send(worker.knowing(known));
        }
    }

    /// Work in hand is finished and committed while the partition is still ours, up to a limit.
    async fn give_up(&mut self, which: &[Partition]) {
        which.iter().filter_map(|p| self.lines.get(p)).for_each(|line| line.feed.close());
        let limit = if self.world.strikes(Kind::DrainCutShort) {
            Duration::ZERO
        } else {
            self.consumer.drain_limit
        };
        let until = Instant::now() + limit;
        let open = |lines: &BTreeMap<Partition, Line>| {
            which.iter().filter_map(|p| lines.get(p)).any(|line| !line.feed.released())
        };
        while open(&self.lines) && Instant::now() < until {
            tokio::time::sleep(DRAIN_STEP).await;
            self.world.gate(self.who).await;
        }
        let drained = !open(&self.lines);
        for partition in which {
            if drained && let Some(line) = self.lines.get(partition) {
                check::drained(&self.world, partition, line.feed.progress());
            }
            self.commit(partition);
            self.world.note(self.who, || format!("gives {partition} up"));
            self.world.look(|world| world.group.given_up(self.id, partition));
            self.lines.remove(partition);
        }
    }

    /// Somebody has set the position back by hand while nobody read the partition.
    fn perhaps_reset(&self, partition: &Partition, offset: i64, text: String) -> Committed {
        if offset == 0 || !self.world.strikes(Kind::Reset) {
            return Committed { offset, text };
        }
        let back = self.world.look(|world| world.fates.between(1, 6));
        let offset = offset.saturating_sub_unsigned(back).max(0);
        let committed = Committed { offset, text: String::new() };
        self.world.look(|world| world.group.commit(self.id, partition, committed.clone()));
        committed
    }

    fn fetch(&mut self) {
        for (partition, line) in &mut self.lines {
            if line.next > 0 && self.world.strikes(Kind::Rewind) {
                // Not below what is committed: a log goes back there by a reset alone.
                let (back, least) = self
                    .world
                    .look(|world| (world.fates.between(1, 6), world.group.committed(partition)));
                line.next = line.next.saturating_sub_unsigned(back).max(least.min(line.next));
                self.world.note(self.who, || format!("rewinds {partition} to {}", line.next));
            }
            let room = self.consumer.fetch_records.saturating_sub(line.pending.len());
            let fetched = self.world.look(|world| world.topics.fetch(partition, line.next, room));
            if let Some(last) = fetched.last() {
                line.next = last.position.offset.0 + 1;
            }
            line.pending.extend(fetched);
            if !line.pending.is_empty()
                && let Ok(place) = line.feed.batches.try_reserve()
            {
                place.send(std::mem::take(&mut line.pending));
            }
        }
    }

    fn commit(&mut self, partition: &Partition) {
        let Some(line) = self.lines.get_mut(partition) else { return };
        let Some(settled) = line.feed.progress().filter(|now| Some(now) != line.committed.as_ref())
        else {
            return;
        };
        if self.world.strikes(Kind::CommitLost) {
            self.world.note(self.who, || format!("commits {partition}: lost on the way"));
            return;
        }
        let (resume_at, finished) = settled.clone();
        line.committed = Some(settled);
        let text = finished.to_text(resume_at, self.longest_text_bytes());
        let committed = Committed { offset: resume_at.value(), text };
        self.world.note(self.who, || format!("commits {partition} at {committed:?}"));
        let (from, accepted) = self.world.look(|world| {
            let from = world.group.committed(partition);
            (from, world.group.commit(self.id, partition, committed))
        });
        if accepted {
            check::commit(&self.world, partition, from, resume_at, &finished);
        } else {
            self.world.note(self.who, || "the commit is refused".to_owned());
        }
    }

    /// Where nothing fails nothing is to be done twice, for want of room neither.
    fn longest_text_bytes(&self) -> usize {
        let calm = self.world.look(|world| world.fates.are_calm());
        if calm { usize::MAX } else { LONGEST_TEXT_BYTES }
    }

    async fn pause(&self) {
        let mut pause = self.consumer.poll_interval;
        if self.world.strikes(Kind::Stall) {
            self.world.note(self.who, || "stops polling for a while".to_owned());
            pause = self.consumer.session + Duration::from_millis(900);
        }
        let mut stopping = self.stopping.clone();
        tokio::select! {
            biased;
            _ = stopping.wait_for(|stop| *stop) => {}
            () = tokio::time::sleep(pause) => {}
        }
    }

    async fn leave(mut self) {
        self.world.gate(self.who).await;
        let all: Vec<Partition> = self.lines.keys().cloned().collect();
        self.give_up(&all).await;
        self.world.look(|world| world.group.leave(self.id));
        self.world.note(self.who, || format!("leaves as member {}", self.id));
    }
}
