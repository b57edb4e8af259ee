//! The schema registry: writer schemas by id, over the Confluent-compatible API.

mod account;
mod ask;
mod book;
mod config;
mod courtesy;
pub(crate) mod handshake;
mod level;
mod misses;
#[cfg(test)]
pub(crate) mod stub;
mod subject;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tls_tests;

pub use book::{RegistryBook, Warmth};
pub use config::RegistryConfig;
pub use subject::SubjectStrategy;
