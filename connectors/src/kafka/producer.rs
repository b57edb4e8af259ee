//! Writing records to topics, durably and in order.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};
use readmill_engine::Fault;

use super::config::KafkaConfig;
use super::door::permitted;
use super::ear::{Ear, SERVICE};
use super::login::Login;
use super::security::SaslMechanism;

const QUEUE_WAIT: Duration = Duration::from_secs(30);

/// How long one question of several may take.
const ASK_STEP: Duration = Duration::from_millis(500);

/// A record on its way to a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The topic.
    pub topic: String,
    /// The partition, or the key's own.
    pub partition: Option<i32>,
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The value.
    pub value: Option<Vec<u8>>,
    /// Headers.
    pub headers: Vec<(String, Vec<u8>)>,
}

/// An idempotent producer.
#[derive(Clone)]
pub struct Producer {
    config: KafkaConfig,
    now: Arc<RwLock<Current>>,
    login: Arc<Mutex<Login>>,
}

/// One client; another one takes its place when the password is another.
#[derive(Clone)]
struct Current {
    producer: FutureProducer<Ear>,
    ear: Ear,
}

impl Current {
    fn new(config: &KafkaConfig) -> Result<Self, Fault> {
        let ear = Ear::new(config, "");
        let producer = FutureProducer::from_config_and_context(&config.producer(), ear.clone());
        let producer = producer.map_err(|error| ear.refused(&error))?;
        Ok(Self { producer, ear })
    }
}

impl std::fmt::Debug for Producer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Producer").field("brokers", &self.config.brokers).finish_non_exhaustive()
    }
}

impl Producer {
    /// A producer for the configured brokers.
    ///
    /// # Errors
    /// When the configuration is refused by the client library.
    pub fn new(config: &KafkaConfig) -> Result<Self, Fault> {
        let login = Arc::new(Mutex::new(Login::new(config)));
        let now = Arc::new(RwLock::new(Current::new(config)?));
        Ok(Self { config: config.clone(), now, login })
    }

    /// The client that is good now.
    fn current(&self) -> Current {
        let mut login = self.login.lock().unwrap_or_else(PoisonError::into_inner);
        if login.has_changed() {
            match Current::new(&self.config) {
                Ok(next) => {
                    // What is under way is finished by the client that has it.
                    *self.now.write().unwrap_or_else(PoisonError::into_inner) = next;
                    *login = Login::new(&self.config);
                    tracing::info!("the password was read again: another producer goes on");
                }
                Err(fault) => tracing::warn!(%fault, "no other producer can be made"),
            }
        }
        self.now.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends records and waits until all are durable. Records of one partition keep their order.
    ///
    /// # Errors
    /// When one of them could not be delivered; others may have been.
    pub async fn send(&self, records: Vec<Outgoing>) -> Result<(), Fault> {
        let Current { producer, ear } = self.current();
        let sending = records.iter().map(|record| {
            let headers = record.headers.iter().fold(OwnedHeaders::new(), |headers, (key, v)| {
                headers.insert(Header { key, value: Some(v) })
            });
            let mut out: FutureRecord<'_, [u8], [u8]> =
                FutureRecord::to(&record.topic).headers(headers);
            out.key = record.key.as_deref();
            out.payload = record.value.as_deref();
            out.partition = record.partition;
            producer.send(out, QUEUE_WAIT)
        });
        try_join_all(sending).await.map_err(|(error, _)| self.fault(&ear, &error))?;
        Ok(())
    }

    /// Makes topics that do not exist yet. Whoever finds them all there needs no right to make any.
    ///
    /// # Errors
    /// When the brokers do not answer or refuse.
    pub async fn ensure_topics(&self, topics: &[&str], partitions: i32) -> Result<(), Fault> {
        let missing = self.missing(topics).await?;
        if missing.is_empty() {
            return Ok(());
        }
        if self.config.sasl_mechanism == Some(SaslMechanism::OauthBearer) {
            // The client library gives those who administer no way to show a token.
            return Err(Fault::Refused {
                service: SERVICE,
                detail: format!("topic {} does not exist", missing.join(", ")),
                hint: "make the topic by hand: with OAUTHBEARER none is made from here",
            });
        }
        let ear = self.current().ear;
        let admin: AdminClient<Ear> =
            AdminClient::from_config_and_context(&self.config.client(), ear.clone())
                .map_err(|error| self.fault(&ear, &error))?;
        let topics: Vec<NewTopic<'_>> = missing
            .iter()
            .map(|name| NewTopic::new(name, partitions, TopicReplication::Fixed(-1)))
            .collect();
        let options = AdminOptions::new().operation_timeout(Some(self.config.connect_timeout()));
        let made = admin.create_topics(&topics, &options).await;
        for result in made.map_err(|error| self.fault(&ear, &error))? {
            match result {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((topic, code)) => {
                    return Err(Fault::Refused {
                        service: SERVICE,
                        detail: format!("topic {topic} cannot be made: {code}"),
                        hint: "make the topic by hand, or give the client the right to",
                    });
                }
            }
        }
        Ok(())
    }

    /// The topics that are not there.
    async fn missing(&self, topics: &[&str]) -> Result<Vec<String>, Fault> {
        let asking = self.clone();
        let wanted: Vec<String> = topics.iter().map(|topic| (*topic).to_owned()).collect();
        let look = move || {
            let there = wanted.into_iter().map(|topic| Ok((asking.has(&topic)?, topic)));
            let all: Vec<(bool, String)> = there.collect::<Result<_, Fault>>()?;
            Ok(all.into_iter().filter(|(there, _)| !there).map(|(_, topic)| topic).collect())
        };
        let looked = tokio::task::spawn_blocking(look).await;
        looked.map_err(|error| Fault::defect("a look at topics", &error))?
    }

    /// Whether a topic is there. It blocks, in steps in which it is heard what keeps us out.
    fn has(&self, topic: &str) -> Result<bool, Fault> {
        let until = Instant::now() + self.config.connect_timeout();
        let Current { producer, ear } = self.current();
        loop {
            let found = match producer.client().fetch_metadata(Some(topic), ASK_STEP) {
                Ok(found) => found,
                Err(error) if Instant::now() >= until => {
                    return Err(ear.suspected().unwrap_or_else(|| self.fault(&ear, &error)));
                }
                Err(_) => {
                    ear.lasting().map_or(Ok(()), Err)?;
                    continue;
                }
            };
            let Some(found) = found.topics().iter().find(|found| found.name() == topic) else {
                return Ok(false);
            };
            permitted(found)?;
            return Ok(!found.partitions().is_empty());
        }
    }

    fn fault(&self, ear: &Ear, error: &KafkaError) -> Fault {
        if let Some(fault) = ear.lasting() {
            return self.login.lock().unwrap_or_else(PoisonError::into_inner).pardon(fault);
        }
        match error.rdkafka_error_code() {
            Some(
                RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::UnknownPartition
                | RDKafkaErrorCode::MessageSizeTooLarge,
            ) => Fault::Refused {
                service: SERVICE,
                detail: error.to_string(),
                hint: "check that the topic exists and what the client may write",
            },
            Some(
                RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::ClusterAuthorizationFailed,
            ) => ear.refused(error),
            Some(_) | None => Fault::Silent { service: SERVICE, detail: error.to_string() },
        }
    }
}
