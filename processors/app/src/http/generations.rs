//! `/generations/{model}`: what generations there are, and what may be done with them.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use super::Served;
use super::actions::About;
use super::answer::{json as answer_json, problem};
use super::asked::{Body, deed, model};
use super::failure::told;
use crate::config;
use crate::generations::{self, Case, Deed};

/// `GET /generations/{model}`
pub async fn list(State(served): State<Served>, Path(name): Path<String>) -> Response {
    let model = match model(&served, &name) {
        Ok(model) => model,
        Err(problem) => return *problem,
    };
    match generations::list(&case(&served, model)).await {
        Ok(list) => answer_json(StatusCode::OK, &list),
        Err(error) => {
            let (status, members) = told(&error);
            problem(status, "", members)
        }
    }
}

/// `GET /generations/{model}/action`: what is being done, or was last.
pub async fn action(State(served): State<Served>, Path(name): Path<String>) -> Response {
    match model(&served, &name) {
        Ok(model) => served.actions.look(About::Generations, model.row.name),
        Err(problem) => *problem,
    }
}

/// `POST /generations/{model}/{verb}`
pub async fn act(
    State(served): State<Served>,
    Path((name, verb)): Path<(String, String)>,
    body: Body,
) -> Response {
    let model = match model(&served, &name) {
        Ok(model) => model,
        Err(problem) => return *problem,
    };
    let deed: Deed = match deed(&verb, body) {
        Ok(deed) => deed,
        Err(problem) => return *problem,
    };
    if *served.stopping.borrow() {
        let detail = "the process is stopping: ask another instance";
        return problem(StatusCode::SERVICE_UNAVAILABLE, detail, json!({}));
    }
    let (case, verb) = (case(&served, model), deed.verb());
    let work = |steps: super::actions::Steps| async move {
        let tell = move |step: &str| steps.tell(step);
        deed.perform(&case, &tell).await
    };
    served.actions.begin(About::Generations, model.row.name, verb, work).await
}

fn case(served: &Served, model: &config::Model) -> Case {
    Case {
        config: Arc::clone(&served.config),
        model: model.clone(),
        services: Arc::clone(&served.services),
    }
}
