//! The embedded store: a directory on this machine behind the same ports as the servers.

mod config;
mod faults;
mod plan;
mod side;
mod store;
#[cfg(test)]
mod tests;
mod writer;

pub use config::EmbeddedConfig;
pub use side::{EmbeddedMirror, Shown};
pub use store::{Embedded, EmbeddedStore};
