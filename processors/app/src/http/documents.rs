//! The models and their documents.

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::Response;
use readmill_core::{Index, Key};
use readmill_engine::Fault;
use serde_json::{Value, json};

use super::answer::{json as answer_json, problem};
use super::asked::{self, DocumentPath};
use super::at_least::AtLeast;
use super::encoded::pairs;
use super::{ModelState, Served, ServedModel, Standing};
use crate::config::question;

/// `/models`: the models with their counts.
pub async fn models(State(served): State<Served>) -> Response {
    let list: Vec<Value> = served.models.iter().map(|model| brief(model.as_ref())).collect();
    answer_json(StatusCode::OK, &Value::from(list))
}

/// A model in short.
pub fn brief(model: &dyn ServedModel) -> Value {
    let (row, counts) = (model.row(), model.counts());
    let (state, why) = match model.state() {
        ModelState::Starting => ("starting", None),
        ModelState::Running => ("running", None),
        ModelState::Ended => ("ended", None),
        ModelState::Failed(why) => ("failed", Some(why)),
    };
    json!({
        "name": row.name,
        "about": row.about,
        "mirror": row.mirror,
        "fold_version": row.fold_version,
        "generation": model.generation(),
        "rollups": row.rollups.iter().map(|rollup| rollup.name).collect::<Vec<_>>(),
        "indexes": row.indexes.iter().map(index).collect::<Vec<_>>(),
        "embeds": row.embeds,
        "state": state,
        "why": why,
        "counts": counts,
        "add_up": counts.add_up(),
    })
}

/// An index that readers may ask by, where the store has indexes.
fn index(index: &Index) -> Value {
    let fields: Vec<&str> = index.fields.iter().map(|(path, _)| *path).collect();
    json!({ "name": index.name, "fields": fields })
}

/// `/models/{model}/{key}`: one document.
pub async fn document(State(served): State<Served>, path: DocumentPath, uri: Uri) -> Response {
    let (name, key) = match asked::document(path) {
        Ok(names) => names,
        Err(problem) => return *problem,
    };
    let Some(model) = served.models.iter().find(|model| model.row().name == name) else {
        return no_model(&served, &name);
    };
    let at_least = match asked(uri.query().unwrap_or_default()) {
        Ok(at_least) => at_least,
        Err(detail) => return problem(StatusCode::BAD_REQUEST, detail, json!({ "model": name })),
    };
    if let Err(response) = at_least.reached(&served, model.as_ref()).await {
        return *response;
    }
    let key = Key(key);
    match model.get(&key).await {
        Ok(standing) => shown(model.row().name, &key, standing),
        Err(fault) => failed(&fault),
    }
}

/// What must be settled before the document is read.
fn asked(query: &str) -> Result<AtLeast, String> {
    let mut at_least = AtLeast::NOTHING;
    for pair in pairs(query) {
        let (name, value) = pair?;
        if !at_least.take(name, &value)? {
            return Err("there are at_least and wait_ms, and nothing else, to ask by".to_owned());
        }
    }
    Ok(at_least)
}

/// There is no such model: what there is.
pub fn no_model(served: &Served, name: &str) -> Response {
    let names: Vec<&str> = served.models.iter().map(|model| model.row().name).collect();
    let detail = format!("there is no read model \"{name}\" here; {}", question(name, &names));
    problem(StatusCode::NOT_FOUND, detail, json!({ "model": name }))
}

fn shown(model: &str, key: &Key, standing: Standing) -> Response {
    let named = json!({ "model": model, "key": key });
    match standing {
        Standing::Live { revision, state, shows } => {
            let mut body =
                json!({ "model": model, "key": key, "revision": revision, "state": state });
            if let Some(shows) = shows {
                body["shows"] = shows;
            }
            answer_json(StatusCode::OK, &body)
        }
        Standing::Gone { revision } => {
            let members = json!({ "model": model, "key": key, "revision": revision, "gone": true });
            problem(StatusCode::GONE, "the document has ended", members)
        }
        Standing::Never => problem(StatusCode::NOT_FOUND, "there is no such document", named),
    }
}

/// What is answered when the store is silent, refuses or holds damaged data.
pub fn failed(fault: &Fault) -> Response {
    let status = match fault {
        Fault::Silent { .. } | Fault::Refused { .. } | Fault::Overslept | Fault::Abandoned => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        Fault::UnknownSchema { .. }
        | Fault::UnusableSchema { .. }
        | Fault::RolledBack { .. }
        | Fault::Damaged { .. } => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let mut response = problem(status, fault.to_string(), json!({}));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}
