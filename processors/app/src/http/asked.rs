//! What a request asks for: of which model, and what it says in its body.

use axum::Json;
use axum::extract::Path;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::http::StatusCode;
use axum::response::Response;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Served;
use super::actions::About;
use super::answer::problem;
use super::documents::no_model;
use crate::config;

/// The body of a request that changes something.
pub type Body = Result<Option<Json<Value>>, JsonRejection>;

/// The model of that name, as the configuration has it.
pub fn model<'s>(served: &'s Served, name: &str) -> Result<&'s config::Model, Box<Response>> {
    let found = served.config.models.iter().find(|model| model.row.name == name);
    found.ok_or_else(|| Box::new(no_model(served, name)))
}

/// The path of a document: its model, and its key.
pub type DocumentPath = Result<Path<(String, String)>, PathRejection>;

/// The model and the key of a document's path.
pub fn document(path: DocumentPath) -> Result<(String, String), Box<Response>> {
    let unread = |_| {
        let detail = "the key is not percent-encoded UTF-8";
        Box::new(problem(StatusCode::BAD_REQUEST, detail, json!({})))
    };
    path.map(|Path(names)| names).map_err(unread)
}

/// The model of that name and what is to be done with it, while the process does not end.
pub fn to_do<'s, T: DeserializeOwned>(
    served: &'s Served,
    (name, verb): (&str, &str),
    body: Body,
) -> Result<(&'s config::Model, T), Box<Response>> {
    let (model, deed) = (model(served, name)?, deed(verb, body)?);
    if *served.stopping.borrow() {
        let detail = "the process is stopping: ask another instance";
        return Err(Box::new(problem(StatusCode::SERVICE_UNAVAILABLE, detail, json!({}))));
    }
    Ok((model, deed))
}

/// What was done last about a model, or is being done.
pub fn action(served: &Served, about: About, name: &str) -> Response {
    match model(served, name) {
        Ok(model) => served.actions.look(about, model.row.name),
        Err(problem) => *problem,
    }
}

/// What is to be done, by its verb and the body; none is as good as an empty one.
fn deed<T: DeserializeOwned>(verb: &str, body: Body) -> Result<T, Box<Response>> {
    let body = match body {
        Ok(Some(Json(body))) => body,
        Ok(None) => json!({}),
        Err(rejection) => {
            let refused = problem(rejection.status(), rejection.body_text(), json!({}));
            return Err(Box::new(refused));
        }
    };
    serde_json::from_value(json!({ verb: body })).map_err(|error| {
        let unknown = error.to_string().starts_with("unknown variant");
        let status = if unknown { StatusCode::NOT_FOUND } else { StatusCode::UNPROCESSABLE_ENTITY };
        Box::new(problem(status, error.to_string(), json!({})))
    })
}
