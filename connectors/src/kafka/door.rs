//! How a client is let in: it is greeted by the brokers, or says what keeps it out.

use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::admin::AdminClient;
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::metadata::MetadataTopic;
use readmill_engine::Fault;

use super::config::KafkaConfig;
use super::ear::{Ear, SERVICE, TOPIC};
use super::security::SaslMechanism;

/// How long is listened at a time.
const LISTEN_STEP: Duration = Duration::from_millis(10);
/// So much is listened to when a question was not answered.
const LISTEN_MOST: usize = 100;

/// A consumer that is no member of a group.
pub type Reader = BaseConsumer<Ear>;

/// A consumer that the brokers have let in, if they look at who comes; else one that has not asked.
///
/// # Errors
/// When the client library refuses the configuration, or the brokers refuse us.
pub fn reader(
    config: &KafkaConfig,
    client: &ClientConfig,
    place: impl Into<String>,
) -> Result<Reader, Fault> {
    let ear = Ear::new(config, place);
    let consumer = Reader::from_config_and_context(client, ear.clone());
    let consumer = consumer.map_err(|error| ear.refused(&error))?;
    greet(&consumer, &ear, config)?;
    Ok(consumer)
}

/// A client that administers; none with OAUTHBEARER, for which the client library gives it no way
/// to show a token.
///
/// # Errors
/// When the client library refuses the configuration.
pub fn administrator(config: &KafkaConfig, ear: &Ear) -> Result<Option<AdminClient<Ear>>, Fault> {
    if config.sasl_mechanism == Some(SaslMechanism::OauthBearer) {
        return Ok(None);
    }
    let made = AdminClient::from_config_and_context(&config.client(), ear.clone());
    made.map(Some).map_err(|error| ear.refused(&error))
}

/// Waits until a broker has let a new consumer in. When none answers, whatever is asked next says
/// so.
///
/// # Errors
/// When the brokers refuse us, or the client cannot get what they want to see.
pub fn greet<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    ear: &Ear,
    config: &KafkaConfig,
) -> Result<(), Fault> {
    if !config.is_secured() {
        return Ok(());
    }
    let until = Instant::now() + config.connect_timeout();
    while consumer.client().fetch_cluster_id(Duration::ZERO).is_none() {
        // Nothing is read yet: what is polled are words said aside.
        drop(consumer.poll(LISTEN_STEP));
        if let Some(fault) = ear.lasting() {
            return Err(fault);
        }
        if Instant::now() >= until {
            return ear.suspected().map_or(Ok(()), Err);
        }
    }
    Ok(())
}

/// Why a consumer that reads nothing yet was not answered, as far as it was said aside.
pub fn why<C: ConsumerContext>(consumer: &BaseConsumer<C>, ear: &Ear) -> Option<Fault> {
    for _ in 0..LISTEN_MOST {
        if consumer.poll(LISTEN_STEP).is_none() {
            break;
        }
    }
    ear.suspected()
}

/// Whether the brokers keep a topic from us. They do not say whether there is one.
///
/// # Errors
/// That they do.
pub fn permitted(topic: &MetadataTopic) -> Result<(), Fault> {
    if topic.error().map(RDKafkaErrorCode::from) != Some(RDKafkaErrorCode::TopicAuthorizationFailed)
    {
        return Ok(());
    }
    let detail = format!("the user may not see topic {}, which need not exist", topic.name());
    Err(Fault::Refused { service: SERVICE, detail, hint: TOPIC })
}
