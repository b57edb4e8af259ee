//! The Kafka log: a member of a consumer group as a source of partitions.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use readmill_engine::feed::Feed;
use readmill_engine::{Fault, Lanes, Leave, Log, Metrics, Pulse, Tally};
use tokio::sync::{mpsc, watch};

use super::config::KafkaConfig;
use super::door::{greet, permitted, why};
use super::ear::{Ear, SERVICE};
use super::growth::Probe;
use super::line::Track;
use super::lines::Lines;
use super::login::Login;
use super::member::Member;
use super::poller::{Ended, Poller};
use crate::renewed::GRACE;

/// Beyond draining, leaving the group may take so long.
const LEAVE_LIMIT: Duration = Duration::from_secs(15);
const TOPIC_STEP: Duration = Duration::from_millis(500);

/// Which group is joined, for what, and who watches.
#[derive(Debug, Clone)]
pub struct Membership {
    /// The model.
    pub model: &'static str,
    /// The consumer group.
    pub group: String,
    /// The topics.
    pub topics: Vec<String>,
    /// The lane of each topic that has one.
    pub lane_of: BTreeMap<String, String>,
    /// The lanes of the process.
    pub lanes: Lanes,
    /// Whether records may be taken in.
    pub leave: Leave,
    /// What became of the model's records.
    pub tally: Tally,
    /// The metrics.
    pub metrics: Metrics,
    /// The pulse of the process.
    pub pulse: Pulse,
}

impl Membership {
    /// Of a model that shares nothing with others.
    pub fn new(model: &'static str, group: String, topics: Vec<String>, metrics: Metrics) -> Self {
        let tally = Tally::new(model, metrics.clone());
        let (lane_of, lanes, pulse) = (BTreeMap::new(), Lanes::default(), Pulse::default());
        let leave = Leave::always();
        Self { model, group, topics, lane_of, lanes, leave, tally, metrics, pulse }
    }
}

/// A consumer group's member as a source of partitions.
#[derive(Debug)]
pub struct KafkaLog {
    feeds: mpsc::UnboundedReceiver<Result<Feed, Fault>>,
    stop: watch::Sender<bool>,
    stop_limit: Duration,
    thread: Option<thread::JoinHandle<()>>,
}

impl KafkaLog {
    /// Joins a group for topics.
    ///
    /// # Errors
    /// When no broker answers, or a topic does not exist.
    pub fn join(config: &KafkaConfig, membership: Membership) -> Result<Self, Fault> {
        let (sender, feeds) = mpsc::unbounded_channel();
        let (stop, stopping) = watch::channel(false);
        let model = membership.model;
        let joining = Joining { config: config.clone(), membership, sender, stopping };
        let poller = joining.poller()?;
        let thread = thread::Builder::new()
            .name(format!("kafka-{model}"))
            .spawn(move || joining.poll(poller))
            .map_err(|error| Fault::Silent { service: SERVICE, detail: error.to_string() })?;
        let stop_limit = config.drain_limit() + LEAVE_LIMIT;
        Ok(Self { feeds, stop, stop_limit, thread: Some(thread) })
    }
}

/// What is needed to join the group, and to join it again with another client.
struct Joining {
    config: KafkaConfig,
    membership: Membership,
    sender: mpsc::UnboundedSender<Result<Feed, Fault>>,
    stopping: watch::Receiver<bool>,
}

impl Joining {
    /// Joins.
    fn poller(&self) -> Result<Poller, Fault> {
        let config = &self.config;
        let Membership { model, group, topics, pulse, .. } = self.membership.clone();
        let (client, login) = (config.consumer(&group), Login::new(config));
        let ear = Ear::new(config, format!("group {group}, topics {}", topics.join(", ")));
        let member = member(config, self.membership.clone(), self.sender.clone(), ear.clone());
        let consumer = BaseConsumer::from_config_and_context(&client, member)
            .map_err(|error| ear.refused(&error))?;
        greet(&consumer, &ear, config)?;
        check_topics(&consumer, config, &topics)?;
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        consumer.subscribe(&names).map_err(|error| ear.refused(&error))?;
        let commit_interval = Duration::from_millis(config.commit_interval_ms);
        let probe = Probe::new(config, &group)?;
        let (consumer, apart) = (Arc::new(consumer), BTreeMap::new());
        let stopping = self.stopping.clone();
        Ok(Poller { apart, consumer, stopping, commit_interval, model, pulse, probe, login })
    }

