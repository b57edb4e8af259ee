//! `at_least=<position>`: a reader that has written waits until what it wrote can be read.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use readmill_core::Position;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::answer::problem;
use super::documents::failed;
use super::{Served, ServedModel};
use crate::cli::position;
use crate::generations::Reaching;

/// So long is waited unless another time is asked for.
pub const DEFAULT_WAIT_MS: u64 = 2_000;
/// And nobody waits for longer.
pub const MOST_WAIT_MS: u64 = 60_000;
/// So many positions may be named at once.
pub const MOST_POSITIONS: usize = 64;

/// What must be settled before a reader reads, and how long it waits for that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AtLeast {
    wanted: Vec<Position>,
    wait_ms: Option<u64>,
}

impl AtLeast {
    /// Nothing: what stands is read as it is.
    pub const NOTHING: Self = Self { wanted: Vec::new(), wait_ms: None };

    /// Takes in a pair of a query. Answers false if it is none of these.
    ///
    /// # Errors
    /// When it cannot be read, in words.
    pub fn take(&mut self, name: &str, value: &str) -> Result<bool, String> {
        match name {
            "at_least" => {
                for text in value.split(',') {
                    let at = position(text).map_err(|why| format!("at_least {why}"))?;
                    if at.offset.0 < 0 || at.partition.index < 0 {
                        return Err("at_least names a place before the first record".to_owned());
                    }
                    self.wanted.push(at);
                }
                if self.wanted.len() > MOST_POSITIONS {
                    return Err(format!("at_least names more than {MOST_POSITIONS} positions"));
                }
            }
            "wait_ms" => {
                let told = || format!("wait_ms must be from 0 to {MOST_WAIT_MS}");
                let number = value.parse().ok().filter(|n| *n <= MOST_WAIT_MS);
                self.wait_ms = Some(number.ok_or_else(told)?);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Waits until all of it is settled; else says how far it has come.
    ///
    /// # Errors
    /// The answer to whoever asked.
    pub async fn reached(
        &self,
        served: &Served,
        model: &dyn ServedModel,
    ) -> Result<(), Box<Response>> {
        if self.wanted.is_empty() {
            return Ok(());
        }
        let wait = Duration::from_millis(self.wait_ms.unwrap_or(DEFAULT_WAIT_MS));
        // The request has a limit of its own, and the answer takes time, too.
        let wait = wait.min(served.config.http.limits.request * 9 / 10);
        match model.reach(&self.wanted, Instant::now() + wait).await {
            Ok(Reaching::Settled) => Ok(()),
            Ok(Reaching::NotYet(places)) => {
                let reached = places.iter().map(|(one, at)| {
                    (one.to_string(), at.map_or(Value::Null, |at| at.value().into()))
                });
                Err(Box::new(self.not_yet(model, reached.collect(), wait)))
            }
            Ok(Reaching::NotOurs(detail)) => {
                let members = json!({ "model": model.row().name });
                Err(Box::new(problem(StatusCode::UNPROCESSABLE_ENTITY, detail, members)))
            }
            Err(fault) => Err(Box::new(failed(&fault))),
        }
    }

    fn not_yet(
        &self,
        model: &dyn ServedModel,
        reached: BTreeMap<String, Value>,
        wait: Duration,
    ) -> Response {
        let waited = wait.as_millis();
        let detail = format!("what is asked for was not settled within {waited} ms");
        let wanted: Vec<String> = self.wanted.iter().map(Position::to_string).collect();
        let members = json!({
            "model": model.row().name, "wanted": wanted, "resume_at": reached,
            "hint": "ask again, with a longer wait_ms; resume_at says how far each partition is",
        });
        let mut response = problem(StatusCode::GATEWAY_TIMEOUT, detail, members);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(pairs: &[(&str, &str)]) -> String {
        let mut at_least = AtLeast::NOTHING;
        for (name, value) in pairs {
            match at_least.take(name, value) {
                Ok(true) => {}
                Ok(false) => return format!("{name} is another's"),
                Err(detail) => return detail,
            }
        }
        let wanted: Vec<String> = at_least.wanted.iter().map(Position::to_string).collect();
        format!("{} within {:?}", wanted.join(" "), at_least.wait_ms)
    }

    #[test]
    fn positions_and_patience_are_read() {
        let table: [(&[(&str, &str)], &str); 9] = [
            (&[("at_least", "a.b/0@7")], "a.b/0@7 within None"),
            (&[("at_least", "a/0@7,b/c/1@0"), ("wait_ms", "9")], "a/0@7 b/c/1@0 within Some(9)"),
            (&[("at_least", "a/0@1"), ("at_least", "a/1@2")], "a/0@1 a/1@2 within None"),
            (&[("limit", "1")], "limit is another's"),
            (&[("at_least", "a/0@-1")], "at_least names a place before the first record"),
            (&[("at_least", "a/-1@1")], "at_least names a place before the first record"),
            (&[("wait_ms", "60001")], "wait_ms must be from 0 to 60000"),
            (&[("wait_ms", "-1")], "wait_ms must be from 0 to 60000"),
            (&[("wait_ms", "")], "wait_ms must be from 0 to 60000"),
        ];
        for (pairs, wanted) in table {
            assert_eq!(told(pairs), wanted, "{pairs:?}");
        }
        for text in ["", "a", "a/0", "a@0", "/0@0", "a/x@0", "a/0@x", "a/0@1,"] {
            assert!(told(&[("at_least", text)]).contains("topic, partition and offset"), "{text}");
        }
        let many = vec!["a/0@1"; MOST_POSITIONS + 1].join(",");
        assert!(told(&[("at_least", &many)]).contains("more than 64"));
    }
}
