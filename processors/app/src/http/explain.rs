//! `/models/{model}/{key}/explain`: which events made a document, read from the log once more; one
//! question at a time, and for so long at most.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use readmill_models::Row;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::Served;
use super::answer::{json as answer_json, problem};
use super::asked::{DocumentPath, document, model};
use super::encoded::pairs;
use super::failure::told;
use crate::cli::{ExplainArgs, since, when};
use crate::explain;

/// The log is read for so long at most, or for so much of what a request may take.
const LIMIT: Duration = Duration::from_secs(20);
const LIMIT_OF_REQUEST: f64 = 0.8;
/// So many records are answered to whoever does not say how many, and no more to anybody.
const DEFAULT_STEPS: usize = 50;
/// Nobody is told of more.
pub const MOST_STEPS: usize = 1_000;

/// Leave to explain: an instance reads its log for one question at a time. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Explaining(Arc<Semaphore>);

impl Default for Explaining {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

/// `GET /models/{model}/{key}/explain`
pub async fn explain(State(served): State<Served>, path: DocumentPath, uri: Uri) -> Response {
    let (name, key) = match document(path) {
        Ok(names) => names,
        Err(problem) => return *problem,
    };
    let model = match model(&served, &name) {
        Ok(model) => model,
        Err(problem) => return *problem,
    };
    let args = match asked(model.row, key, uri.query().unwrap_or_default()) {
        Ok(args) => args,
        Err(detail) => return problem(StatusCode::BAD_REQUEST, detail, json!({})),
    };
    let Ok(_leave) = served.explaining.0.try_acquire() else {
        let detail = "another document is being explained here: ask again when that is done";
        return problem(StatusCode::CONFLICT, detail, json!({ "model": name }));
    };
    let limit = LIMIT.min(served.config.http.limits.request.mul_f64(LIMIT_OF_REQUEST));
    let explaining = explain::beside(&served.config, model, &served.services, args);
    match timeout(limit, explaining).await {
        Ok(Ok(story)) => answer_json(StatusCode::OK, &story),
        Ok(Err(error)) => {
            let (status, members) = told(&error);
            let detail = members["detail"].as_str().unwrap_or_default().to_owned();
            problem(status, detail, members)
        }
        Err(_) => {
            let detail = format!("the log was not read to its end within {limit:?}");
            let hint = "ask with since, or run `readmill explain`, which takes the time it needs";
            problem(StatusCode::SERVICE_UNAVAILABLE, detail, json!({ "hint": hint }))
        }
    }
}

/// What is to be explained, as a query says it.
fn asked(model: Row, key: String, query: &str) -> Result<ExplainArgs, String> {
    let mut args = ExplainArgs {
        model,
        key,
        config: PathBuf::new(),
        as_of: None,
        field: None,
        since: None,
        limit: Some(DEFAULT_STEPS),
        json: true,
    };
    for pair in pairs(query) {
        let (name, value) = pair?;
        match name {
            "as_of" => args.as_of = Some(when(&value).map_err(|why| format!("as_of {why}"))?),
            "since" => args.since = Some(since(&value).map_err(|why| format!("since {why}"))?),
            "field" => args.field = Some(value),
            "limit" => {
                let limit = value.parse().ok().filter(|n| (1..=MOST_STEPS).contains(n));
                let limit = limit.ok_or_else(|| format!("limit must be from 1 to {MOST_STEPS}"));
                args.limit = Some(limit?);
            }
            _ => return Err("there are as_of, since, field and limit to ask by".to_owned()),
        }
    }
    Ok(args)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_read_and_wrong_ones_say_why() {
        let ask = |query: &str| asked(readmill_models::ALL[0], "m-1".to_owned(), query);
        let plain = ask("").unwrap();
        assert_eq!((plain.limit, plain.as_of, plain.since), (Some(DEFAULT_STEPS), None, None));
        let whole = ask("as_of=t/0@7&since=2h&field=lots.b&limit=3").unwrap();
        assert!(whole.as_of.is_some() && whole.since.is_some());
        assert_eq!((whole.field.as_deref(), whole.limit), (Some("lots.b"), Some(3)));
        let table = [
            ("as_of=yesterday", "as_of must be a time"),
            ("since=x", "since must be a time"),
            ("limit=0", "from 1 to 1000"),
            ("config=/etc/passwd", "as_of, since, field and limit"),
        ];
        for (query, words) in table {
            let why = ask(query).unwrap_err();
            assert!(why.contains(words), "{query}: {why}");
        }
    }
}
