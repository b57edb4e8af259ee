//! `/held/{model}`: the records that could not be folded, and what may be done with them.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde_json::json;

use super::Served;
use super::actions::{About, Steps};
use super::answer::{json as answer_json, problem};
use super::asked::{self, Body, model, to_do};
use super::encoded::pairs;
use super::failure::told;
use super::guard::{Guard, lacks};
use super::keys::Role;
use crate::config;
use crate::held::{Deed, List, MOST_LISTED, Progress, Task};

/// So many are listed for whoever does not say how many.
const DEFAULT_LIMIT: usize = 50;

/// `GET /held/{model}`; what the values say is told only to those who may operate.
pub async fn list(
    State(served): State<Served>,
    Extension(role): Extension<Role>,
    Extension(guard): Extension<Guard>,
    Path(name): Path<String>,
    uri: Uri,
) -> Response {
    let model = match model(&served, &name) {
        Ok(model) => model,
        Err(problem) => return *problem,
    };
    let wanted = match wanted(uri.query().unwrap_or_default()) {
        Ok(wanted) => wanted,
        Err(detail) => return problem(StatusCode::BAD_REQUEST, detail, json!({})),
    };
    if wanted.values && role < Role::Operate {
        return lacks(&guard, Role::Operate);
    }
    let task = task(&served, model, Deed::List(wanted), Arc::new(|_, _| ()));
    match task.perform().await {
        Ok(listed) => answer_json(StatusCode::OK, &listed),
        Err(error) => {
            let (status, members) = told(&error);
            problem(status, "", members)
        }
    }
}

/// Which records are to be listed, as a query says it.
fn wanted(query: &str) -> Result<List, String> {
    let mut wanted = List { limit: Some(DEFAULT_LIMIT), ..List::default() };
    let is = |name: &str, value: &str| match value {
        "" | "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(format!("{name} is true or false")),
    };
    for pair in pairs(query) {
        let (name, value) = pair?;
        match name {
            "key" => wanted.key = Some(value),
            "keyless" => wanted.keyless = is(name, &value)?,
            "reason" => wanted.reason = Some(value),
            "since" => wanted.since = Some(value),
            "values" => wanted.values = is(name, &value)?,
            "limit" => {
                let limit = value.parse().ok().filter(|n| (1..=MOST_LISTED).contains(n));
                let limit = limit.ok_or_else(|| format!("limit must be from 1 to {MOST_LISTED}"));
                wanted.limit = Some(limit?);
            }
            _ => {
                let told = "there are key, keyless, reason, since, limit and values to ask by";
                return Err(told.to_owned());
            }
        }
    }
    Ok(wanted)
}

/// `GET /held/{model}/action`: what is being done, or was last.
pub async fn action(State(served): State<Served>, Path(name): Path<String>) -> Response {
    asked::action(&served, About::Held, &name)
}

/// `POST /held/{model}/{verb}`
pub async fn act(
    State(served): State<Served>,
    Path((name, verb)): Path<(String, String)>,
    body: Body,
) -> Response {
    let (model, deed): (_, Deed) = match to_do(&served, (&name, &verb), body) {
        Ok((_, Deed::List(_))) => {
            let detail = "what is held is listed by GET /held/{model}";
            return problem(StatusCode::METHOD_NOT_ALLOWED, detail, json!({}));
        }
        Ok(found) => found,
        Err(problem) => return *problem,
    };
    let verb = deed.verb();
    let work = |steps: Steps| {
        let progress: Progress =
            Arc::new(move |done, of| steps.tell(&format!("{done} of {of} are dealt with")));
        task(&served, model, deed, progress).perform()
    };
    served.actions.begin(About::Held, model.row.name, verb, work).await
}

fn task(served: &Served, model: &config::Model, deed: Deed, progress: Progress) -> Task {
    let (config, services) = (Arc::clone(&served.config), Arc::clone(&served.services));
    Task { config, services, model: model.clone(), deed, progress }
}
