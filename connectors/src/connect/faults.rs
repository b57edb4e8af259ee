//! What Connect did not answer, and what to do about it.

use readmill_engine::Fault;

use super::answers::Complaint;
use crate::address;
use crate::registry::handshake;

const SERVICE: &str = "Kafka Connect";
pub const BAD_URL: &str = "set `url` under [connect] to the address of a worker's REST API, such \
                           as http://host:8083";
pub const BAD_FILES: &str = "mend the file, or the setting under [connect] that names it";
const BAD_ACCOUNT: &str = "set `username` and `password` under [connect] to an account that may \
                           do this";
const BAD_TRUST: &str = "set `ca_file` under [connect] to the authority that issued Connect's \
                         certificate, and `client_cert_file` and `client_key_file` to what it \
                         demands";
const BAD_REQUEST: &str = "see the definition, and the log of the worker";
/// The longest part of an answer that is told.
const LONGEST: usize = 600;

/// A refusal.
pub const fn refused(detail: String, hint: &'static str) -> Fault {
    Fault::Refused { service: SERVICE, detail, hint }
}

/// No answer, or none that can be understood.
pub const fn silent(detail: String) -> Fault {
    Fault::Silent { service: SERVICE, detail }
}

/// What kept a request from being answered.
pub fn unanswered(url: &str, error: reqwest::Error) -> Fault {
    let told = address::told(url);
    let error = error.without_url();
    match handshake::refusal(&error) {
        Some((refused_by, _)) => refused(format!("{told}: {refused_by}"), BAD_TRUST),
        None if error.is_timeout() => silent(format!("{told} does not answer in time")),
        None => silent(format!("{told}: {}", innermost(&error))),
    }
}

/// What an answer means that is none of success.
pub fn judged(url: &str, status: u16, body: &str) -> Fault {
    let told = address::told(url);
    let said = message(body);
    let detail = match &said {
        Some(said) => format!("{told} answers {status}: {said}"),
        None => format!("{told} answers {status}"),
    };
    match status {
        401 | 403 => refused(detail, BAD_ACCOUNT),
        404 if said.is_none() => refused(detail, BAD_URL),
        400..=499 => refused(detail, BAD_REQUEST),
        _ if said.is_some() => refused(detail, BAD_REQUEST),
        _ => silent(detail),
    }
}

/// What Connect says in an answer, in one line; what others say is not told.
fn message(body: &str) -> Option<String> {
    let complaint: Complaint = serde_json::from_str(body).ok()?;
    let lines = complaint.message.lines().map(str::trim).filter(|line| !line.is_empty());
    let text = lines.collect::<Vec<_>>().join("; ");
    let end = text.char_indices().nth(LONGEST).map_or(text.len(), |(end, _)| end);
    let text = text.get(..end).unwrap_or_default();
    (!text.is_empty()).then(|| text.to_owned())
}

pub fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    error.source().map_or_else(|| error.to_string(), innermost)
}
