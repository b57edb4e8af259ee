//! `held export`: every byte of what is held, one JSON object a line.

use std::fs::OpenOptions;
use std::io::{BufWriter, Write as _};

use anyhow::Result;
use readmill_connectors::avro_json::hex_text;
use readmill_core::Key;
use readmill_engine::{Held, HeldRecord, HeldStore};
use readmill_schemas::Timestamp;
use serde_json::{Value as Json, json};

use super::show::unfolded;
use crate::cli::HeldExportArgs;
use crate::exit::{Exit, Failure};
use crate::out;

/// Obeys the command.
pub async fn export(
    store: &dyn HeldStore,
    model: &'static str,
    args: &HeldExportArgs,
) -> Result<Exit> {
    let failed = |error: &std::io::Error| {
        let told = format!("{} cannot be written: {error}", args.to.display());
        Failure::new(Exit::Usage, told, "name a new file in a directory with room")
    };
    let file = OpenOptions::new().write(true).create_new(true).open(&args.to);
    let mut file = BufWriter::new(file.map_err(|error| failed(&error))?);
    let (mut records, mut edited, mut written) = (0_u64, 0_u64, Ok(()));
    let mut visit = |held: HeldRecord| {
        records += 1;
        edited += u64::from(held.original.is_some());
        if written.is_ok() {
            written = writeln!(file, "{}", line(&held));
        }
    };
    store.visit(model, &Held::All, &mut visit).await?;
    let synced = written.and_then(|()| file.flush()).and_then(|()| file.get_ref().sync_all());
    synced.map_err(|error| failed(&error))?;
    if args.json {
        let told = json!({ "model": model, "records": records, "edited": edited, "file": args.to });
        out::line(told.to_string());
    } else {
        out::line(format!("{records} records of {model} in {}", args.to.display()));
    }
    if edited > 0 {
        out::complain(format!(
            "warning: {edited} of them were edited; what they came with is under \"original\"\n"
        ));
    }
    Ok(Exit::Done)
}

fn line(held: &HeldRecord) -> Json {
    let (position, record) = (held.position(), &held.record);
    let original = held.original.as_ref().map(|original| {
        json!({"value": hex(original.value.as_ref()), "headers": headers(&original.headers)})
    });
    json!({
        "model": held.model,
        "topic": position.partition.topic,
        "partition": position.partition.index,
        "offset": position.offset.0,
        "timestamp_ms": record.timestamp_ms,
        "key": held.key.as_ref().map(Key::as_str),
        "unfolded": unfolded(held.unfolded),
        "reason": held.reason,
        "held_at": Timestamp::from_millis(held.held_at_ms).to_string(),
        "tries": held.tries,
        "record_key": hex(record.key.as_ref()),
        "value": hex(record.value.as_ref()),
        "headers": headers(&record.headers),
        "original": original,
    })
}

fn hex(bytes: Option<&Vec<u8>>) -> Option<String> {
    bytes.map(|bytes| hex_text(bytes))
}

fn headers(headers: &[(String, Vec<u8>)]) -> Vec<(&str, String)> {
    headers.iter().map(|(name, value)| (name.as_str(), hex_text(value))).collect()
}
