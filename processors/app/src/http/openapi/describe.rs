//! What each route takes and answers, as the OpenAPI document has it.

use serde_json::json;

use super::super::explain::MOST_STEPS;
use super::operation::{Operation, schema, whole};
use crate::held::MOST_LISTED;
use crate::listing::MOST_DOCUMENTS;
use crate::rollups::MOST_GROUPS;

/// `/healthz`
pub fn healthz() -> Vec<Operation> {
    health("healthz", "Whether it is well")
}

/// `/readyz`
pub fn readyz() -> Vec<Operation> {
    health("readyz", "Whether it is ready")
}

fn health(id: &str, about: &str) -> Vec<Operation> {
    let health = Operation::get(id, about).json(200, "it is", "Health");
    vec![health.json(503, "it is not, and why", "Health")]
}

/// `/`
pub fn page() -> Vec<Operation> {
    let text = json!({ "type": "string" });
    vec![Operation::get("page", "The status page").answers(200, "the page", "text/html", text)]
}

/// `/page/{file}`
pub fn page_file() -> Vec<Operation> {
    let text = json!({ "type": "string" });
    let file = Operation::get("page_file", "A file of the status page")
        .at("file", "its name", text.clone())
        .answers(200, "the file", "text/javascript", text.clone())
        .answers(200, "the file", "text/css", text);
    vec![file.problems(&[404])]
}

/// `/metrics`
pub fn metrics() -> Vec<Operation> {
    let (text, about) = (json!({ "type": "string" }), "Prometheus' text");
    let metrics = Operation::get("metrics", "The metrics").answers(200, about, "text/plain", text);
    vec![metrics.problems(&[500])]
}

/// `/openapi.json`
pub fn openapi() -> Vec<Operation> {
    let openapi = Operation::get("openapi", "This document").json(200, "the document", "OpenApi");
    vec![openapi]
}

/// `/status.json`
pub fn status() -> Vec<Operation> {
    let status = Operation::get("status", "What the status page shows");
    vec![status.json(200, "all of it", "Status").problems(&[500])]
}

/// `/history.json`
pub fn history() -> Vec<Operation> {
    let history = Operation::get("history", "The last hour, by samples every ten seconds");
    let about = "only samples after this time, in milliseconds since 1970";
    vec![history.asks("after", about, json!({ "type": "integer", "minimum": 0 })).json(
        200,
        "the samples",
        "History",
    )]
}

/// `/events.json`
pub fn events() -> Vec<Operation> {
    let events = Operation::get("events", "What happened lately");
    let about = "only events with a higher number";
    vec![events.asks("after", about, json!({ "type": "integer", "minimum": 0 })).json(
        200,
        "the events",
        "Events",
    )]
}

/// `/hot`
pub fn hot() -> Vec<Operation> {
    vec![Operation::get("hot", "The hottest keys of all models").json(200, "the keys", "Hot")]
}

/// `/hot/{model}`
pub fn hot_of_model() -> Vec<Operation> {
    let hot = Operation::get("hot_of_model", "The hottest keys of a model").of_model();
    vec![hot.json(200, "the keys", "Hot").problems(&[404])]
}

/// `/lanes`
pub fn lanes() -> Vec<Operation> {
    vec![Operation::get("lanes", "The lanes").json(200, "all lanes", "Lanes")]
}

/// `/lanes/{name}`
pub fn lane() -> Vec<Operation> {
    let name = json!({ "type": "string", "minLength": 1 });
    let change = Operation::put("change_lane", "Changes the rule of a lane, whole")
        .at("name", "the lane", name)
        .takes(schema("LaneRule"), true);
    vec![change.json(200, "all lanes as they are now", "Lanes").problems(&[404])]
}

/// `/models`
pub fn models() -> Vec<Operation> {
    vec![Operation::get("models", "The models that run here").json(200, "all models", "Models")]
}

/// `/models/{model}`
pub fn list() -> Vec<Operation> {
    let text = json!({ "type": "string" });
    let values = json!({
        "type": "array", "items": { "type": "string", "pattern": "^[^:]+:" }, "maxItems": 8,
    });
    let most = MOST_DOCUMENTS as u64;
    let list = Operation::get("list", "Living documents, in the order of their keys, page by page")
        .of_model()
        .asks("prefix", "only those whose keys begin so", text.clone())
        .asks("index", "only those that this index leads to", text.clone())
        .asks("where", "with an index: its first fields, as `field:value`", values)
        .asks("limit", "at most so many; 100 without it", whole(1, most))
        .asks("after", "what the page before said in `more_after`", text)
        .waits();
    vec![list.json(200, "a page", "Page").problems(&[404, 422, 500])]
}

/// `/models/{model}/{key}`
pub fn document() -> Vec<Operation> {
    let key = json!({ "type": "string", "minLength": 1 });
    let get = Operation::get("get", "A document").of_model().at("key", "its key", key).waits();
    vec![get.json(200, "the document", "Document").problems(&[404, 410, 500])]
}

