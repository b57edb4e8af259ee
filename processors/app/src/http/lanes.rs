//! `/lanes`: how topics are treated, seen and changed at run time.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use readmill_engine::LaneRule;
use serde_json::json;

use super::Served;
use super::answer::{json as answer_json, problem};

/// `GET /lanes`
pub async fn lanes(State(served): State<Served>) -> Response {
    answer_json(StatusCode::OK, &json!({ "lanes": served.lanes.view() }))
}

/// `PUT /lanes/{name}`: the whole rule; what is left out is as by default. It holds until it is
/// changed again or the process ends, since the configuration is not written.
pub async fn change(
    State(served): State<Served>,
    Path(name): Path<String>,
    rule: Result<Json<LaneRule>, JsonRejection>,
) -> Response {
    let Json(rule) = match rule {
        Ok(rule) => rule,
        Err(rejection) => return problem(rejection.status(), rejection.body_text(), json!({})),
    };
    if let Some(mistake) = rule.mistake() {
        return problem(StatusCode::UNPROCESSABLE_ENTITY, mistake, json!({}));
    }
    if !served.lanes.change(&name, rule) {
        let known: Vec<String> = served.lanes.view().into_iter().map(|lane| lane.name).collect();
        let detail = "the configuration has no such lane";
        return problem(StatusCode::NOT_FOUND, detail, json!({ "known": known }));
    }
    let told = serde_json::to_string(&rule).unwrap_or_default();
    tracing::info!(lane = name, rule = told, "the rule of a lane was changed");
    lanes(State(served)).await
}
