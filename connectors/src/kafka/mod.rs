//! Kafka behind the ports: the log that is read, and the topics that are written.

mod begin;
pub mod config;
mod dead_letters;
mod door;
mod ear;
mod excerpt;
mod extent;
mod growth;
mod handshake;
mod lag;
mod landmarks;
mod line;
mod lines;
pub mod log;
mod member;
mod note;
pub mod outlet;
mod pace;
mod poller;
mod positions;
pub mod producer;
mod queue_time;
mod security;
mod tail;
mod token;

pub use config::{GroupProtocol, KafkaConfig, OnLostRecords};
pub use dead_letters::DeadLetters;
pub use excerpt::{KafkaExcerpt, Passage};
pub use landmarks::{Landmark, Landmarks};
pub use log::{KafkaLog, Membership};
pub use outlet::KafkaOutlet;
pub use positions::{GroupPositions, Places};
pub use producer::Producer;
pub use security::SaslMechanism;
pub use tail::{Pulled, Tail};