/// `/models/{model}/{key}/explain`
pub fn explain() -> Vec<Operation> {
    let text = json!({ "type": "string" });
    let explain = Operation::get("explain", "The events that made a document")
        .of_model()
        .at("key", "its key", json!({ "type": "string", "minLength": 1 }))
        .asks("as_of", "the document as it was then: a time, an age or a position", text.clone())
        .asks("since", "only events since then: a time, or an age such as 2h", text.clone())
        .asks("field", "only events that changed this field", text)
        .asks("limit", "at most so many events; 50 without it", whole(1, MOST_STEPS as u64));
    vec![explain.json(200, "the events, and what each changed", "Story").problems(&[404, 409, 500])]
}

/// `/models/{model}/changes`
pub fn changes() -> Vec<Operation> {
    let text = json!({ "type": "string" });
    let about = "the last event that was heard: go on behind it";
    let changes = Operation::get("changes", "What this instance writes, as server-sent events")
        .of_model()
        .asks("prefix", "only keys that begin so", text.clone())
        .heads("Last-Event-ID", about, text.clone())
        .answers(200, "events without end", "text/event-stream", text);
    vec![changes.problems(&[404, 500])]
}

/// `/models/{model}/rollups`
pub fn rollups() -> Vec<Operation> {
    declared("rollups")
}

/// The same with a slash behind
pub fn rollups_too() -> Vec<Operation> {
    declared("rollups_too")
}

fn declared(id: &str) -> Vec<Operation> {
    let rollups = Operation::get(id, "The roll-ups of a model").of_model();
    vec![groups_asked(rollups).json(200, "what it declares", "Rollups").problems(&[404, 500])]
}

/// `/models/{model}/rollups/{*path}`
pub fn groups() -> Vec<Operation> {
    let path = json!({ "type": "string", "minLength": 1 });
    let about = "the roll-up, and the dimensions of a group, each behind a slash; a slash at the \
                 end asks for the groups within. Slashes here are not percent-encoded, unless they \
                 are within a dimension";
    let groups = Operation::get("groups", "A group of a roll-up, or groups").of_model();
    let groups = groups_asked(groups.at("path", about, path));
    vec![groups.json(200, "the group, or groups", "GroupOrGroups").problems(&[404, 500])]
}

fn groups_asked(operation: Operation) -> Operation {
    let most = MOST_GROUPS as u64;
    let after = json!({ "type": "string" });
    operation
        .asks("limit", "at most so many groups; 100 without it", whole(1, most))
        .asks("after", "what the page before said in `more_after`", after)
        .waits()
}

/// `/generations/{model}`
pub fn generations() -> Vec<Operation> {
    let list = Operation::get("generations", "The generations of a model").of_model();
    vec![list.json(200, "all of them", "Generations").problems(&[404, 409, 500])]
}

/// `/held/{model}`
pub fn held() -> Vec<Operation> {
    let (text, truth) = (json!({ "type": "string" }), json!({ "type": "boolean" }));
    let most = MOST_LISTED as u64;
    let list = Operation::get("held", "The records of a model that could not be folded")
        .of_model()
        .asks("key", "only those that hold this key", text.clone())
        .asks("keyless", "only those of which no key is known", truth.clone())
        .asks("reason", "only those whose reason contains this", text.clone())
        .asks("since", "only those held since then: a time, or an age such as 2h", text)
        .asks("limit", "at most so many, the oldest first; 50 without it", whole(1, most))
        .asks("values", "with what they say; needs the role `operate`", truth);
    vec![list.json(200, "what is held", "Held").problems(&[403, 404, 409, 500])]
}

/// `/generations/{model}/action`
pub fn generated() -> Vec<Operation> {
    action("generations_action")
}

/// `/held/{model}/action`
pub fn held_action() -> Vec<Operation> {
    action("held_action")
}

fn action(id: &str) -> Vec<Operation> {
    let action = Operation::get(id, "What is being done there, or was done last").of_model();
    vec![action.json(200, "how it stands", "Action").problems(&[404])]
}

/// `/generations/{model}/{verb}`
pub fn generating() -> Vec<Operation> {
    let (nothing, none) = (schema("Nothing"), "NewestDone");
    vec![
        verb("rebuild", "Begins another generation", schema("Rebuild"), "Begun"),
        verb("pause", "Has the newest rest that readers do not see", nothing.clone(), none),
        verb("resume", "Has it go on", nothing.clone(), none),
        verb("cancel", "Gives it up and erases it", nothing, "Erased"),
        verb("swap", "Lets readers see another generation", schema("Swap"), "HandedOver"),
        verb("rollback", "Lets readers see the one before", schema("Rollback"), "HandedOver"),
        verb("retire", "Erases one that readers do not see", schema("Retire"), "Erased"),
    ]
}

/// `/held/{model}/{verb}`
pub fn held_verbs() -> Vec<Operation> {
    vec![
        verb("retry", "Folds held records again", schema("Retry"), "Retried"),
        verb("drop", "Gives held records up", schema("Drop"), "Dropped"),
    ]
}

fn verb(name: &'static str, about: &str, body: serde_json::Value, done: &str) -> Operation {
    Operation::verb(name, name, about)
        .of_model()
        .takes(body, false)
        .json(200, "it is done", done)
        .json(202, "it goes on: look at `Location`", "Action")
        .problems(&[404, 409, 500])
}
