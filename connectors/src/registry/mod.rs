//! The schema registry: writer schemas by id, over the Confluent-compatible API.

mod ask;
mod book;
mod config;
mod misses;
#[cfg(test)]
mod stub;
#[cfg(test)]
mod tests;

pub use book::RegistryBook;
pub use config::RegistryConfig;
