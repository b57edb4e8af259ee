//! The polling thread of a member: it polls, hands on, pauses, commits, and leaves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::Offset as KafkaOffset;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use readmill_core::{Offset, Partition, Position};
use readmill_engine::Record;
use readmill_engine::feed::Back;
use readmill_engine::{Fault, Pulse};
use tokio::sync::watch;

use super::begin::{Asking, Known};
use super::config::GroupProtocol;
use super::ear::Ear;
use super::growth::Probe;
use super::line::{BATCH_RECORDS, Running};
use super::lines::{Lines, list_of};
use super::login::Login;
use super::member::{Begin, Member, commit};

/// How long one poll waits for a record.
const POLL_STEP: Duration = Duration::from_millis(50);
/// How long it waits while something polled waits to be handed on.
const BUSY_STEP: Duration = Duration::from_millis(2);
/// How long it waits while partitions have queues of their own: nobody says when something comes.
const APART_STEP: Duration = Duration::from_millis(10);
/// Of all those, so many records are taken at a time, and then the urgent ones are asked for again.
const APART_RECORDS: usize = 1000;
/// Of each one at least so many.
const LEAST_APART_RECORDS: usize = 16;
/// The brokers' protocol says nothing to a member that is given nothing: after two heartbeats
/// without a word it is as ready as one can be.
const SILENCE_LIMIT: Duration = Duration::from_secs(10);
/// New partitions are looked after so often.
const GROWTH_STEP: Duration = Duration::from_millis(50);
/// The client takes a new place to read from within this time.
const SEEK_LIMIT: Duration = Duration::from_secs(5);

/// The polling thread.
pub struct Poller {
    /// The queues of partitions in lanes that give way: what waits there is in nobody's way.
    pub apart: BTreeMap<Partition, PartitionQueue<Member>>,
    pub consumer: Arc<BaseConsumer<Member>>,
    pub stopping: watch::Receiver<bool>,
    pub commit_interval: Duration,
    pub model: &'static str,
    pub pulse: Pulse,
    pub probe: Probe,
    pub login: Login,
}

/// How a poller ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// For good.
    ForGood,
    /// Another client is to go on in its place, with another password.
    ForAnother,
}

/// What an error of the client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Nothing: it goes on by itself.
    Nothing,
    /// A place to read from: the log has not what comes next.
    Place,
}

impl Poller {
    /// Until told to stop, or a fault needs a person, or another client is to go on.
    pub fn run(mut self) -> Ended {
        let mut ended = Ended::ForGood;
        let began = Instant::now();
        let (mut committed, mut grown) = (began, began);
        while self.goes_on() {
            self.pulse.polled(self.model);
            self.set_apart();
            if let Err(fault) = self.poll().or_else(|fault| self.bears(fault)) {
                self.consumer.context().fail(fault);
                break;
            }
            if self.login.has_changed() {
                tracing::info!(model = self.model, "the password was read again: joining anew");
                ended = Ended::ForAnother;
                break;
            }
            if grown.elapsed() >= GROWTH_STEP {
                grown = Instant::now();
                if let Err(fault) = self.go_back() {
                    self.consumer.context().fail(fault);
                    break;
                }
                self.begin_without_partitions(began);
                self.look_after_grown();
            }
            self.turn_valves();
            // What is urgent has been handed on; what comes now is, in the next round.
            if let Err(fault) = self.poll_apart().or_else(|fault| self.bears(fault)) {
                self.consumer.context().fail(fault);
                break;
            }
            if committed.elapsed() >= self.commit_interval {
                committed = Instant::now();
                let commits = self.consumer.context().with_lines(Lines::unsaved);
                commit(&self.consumer, &commits, CommitMode::Async);
            }
        }
        self.leave();
        ended
    }

    /// A fault that passes when the password is another one is no reason to end.
    fn bears(&self, fault: Fault) -> Result<(), Fault> {
        let fault = self.login.pardon(fault);
        if matches!(fault, Fault::Silent { .. }) {
            tracing::warn!(model = self.model, %fault, "kafka does not let us in for now");
            return Ok(());
        }
        Err(fault)
    }

    /// Whoever could say stop being gone means stop, too.
    fn goes_on(&self) -> bool {
        !*self.stopping.borrow() && self.stopping.has_changed().is_ok()
    }

    /// Polls until a batch is complete or nothing more is there at once.
    fn poll(&self) -> Result<(), Fault> {
        let member = self.consumer.context();
        let pending = member.with_lines(|lines| lines.is_pending());
        let mut patience = match (pending, self.apart.is_empty()) {
            (true, _) => BUSY_STEP,
            (false, false) => APART_STEP,
            (false, true) => POLL_STEP,
        };
        for _ in 0..BATCH_RECORDS {
            match self.consumer.poll(patience) {
                None => break,
                Some(Ok(message)) => {
                    let record = record_of(&message);
                    if member.with_lines(|lines| lines.push(record)) {
                        break;
                    }
                }
                Some(Err(error)) => match judge(&error, &member.ear)? {
                    Asked::Nothing => {}
                    Asked::Place => self.find_places()?,
                },
            }
            patience = Duration::ZERO;
        }
        Ok(())
    }

