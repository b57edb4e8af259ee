//! The document beside the routes: neither has what the other has not.

use std::collections::BTreeSet;

use super::super::openapi::{documented, made};
use super::super::routes::ROUTES;
use super::*;

const METHODS: [&str; 5] = ["GET", "PUT", "POST", "DELETE", "PATCH"];

/// A path with something in the place of each name.
fn filled(path: &str) -> String {
    let names =
        [("{model}", "points"), ("{key}", "m-1"), ("{name}", "online"), ("{path}", "tiers")];
    names.iter().fold(path.to_owned(), |path, (name, value)| path.replace(name, value))
}

#[tokio::test]
async fn whatever_is_answered_is_described_and_nothing_else_is() {
    let world = world(ModelState::Running).await;
    let (status, body) = world.get("/openapi.json").await;
    assert_eq!(status, 200);
    let document = world.json(&body);
    assert_eq!(document["components"]["schemas"]["ModelName"]["enum"], json!(["points"]));
    let paths = document["paths"].as_object().unwrap();
    for (path, methods) in paths {
        for method in METHODS {
            let described = &methods[method.to_ascii_lowercase()];
            // A feed has no end.
            if path.ends_with("/changes") && method == "GET" {
                assert!(described.is_object());
                continue;
            }
            let answer = world.asked(method, &filled(path), &["Content-Length: 0"]).await;
            let told = format!("{method} {path}: {} {}", answer.status, answer.body);
            assert_eq!(answer.status != 405, described.is_object(), "{told}");
            if described.is_object() {
                assert!(described["responses"][answer.status.to_string()].is_object(), "{told}");
            }
        }
    }
    let there: BTreeSet<&String> = paths.keys().collect();
    for route in ROUTES {
        for operation in (route.described)() {
            assert!(there.contains(&documented(route, &operation)), "{}", route.path);
        }
        if route.path.len() > 1 && !route.path.ends_with('/') {
            let (_, told) = world.get("/nothing").await;
            assert!(told.contains(route.path), "{}: {told}", route.path);
        }
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_name_is_there_once() {
    let document = made(&["points"], true, false);
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let text = document.to_string();
    let mut named = BTreeSet::new();
    for reference in text.split("#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(schemas.contains_key(name), "{name}");
        named.insert(name);
    }
    let idle: Vec<&String> = schemas.keys().filter(|name| !named.contains(name.as_str())).collect();
    assert!(idle.is_empty(), "nobody names {idle:?}");
    let mut ids = BTreeSet::new();
    for methods in document["paths"].as_object().unwrap().values() {
        for operation in methods.as_object().unwrap().values() {
            assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{operation}");
        }
    }
}

#[test]
fn who_needs_a_token_is_said_as_it_is() {
    let security = |tokens, open_metrics, path: &str| {
        made(&["points"], tokens, open_metrics)["paths"][path]["get"]["security"].clone()
    };
    let table = [
        (true, false, "/healthz", json!([])),
        (true, false, "/metrics", Value::Null),
        (true, true, "/metrics", json!([])),
        (true, false, "/models", Value::Null),
        (false, false, "/models", json!([{}, { "token": [] }])),
    ];
    for (tokens, open_metrics, path, wanted) in table {
        assert_eq!(security(tokens, open_metrics, path), wanted, "{path}");
    }
}

/// Each verb of the document is one that is done, with what the document says that it takes.
#[test]
fn the_verbs_are_those_that_are_done() {
    let document = made(&["points"], true, false);
    let body = |path: &str| {
        let body = &document["paths"][path]["post"]["requestBody"]["content"]["application/json"];
        let name = body["schema"]["$ref"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        document["components"]["schemas"][name].clone()
    };
    for (about, verbs) in [("generations", 7), ("held", 2)] {
        let start = format!("/{about}/{{model}}/");
        let paths = document["paths"].as_object().unwrap().keys();
        let paths: Vec<&String> =
            paths.filter(|path| path.starts_with(&start) && !path.ends_with("/action")).collect();
        assert_eq!(paths.len(), verbs);
        for path in paths {
            let verb = path.rsplit('/').next().unwrap();
            for field in body(path)["properties"].as_object().into_iter().flat_map(Map::keys) {
                // A field that there is not is named in the error as an unknown one.
                let deed = json!({ verb: { field.clone(): [] } }).to_string();
                let error = match about {
                    "held" => serde_json::from_str::<crate::held::Deed>(&deed).map(drop),
                    _ => serde_json::from_str::<crate::generations::Deed>(&deed).map(drop),
                };
                let error = error.unwrap_err().to_string();
                assert!(error.contains("invalid type"), "{deed}: {error}");
            }
        }
    }
}
