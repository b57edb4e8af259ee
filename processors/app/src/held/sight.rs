//! What the bytes of a held record say, and the bytes of what a person wrote instead.

use anyhow::{Context as _, Result};
use futures::future::BoxFuture;
use readmill_connectors::avro_json::{bytes_json, bytes_of, hex_json, to_body, to_json};
use readmill_engine::{Record, SchemaBook};
use readmill_schemas::{Framed, SchemaId, framing};
use serde_json::{Map, Value as Json, json};

/// The schema of bytes that are framed Avro themselves.
const SCHEMA: &str = "$schema";
/// And what they say.
const VALUE: &str = "$value";

/// What a record's value says: its schema and its JSON, or its bytes and why they say nothing.
pub async fn value(schemas: &dyn SchemaBook, record: &Record) -> Json {
    let Some(value) = record.value.as_deref() else { return Json::Null };
    match framed(record, value) {
        Ok(framed) => match decoded(schemas, framed).await {
            Ok(json) => json!({"schema": framed.schema.0, "json": json}),
            Err(why) => {
                json!({"schema": framed.schema.0, "unreadable": why, "bytes": bytes_json(value)})
            }
        },
        Err(why) => json!({"unreadable": why, "bytes": bytes_json(value)}),
    }
}

/// A record's own key: mostly a framed key, or text.
pub async fn record_key(schemas: &dyn SchemaBook, record: &Record) -> Json {
    match record.key.as_deref() {
        None => Json::Null,
        Some(key) => opened(schemas, key).await.unwrap_or_else(|| bytes_json(key)),
    }
}

/// The frame of a record's value.
pub fn framed<'r>(record: &'r Record, value: &'r [u8]) -> Result<Framed<'r>, String> {
    let headers = record.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
    framing::read_with(value, headers).map_err(|error| error.to_string())
}

async fn decoded(schemas: &dyn SchemaBook, framed: Framed<'_>) -> Result<Json, String> {
    let writer = schemas.schema(framed.schema).await.map_err(|fault| fault.to_string())?;
    let json = to_json(&writer, framed.body).map_err(|error| error.to_string())?;
    Ok(within(schemas, json).await)
}

/// Bytes that are framed Avro of a known schema.
async fn opened(schemas: &dyn SchemaBook, bytes: &[u8]) -> Option<Json> {
    let framed = framing::read(bytes).ok()?;
    let json = decoded(schemas, framed).await.ok()?;
    Some(json!({SCHEMA: framed.schema.0, VALUE: json}))
}

/// Opens what is framed within a value: the payload of an outbox row.
fn within(schemas: &dyn SchemaBook, json: Json) -> BoxFuture<'_, Json> {
    Box::pin(async move {
        match json {
            Json::Object(object) => match bytes_of(&object) {
                Some(Ok(bytes)) => {
                    let found = opened(schemas, &bytes).await;
                    found.unwrap_or(Json::Object(object))
                }
                Some(Err(_)) => Json::Object(object),
                None => {
                    let mut fields = Map::new();
                    for (name, field) in object {
                        fields.insert(name, within(schemas, field).await);
                    }
                    Json::Object(fields)
                }
            },
            Json::Array(items) => {
                let mut found = Vec::with_capacity(items.len());
                for item in items {
                    found.push(within(schemas, item).await);
                }
                Json::Array(found)
            }
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => json,
        }
    })
}

/// The body that a person's JSON stands for, by a schema.
///
/// # Errors
/// When it does not fit, or the schema is unknown.
pub async fn body(schemas: &dyn SchemaBook, id: SchemaId, json: Json) -> Result<Vec<u8>> {
    let json = closed(schemas, json).await?;
    let writer = schemas.schema(id).await?;
    to_body(&writer, &json).with_context(|| format!("it cannot be written with schema id {id}"))
}

/// Frames again what was opened.
fn closed(schemas: &dyn SchemaBook, json: Json) -> BoxFuture<'_, Result<Json>> {
    Box::pin(async move {
        match json {
            Json::Object(mut object) => {
                let id = object.get(SCHEMA).and_then(Json::as_u64);
                let id = id.and_then(|id| u32::try_from(id).ok()).filter(|_| object.len() == 2);
                if let Some((id, value)) = id.and_then(|id| Some((id, object.remove(VALUE)?))) {
                    let body = body(schemas, SchemaId(id), value).await?;
                    let mut message = Vec::with_capacity(body.len() + 5);
                    framing::write(SchemaId(id), |out| out.extend_from_slice(&body), &mut message);
                    return Ok(hex_json(&message));
                }
                let mut fields = Map::new();
                for (name, field) in object {
                    fields.insert(name, closed(schemas, field).await?);
                }
                Ok(Json::Object(fields))
            }
            Json::Array(items) => {
                let mut made = Vec::with_capacity(items.len());
                for item in items {
                    made.push(closed(schemas, item).await?);
                }
                Ok(Json::Array(made))
            }
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => Ok(json),
        }
    })
}
