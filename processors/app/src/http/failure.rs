//! Errors of commands as HTTP has them: a status, what went wrong, and what to do about it.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::exit::{self, Exit};

/// The status of an error, and its problem.
pub fn told(error: &anyhow::Error) -> (StatusCode, Value) {
    let status = match exit::code(error) {
        Exit::Usage => StatusCode::CONFLICT,
        Exit::NotFound => StatusCode::NOT_FOUND,
        Exit::Service => StatusCode::SERVICE_UNAVAILABLE,
        Exit::Failed | Exit::Damaged | Exit::StillHeld | Exit::Differs | Exit::Done => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
    };
    let (message, hint) = exit::in_short(error);
    (status, json!({ "detail": message, "hint": hint }))
}
