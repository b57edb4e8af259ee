//! `GET /openapi.json`: the whole API as an OpenAPI document, made from the table of routes.

mod describe;
mod operation;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value, json};

pub use describe::*;
pub use operation::Operation;

use super::Served;
use super::answer::json as answer_json;
use super::guard::Guard;
use super::routes::{Door, ROUTES, Route};

/// The schemas of bodies and answers, by their names.
const SCHEMAS: &str = include_str!("schemas.json");

const ABOUT: &str = "Read models, folded from change events: documents, roll-ups, changes, and the \
     verbs by which generations, held records and lanes are operated. See docs/http.md. Beside \
     what is said here, a method that a path does not have is answered with 405, and a path that \
     is not here with 404.";

/// `GET /openapi.json`
pub async fn serve(State(served): State<Served>, Extension(guard): Extension<Guard>) -> Response {
    let models: Vec<&str> = served.models.iter().map(|model| model.row().name).collect();
    let open_metrics = served.config.http.open_metrics;
    answer_json(StatusCode::OK, &made(&models, guard.has_tokens(), open_metrics))
}

/// The document, where these models run.
pub fn made(models: &[&str], tokens: bool, open_metrics: bool) -> Value {
    let mut paths = Map::new();
    for route in ROUTES {
        for operation in (route.described)() {
            let path = paths.entry(documented(route, &operation)).or_insert_with(|| json!({}));
            let needs_token = match route.door {
                Door::Health | Door::Open => false,
                Door::Metrics => !open_metrics,
                Door::Guarded => true,
            };
            let method = operation.method;
            path[method] = operation.behind(needs_token, tokens).told;
            if route.door == Door::Open || (route.door == Door::Metrics && open_metrics) {
                let limited = json!({ "description": "too many requests" });
                path[method]["responses"]["429"] = limited;
            }
        }
    }
    let mut schemas: Value = serde_json::from_str(SCHEMAS).unwrap_or_default();
    schemas["ModelName"] = json!({ "type": "string", "enum": models });
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Readmill", "version": env!("CARGO_PKG_VERSION"), "description": ABOUT,
        },
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
    })
}

/// The path of an operation as the document names it.
pub fn documented(route: &Route, operation: &Operation) -> String {
    let path = route.path.replace("{*", "{");
    operation.verb.map_or_else(|| path.clone(), |verb| path.replace("{verb}", verb))
}