    /// Polls, by one client after the other: another one when the password is another.
    fn poll(self, first: Poller) {
        let mut poller = first;
        while poller.run() == Ended::ForAnother {
            poller = match self.again() {
                Ok(Some(next)) => next,
                Ok(None) => return,
                Err(fault) => {
                    // Nobody listens any more once the engine has stopped.
                    let _ = self.sender.send(Err(fault));
                    return;
                }
            };
        }
    }

    /// Joins again, unless told to stop. The brokers have just let us in: whatever is in the way is
    /// given a while to pass.
    fn again(&self) -> Result<Option<Poller>, Fault> {
        let until = Instant::now() + GRACE;
        while !*self.stopping.borrow() && self.stopping.has_changed().is_ok() {
            self.membership.pulse.polled(self.membership.model);
            match self.poller() {
                Ok(next) => return Ok(Some(next)),
                Err(fault) if Instant::now() >= until => return Err(fault),
                Err(fault) => tracing::warn!(%fault, "the group could not be joined again yet"),
            }
            thread::sleep(TOPIC_STEP);
        }
        Ok(None)
    }
}

fn member(
    config: &KafkaConfig,
    membership: Membership,
    feeds: mpsc::UnboundedSender<Result<Feed, Fault>>,
    ear: Ear,
) -> Member {
    let Membership { model, lane_of, lanes, leave, tally, metrics, .. } = membership;
    let queued_bytes_per_partition = config.queued_bytes_per_partition();
    let track = Track { model, metrics: metrics.clone(), lanes, leave, queued_bytes_per_partition };
    Member {
        config: config.clone(),
        ear,
        model,
        lanes: lane_of,
        lines: Mutex::new(Lines::new(Arc::new(track))),
        assigned: Mutex::default(),
        feeds,
        tally,
        metrics,
    }
}

#[async_trait]
impl Log for KafkaLog {
    /// A topic has no end: a polling thread that is gone has died.
    async fn assigned(&mut self) -> Result<Option<Feed>, Fault> {
        match self.feeds.recv().await {
            Some(feed) => feed.map(Some),
            None => Err(Fault::defect("the polling thread of a log", &"it ended by itself")),
        }
    }

    async fn stop(&mut self) -> Result<(), Fault> {
        self.stop.send_replace(true);
        let Some(thread) = self.thread.take() else {
            return Ok(());
        };
        let joining = tokio::task::spawn_blocking(move || thread.join());
        match tokio::time::timeout(self.stop_limit, joining).await {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(_)) | Err(_)) => {
                Err(Fault::defect("the polling thread of a log", &"it ended abnormally"))
            }
            Err(_) => Err(Fault::Silent {
                service: SERVICE,
                detail: format!("leaving the group took longer than {:?}", self.stop_limit),
            }),
        }
    }
}

/// Fails early, and clearly, on what would otherwise be waited for in silence. A topic that is
/// not there yet is given a while: a connector makes it with its first record.
fn check_topics(
    consumer: &BaseConsumer<Member>,
    config: &KafkaConfig,
    topics: &[String],
) -> Result<(), Fault> {
    let until = Instant::now() + config.connect_timeout();
    for topic in topics {
        while !exists(consumer, config, topic)? {
            if Instant::now() >= until {
                return Err(Fault::Refused {
                    service: SERVICE,
                    detail: format!("topic {topic} does not exist"),
                    hint: "check the model's topics, or apply the connector that fills them",
                });
            }
            tracing::info!(topic, "waiting for the topic to be made");
            thread::sleep(TOPIC_STEP);
        }
    }
    Ok(())
}

fn exists(
    consumer: &BaseConsumer<Member>,
    config: &KafkaConfig,
    topic: &str,
) -> Result<bool, Fault> {
    let found = consumer.fetch_metadata(Some(topic), config.connect_timeout());
    let unanswered = |error| Fault::Refused {
        service: SERVICE,
        detail: format!("no broker of {} answers: {error}", config.brokers),
        hint: "check kafka.brokers, the network and that the brokers run",
    };
    let metadata = found.map_err(|error| {
        why(consumer, &consumer.context().ear).unwrap_or_else(|| unanswered(error))
    })?;
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    found.map_or(Ok(()), permitted)?;
    Ok(found.is_some_and(|found| !found.partitions().is_empty()))
}
