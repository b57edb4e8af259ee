//! How Kafka is reached and read.

use std::path::PathBuf;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use serde::Deserialize;

use super::security::SaslMechanism;
use crate::renewed::Written;
use crate::secret::Secret;

/// The `[kafka]` stanza.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KafkaConfig {
    /// Bootstrap servers, as `host:port,host:port`.
    pub brokers: String,
    /// Whether the connections are under TLS; the brokers' names must be those in their
    /// certificates.
    pub tls: bool,
    /// The certificates of the authorities to trust, in PEM; without it those that the system
    /// trusts.
    pub ca_file: Option<PathBuf>,
    /// The certificate to show to brokers that demand one, in PEM.
    pub client_cert_file: Option<PathBuf>,
    /// Its key, in PEM and not encrypted.
    pub client_key_file: Option<PathBuf>,
    /// How to log in: `PLAIN`, `SCRAM-SHA-256`, `SCRAM-SHA-512` or `OAUTHBEARER`; without it not
    /// at all.
    pub sasl_mechanism: Option<SaslMechanism>,
    /// The user.
    pub username: Option<String>,
    /// The user's password.
    pub password: Option<Secret>,
    /// Where tokens for `OAUTHBEARER` are issued to clients that ask for themselves.
    pub oauth_token_url: Option<String>,
    /// The client.
    pub oauth_client_id: Option<String>,
    /// The client's secret.
    pub oauth_client_secret: Option<Secret>,
    /// What the token is to be good for, where the issuer wants to know.
    pub oauth_scope: Option<String>,
    /// The certificates of the authorities to trust when tokens are asked for, in PEM; without it
    /// those that the system trusts.
    pub oauth_ca_file: Option<PathBuf>,
    /// Credentials may go over connections that others could read.
    pub allow_plain_text: bool,
    /// Prefix of the consumer groups; a model's group is `<prefix>.<model>.g<generation>`.
    pub group_prefix: String,
    /// A name for this process that outlives it: started again within the session, it finds its
    /// partitions as it left them, and nobody else is disturbed. Each process needs its own.
    pub instance_id: Option<String>,
    /// How the group shares partitions out: `classic`, or `consumer` (KIP-848, brokers from 4.0).
    pub group_protocol: GroupProtocol,
    /// What is done when records were lost before they were read: `stop`, or `earliest`.
    pub on_lost_records: OnLostRecords,
    /// A member that is silent for so long loses its partitions. With the protocol `consumer` the
    /// brokers decide that.
    pub session_timeout_ms: u64,
    /// When partitions are taken away, work in hand has so long to finish before it is given up.
    pub drain_limit_ms: u64,
    /// Settled offsets are committed so often.
    pub commit_interval_ms: u64,
    /// How long the start waits for a broker to answer, and for topics that are not there yet.
    pub connect_timeout_ms: u64,
    /// How often the brokers are asked whether a topic has grown.
    pub metadata_refresh_ms: u64,
    /// When a topic has grown, all its producers know within this time; until then, each batch of a
    /// new partition waits for what the older ones held before it.
    pub growth_window_ms: u64,
    /// At most so much is fetched ahead of the workers.
    pub prefetch_kib: u64,
    /// At most so much of a partition queues before its worker; then it is not fetched for a while.
    pub queued_kib_per_partition: u64,
    /// What of these settings files fill in.
    #[serde(skip)]
    pub written: Written,
}

/// How a group shares partitions out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GroupProtocol {
    /// By one of its members, as ever.
    #[default]
    Classic,
    /// By the brokers.
    Consumer,
}

/// What is done when records were lost before they were read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnLostRecords {
    /// The model stops and says what is missing.
    #[default]
    Stop,
    /// It goes on with the earliest record that there is, and counts the gap.
    Earliest,
}

impl Default for KafkaConfig {
    fn default() -> Self {
        Self {
            brokers: "127.0.0.1:9092".to_owned(),
            tls: false,
            ca_file: None,
            client_cert_file: None,
            client_key_file: None,
            sasl_mechanism: None,
            username: None,
            password: None,
            oauth_token_url: None,
            oauth_client_id: None,
            oauth_client_secret: None,
            oauth_scope: None,
            oauth_ca_file: None,
            allow_plain_text: false,
            group_prefix: "readmill".to_owned(),
            instance_id: None,
            group_protocol: GroupProtocol::default(),
            on_lost_records: OnLostRecords::default(),
            session_timeout_ms: 10_000,
            drain_limit_ms: 5_000,
            commit_interval_ms: 500,
            connect_timeout_ms: 10_000,
            metadata_refresh_ms: 60_000,
            growth_window_ms: 600_000,
            prefetch_kib: 65_536,
            queued_kib_per_partition: 4096,
            written: Written::default(),
        }
    }
}

