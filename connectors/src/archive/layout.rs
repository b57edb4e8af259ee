//! Where an archive's files lie: their names, and which of them belong to nobody.

use std::collections::BTreeSet;

use readmill_core::{Offset, Partition};
use readmill_engine::Fault;
use readmill_schemas::SchemaId;

use super::error;
use super::manifest::PartitionEntry;
use super::storage::Storage;

/// The manifest's name.
pub const MANIFEST: &str = "archive.json";
/// Where the schemas are.
pub const SCHEMAS: &str = "schemas";
/// Whoever appends has this lock.
pub const WRITER_LOCK: &str = "writer.lock";
/// Whoever changes the manifest has this lock, for that moment.
pub const MANIFEST_LOCK: &str = "archive.lock";

/// Whether a name is one that Kafka allows for a topic.
pub fn is_topic(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let ours = [SCHEMAS, MANIFEST, WRITER_LOCK, MANIFEST_LOCK].contains(&name);
    !ours && !matches!(name, "" | "." | "..") && name.len() <= 249 && name.chars().all(allowed)
}

/// A partition's directory.
pub fn partition_dir(partition: &Partition) -> String {
    format!("{}/{}", partition.topic, partition.index)
}

/// The name, in its partition's directory, of the file whose first record is at `first`.
pub fn file_name(first: Offset) -> String {
    format!("{:020}.avro", first.0)
}

/// The file whose first record is at `first`.
pub fn file_path(partition: &Partition, first: i64) -> String {
    format!("{}/{}", partition_dir(partition), file_name(Offset(first)))
}

/// The index of the file whose first record is at `first`.
pub fn index_path(partition: &Partition, first: i64) -> String {
    format!("{}/{first:020}.index", partition_dir(partition))
}

/// The file of a schema.
pub fn schema_path(id: SchemaId) -> String {
    format!("{SCHEMAS}/{id}.avsc")
}

/// The texts of the schemas that a schema refers to.
pub fn references_path(id: SchemaId) -> String {
    format!("{SCHEMAS}/{id}.references.json")
}

/// What lies in a partition's directory and is not listed.
pub fn strangers(
    storage: &dyn Storage,
    partition: &Partition,
    entry: &PartitionEntry,
) -> Result<Vec<Stranger>, Fault> {
    let dir = partition_dir(partition);
    let listed = storage.list(&dir).map_err(|error| error::io(&storage.place(&dir), &error))?;
    let of_file = |first| [file_path(partition, first), index_path(partition, first)];
    let known: BTreeSet<String> =
        entry.files.iter().flat_map(|file| of_file(file.first_offset)).collect();
    let paths = listed.into_iter().map(|name| format!("{dir}/{name}"));
    let strange = paths.filter(|path| !known.contains(path));
    Ok(strange.map(|path| Stranger::of(path, entry)).collect())
}

/// A file that is not listed.
#[derive(Debug)]
pub struct Stranger {
    /// Its name.
    pub path: String,
    /// Whether it is what a writer has not finished, or what was pruned: it may stand there.
    pub passes: bool,
    /// Whether it is what was pruned.
    pub is_pruned: bool,
}

impl Stranger {
    fn of(path: String, entry: &PartitionEntry) -> Self {
        let name = path.rsplit('/').next().unwrap_or_default();
        let first = name.get(..20).and_then(|digits| digits.parse::<i64>().ok());
        let ending = name.get(20..).unwrap_or_default();
        let ours = [".avro", ".avro.partial", ".index", ".index.partial"].contains(&ending);
        let is_pruned = ours && first.is_some_and(|first| first < entry.from);
        let is_new = ours && first.is_some_and(|first| first >= entry.to);
        Self { path, passes: is_pruned || is_new, is_pruned }
    }
}

/// Refuses a partition's directory that holds what the manifest does not list: it may be the rest
/// of another archive, and reading on would mix the two. What a writer has not finished may stand
/// there, where one may be at work.
pub fn refuse_strangers(
    storage: &dyn Storage,
    partition: &Partition,
    entry: &PartitionEntry,
    grows: bool,
) -> Result<(), Fault> {
    let mut strangers = strangers(storage, partition, entry)?.into_iter();
    match strangers.find(|stranger| !(grows && stranger.passes)) {
        None => Ok(()),
        Some(stranger) => {
            const HINT: &str =
                "move it away if it does not belong there, or copy the archive again";
            let detail = "the manifest does not list it";
            Err(error::damaged(&storage.place(&stranger.path), detail, HINT))
        }
    }
}
