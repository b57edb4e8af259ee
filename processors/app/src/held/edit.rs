//! `held edit`: a held record gets another value or header, and keeps what it came with.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use readmill_core::Key;
use readmill_engine::{Fault, HeldRecord, HeldStore, Record, SchemaBook};
use readmill_schemas::{SchemaId, framing};
use serde_json::json;

use super::{one, sight};
use crate::cli::{HeldEditArgs, HeldOne};
use crate::exit::{Exit, Failure};
use crate::out;

/// What a person may change.
type Parts = (Option<Vec<u8>>, Vec<(String, Vec<u8>)>);

/// Obeys the command.
pub async fn edit(
    store: &dyn HeldStore,
    schemas: impl AsyncFnOnce() -> Result<Arc<dyn SchemaBook>, Fault>,
    mut held: HeldRecord,
    args: &HeldEditArgs,
) -> Result<Exit> {
    let before = held.record.value.as_ref().map_or(0, Vec::len);
    if args.undo {
        if !held.undo_edits() {
            let told = format!("{} has not been edited", held.position());
            return Err(Failure::new(Exit::NotFound, told, "there is nothing to undo").into());
        }
    } else {
        let Record { value, headers, .. } = held.record.clone();
        let (value, headers) = match (&args.value, &args.json, &args.header) {
            (Some(file), ..) => (Some(bytes(file)?), headers),
            (None, Some(file), _) => {
                (Some(encoded(&*schemas().await?, &held.record, file, args).await?), headers)
            }
            (None, None, Some((name, file))) => with_header((value, headers), name, bytes(file)?),
            (None, None, None) => (value, headers),
        };
        held.edit(value, headers);
    }
    store.replace(std::slice::from_ref(&held)).await?;
    // It may have been folded or dropped while it was edited.
    let key = held.key.as_ref().map(|key| Key::as_str(key).to_owned());
    one(store, held.model, &HeldOne { position: held.position().clone(), key }).await?;
    let after = held.record.value.as_ref().map_or(0, Vec::len);
    if args.as_json {
        let (position, edited) = (held.position().to_string(), held.original.is_some());
        let told = json!({
            "model": held.model, "position": position, "edited": edited,
            "bytes_before": before, "bytes": after,
        });
        out::line(told.to_string());
        return Ok(Exit::Done);
    }
    out::line(format!("{}: the value was {before} bytes and is {after}", held.position()));
    out::line(match &held.original {
        Some(_) => "what it came with is kept beside it: `held edit --undo` gives it back",
        None => "it is as it came",
    });
    Ok(Exit::Done)
}

fn bytes(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).map_err(|error| {
        let told = format!("{} cannot be read: {error}", file.display());
        Failure::new(Exit::Usage, told, "name a file with the new bytes").into()
    })
}

fn with_header((value, mut headers): Parts, name: &str, bytes: Vec<u8>) -> Parts {
    match headers.iter_mut().find(|(known, _)| known == name) {
        Some((_, old)) => *old = bytes,
        None => headers.push((name.to_owned(), bytes)),
    }
    (value, headers)
}

/// A value from JSON, framed as the record's value is: in itself, or by a header.
async fn encoded(
    schemas: &dyn SchemaBook,
    record: &Record,
    file: &Path,
    args: &HeldEditArgs,
) -> Result<Vec<u8>> {
    let usage = |told: String, hint: &str| Failure::new(Exit::Usage, told, hint);
    let json = serde_json::from_slice(&bytes(file)?).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let told = format!("{}:{line}:{column}: this is not JSON", file.display());
        usage(told, "write it as `readmill held show --value` prints it")
    })?;
    let value = record.value.as_deref().unwrap_or_default();
    let framed = sight::framed(record, value);
    let id = args.schema.map(SchemaId).or(framed.as_ref().ok().map(|framed| framed.schema));
    let id = id.ok_or_else(|| {
        let told = "the value has no schema id that its JSON could be written with".to_owned();
        usage(told, "name one with --schema ID")
    })?;
    let in_header = framed.is_ok_and(|framed| framed.body.len() == value.len());
    if in_header && args.schema.is_some() {
        let told = "the schema id of this value stands in a header".to_owned();
        return Err(usage(told, "leave --schema out, or set the header too").into());
    }
    let body = sight::body(schemas, id, json).await;
    let body = body.with_context(|| format!("{} cannot be taken", file.display()))?;
    if in_header {
        return Ok(body);
    }
    let mut message = Vec::with_capacity(body.len() + 5);
    framing::write(id, |out| out.extend_from_slice(&body), &mut message);
    Ok(message)
}
