//! The routes, and which guards stand before which of them.

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{get, post, put};
use serde_json::json;

use super::answer::{answer, problem};
use super::guard::{Guard, admit, bounds, tolerate};
use super::{Served, documents, events, explain, generations, health, held, history, hot, lanes};
use super::{page, rollups, status};
use crate::vitals;

/// All routes. What is in neither of the first two needs a token, also what there is not.
pub fn router(served: Served, guard: &Guard) -> Router {
    let (open_metrics, limits) = (served.config.http.open_metrics, served.config.http.limits);
    let metrics = || Router::new().route("/metrics", get(metrics));
    let health =
        Router::new().route("/healthz", get(health::healthz)).route("/readyz", get(health::readyz));
    // The page says nothing by itself: its script asks, with the token that a person gives it.
    let mut open = page::routes();
    let mut guarded = guarded();
    if open_metrics {
        open = open.merge(metrics());
    } else {
        guarded = guarded.merge(metrics());
    }
    let open = open.layer(from_fn_with_state(guard.clone(), tolerate));
    let guarded = guarded
        .fallback(nothing_here)
        .method_not_allowed_fallback(not_so)
        .layer(from_fn_with_state(guard.clone(), admit));
    guarded
        .merge(open)
        .merge(health)
        .layer(DefaultBodyLimit::max(limits.body_bytes))
        .layer(from_fn_with_state(guard.clone(), bounds))
        .with_state(served)
}

fn guarded() -> Router<Served> {
    Router::new()
        .route("/status.json", get(status::status))
        .route("/history.json", get(history::history))
        .route("/events.json", get(events::events))
        .route("/lanes", get(lanes::lanes))
        .route("/hot", get(hot::all))
        .route("/hot/{model}", get(hot::one))
        .route("/lanes/{name}", put(lanes::change))
        .route("/models", get(documents::models))
        .route("/models/{model}/{key}", get(documents::document))
        .route("/models/{model}/{key}/explain", get(explain::explain))
        .route("/models/{model}/rollups", get(rollups::rollups))
        .route("/models/{model}/rollups/", get(rollups::rollups))
        .route("/models/{model}/rollups/{*path}", get(rollups::rollups))
        .route("/generations/{model}", get(generations::list))
        .route("/generations/{model}/action", get(generations::action))
        .route("/generations/{model}/{verb}", post(generations::act))
        .route("/held/{model}", get(held::list))
        .route("/held/{model}/action", get(held::action))
        .route("/held/{model}/{verb}", post(held::act))
}

async fn metrics(State(served): State<Served>) -> Response {
    vitals::show(&served);
    match served.metrics.render() {
        Ok(text) => answer(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", text),
        Err(error) => problem(StatusCode::INTERNAL_SERVER_ERROR, error.to_string(), json!({})),
    }
}

async fn nothing_here() -> Response {
    let detail = "there are /, /status.json, /history.json, /events.json, /metrics, /healthz, \
                   /readyz, /lanes, /hot, /models, \
                   /models/{model}/{key}, /models/{model}/{key}/explain, \
                   /models/{model}/rollups, /generations/{model} and \
                  /held/{model}; PUT /lanes/{name}, and POST /generations/{model}/{verb} and \
                  /held/{model}/{verb}";
    problem(StatusCode::NOT_FOUND, detail, json!({}))
}

async fn not_so() -> Response {
    let detail = "this is there, and not by this method";
    problem(StatusCode::METHOD_NOT_ALLOWED, detail, json!({}))
}