impl KafkaConfig {
    /// What every client of ours has in common.
    pub fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", &self.brokers).set("client.id", "readmill");
        // At this level it says that a broker hangs up, which is told when nobody answers.
        client.set_log_level(RDKafkaLogLevel::Info);
        self.secure(&mut client);
        client
    }

    /// A reader of committed records in the name of `group`. The client commits nothing by itself;
    /// where no offset fits, we decide, and not the client.
    fn named(&self, group: &str) -> ClientConfig {
        let mut client = self.client();
        client
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("isolation.level", "read_committed")
            .set("fetch.wait.max.ms", "50");
        client
    }

    /// A member of `group`. Offsets are committed by us alone, and only from the ledger.
    pub fn consumer(&self, group: &str) -> ClientConfig {
        let mut client = self.named(group);
        let poll_limit_ms = (self.session_timeout_ms + self.drain_limit_ms).max(60_000) * 2;
        if let Some(instance) = &self.instance_id {
            client.set("group.instance.id", instance);
        }
        match self.group_protocol {
            GroupProtocol::Classic => client
                .set("partition.assignment.strategy", "cooperative-sticky")
                .set("session.timeout.ms", self.session_timeout_ms.to_string())
                .set("heartbeat.interval.ms", (self.session_timeout_ms / 3).max(1).to_string()),
            // The client refuses the three settings above: the brokers decide.
            GroupProtocol::Consumer => client.set("group.protocol", "consumer"),
        };
        client
            // How far each partition is behind its log is shown so often.
            .set("statistics.interval.ms", "5000")
            .set("max.poll.interval.ms", poll_limit_ms.to_string())
            .set("queued.max.messages.kbytes", self.prefetch_kib.to_string())
            .set("topic.metadata.refresh.interval.ms", self.metadata_refresh_ms.to_string())
            .set("enable.partition.eof", "false");
        client
    }

    /// A reader in the name of a group that it never joins, and for which it commits nothing. Each
    /// partition says when its end is reached, which need not be a record.
    pub fn reader(&self, group: &str) -> ClientConfig {
        let mut client = self.named(group);
        client
            // Of each partition, since each has a queue of its own.
            .set("queued.max.messages.kbytes", self.queued_kib_per_partition.to_string())
            .set("enable.partition.eof", "true");
        client
    }

    /// A reader of partitions that goes on at their ends, whose queue is one for all of them.
    pub fn tail(&self) -> ClientConfig {
        let mut client = self.reader(&format!("{}.archive", self.group_prefix));
        client
            .set("queued.max.messages.kbytes", self.prefetch_kib.to_string())
            .set("topic.metadata.refresh.interval.ms", self.metadata_refresh_ms.to_string())
            .set("fetch.wait.max.ms", "100")
            .set("check.crcs", "true")
            .set("enable.partition.eof", "false");
        client
    }

    /// A producer whose answers mean that the record is on all in-sync replicas, once.
    pub fn producer(&self) -> ClientConfig {
        let mut client = self.client();
        client
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("linger.ms", "2")
            .set("compression.type", "zstd")
            .set("message.timeout.ms", "30000")
            // The topic's own bound decides: what is copied was within another topic's.
            .set("message.max.bytes", "67108864");
        client
    }

    /// How long work in hand may take after its partition was taken away.
    pub const fn drain_limit(&self) -> Duration {
        Duration::from_millis(self.drain_limit_ms)
    }

    /// How long producers may not know of new partitions.
    pub const fn growth_window(&self) -> Duration {
        Duration::from_millis(self.growth_window_ms)
    }

    /// How many bytes may queue before a worker.
    pub const fn queued_bytes_per_partition(&self) -> u64 {
        self.queued_kib_per_partition * 1024
    }

    /// How long the start waits.
    pub const fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }
}
