//! The routes, and the guard before them.

use std::net::IpAddr;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, put};
use serde_json::json;

use super::answer::{answer, problem};
use super::{Served, documents, health, lanes, rollups, status};

/// The status page, whole: no other file and no other host is needed.
const PAGE: &str = include_str!("../page/index.html");
/// The page may run its own script and ask this server, and nothing else.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; \
     script-src 'unsafe-inline'; connect-src 'self'; img-src data:; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'";

/// All routes.
pub fn router(served: Served) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/status.json", get(status::status))
        .route("/metrics", get(metrics))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/lanes", get(lanes::lanes))
        .route("/lanes/{name}", put(lanes::change))
        .route("/models", get(documents::models))
        .route("/models/{model}/{key}", get(documents::document))
        .route("/models/{model}/rollups", get(rollups::rollups))
        .route("/models/{model}/rollups/", get(rollups::rollups))
        .route("/models/{model}/rollups/{*path}", get(rollups::rollups))
        .fallback(nothing_here)
        .layer(middleware::from_fn(only_this_machine))
        .with_state(served)
}

async fn page() -> Response {
    let mut response = answer(StatusCode::OK, "text/html; charset=utf-8", PAGE);
    let policy = HeaderValue::from_static(PAGE_POLICY);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

async fn metrics(State(served): State<Served>) -> Response {
    match served.metrics.render() {
        Ok(text) => answer(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", text),
        Err(error) => problem(StatusCode::INTERNAL_SERVER_ERROR, error.to_string(), json!({})),
    }
}

async fn nothing_here() -> Response {
    let detail = "there are /, /status.json, /metrics, /healthz, /readyz, /lanes, /models, \
                  /models/{model}/{key} and /models/{model}/rollups; and PUT /lanes/{name}";
    problem(StatusCode::NOT_FOUND, detail, json!({}))
}

/// Refuses requests under a foreign name: a web page elsewhere may have its own name lead here, and
/// would then be free to read the documents through the browser of this machine.
async fn only_this_machine(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST);
    if host.is_none_or(|host| host.to_str().is_ok_and(is_this_machine)) {
        return next.run(request).await;
    }
    let detail = "this server answers to localhost and loopback addresses only";
    problem(StatusCode::MISDIRECTED_REQUEST, detail, json!({}))
}

fn is_this_machine(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_answered() {
        let table = [
            ("localhost:9464", true),
            ("127.0.0.1", true),
            ("127.8.0.1:1", true),
            ("[::1]:9464", true),
            ("evil.example:9464", false),
            ("localhost.evil.example", false),
            ("192.168.0.1", false),
            ("", false),
        ];
        for (host, wanted) in table {
            assert_eq!(is_this_machine(host), wanted, "{host}");
        }
    }
}