    /// Gives partitions in lanes that give way queues of their own.
    fn set_apart(&mut self) {
        let member = Arc::clone(self.consumer.context());
        for partition in member.with_lines(|lines| lines.set_apart()) {
            let queue = self.consumer.split_partition_queue(&partition.topic, partition.index);
            self.apart.extend(queue.map(|queue| (partition, queue)));
        }
        self.apart.retain(|partition, _| member.with_lines(|l| l.has_room(partition)).is_some());
    }

    /// Polls those, each only as far as it has room: what is left waits there, and is not fetched
    /// again.
    fn poll_apart(&self) -> Result<(), Fault> {
        let member = self.consumer.context();
        let each = (APART_RECORDS / self.apart.len().max(1)).max(LEAST_APART_RECORDS);
        for (partition, queue) in &self.apart {
            let mut left = each;
            while left > 0 && member.with_lines(|lines| lines.has_room(partition)) == Some(true) {
                match queue.poll(Duration::ZERO) {
                    None => break,
                    Some(Ok(message)) => {
                        let record = record_of(&message);
                        member.with_lines(|lines| lines.push(record));
                        left -= 1;
                    }
                    Some(Err(error)) => match judge(&error, &member.ear)? {
                        Asked::Nothing => {}
                        Asked::Place => self.find_places()?,
                    },
                }
            }
        }
        Ok(())
    }

    fn turn_valves(&self) {
        let now = Instant::now();
        let valves = self.consumer.context().with_lines(|lines| lines.hand_on(now));
        let turned = [
            (!valves.pause.is_empty()).then(|| self.consumer.pause(&list_of(&valves.pause))),
            (!valves.resume.is_empty()).then(|| self.consumer.resume(&list_of(&valves.resume))),
        ];
        for error in turned.into_iter().flatten().filter_map(Result::err) {
            // The partition is being taken away; its line is drained in the same poll.
            tracing::debug!(model = self.model, %error, "pause or resume had no effect");
        }
    }

    /// Some partition's log has not what comes next: all are looked at, since the client does not
    /// say which one it is.
    fn find_places(&self) -> Result<(), Fault> {
        let member = self.consumer.context();
        let partitions = member.with_lines(|lines| lines.partitions());
        let asking = Asking::within(member.config.connect_timeout());
        let committed = asking.committed(&self.consumer, &partitions).unwrap_or_default();
        for partition in partitions {
            let next =
                member.with_lines(|lines| lines.get(&partition).and_then(|line| line.next()));
            let Some(log) = asking.log(&self.consumer, &partition) else { continue };
            let stands = committed.get(&partition).map(|(at, _)| *at);
            let known = Known { committed: next.or(stands), left_at: None, log };
            match member.weigh(&partition, &known)? {
                Begin::At(_) if next.is_some() => {}
                Begin::At(at) => self.seek(&partition, KafkaOffset::Offset(at.value())),
                Begin::Earliest | Begin::Unknown => self.seek(&partition, KafkaOffset::Beginning),
            }
        }
        Ok(())
    }

    /// Begins partitions anew whose workers ask for it: their store has lost what it acknowledged.
    fn go_back(&self) -> Result<(), Fault> {
        let member = self.consumer.context();
        let asking = Asking::within(member.config.connect_timeout());
        for (partition, Back { to, finished }) in member.with_lines(|lines| lines.going_back()) {
            let Some(log) = asking.log(&self.consumer, &partition) else { continue };
            let known = Known { committed: Some(to), left_at: None, log };
            let (begin, offset) = match member.weigh(&partition, &known)? {
                Begin::At(at) => (Some(at), KafkaOffset::Offset(at.value())),
                Begin::Earliest | Begin::Unknown => (None, KafkaOffset::Beginning),
            };
            self.seek(&partition, offset);
            let anew = |line: &mut Running| line.begin_anew(begin, finished);
            if let Some(feed) = member.with_lines(|lines| lines.get(&partition).map(anew)) {
                member.assign(feed);
            }
        }
        Ok(())
    }

    fn begin_without_partitions(&self, began: Instant) {
        let member = self.consumer.context();
        let silent = member.config.group_protocol == GroupProtocol::Consumer;
        if silent && began.elapsed() >= SILENCE_LIMIT && !member.tally.has_begun() {
            member.tally.assign();
        }
    }

