//! The Kafka log: one polling thread a model; it assigns, hands on, pauses, drains and commits.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{ClientContext, TopicPartitionList};
use readmill_core::{Offset, Partition, Position};
use readmill_engine::feed::Feed;
use readmill_engine::record::Record;
use readmill_engine::{Fault, Log, Pulse};
use tokio::sync::{mpsc, watch};

use super::config::KafkaConfig;
use super::lines::{BATCH_RECORDS, Lines, list_of, partitions_of};

const POLL_STEP: Duration = Duration::from_millis(50);
const TOPIC_STEP: Duration = Duration::from_millis(500);
const SERVICE: &str = "kafka";

/// A consumer group's member as a source of partitions.
#[derive(Debug)]
pub struct KafkaLog {
    feeds: mpsc::UnboundedReceiver<Result<Feed, Fault>>,
    stop: watch::Sender<bool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl KafkaLog {
    /// Joins `group` for `topics`.
    ///
    /// # Errors
    /// When no broker answers, or a topic does not exist.
    pub fn join(
        config: &KafkaConfig,
        group: &str,
        topics: &[String],
        model: &'static str,
        pulse: Pulse,
    ) -> Result<Self, Fault> {
        let (sender, feeds) = mpsc::unbounded_channel();
        let (stop, stopping) = watch::channel(false);
        let context =
            Context { lines: Mutex::default(), feeds: sender, drain_limit: config.drain_limit() };
        let consumer = BaseConsumer::from_config_and_context(&config.consumer(group), context)
            .map_err(|error| refused(&error))?;
        check_topics(&consumer, config, topics)?;
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        consumer.subscribe(&names).map_err(|error| refused(&error))?;
        let poller = Poller {
            consumer,
            stopping,
            commit_interval: Duration::from_millis(config.commit_interval_ms),
            model,
            pulse,
        };
        let thread = thread::Builder::new()
            .name(format!("kafka-{model}"))
            .spawn(move || poller.run())
            .map_err(|error| silent(&error))?;
        Ok(Self { feeds, stop, thread: Some(thread) })
    }
}

#[async_trait]
impl Log for KafkaLog {
    async fn assigned(&mut self) -> Result<Option<Feed>, Fault> {
        self.feeds.recv().await.transpose()
    }

    async fn stop(&mut self) -> Result<(), Fault> {
        self.stop.send_replace(true);
        let Some(thread) = self.thread.take() else {
            return Ok(());
        };
        let joined = tokio::task::spawn_blocking(move || thread.join()).await;
        match joined {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(silent(&"the polling thread ended abnormally")),
        }
    }
}

/// Fails early, and clearly, on what would otherwise be waited for in silence. A topic that is
/// not there yet is given a while: a connector makes it with its first record.
fn check_topics(
    consumer: &BaseConsumer<Context>,
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
    consumer: &BaseConsumer<Context>,
    config: &KafkaConfig,
    topic: &str,
) -> Result<bool, Fault> {
    let found = consumer.fetch_metadata(Some(topic), config.connect_timeout());
    let metadata = found.map_err(|error| Fault::Refused {
        service: SERVICE,
        detail: format!("no broker of {} answers: {error}", config.brokers),
        hint: "check kafka.brokers, the network and that the brokers run",
    })?;
    Ok(metadata.topics().iter().any(|t| t.name() == topic && !t.partitions().is_empty()))
}

/// What the client library calls back into; always on the polling thread.
struct Context {
    lines: Mutex<Lines>,
    feeds: mpsc::UnboundedSender<Result<Feed, Fault>>,
    drain_limit: Duration,
}

impl Context {
    fn with_lines<T>(&self, act: impl FnOnce(&mut Lines) -> T) -> T {
        act(&mut self.lines.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ClientContext for Context {}

impl ConsumerContext for Context {
    /// Partitions are being taken away: finish what is in hand, commit it while they are still
    /// ours. Lost ones are past committing.
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let Rebalance::Revoke(list) = rebalance else {
            return;
        };
        let lost = consumer.assignment_lost();
        let limit = if lost { Duration::ZERO } else { self.drain_limit };
        let settled = self.with_lines(|lines| lines.close(&partitions_of(list), limit));
        match settled {
            Some(offsets) if !lost => commit(consumer, &offsets, CommitMode::Sync),
            Some(_) | None => {}
        }
    }

    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let Rebalance::Assign(list) = rebalance else {
            return;
        };
        for partition in partitions_of(list) {
            let feed = self.with_lines(|lines| lines.open(partition));
            // Nobody listens any more once the engine has stopped; the feed is dropped then.
            let _ = self.feeds.send(Ok(feed));
        }
    }
}

/// The polling thread.
struct Poller {
    consumer: BaseConsumer<Context>,
    stopping: watch::Receiver<bool>,
    commit_interval: Duration,
    model: &'static str,
    pulse: Pulse,
}

impl Poller {
    fn run(self) {
        let mut committed = Instant::now();
        while !*self.stopping.borrow() {
            self.pulse.polled(self.model);
            if let Err(fault) = self.poll() {
                let _ = self.consumer.context().feeds.send(Err(fault));
                break;
            }
            self.turn_valves();
            if committed.elapsed() >= self.commit_interval {
                committed = Instant::now();
                self.commit_settled();
            }
        }
        self.leave();
    }

