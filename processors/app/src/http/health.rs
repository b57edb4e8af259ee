//! Whether the process is alive, and whether it is ready.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use super::answer::json as answer_json;
use super::{ModelState, Served};

/// Why the process is not healthy; empty when it is.
pub fn ailments(served: &Served) -> Vec<String> {
    let failed = served.models.iter().filter_map(|model| match model.state() {
        ModelState::Failed(why) => Some(format!("{} stopped: {why}", model.row().name)),
        ModelState::Starting | ModelState::Running | ModelState::Ended => None,
    });
    served.pulse.stuck(served.stall_limit).into_iter().chain(failed).collect()
}

/// Why the process is not ready; empty when it is.
pub fn obstacles(served: &Served) -> Vec<String> {
    let stopping = served.stopping.borrow().then(|| "the process is stopping".to_owned());
    let models = served.models.iter().filter_map(|model| {
        let name = model.row().name;
        match model.state() {
            ModelState::Starting => Some(format!("{name} has no partitions yet")),
            ModelState::Failed(why) => Some(format!("{name} stopped: {why}")),
            ModelState::Running | ModelState::Ended => None,
        }
    });
    stopping.into_iter().chain(models).collect()
}

/// `/healthz`
pub async fn healthz(State(served): State<Served>) -> Response {
    verdict("healthy", &ailments(&served))
}

/// `/readyz`
pub async fn readyz(State(served): State<Served>) -> Response {
    verdict("ready", &obstacles(&served))
}

fn verdict(what: &str, reasons: &[String]) -> Response {
    let well = reasons.is_empty();
    let status = if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    answer_json(status, &json!({ what: well, "reasons": reasons }))
}
