//! A member of a consumer group: what it does when partitions come and go.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use rdkafka::client::OAuthToken;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::{ClientContext, Offset as KafkaOffset, Statistics, TopicPartitionList};
use readmill_core::{Partition, ResumeAt};
use readmill_engine::feed::Feed;
use readmill_engine::{Fault, Meter, Metrics, Tally};
use tokio::sync::mpsc;

use super::begin::{Asking, Known, answer, judge};
use super::config::KafkaConfig;
use super::ear::Ear;
use super::growth::Growth;
use super::lag::Sight;
use super::line::{Assigned, Commit, list_of_commits};
use super::lines::{Lines, partitions_of};
use super::note::Note;

/// What the client library calls back into; always on the polling thread.
pub struct Member {
    pub config: KafkaConfig,
    /// What the client library says aside.
    pub ear: Ear,
    pub model: &'static str,
    /// The lane of each topic that has one.
    pub lanes: BTreeMap<String, String>,
    pub lines: Mutex<Lines>,
    /// What was found out of partitions that are about to be ours.
    pub assigned: Mutex<Vec<Assigned>>,
    pub feeds: mpsc::UnboundedSender<Result<Feed, Fault>>,
    pub tally: Tally,
    pub metrics: Metrics,
}

impl Member {
    /// Looks at the lines, or changes them.
    pub fn with_lines<T>(&self, act: impl FnOnce(&mut Lines) -> T) -> T {
        act(&mut self.lines.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Hands a partition to the engine. Nobody listens any more once that has stopped; the feed is
    /// dropped then.
    pub fn assign(&self, feed: Feed) {
        let _ = self.feeds.send(Ok(feed));
    }

    /// Ends the model with a fault. Nobody listens any more once the engine has stopped.
    pub fn fail(&self, fault: Fault) {
        let _ = self.feeds.send(Err(fault));
    }

    /// Finds out where partitions begin, and tells the client before it fetches anything.
    fn prepare(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) {
        let partitions = partitions_of(list);
        let asking = Asking::within(self.config.connect_timeout());
        let counts = self.count(consumer, asking, &partitions);
        show_partitions(self, &counts);
        let all: Vec<Partition> = counts.iter().flat_map(|(t, n)| all_of(t, *n)).collect();
        let committed = asking.committed(consumer, &all);
        let mut ready = Vec::new();
        for (partition, mut place) in partitions.into_iter().zip(list.elements()) {
            let found = committed.as_ref().map(|all| all.get(&partition).cloned());
            let (at, note) = match found {
                Some(found) => {
                    (Some(found.as_ref().map(|(at, _)| *at)), found.map(|(_, note)| note))
                }
                None => (None, None),
            };
            let begin = match self.begin(consumer, asking, &partition, at) {
                Ok(begin) => begin,
                Err(fault) => {
                    self.fail(fault);
                    continue;
                }
            };
            let stands_anywhere = begin == Begin::Unknown;
            let (offset, begin, note) = match begin {
                Begin::At(at) => {
                    (KafkaOffset::Offset(at.value()), Some(at), note.unwrap_or_default())
                }
                Begin::Earliest => (KafkaOffset::Beginning, None, Note::default()),
                Begin::Unknown => (KafkaOffset::Invalid, None, Note::default()),
            };
            if let Err(error) = place.set_offset(offset) {
                tracing::error!(%partition, %error, "the client takes no place to begin at");
            }
            let count = counts.get(&*partition.topic).copied();
            let known = committed.as_ref().and_then(|all| known(all, &partition.topic)).or(count);
            let grown = known.zip(count).filter(|(known, _)| partition.index >= *known);
            let growth = grown.map(|(known, count)| {
                tracing::info!(%partition, "a new partition waits for the older ones");
                Growth::new(&partition.topic, known, count, self.config.growth_window())
            });
            let note = Note { partitions: known, ..note };
            let lane = self.lanes.get(&*partition.topic).cloned();
            ready.push(Assigned { partition, lane, begin, stands_anywhere, note, growth });
        }
        *self.assigned.lock().unwrap_or_else(PoisonError::into_inner) = ready;
    }

    /// How many partitions each topic has, as far as somebody answers.
    fn count(
        &self,
        consumer: &BaseConsumer<Self>,
        asking: Asking,
        partitions: &[Partition],
    ) -> BTreeMap<String, i32> {
        let mut counts = BTreeMap::new();
        for partition in partitions {
            let at_least = partition.index + 1;
            let count = counts.entry(partition.topic.to_string()).or_insert_with(|| {
                asking.partitions(consumer, &partition.topic).unwrap_or(at_least)
            });
            *count = at_least.max(*count);
        }
        counts
    }

    /// Where one partition begins. When nobody answers, the client finds out by itself.
    fn begin(
        &self,
        consumer: &BaseConsumer<Self>,
        asking: Asking,
        partition: &Partition,
        committed: Option<Option<ResumeAt>>,
    ) -> Result<Begin, Fault> {
        let Some(committed) = committed else { return Ok(Begin::Unknown) };
        let left_at = self.with_lines(|lines| lines.left_at(partition));
        if committed.is_none() && left_at.is_none() {
            return Ok(Begin::Earliest);
        }
        let Some(log) = asking.log(consumer, partition) else {
            return Ok(committed.map_or(Begin::Unknown, Begin::At));
        };
        self.weigh(partition, &Known { committed, left_at, log })
    }

    /// Where to go on, after all that is known of a partition.
    pub fn weigh(&self, partition: &Partition, known: &Known) -> Result<Begin, Fault> {
        match judge(known) {
            Ok(at) => Ok(at.map_or(Begin::Earliest, Begin::At)),
            Err(loss) => {
                answer(loss, partition, known, self.config.on_lost_records)?;
                self.metrics.add(Meter::LogGaps, &[self.model], 1);
                Ok(Begin::Earliest)
            }
        }
    }

    fn rebalanced(&self, change: &str) {
        self.metrics.add(Meter::Rebalances, &[self.model, change], 1);
    }

    /// Partitions are being taken away: what is in hand is finished, and committed while they are
    /// still ours. Of lost ones nothing is committed.
    fn give_back(&self, consumer: &BaseConsumer<Self>, partitions: &[Partition]) {
        if consumer.assignment_lost() {
            tracing::warn!(model = self.model, "partitions were lost: others have them now");
            self.rebalanced("lost");
            self.with_lines(|lines| lines.abandon(partitions));
            return;
        }
        self.rebalanced("revoked");
        let limit = self.config.drain_limit();
        let began = Instant::now();
        let commits = self.with_lines(|lines| lines.drain(partitions, limit));
        self.metrics.observe(Meter::Drain, &[self.model], began.elapsed().as_secs_f64());
        // Draining takes its time, and the session may have ended meanwhile.
        if !consumer.assignment_lost() {
            commit(consumer, &commits, CommitMode::Sync);
        }
    }
}

/// Shows how many partitions topics have.
fn show_partitions(member: &Member, counts: &BTreeMap<String, i32>) {
    for (topic, count) in counts {
        let labels = [member.model, topic.as_str()];
        member.metrics.set(Meter::TopicPartitions, &labels, (*count).into());
    }
}

fn all_of(topic: &str, count: i32) -> impl Iterator<Item = Partition> {
    (0..count).map(move |index| Partition::new(topic, index))
}

/// How many partitions of a topic the group has taken in, if it ever noted it.
fn known(committed: &BTreeMap<Partition, (ResumeAt, Note)>, topic: &str) -> Option<i32> {
    let its = committed.iter().filter(|(partition, _)| &*partition.topic == topic);
    its.filter_map(|(_, (_, note))| note.partitions).max()
}

/// Where a partition begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// At a place that the log has.
    At(ResumeAt),
    /// With the first record that there is.
    Earliest,
    /// Nobody answered: where the group stands, as the client finds out.
    Unknown,
}

impl ClientContext for Member {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        self.ear.log(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.ear.error(error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        let topics = statistics.topics.iter();
        let all =
            topics.flat_map(|(topic, its)| its.partitions.values().map(move |it| (topic, it)));
        self.with_lines(|lines| {
            for (topic, told) in all {
                if let Some(line) = lines.get(&Partition::new(topic.as_str(), told.partition)) {
                    line.show_lag(Sight::from(told));
                }
            }
        });
    }

    fn generate_oauth_token(&self, told: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        self.ear.generate_oauth_token(told)
    }
}

impl ConsumerContext for Member {
    fn commit_callback(&self, result: KafkaResult<()>, offsets: &TopicPartitionList) {
        match result {
            Ok(()) => self.with_lines(|lines| lines.committed(offsets)),
            Err(_) => self.metrics.add(Meter::CommitFailures, &[self.model], 1),
        }
    }

    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(list) => {
                self.rebalanced("assigned");
                self.prepare(consumer, list);
            }
            Rebalance::Revoke(list) => self.give_back(consumer, &partitions_of(list)),
            Rebalance::Error(error) => {
                self.rebalanced("failed");
                tracing::warn!(%error, "the group could not be rebalanced");
            }
        }
    }

    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let Rebalance::Assign(_) = rebalance else { return };
        // A member that is given no partition is as ready as one can be.
        self.tally.assign();
        let ready =
            std::mem::take(&mut *self.assigned.lock().unwrap_or_else(PoisonError::into_inner));
        for assigned in ready {
            self.assign(self.with_lines(|lines| lines.run(assigned)));
        }
    }
}

/// Commits, if there is anything to commit.
pub fn commit(consumer: &BaseConsumer<Member>, commits: &[Commit], mode: CommitMode) {
    let Some(offsets) = list_of_commits(commits) else { return };
    match consumer.commit(&offsets, mode) {
        Ok(()) if matches!(mode, CommitMode::Sync) => {
            consumer.context().with_lines(|lines| lines.committed(&offsets));
        }
        Ok(()) => {}
        // Harmless: what is not committed is read again and recognised by its stamps.
        Err(error) => {
            let member = consumer.context();
            member.metrics.add(Meter::CommitFailures, &[member.model], 1);
            tracing::warn!(%error, "offsets were not committed");
        }
    }
}