    /// Polls until a batch is complete or nothing more is there at once.
    fn poll(&self) -> Result<(), Fault> {
        let mut patience = POLL_STEP;
        for _ in 0..BATCH_RECORDS {
            match self.consumer.poll(patience) {
                None => break,
                Some(Ok(message)) => {
                    let record = record_of(&message);
                    self.consumer.context().with_lines(|lines| lines.push(record));
                }
                Some(Err(error)) => judge(&error)?,
            }
            patience = Duration::ZERO;
        }
        Ok(())
    }

    fn turn_valves(&self) {
        let valves = self.consumer.context().with_lines(Lines::hand_on);
        let turned = [
            (!valves.pause.is_empty()).then(|| self.consumer.pause(&list_of(&valves.pause))),
            (!valves.resume.is_empty()).then(|| self.consumer.resume(&list_of(&valves.resume))),
        ];
        for error in turned.into_iter().flatten().filter_map(Result::err) {
            // The partition is being taken away; its line is closed in the same poll.
            tracing::debug!(model = self.model, %error, "pause or resume had no effect");
        }
    }

    fn commit_settled(&self) {
        if let Some(offsets) = self.consumer.context().with_lines(Lines::to_commit) {
            commit(&self.consumer, &offsets, CommitMode::Async);
        }
    }

    /// Drains and commits everything, then leaves the group so that others take over at once.
    fn leave(self) {
        let context = self.consumer.context();
        let limit = context.drain_limit;
        let settled = context.with_lines(|lines| {
            let all = lines.partitions();
            lines.close(&all, limit)
        });
        if let Some(offsets) = settled {
            commit(&self.consumer, &offsets, CommitMode::Sync);
        }
        self.pulse.ended(self.model);
    }
}

fn commit(consumer: &BaseConsumer<Context>, offsets: &TopicPartitionList, mode: CommitMode) {
    if let Err(error) = consumer.commit(offsets, mode) {
        // Harmless: what is not committed is read again and recognised by its stamps.
        tracing::warn!(%error, "offsets were not committed");
    }
}

fn record_of(message: &BorrowedMessage<'_>) -> Record {
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

/// What passes is left to the client library, which goes on by itself; the rest stops the model.
fn judge(error: &KafkaError) -> Result<(), Fault> {
    match error.rdkafka_error_code() {
        Some(
            RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::GroupAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed
            | RDKafkaErrorCode::SaslAuthenticationFailed
            | RDKafkaErrorCode::Fatal,
        ) => Err(refused(error)),
        Some(_) | None => {
            tracing::warn!(%error, "kafka reports a fault that passes");
            Ok(())
        }
    }
}

fn refused(error: &KafkaError) -> Fault {
    Fault::Refused {
        service: SERVICE,
        detail: error.to_string(),
        hint: "check kafka.brokers and the rights of the client on topics and group",
    }
}

fn silent(error: &impl std::fmt::Display) -> Fault {
    Fault::Silent { service: SERVICE, detail: error.to_string() }
}
