//! `archive list`: what an archive has, partition by partition.

use anyhow::Result;
use readmill_connectors::archive::{Gap, Manifest, PartitionEntry};
use readmill_core::Partition;
use readmill_schemas::Timestamp;
use serde_json::{Value as Json, json};

use super::size;
use crate::cli::ArchiveListArgs;
use crate::exit::Exit;
use crate::out;
use crate::table::{Cell, Table, numbers, words};

/// Obeys the command.
pub fn list(args: &ArchiveListArgs) -> Result<Exit> {
    let manifest = Manifest::read(&args.dir)?;
    if args.json {
        manifest.partitions().for_each(|(at, entry)| out::line(line(&at, entry).to_string()));
        return Ok(Exit::Done);
    }
    table(&manifest).print();
    let bytes = manifest.partitions().map(|(_, entry)| entry.bytes()).sum();
    let (records, topics) = (manifest.records(), manifest.topics.len());
    let many = if topics == 1 { "topic" } else { "topics" };
    out::line(format!("{records} records of {topics} {many}, {}", size(bytes)));
    if !manifest.unknown_schemas.is_empty() {
        let ids: Vec<String> = manifest.unknown_schemas.iter().map(u32::to_string).collect();
        out::line(format!("schemas that the registry did not know: {}", ids.join(", ")));
    }
    Ok(Exit::Done)
}

/// One partition for scripts.
fn line(at: &Partition, entry: &PartitionEntry) -> Json {
    let times = entry.times_ms();
    json!({
        "topic": at.topic,
        "partition": at.index,
        "from": entry.from,
        "to": entry.to,
        "records": entry.records,
        "files": entry.files.len(),
        "bytes": entry.bytes(),
        "oldest": times.map(|(oldest, _)| time(oldest)),
        "newest": times.map(|(_, newest)| time(newest)),
        "gaps": gaps(&entry.gaps),
    })
}

/// Gaps for scripts.
pub fn gaps(gaps: &[Gap]) -> Json {
    gaps.iter().map(|gap| json!({"from": gap.from, "to": gap.to})).collect()
}

fn time(ms: i64) -> String {
    Timestamp::from_millis(ms).to_string()
}

/// The partitions, for a person.
fn table(manifest: &Manifest) -> Table<9> {
    let mut table = Table::new([
        words("PARTITION"),
        numbers("FROM"),
        numbers("TO"),
        numbers("RECORDS"),
        numbers("FILES"),
        numbers("SIZE"),
        words("OLDEST"),
        words("NEWEST"),
        words("GAPS"),
    ]);
    manifest.partitions().for_each(|(at, entry)| table.row(cells(&at, entry)));
    table
}

fn cells(at: &Partition, entry: &PartitionEntry) -> [Cell; 9] {
    let times = entry.times_ms();
    let gaps: Vec<String> =
        entry.gaps.iter().map(|gap| format!("{} to {}", gap.from, gap.to)).collect();
    [
        at.to_string().into(),
        entry.from.to_string().into(),
        entry.to.to_string().into(),
        entry.records.to_string().into(),
        entry.files.len().to_string().into(),
        size(entry.bytes()).into(),
        times.map_or_else(String::new, |(oldest, _)| time(oldest)).into(),
        times.map_or_else(String::new, |(_, newest)| time(newest)).into(),
        gaps.join(", ").into(),
    ]
}
