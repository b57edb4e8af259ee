//! `/events.json`: what happened in this instance lately.

use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde_json::json;

use super::answer::{json as answer_json, problem};
use super::encoded::pairs;
use crate::logs::recent;

/// `GET /events.json?after={id}`
pub async fn events(uri: Uri) -> Response {
    match after(uri.query().unwrap_or_default()) {
        Ok(after) => answer_json(StatusCode::OK, &recent().after(after)),
        Err(detail) => problem(StatusCode::BAD_REQUEST, detail, json!({})),
    }
}

/// The number after which a query asks; 0 if it does not say.
///
/// # Errors
/// When it is none, in words.
pub fn after(query: &str) -> Result<u64, String> {
    let mut after = 0;
    for pair in pairs(query) {
        match pair? {
            ("after", value) => {
                after = value.parse().map_err(|_| "after must be a whole number".to_owned())?;
            }
            _ => return Err("there is only after to ask by".to_owned()),
        }
    }
    Ok(after)
}
