//! Connect's client against a stub, and how a definition differs from what runs.

use std::collections::BTreeMap;

use readmill_engine::Fault;

use super::*;
use crate::elsewhere::Elsewhere;
use crate::registry::stub::{Answer, Stub};

async fn connect(answers: impl IntoIterator<Item = Answer>) -> (Connect, Stub) {
    let stub = Stub::start(answers).await;
    let mut config = ConnectConfig::at(&stub.url);
    config.username = Some("me".to_owned());
    config.password = Some("s3cret".to_owned());
    config.request_limit_ms = 1_000;
    (Connect::new(&config).unwrap(), stub)
}

fn say(status: u16, body: &str) -> Answer {
    Answer::Say(status, body.to_owned())
}

fn definition() -> Definition {
    struct Nothing;
    impl Elsewhere for Nothing {
        fn variable(&self, name: &str) -> Option<String> {
            (name == "DB_PASSWORD").then(|| "s3cret".to_owned())
        }

        fn file(&self, _: &std::path::Path) -> std::io::Result<String> {
            Err(std::io::ErrorKind::NotFound.into())
        }
    }
    let text = r#"{"name": "my outbox/1", "config": {"connector.class": "a.B", "x": 1, "y": true,
                   "z": null, "database.password": "${DB_PASSWORD}"}}"#;
    Definition::read("f.json", text, &Nothing).unwrap()
}

#[tokio::test]
async fn a_busy_connect_is_asked_again_as_whom_and_under_the_whole_name() {
    let busy = say(409, r#"{"error_code": 409, "message": "rebalance"}"#);
    let told_late = r#"{"error_code": 500, "message": "a rebalance is expected"}"#;
    let (connect, stub) = connect([busy, say(500, told_late), say(201, "{}")]).await;
    assert_eq!(connect.put(&definition()).await.unwrap(), Put::Created);
    let requests = stub.requests();
    assert_eq!(requests.len(), 3);
    let head = requests[2].to_lowercase();
    assert!(head.starts_with("put /connectors/my%20outbox%2f1/config "), "{head}");
    assert!(head.contains("authorization: basic bwu6cznjcmv0"), "{head}");
}

#[tokio::test]
async fn answers_are_judged() {
    let gone = r#"{"error_code": 404, "message": "no such connector"}"#;
    // status, body, what is told, whether it is a refusal
    let table = [
        (401, "", "answers 401", true),
        (400, r#"{"error_code": 400, "message": "bad\n class"}"#, "400: bad; class", true),
        (500, r#"{"error_code": 500, "message": "boom"}"#, "500: boom", true),
        (502, "<html>", "answers 502", false),
        (200, "<html>", "not as Kafka Connect does", true),
        (404, "<html>", "answers 404", true),
    ];
    for (status, body, told, is_refusal) in table {
        let (connect, _stub) = connect([say(status, body)]).await;
        let fault = connect.statuses().await.unwrap_err();
        assert!(fault.to_string().contains(told), "{status}: {fault}");
        assert_eq!(matches!(fault, Fault::Refused { .. }), is_refusal, "{status}: {fault}");
        assert!(
            !fault.to_string().contains("s3cret") && !format!("{connect:?}").contains("s3cret")
        );
    }
    let (connect, _stub) = connect([say(404, gone)]).await;
    assert_eq!(connect.status("a").await.unwrap(), None);
    assert_eq!(connect.options("a").await.unwrap(), None);
    let (silent, _stub) = self::connect([Answer::Hang]).await;
    assert!(matches!(silent.plugins().await, Err(Fault::Silent { .. })));
}

#[tokio::test]
async fn states_and_errors_are_read() {
    let body = r#"{"a": {"status": {"name": "a", "type": "source",
        "connector": {"state": "RUNNING", "worker_id": "w:1"},
        "tasks": [{"id": 0, "state": "FAILED", "worker_id": "w:1",
                   "trace": "a.B: wrapped\n\tat x\nCaused by: c.D: because"},
                  {"id": 1, "state": "NEWER", "worker_id": "w:1"}]}}}"#;
    let (connect, stub) = connect([say(200, body)]).await;
    let statuses = connect.statuses().await.unwrap();
    assert!(stub.requests()[0].starts_with("GET /connectors?expand=status "));
    let status = &statuses["a"];
    assert!(!status.runs());
    let failed = status.failed().unwrap();
    assert_eq!((failed.id, failed.cause().as_deref()), (Some(0), Some("because (D)")));
    assert_eq!(status.tasks[1].state, State::Unknown);
}

#[tokio::test]
async fn what_connect_refuses_is_named_by_option() {
    let body = r#"{"name": "a.B", "error_count": 1, "groups": [], "configs": [
        {"definition": {}, "value": {"name": "x", "errors": ["no\nwhere"]}},
        {"definition": {}, "value": {"name": "y", "errors": []}}]}"#;
    let (connect, _stub) = connect([say(200, body)]).await;
    let validation = connect.validate(&definition()).await.unwrap();
    assert_eq!(validation.errors, [("x".to_owned(), "no".to_owned())]);
    assert!(validation.known.contains("y"));
}

#[test]
fn a_definition_is_compared_with_what_runs_and_secrets_are_masked() {
    let running = [("connector.class", "a.B"), ("x", "2"), ("old", "o"), ("name", "n")];
    let running = running.map(|(option, value)| (option.to_owned(), value.to_owned()));
    let mut running = BTreeMap::from(running);
    running.insert("database.password".to_owned(), "old-s3cret".to_owned());
    let found = differences(&running, &definition());
    let found: Vec<(&str, &Change)> =
        found.iter().map(|found| (found.option.as_str(), &found.change)).collect();
    let (set, gone) = (Change::Set("true".to_owned()), Change::Remove("o".to_owned()));
    let masked = Change::Replace("…".to_owned(), "…".to_owned());
    let replaced = Change::Replace("2".to_owned(), "1".to_owned());
    let wanted = [("database.password", &masked), ("old", &gone), ("x", &replaced), ("y", &set)];
    assert_eq!(found, wanted);
}

#[test]
fn what_is_no_definition_is_told_with_its_place() {
    struct Nothing;
    impl Elsewhere for Nothing {
        fn variable(&self, _: &str) -> Option<String> {
            None
        }

        fn file(&self, _: &std::path::Path) -> std::io::Result<String> {
            Err(std::io::ErrorKind::NotFound.into())
        }
    }
    let table = [
        ("{\n 1", "f is no JSON, at line 2, column 2"),
        ("[]", "a definition is {"),
        (r#"{"name": "a"}"#, "a definition is {"),
        (r#"{"name": "a", "config": {"x": []}}"#, "a definition is {"),
    ];
    for (text, wanted) in table {
        let told = Definition::read("f", text, &Nothing).unwrap_err().to_string();
        assert!(told.contains(wanted), "{text}: {told}");
    }
}