    /// Lets records of new partitions pass when the older ones have passed what they held.
    fn look_after_grown(&self) {
        let member = self.consumer.context();
        for partition in member.with_lines(|lines| lines.growing()) {
            let asking = Asking::within(member.config.connect_timeout());
            let Some((older, ends, pending)) = member.with_lines(|lines| {
                let (growth, pending) = lines.get(&partition)?.growing()?;
                Some((growth.older(), growth.waits_for(), pending))
            }) else {
                continue;
            };
            let is_new = ends.is_none();
            let Some(ends) = ends.or_else(|| self.ends(asking, &older)) else { continue };
            let left = self.left(asking, ends);
            member.with_lines(|lines| {
                if let Some((growth, _)) = lines.get(&partition).and_then(|line| line.growing()) {
                    growth.wait_for(left, if is_new { pending } else { growth.waiting() });
                }
            });
        }
    }

    /// Where older partitions end that hold anything.
    fn ends(&self, asking: Asking, older: &[Partition]) -> Option<Vec<(Partition, i64)>> {
        let mut ends = Vec::new();
        for partition in older {
            let (first, end) = asking.log(&self.consumer, partition)?;
            if first < end {
                ends.push((partition.clone(), end));
            }
        }
        Some(ends)
    }

    /// The ends that are not passed, here or by whoever else has the partition.
    fn left(&self, asking: Asking, ends: Vec<(Partition, i64)>) -> Vec<(Partition, i64)> {
        let member = self.consumer.context();
        let here = |(partition, end): &(Partition, i64)| {
            member.with_lines(|lines| lines.get(partition).is_some_and(|l| l.has_passed(*end)))
        };
        let mut left: Vec<_> = ends.into_iter().filter(|end| !here(end)).collect();
        if left.is_empty() {
            return left;
        }
        let partitions: Vec<Partition> =
            left.iter().map(|(partition, _)| partition.clone()).collect();
        let committed = asking.committed(&self.consumer, &partitions).unwrap_or_default();
        left.retain(|(partition, end)| {
            let at = committed.get(partition).map(|(at, _)| *at);
            at.is_none_or(|at| at.value() < *end && !self.probe.is_empty(partition, at, *end))
        });
        left
    }

    fn seek(&self, partition: &Partition, to: KafkaOffset) {
        self.consumer.context().with_lines(|lines| {
            if let Some(line) = lines.get(partition) {
                line.jump();
            }
        });
        if let Err(error) = self.consumer.seek(&partition.topic, partition.index, to, SEEK_LIMIT) {
            tracing::warn!(%partition, %error, "the client takes no other place to read from");
        }
    }

    /// Drains and commits everything, then leaves the group so that others take over at once;
    /// unless it is a member by name, whose partitions wait for it.
    fn leave(self) {
        let member = self.consumer.context();
        let limit = member.config.drain_limit();
        let commits = member.with_lines(|lines| {
            let all = lines.partitions();
            lines.drain(&all, limit)
        });
        if !self.consumer.assignment_lost() {
            commit(&self.consumer, &commits, CommitMode::Sync);
        }
        let (pulse, model) = (self.pulse.clone(), self.model);
        // Closing takes a while, and a close that hangs is not to be hidden.
        drop(self);
        pulse.ended(model);
    }
}

/// A polled message, with bytes of its own.
pub fn record_of(message: &BorrowedMessage<'_>) -> Record {
    let headers = message.headers().map_or_else(Vec::new, |headers| {
        headers
            .iter()
            .map(|header| (header.key.to_owned(), header.value.unwrap_or_default().to_vec()))
            .collect()
    });
    Record {
        position: Position {
            partition: Partition::new(message.topic(), message.partition()),
            offset: Offset(message.offset()),
        },
        timestamp_ms: message.timestamp().to_millis().unwrap_or(0),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers,
    }
}

/// What passes is left to the client library, which goes on by itself; the rest stops the reader.
pub fn judge(error: &KafkaError, ear: &Ear) -> Result<Asked, Fault> {
    match error.rdkafka_error_code() {
        Some(
            RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::GroupAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed
            | RDKafkaErrorCode::SaslAuthenticationFailed
            | RDKafkaErrorCode::FencedInstanceId
            | RDKafkaErrorCode::UnreleasedInstanceId
            | RDKafkaErrorCode::UnsupportedAssignor
            | RDKafkaErrorCode::Fatal,
        ) => Err(ear.refused(error)),
        Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => {
            Ok(Asked::Place)
        }
        Some(_) | None => {
            if let Some(fault) = ear.lasting() {
                return Err(fault);
            }
            tracing::warn!(%error, "kafka reports a fault that passes");
            Ok(Asked::Nothing)
        }
    }
}
