//! Kafka behind the ports: the log that is read, and the topics that are written.

pub mod config;
mod dead_letters;
pub mod lines;
pub mod log;
pub mod outlet;
pub mod producer;

pub use config::KafkaConfig;
pub use dead_letters::DeadLetters;
pub use log::KafkaLog;
pub use outlet::KafkaOutlet;
pub use producer::Producer;
