//! `archive`: the topics of a configuration, copied into an archive.

use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::time::Duration;

use anyhow::Result;
use indicatif::ProgressBar;
use readmill_connectors::archive::{Appender, ArchiveReader, LocalDir, Manifest, Roll};
use readmill_connectors::kafka::Tail;
use serde_json::json;
use tokio::sync::watch;

use super::copying::{Copying, Done, Manner};
use super::schemas::Schemas;
use super::{blocking, size};
use crate::bars::progress;
use crate::cli::ArchiveCopyArgs;
use crate::config::{self, Config};
use crate::exit::{Exit, Failure};
use crate::get::model_of;
use crate::out;
use crate::run::told_to_stop;
use crate::services::Services;

/// Obeys the command.
pub async fn copy(args: ArchiveCopyArgs) -> Result<Exit> {
    let config = Config::load(&args.config)?;
    let config::Source::Kafka { kafka, registry } = &config.source else {
        let hint = "set source.kind = \"kafka\"; an archive is copied as any directory is";
        return Err(Failure::new(Exit::Usage, "the configuration reads no Kafka", hint).into());
    };
    let manner = Manner {
        topics: topics(&config, &args)?,
        follow: args.follow,
        accept_gap: args.accept_gap,
        growth_step: Duration::from_millis(kafka.metadata_refresh_ms),
    };
    let book = Services::default().registry(registry).await?;
    let (stop, stopping) = watch::channel(false);
    let schemas = Schemas::new(book, stopping.clone());
    let (kafka, told, bar) = (kafka.clone(), args.clone(), bar(&args));
    let shown = bar.clone();
    let work = blocking(move || {
        let storage = LocalDir::at(&told.to);
        let age = Duration::from_secs(told.file_limit_seconds.get());
        let appender = Appender::open(storage.clone(), roll(&told), age)?;
        let archive = ArchiveReader::of(storage)?;
        let mut copying = Copying::new(manner, Tail::new(&kafka)?, appender, schemas, shown);
        copying.begin(&archive)?;
        Ok(copying.run(&stopping)?)
    });
    tokio::pin!(work);
    let done = tokio::select! {
        done = &mut work => done?,
        told = told_to_stop() => {
            stop.send_replace(true);
            let done = work.await?;
            told?;
            done
        }
    };
    bar.finish_and_clear();
    tell(&args, &done)
}

fn roll(args: &ArchiveCopyArgs) -> Roll {
    let file_bytes = args.file_limit_mib.get().saturating_mul(1 << 20);
    Roll { file_bytes, file_records: u64::MAX, ..Roll::default() }
}

/// What is shown on the way. With --follow there is no end that it could show.
fn bar(args: &ArchiveCopyArgs) -> ProgressBar {
    if args.json || args.follow || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    progress(0, "offsets copied")
}

/// The topics that are meant.
fn topics(config: &Config, args: &ArchiveCopyArgs) -> Result<BTreeSet<String>> {
    if !args.topics.is_empty() {
        return Ok(args.topics.iter().cloned().collect());
    }
    if args.models.is_empty() {
        return Ok(config.models.iter().flat_map(|model| model.topics.clone()).collect());
    }
    let mut topics = BTreeSet::new();
    for row in &args.models {
        topics.extend(model_of(config, &args.config, row.name)?.topics);
    }
    Ok(topics)
}

fn tell(args: &ArchiveCopyArgs, done: &Done) -> Result<Exit> {
    let manifest = Manifest::read(&args.to)?;
    let bytes = manifest.partitions().map(|(_, entry)| entry.bytes()).sum();
    if args.json {
        let gaps = done.gaps.iter().map(|(at, gap)| {
            json!({"topic": at.topic, "partition": at.index, "from": gap.from, "to": gap.to})
        });
        let whole = json!({
            "copied": {
                "records": done.records, "files": done.files, "schemas": done.schemas,
                "gaps": gaps.collect::<Vec<_>>(),
            },
            "archive": {"records": manifest.records(), "bytes": bytes},
            "partitions_left": done.left,
        });
        out::line(whole.to_string());
    } else {
        for (partition, gap) in &done.gaps {
            out::line(format!("gap: {partition} has nothing from {} to {}", gap.from, gap.to));
        }
        let (records, files) = (done.records, done.files);
        out::line(format!("{records} records in {files} new files"));
        let (records, size, dir) = (manifest.records(), size(bytes), args.to.display());
        out::line(format!("{records} records, {size}, in {dir}"));
    }
    if done.left == 0 {
        return Ok(Exit::Done);
    }
    let told = format!("stopped before {} partitions were copied to their ends", done.left);
    Err(Failure::new(Exit::Failed, told, "run it again: it goes on where it stopped").into())
}
