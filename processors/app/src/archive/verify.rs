//! `archive verify`: every byte of an archive, compared with what it should be.

use anyhow::Result;
use readmill_connectors::archive::{LocalDir, Manifest, Report, verify as prove};
use serde_json::json;

use super::size;
use crate::bars;
use crate::cli::ArchiveVerifyArgs;
use crate::exit::Exit;
use crate::out;

/// Obeys the command.
pub fn verify(args: &ArchiveVerifyArgs) -> Result<Exit> {
    let storage = LocalDir::at(&args.dir);
    let bytes = Manifest::of(&*storage)?.partitions().map(|(_, entry)| entry.bytes()).sum();
    let bar = bars::bytes(bytes, "verified");
    let report = prove(&*storage, &mut |read| bar.inc(read))?;
    bar.finish_and_clear();
    tell(args, &report);
    Ok(if report.wrong.is_empty() { Exit::Done } else { Exit::Damaged })
}

fn tell(args: &ArchiveVerifyArgs, report: &Report) {
    let Report { files, records, bytes, schemas, gaps, wrong } = report;
    if args.json {
        let gaps = gaps.iter().map(|(at, gap)| {
            json!({"topic": at.topic, "partition": at.index, "from": gap.from, "to": gap.to})
        });
        let whole = json!({
            "files": files, "records": records, "bytes": bytes, "schemas": schemas,
            "gaps": gaps.collect::<Vec<_>>(), "wrong": wrong,
        });
        out::line(whole.to_string());
        return;
    }
    for (at, gap) in gaps {
        out::line(format!("gap: {at} has nothing from {} to {}: recorded", gap.from, gap.to));
    }
    wrong.iter().for_each(|wrong| out::line(format!("wrong: {wrong}")));
    let size = size(*bytes);
    out::line(format!("{files} files, {records} records, {size}, {schemas} schemas"));
    out::line(match wrong.len() {
        0 => "all is as it was written".to_owned(),
        1 => "1 thing is wrong".to_owned(),
        many => format!("{many} things are wrong"),
    });
}
