//! Where an archive's files lie: their names, and which of them belong to nobody.

use std::collections::BTreeSet;

use readmill_core::{Offset, Partition};
use readmill_engine::Fault;
use readmill_schemas::SchemaId;

use super::error;
use super::manifest::{FileEntry, PartitionEntry};
use super::storage::Storage;

/// The manifest's name.
pub const MANIFEST: &str = "archive.json";
/// Where the schemas are.
pub const SCHEMAS: &str = "schemas";
/// Whoever appends has this lock.
pub const WRITER_LOCK: &str = "writer.lock";
/// Whoever takes records out has this lock.
pub const ERASER_LOCK: &str = "eraser.lock";
/// Whoever changes the manifest has this lock, for that moment.
pub const MANIFEST_LOCK: &str = "archive.lock";

/// Whether a name is one that Kafka allows for a topic.
pub fn is_topic(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let ours = [SCHEMAS, MANIFEST, WRITER_LOCK, ERASER_LOCK, MANIFEST_LOCK].contains(&name);
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

/// The file whose first record is at `first`, as it was written anew so many times.
pub fn file_path(partition: &Partition, first: i64, edition: u32) -> String {
    let dir = partition_dir(partition);
    match edition {
        0 => format!("{dir}/{}", file_name(Offset(first))),
        _ => format!("{dir}/{first:020}.{edition}.avro"),
    }
}

/// The index of that file.
pub fn index_path(partition: &Partition, first: i64, edition: u32) -> String {
    let dir = partition_dir(partition);
    match edition {
        0 => format!("{dir}/{first:020}.index"),
        _ => format!("{dir}/{first:020}.{edition}.index"),
    }
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
    let of_file = |file: &FileEntry| {
        let (first, edition) = (file.first_offset, file.edition);
        [file_path(partition, first, edition), index_path(partition, first, edition)]
    };
    let known: BTreeSet<String> = entry.files.iter().flat_map(of_file).collect();
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
    /// Whether it is a listed file as it was before it was written anew, or as it is about to be.
    pub is_edition: bool,
}

impl Stranger {
    fn of(path: String, entry: &PartitionEntry) -> Self {
        let name = path.rsplit('/').next().unwrap_or_default();
        let first = name.get(..20).and_then(|digits| digits.parse::<i64>().ok());
        let ending = without_edition(name.get(20..).unwrap_or_default());
        let ours = [".avro", ".avro.partial", ".index", ".index.partial"].contains(&ending);
        let is_pruned = ours && first.is_some_and(|first| first < entry.from);
        let is_new = ours && first.is_some_and(|first| first >= entry.to);
        let is_listed = |first| entry.files.iter().any(|file| file.first_offset == first);
        let is_edition = ours && first.is_some_and(is_listed);
        Self { path, passes: is_pruned || is_new, is_pruned, is_edition }
    }
}

/// The end of a name, whose edition may be in front of it.
fn without_edition(ending: &str) -> &str {
    let rest = ending.strip_prefix('.').unwrap_or_default();
    match rest.find('.') {
        Some(at) if at > 0 && rest.bytes().take(at).all(|byte| byte.is_ascii_digit()) => {
            rest.get(at..).unwrap_or_default()
        }
        Some(_) | None => ending,
    }
}

/// Refuses a partition's directory that holds what the manifest does not list: it may be the rest
/// of another archive, and reading on would mix the two. What a writer has not finished may stand
/// there, where one may be at work; and other editions of what is listed.
pub fn refuse_strangers(
    storage: &dyn Storage,
    partition: &Partition,
    entry: &PartitionEntry,
    grows: bool,
) -> Result<(), Fault> {
    let mut strangers = strangers(storage, partition, entry)?.into_iter();
    match strangers.find(|stranger| !(stranger.is_edition || grows && stranger.passes)) {
        None => Ok(()),
        Some(stranger) => {
            const HINT: &str =
                "move it away if it does not belong there, or copy the archive again";
            let detail = "the manifest does not list it";
            Err(error::damaged(&storage.place(&stranger.path), detail, HINT))
        }
    }
}
