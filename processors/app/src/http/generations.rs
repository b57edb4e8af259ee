//! `/generations/{model}`: what generations there are, and what may be done with them.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::Served;
use super::actions::About;
use super::answer::{json as answer_json, problem};
use super::asked::{self, Body, model, to_do};
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
    asked::action(&served, About::Generations, &name)
}

/// `POST /generations/{model}/{verb}`
pub async fn act(
    State(served): State<Served>,
    Path((name, verb)): Path<(String, String)>,
    body: Body,
) -> Response {
    let (model, deed): (_, Deed) = match to_do(&served, (&name, &verb), body) {
        Ok(found) => found,
        Err(problem) => return *problem,
    };
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
