//! `archive prune`: the oldest files of an archive, removed.

use anyhow::Result;
use readmill_connectors::archive::{LocalDir, Pruned, Pruning, prune as remove};
use serde_json::json;

use super::size;
use crate::cli::ArchivePruneArgs;
use crate::exit::Exit;
use crate::out;

/// Obeys the command.
pub fn prune(args: &ArchivePruneArgs) -> Result<Exit> {
    let pruning = Pruning {
        before_ms: args.before.as_millis(),
        keep_last: args.keep_last,
        dry: args.dry_run,
    };
    let pruned = remove(&*LocalDir::at(&args.dir), pruning)?;
    if args.json {
        pruned.iter().for_each(|pruned| out::line(line(pruned, args.dry_run)));
        return Ok(Exit::Done);
    }
    pruned.iter().for_each(|pruned| tell(pruned, args.dry_run));
    let files = pruned.iter().map(|pruned| pruned.files.len()).sum::<usize>();
    let size = size(pruned.iter().map(bytes).sum());
    let did = if args.dry_run { "would be removed" } else { "were removed" };
    out::line(format!("{files} files of {size} {did}"));
    Ok(Exit::Done)
}

fn bytes(pruned: &Pruned) -> u64 {
    pruned.files.iter().map(|file| file.bytes).sum()
}

fn line(pruned: &Pruned, dry: bool) -> String {
    json!({
        "topic": pruned.partition.topic,
        "partition": pruned.partition.index,
        "files": pruned.files.len(),
        "records": pruned.files.iter().map(|file| file.records).sum::<u64>(),
        "bytes": bytes(pruned),
        "from": pruned.from,
        "behind_younger": pruned.behind_younger,
        "removed": !dry,
    })
    .to_string()
}

fn tell(pruned: &Pruned, dry: bool) {
    let Pruned { partition, files, from, behind_younger } = pruned;
    if !files.is_empty() {
        let begins = if dry { "would begin" } else { "begins" };
        out::line(format!("{partition}: {} files, and it {begins} at {from}", files.len()));
    }
    if *behind_younger > 0 {
        out::line(format!(
            "{partition}: {behind_younger} files are old enough and stay: younger records stand \
             before them"
        ));
    }
}
