//! Removing an archive's oldest files: the manifest forgets them first, then they are deleted.

use readmill_core::Partition;
use readmill_engine::Fault;

use super::appender::written_at_once;
use super::erase::sweep_editions;
use super::error;
use super::layout::strangers;
use super::manifest::{FileEntry, Manifest, PartitionEntry};
use super::storage::Storage;

/// Which files are to go.
#[derive(Debug, Clone, Copy)]
pub struct Pruning {
    /// Those whose records are all older than this, in milliseconds since 1970.
    pub before_ms: i64,
    /// So many of the latest files of each partition stay, however old they are. One stays always:
    /// by its last record it is seen whether the topic is still the same.
    pub keep_last: usize,
    /// Only say which they are.
    pub dry: bool,
}

/// What went of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pruned {
    /// The partition.
    pub partition: Partition,
    /// The files.
    pub files: Vec<FileEntry>,
    /// Where the archive of it begins now.
    pub from: i64,
    /// So many files are old enough, and stay since there are younger records before them.
    pub behind_younger: usize,
}

/// Removes files from the front of each partition, as long as they are old enough: so no hole is
/// ever made. A crash leaves files that the manifest does not list; the next pruning, or the next
/// writer, deletes them.
///
/// # Errors
/// When the archive was written at once, or something cannot be written.
pub fn prune(storage: &dyn Storage, pruning: Pruning) -> Result<Vec<Pruned>, Fault> {
    let mut gone = Vec::new();
    let manifest = Manifest::update(storage, |manifest| {
        if manifest.lineage.is_none() {
            return Err(written_at_once(storage));
        }
        let before = manifest.clone();
        for (partition, _) in before.partitions() {
            if let Some(entry) = manifest.partition_mut(&partition) {
                gone.extend(forget(&partition, entry, pruning));
            }
        }
        if pruning.dry {
            *manifest = before;
        }
        Ok(manifest.clone())
    })?;
    if !pruning.dry {
        sweep_editions(storage)?;
        for (partition, entry) in manifest.partitions() {
            sweep(storage, &partition, entry)?;
        }
    }
    Ok(gone)
}

fn forget(partition: &Partition, entry: &mut PartitionEntry, pruning: Pruning) -> Option<Pruned> {
    let is_old =
        |file: &FileEntry| file.times_ms.is_some_and(|(_, newest)| newest < pruning.before_ms);
    let may_go = entry.files.len().saturating_sub(pruning.keep_last.max(1));
    let old = entry.files.iter().take(may_go).take_while(|file| is_old(file)).count();
    let behind_younger = entry.files.iter().take(may_go).skip(old).filter(|f| is_old(f)).count();
    let rest = entry.files.split_off(old);
    let files = std::mem::replace(&mut entry.files, rest);
    if files.is_empty() && behind_younger == 0 {
        return None;
    }
    if !files.is_empty() {
        let first = entry.files.first().and_then(|file| file.after);
        entry.from = first.unwrap_or(entry.to);
        entry.records -= files.iter().map(|file| file.records).sum::<u64>();
        entry.gaps.retain(|gap| gap.to > entry.from);
    }
    Some(Pruned { partition: partition.clone(), files, from: entry.from, behind_younger })
}

/// Deletes what stands before the archive's beginning.
fn sweep(
    storage: &dyn Storage,
    partition: &Partition,
    entry: &PartitionEntry,
) -> Result<(), Fault> {
    for stranger in strangers(storage, partition, entry)? {
        // What stands behind the end is the writer's, which may be at work.
        if stranger.is_pruned {
            let deleted = storage.delete(&stranger.path);
            deleted.map_err(|error| error::io(&storage.place(&stranger.path), &error))?;
        }
    }
    Ok(())
}
