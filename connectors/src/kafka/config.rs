//! How Kafka is reached and read.

use std::time::Duration;

use rdkafka::ClientConfig;
use serde::{Deserialize, Serialize};

/// The `[kafka]` stanza.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KafkaConfig {
    /// Bootstrap servers, as `host:port,host:port`.
    pub brokers: String,
    /// Prefix of the consumer groups; a model's group is `<prefix>.<model>.g<generation>`.
    pub group_prefix: String,
    /// A member that is silent for so long loses its partitions.
    pub session_timeout_ms: u64,
    /// When partitions are taken away, work in hand has so long to finish before it is given up.
    pub drain_limit_ms: u64,
    /// Settled offsets are committed so often.
    pub commit_interval_ms: u64,
    /// How long the start waits for a broker to answer, and for topics that are not there yet.
    pub connect_timeout_ms: u64,
    /// At most so much is fetched ahead of the workers.
    pub prefetch_kib: u64,
}

impl Default for KafkaConfig {
    fn default() -> Self {
        Self {
            brokers: "127.0.0.1:9092".to_owned(),
            group_prefix: "readmill".to_owned(),
            session_timeout_ms: 10_000,
            drain_limit_ms: 5_000,
            commit_interval_ms: 500,
            connect_timeout_ms: 10_000,
            prefetch_kib: 65_536,
        }
    }
}

impl KafkaConfig {
    /// What every client of ours has in common.
    pub fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", &self.brokers).set("client.id", "readmill");
        client
    }

    /// A member of `group`. Offsets are committed by us alone, and only from the ledger.
    pub fn consumer(&self, group: &str) -> ClientConfig {
        let mut client = self.client();
        let poll_limit_ms = (self.session_timeout_ms + self.drain_limit_ms).max(60_000) * 2;
        client
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            .set("isolation.level", "read_committed")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", self.session_timeout_ms.to_string())
            .set("heartbeat.interval.ms", (self.session_timeout_ms / 3).max(1).to_string())
            .set("max.poll.interval.ms", poll_limit_ms.to_string())
            .set("queued.max.messages.kbytes", self.prefetch_kib.to_string())
            .set("fetch.wait.max.ms", "50")
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

    /// How long the start waits.
    pub const fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }
}
