//! Writing records to topics, durably and in order.

use std::time::Duration;

use futures::future::try_join_all;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use readmill_engine::Fault;

use super::config::KafkaConfig;

const SERVICE: &str = "kafka";
const QUEUE_WAIT: Duration = Duration::from_secs(30);

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
    producer: FutureProducer,
    config: KafkaConfig,
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
        let producer = config.producer().create().map_err(|error| fault(&error))?;
        Ok(Self { producer, config: config.clone() })
    }

    /// Sends records and waits until all are durable. Records of one partition keep their order.
    ///
    /// # Errors
    /// When one of them could not be delivered; others may have been.
    pub async fn send(&self, records: Vec<Outgoing>) -> Result<(), Fault> {
        let sending = records.iter().map(|record| {
            let headers = record.headers.iter().fold(OwnedHeaders::new(), |headers, (key, v)| {
                headers.insert(Header { key, value: Some(v) })
            });
            let mut out: FutureRecord<'_, [u8], [u8]> =
                FutureRecord::to(&record.topic).headers(headers);
            out.key = record.key.as_deref();
            out.payload = record.value.as_deref();
            out.partition = record.partition;
            self.producer.send(out, QUEUE_WAIT)
        });
        try_join_all(sending).await.map_err(|(error, _)| fault(&error))?;
        Ok(())
    }

    /// Makes topics that do not exist yet.
    ///
    /// # Errors
    /// When the brokers do not answer or refuse.
    pub async fn ensure_topics(&self, topics: &[&str], partitions: i32) -> Result<(), Fault> {
        let admin: AdminClient<DefaultClientContext> =
            self.config.client().create().map_err(|error| fault(&error))?;
        let topics: Vec<NewTopic<'_>> = topics
            .iter()
            .map(|name| NewTopic::new(name, partitions, TopicReplication::Fixed(-1)))
            .collect();
        let options = AdminOptions::new().operation_timeout(Some(self.config.connect_timeout()));
        let made = admin.create_topics(&topics, &options).await.map_err(|error| fault(&error))?;
        for result in made {
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
}

fn fault(error: &KafkaError) -> Fault {
    match error.rdkafka_error_code() {
        Some(
            RDKafkaErrorCode::UnknownTopicOrPartition
            | RDKafkaErrorCode::UnknownTopic
            | RDKafkaErrorCode::UnknownPartition
            | RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::MessageSizeTooLarge,
        ) => Fault::Refused {
            service: SERVICE,
            detail: error.to_string(),
            hint: "check that the topic exists and what the client may write",
        },
        Some(_) | None => Fault::Silent { service: SERVICE, detail: error.to_string() },
    }
}
