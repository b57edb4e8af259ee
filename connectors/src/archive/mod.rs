//! An archive of topics: Avro object-container files that intake reads like partitions of a broker.
//!
//! ```text
//! <dir>/archive.json                              what belongs to it; written last
//! <dir>/schemas/<id>.avsc                         every schema that its records name
//! <dir>/<topic>/<partition>/<first offset>.avro   records, in the order of their offsets
//! ```

mod book;
mod container;
mod error;
mod file;
mod layout;
mod log;
mod positions;
mod reading;
mod record;
#[cfg(test)]
mod tests;
mod time;
mod writer;

pub use book::ArchiveBook;
pub use layout::{FileEntry, MANIFEST, Manifest, PartitionEntry};
pub use log::{ArchiveConfig, ArchiveLog};
pub use writer::{ArchiveWriter, Roll};
