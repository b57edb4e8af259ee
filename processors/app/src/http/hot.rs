//! `/hot`: the keys that most records came for lately, of all models or of one.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use readmill_engine::{Clock as _, HotKey, Metrics};
use serde_json::{Value, json};

use super::Served;
use super::answer::json as answer_json;
use super::documents::no_model;
use crate::ports::SystemClock;

/// `GET /hot`
pub async fn all(State(served): State<Served>) -> Response {
    let names = served.models.iter().map(|model| model.row().name);
    answer(&served, names)
}

/// `GET /hot/{model}`
pub async fn one(State(served): State<Served>, Path(name): Path<String>) -> Response {
    let mut names = served.models.iter().map(|model| model.row().name);
    match names.find(|known| *known == name) {
        Some(known) => answer(&served, std::iter::once(known)),
        None => no_model(&served, &name),
    }
}

fn answer(served: &Served, names: impl Iterator<Item = &'static str>) -> Response {
    let models: Vec<Value> = names.map(|name| of(&served.metrics, name)).collect();
    answer_json(StatusCode::OK, &json!({ "models": models }))
}

fn of(metrics: &Metrics, model: &'static str) -> Value {
    let seen = metrics.hot().seen(model, SystemClock.now_ms());
    let share = |count: u64| count as f64 * 100.0 / seen.records.max(1) as f64;
    let shown = |HotKey { key, count, at_most_over_by }: &HotKey| {
        let share = (share(*count) * 100.0).round() / 100.0;
        json!({
            "key": key, "count": count, "at_most_over_by": at_most_over_by,
            "share_percent": share.min(100.0),
        })
    };
    let keys: Vec<Value> = seen.keys.iter().map(shown).collect();
    json!({ "model": model, "seen": seen.records, "keys": keys })
}
