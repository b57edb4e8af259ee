//! The embedded store: a directory on this machine behind the same ports as the servers.

mod config;
#[cfg(test)]
mod disk_tests;
mod faults;
pub mod look;
mod mirror;
mod plan;
mod purge;
mod revisions;
mod side;
mod space;
mod store;
#[cfg(test)]
mod tests;
mod writer;

pub use config::EmbeddedConfig;
pub use mirror::{EmbeddedMirror, Shown};
pub use store::{Embedded, EmbeddedStore};
