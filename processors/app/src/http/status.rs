//! `/status.json`: what the status page shows, in totals; the page makes rates of them.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use readmill_core::{Counts, Outcome};
use readmill_engine::Meter;
use serde_json::{Value, json};

use super::answer::{json as answer_json, problem};
use super::exposition::Exposition;
use super::guard::Guard;
use super::health::{ailments, obstacles};
use super::keys::Role;
use super::{Served, ServedModel, documents};

/// `/status.json`
pub async fn status(
    State(served): State<Served>,
    Extension(role): Extension<Role>,
    Extension(guard): Extension<Guard>,
) -> Response {
    let text = match served.metrics.render() {
        Ok(text) => text,
        Err(error) => {
            return problem(StatusCode::INTERNAL_SERVER_ERROR, error.to_string(), json!({}));
        }
    };
    let exposition = Exposition::read(&text);
    let (ailments, obstacles) = (ailments(&served), obstacles(&served));
    let models: Vec<Value> =
        served.models.iter().map(|model| one(model.as_ref(), &exposition)).collect();
    let body = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": served.since.elapsed().as_secs_f64(),
        "healthy": ailments.is_empty(),
        "ailments": ailments,
        "ready": obstacles.is_empty(),
        "obstacles": obstacles,
        "role": role.name(),
        "tokens": guard.has_tokens(),
        "stopping": *served.stopping.borrow(),
        "stations": stations(&served, &exposition),
        "lanes": served.lanes.view(),
        "models": models,
    });
    answer_json(StatusCode::OK, &body)
}

/// One model: what is known of it in short, and its metrics.
fn one(model: &dyn ServedModel, exposition: &Exposition<'_>) -> Value {
    let name = model.row().name;
    let count = |meter| exposition.count(meter, name);
    let freshness = exposition.histogram(Meter::Freshness, name);
    let positions: Vec<Value> = exposition
        .positions(name)
        .into_iter()
        .map(|(topic, partition, resume_at)| {
            json!({ "topic": topic, "partition": partition, "resume_at": resume_at })
        })
        .collect();
    let metrics = json!({
        "written": count(Meter::Written),
        "loaded": count(Meter::Loaded),
        "cache_hits": count(Meter::CacheHits),
        "conflicts": count(Meter::Conflicts),
        "retries": count(Meter::Retries),
        "undecided": count(Meter::Undecided),
        "said": count(Meter::Said),
        "partitions": count(Meter::Partitions),
        "held_now": exposition.known(Meter::Held, name),
        "lag_records": exposition.known(Meter::LagRecords, name),
        "positions": positions,
        "freshness": {
            "count": freshness.count(),
            "p50_seconds": freshness.quantile(0.5),
            "p99_seconds": freshness.quantile(0.99),
        },
    });
    let mut status = documents::brief(model);
    if let (Some(status), Value::Object(metrics)) = (status.as_object_mut(), metrics) {
        status.extend(metrics);
    }
    status
}

/// The eight stations with what has passed them, over all models.
///
/// Nothing is counted between stations: what a station shows is what is known to have left it.
/// Records that were skipped or held before they were events are not told apart there.
fn stations(served: &Served, exposition: &Exposition<'_>) -> Value {
    let mut all = Counts::default();
    let (mut written, mut said) = (0, 0);
    for model in &served.models {
        all.add(model.counts());
        written += exposition.count(Meter::Written, model.row().name);
        said += exposition.count(Meter::Said, model.row().name);
    }
    let events = all.consumed - all.skipped.min(all.consumed);
    let settled: u64 = Outcome::ALL.iter().map(|&outcome| all.get(outcome)).sum();
    json!([
        { "number": 1, "name": "intake", "total": all.consumed, "unit": "records" },
        { "number": 2, "name": "wire", "total": all.consumed, "unit": "records" },
        { "number": 3, "name": "envelope", "total": all.consumed, "unit": "records" },
        { "number": 4, "name": "event", "total": events, "unit": "not skipped" },
        { "number": 5, "name": "route", "total": events, "unit": "not skipped" },
        { "number": 6, "name": "fold", "total": all.applied, "unit": "applied" },
        { "number": 7, "name": "write", "total": written, "unit": "documents", "said": said },
        { "number": 8, "name": "settle", "total": settled, "unit": "records" },
    ])
}
