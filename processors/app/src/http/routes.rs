//! The routes, and which guards stand before which of them.

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{MethodRouter, get, post, put};
use serde_json::json;

use super::answer::{answer, problem};
use super::guard::{Guard, admit, bounds, tolerate};
use super::openapi::{self, Operation};
use super::{Served, documents, events, explain, feed, generations, health, held, history, hot};
use super::{lanes, list, page, rollups, status};
use crate::vitals;

/// Before which guard a route stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// None: it is never put off.
    Health,
    /// Nobody needs a token, and nobody may ask too often.
    Open,
    /// As the configuration says.
    Metrics,
    /// A token is needed, where there are tokens.
    Guarded,
}

/// A route: everything that is told of it comes from here, so that nothing is told of what there
/// is not.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// Its path.
    pub path: &'static str,
    /// Its guard.
    pub door: Door,
    /// Who answers there.
    answers: fn() -> MethodRouter<Served>,
    /// What it takes and answers, by method, and by verb where the path has one.
    pub described: fn() -> Vec<Operation>,
}

/// A route in the table below.
macro_rules! route {
    ($door:ident $path:literal $answers:expr, $described:expr) => {
        Route { path: $path, door: Door::$door, answers: || $answers, described: || $described }
    };
}

/// All routes.
pub const ROUTES: &[Route] = &[
    route!(Open "/" get(page::page), openapi::page()),
    route!(Open "/page/{file}" get(page::file), openapi::page_file()),
    route!(Health "/healthz" get(health::healthz), openapi::healthz()),
    route!(Health "/readyz" get(health::readyz), openapi::readyz()),
    route!(Metrics "/metrics" get(metrics), openapi::metrics()),
    route!(Guarded "/openapi.json" get(openapi::serve), openapi::openapi()),
    route!(Guarded "/status.json" get(status::status), openapi::status()),
    route!(Guarded "/history.json" get(history::history), openapi::history()),
    route!(Guarded "/events.json" get(events::events), openapi::events()),
    route!(Guarded "/hot" get(hot::all), openapi::hot()),
    route!(Guarded "/hot/{model}" get(hot::one), openapi::hot_of_model()),
    route!(Guarded "/lanes" get(lanes::lanes), openapi::lanes()),
    route!(Guarded "/lanes/{name}" put(lanes::change), openapi::lane()),
    route!(Guarded "/models" get(documents::models), openapi::models()),
    route!(Guarded "/models/{model}" get(list::list), openapi::list()),
    route!(Guarded "/models/{model}/changes" get(feed::changes), openapi::changes()),
    route!(Guarded "/models/{model}/rollups" get(rollups::rollups), openapi::rollups()),
    route!(Guarded "/models/{model}/rollups/" get(rollups::rollups), openapi::rollups_too()),
    route!(Guarded "/models/{model}/rollups/{*path}" get(rollups::rollups), openapi::groups()),
    route!(Guarded "/models/{model}/{key}" get(documents::document), openapi::document()),
    route!(Guarded "/models/{model}/{key}/explain" get(explain::explain), openapi::explain()),
    route!(Guarded "/generations/{model}" get(generations::list), openapi::generations()),
    route!(Guarded "/generations/{model}/action" get(generations::action), openapi::generated()),
    route!(Guarded "/generations/{model}/{verb}" post(generations::act), openapi::generating()),
    route!(Guarded "/held/{model}" get(held::list), openapi::held()),
    route!(Guarded "/held/{model}/action" get(held::action), openapi::held_action()),
    route!(Guarded "/held/{model}/{verb}" post(held::act), openapi::held_verbs()),
];

/// The router of all routes. What is neither open nor health needs a token, also what there is not.
pub fn router(served: Served, guard: &Guard) -> Router {
    let (open_metrics, limits) = (served.config.http.open_metrics, served.config.http.limits);
    let behind = |door: Door| {
        let routes = ROUTES.iter().filter(|route| match route.door {
            Door::Metrics if open_metrics => door == Door::Open,
            Door::Metrics => door == Door::Guarded,
            Door::Health | Door::Open | Door::Guarded => route.door == door,
        });
        routes.fold(Router::new(), |router, route| router.route(route.path, (route.answers)()))
    };
    // The page says nothing by itself: its script asks, with the token that a person gives it.
    let open = behind(Door::Open).layer(from_fn_with_state(guard.clone(), tolerate));
    let guarded = behind(Door::Guarded)
        .fallback(nothing_here)
        .method_not_allowed_fallback(not_so)
        .layer(from_fn_with_state(guard.clone(), admit));
    guarded
        .merge(open)
        .merge(behind(Door::Health))
        .layer(DefaultBodyLimit::max(limits.body_bytes))
        .layer(from_fn_with_state(guard.clone(), bounds))
        .with_state(served)
}

async fn metrics(State(served): State<Served>) -> Response {
    vitals::show(&served);
    match served.metrics.render() {
        Ok(text) => answer(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", text),
        Err(error) => problem(StatusCode::INTERNAL_SERVER_ERROR, error.to_string(), json!({})),
    }
}

async fn nothing_here() -> Response {
    problem(StatusCode::NOT_FOUND, what_there_is(), json!({}))
}

/// The routes in words: those that are looked at, and those that do something.
fn what_there_is() -> String {
    let (mut looked_at, mut others) = (Vec::new(), Vec::new());
    let told = ROUTES.iter().filter(|route| route.path == "/" || !route.path.ends_with('/'));
    for route in told {
        match (route.described)().first().map(|operation| operation.method) {
            Some("get") | None => looked_at.push(route.path.to_owned()),
            Some(method) => others.push(format!("{} {}", method.to_uppercase(), route.path)),
        }
    }
    format!("there are {}; and {}", looked_at.join(", "), others.join(", "))
}

async fn not_so() -> Response {
    let detail = "this is there, and not by this method";
    problem(StatusCode::METHOD_NOT_ALLOWED, detail, json!({}))
}
