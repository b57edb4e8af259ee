//! An archive of topics: Avro object-container files that intake reads like partitions of a broker.
//!
//! ```text
//! <dir>/archive.json                              what belongs to it; written after what it lists
//! <dir>/schemas/<id>.avsc                         every schema that its records name
//! <dir>/<topic>/<partition>/<first offset>.avro   records, in the order of their offsets
//! <dir>/<topic>/<partition>/<first offset>.index  what times and keys each block of that file has
//! <dir>/<topic>/<partition>/<first offset>.<n>.*  the same, written anew for the n-th time
//! ```

mod appender;
#[cfg(test)]
mod appender_tests;
mod book;
mod container;
mod erase;
#[cfg(test)]
mod erase_tests;
mod error;
mod file;
mod index;
mod layout;
mod local;
mod log;
mod manifest;
mod names;
mod person;
#[cfg(test)]
mod person_tests;
mod positions;
mod prune;
mod reader;
#[cfg(test)]
mod reader_tests;
mod reading;
mod record;
#[cfg(test)]
mod shaky;
mod shelf;
mod storage;
#[cfg(test)]
mod tests;
mod time;
mod verify;
#[cfg(test)]
mod verify_tests;
mod writer;

pub use appender::Appender;
pub use book::ArchiveBook;
pub use erase::{Erased, Fate, Judge, erase};
pub use layout::MANIFEST;
pub use local::{LocalDir, replace as replace_file};
pub use log::{ArchiveConfig, ArchiveLog};
pub use manifest::{FileEntry, Gap, IndexEntry, Manifest, PartitionEntry};
pub use names::Names;
pub use person::{PersonErased, erase_person};
pub use prune::{Pruned, Pruning, prune};
pub use reader::{ArchiveReader, Skimmed, Visit, Wanted};
pub use storage::{Lock, NewFile, Storage};
pub use verify::{Report, verify};
pub use writer::{ArchiveWriter, Roll};
