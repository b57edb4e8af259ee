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

/// Obeys the command.
pub fn list(args: &ArchiveListArgs) -> Result<Exit> {
    let manifest = Manifest::read(&args.dir)?;
    if args.json {
        manifest.partitions().for_each(|(at, entry)| out::line(line(&at, entry).to_string()));
        return Ok(Exit::Done);
    }
    table(&manifest).iter().for_each(out::line);
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

const TITLES: [&str; 9] =
    ["PARTITION", "FROM", "TO", "RECORDS", "FILES", "SIZE", "OLDEST", "NEWEST", "GAPS"];

/// The lines for a person, with columns as wide as they need to be.
fn table(manifest: &Manifest) -> Vec<String> {
    let mut rows = vec![TITLES.map(str::to_owned)];
    rows.extend(manifest.partitions().map(|(at, entry)| cells(&at, entry)));
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..TITLES.len()).map(width).collect();
    let joined = |row: &[String; 9]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(joined).collect()
}

fn cells(at: &Partition, entry: &PartitionEntry) -> [String; 9] {
    let times = entry.times_ms();
    let gaps: Vec<String> =
        entry.gaps.iter().map(|gap| format!("{} to {}", gap.from, gap.to)).collect();
    [
        at.to_string(),
        entry.from.to_string(),
        entry.to.to_string(),
        entry.records.to_string(),
        entry.files.len().to_string(),
        size(entry.bytes()),
        times.map_or_else(String::new, |(oldest, _)| time(oldest)),
        times.map_or_else(String::new, |(_, newest)| time(newest)),
        gaps.join(", "),
    ]
}
