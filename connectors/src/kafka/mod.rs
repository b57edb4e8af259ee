//! Kafka behind the ports: the log that is read, and the topics that are written.

mod begin;
pub mod config;
mod dead_letters;
mod excerpt;
mod extent;
pub mod groups;
mod growth;
mod landmarks;
mod line;
mod lines;
pub mod log;
mod look;
mod member;
mod note;
pub mod outlet;
mod pace;
mod poller;
mod positions;
pub mod producer;
mod tail;

pub use config::{GroupProtocol, KafkaConfig, OnLostRecords};
pub use dead_letters::DeadLetters;
pub use excerpt::{KafkaExcerpt, Passage};
pub use landmarks::{Landmark, Landmarks};
pub use log::{KafkaLog, Membership};
pub use look::{Cluster, Kept, Settings, Topic};
pub use outlet::KafkaOutlet;
pub use positions::{GroupPositions, Places};
pub use producer::Producer;
pub use tail::{Pulled, Tail};
