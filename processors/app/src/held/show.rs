//! `held show`: one record whole, as readable JSON.

use anyhow::Result;
use readmill_connectors::avro_json::bytes_json;
use readmill_core::Key;
use readmill_engine::{HeldRecord, Record, SchemaBook, Unfolded};
use readmill_schemas::Timestamp;
use serde_json::{Value as Json, json};

use super::sight;
use crate::cli::HeldShowArgs;
use crate::exit::{Exit, Failure};
use crate::out;

/// Obeys the command.
pub async fn show(
    schemas: &dyn SchemaBook,
    held: &HeldRecord,
    args: &HeldShowArgs,
) -> Result<Exit> {
    let value = sight::value(schemas, &held.record).await;
    if args.value {
        let Some(json) = value.get("json") else {
            let why = value.get("unreadable").and_then(Json::as_str).unwrap_or("there is none");
            let told = format!("the value cannot be decoded: {why}");
            let hint = "look at its bytes without --value, and edit it with `held edit --value`";
            return Err(Failure::new(Exit::NotFound, told, hint).into());
        };
        tell(json, args.json);
        return Ok(Exit::Done);
    }
    let position = held.position();
    let original = match &held.original {
        None => Json::Null,
        Some(original) => {
            let (value, headers) = (original.value.clone(), original.headers.clone());
            let came = Record { value, headers, ..held.record.clone() };
            json!({
                "value": sight::value(schemas, &came).await,
                "headers": headers_json(&came.headers),
            })
        }
    };
    let whole = json!({
        "model": held.model,
        "position": position.to_string(),
        "key": held.key.as_ref().map(Key::as_str),
        "unfolded": unfolded(held.unfolded),
        "reason": held.reason,
        "held_at": Timestamp::from_millis(held.held_at_ms).to_string(),
        "tries": held.tries,
        "timestamp": Timestamp::from_millis(held.record.timestamp_ms).to_string(),
        "headers": headers_json(&held.record.headers),
        "record_key": sight::record_key(schemas, &held.record).await,
        "value": value,
        "original": original,
    });
    tell(&whole, args.json);
    Ok(Exit::Done)
}

fn tell(json: &Json, in_one_line: bool) {
    out::line(if in_one_line { json.to_string() } else { format!("{json:#}") });
}

/// How much of it is not folded, in a word.
pub const fn unfolded(unfolded: Unfolded) -> &'static str {
    match unfolded {
        Unfolded::All => "all",
        Unfolded::Part => "part",
    }
}

fn headers_json(headers: &[(String, Vec<u8>)]) -> Json {
    let header =
        |(name, value): &(String, Vec<u8>)| json!({"name": name, "value": bytes_json(value)});
    headers.iter().map(header).collect()
}
