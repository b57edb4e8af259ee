//! What the book answers when the registry does not answer well.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::join_all;
use readmill_engine::{Fault, SchemaBook};
use readmill_schemas::SchemaId;

use super::stub::{Answer, Stub};
use super::{RegistryBook, RegistryConfig};

const ID: SchemaId = SchemaId(7);

fn say(status: u16, body: &str) -> Answer {
    Answer::Say(status, body.to_owned())
}

fn good() -> Answer {
    say(200, r#"{"schema":"{\"type\":\"record\",\"name\":\"A\",\"fields\":[]}"}"#)
}

fn unknown() -> Answer {
    say(404, r#"{"error_code":40403,"message":"Schema 7 not found"}"#)
}

fn book(stub: &Stub) -> RegistryBook {
    let quick = RegistryConfig {
        request_limit_ms: 300,
        unknown_limit_ms: 700,
        unknown_age_ms: 400,
        ..RegistryConfig::at(&stub.url)
    };
    RegistryBook::new(&quick).unwrap()
}

async fn fault_of(answer: Answer) -> Fault {
    book(&Stub::start([answer]).await).schema(ID).await.unwrap_err()
}

#[tokio::test]
async fn a_good_answer_is_asked_for_once_by_however_many() {
    let stub = Stub::start([good()]).await;
    let book = book(&stub);
    for answer in join_all((0..50).map(|_| book.schema(ID))).await {
        assert_eq!(answer.unwrap().name().as_deref(), Some("A"));
    }
    book.schema(ID).await.unwrap();
    assert_eq!(stub.asked(), 1);
}

#[tokio::test]
async fn an_outage_is_silence_and_is_never_remembered() {
    let garbage = say(200, "<html>");
    let no_schema = say(200, "{}");
    let proxy = say(404, "<html>no such page</html>");
    let codes = [400, 408, 429, 500, 502, 503, 504].map(|status| say(status, "{}"));
    for answer in codes.into_iter().chain([garbage, no_schema, proxy]) {
        let stub = Stub::start([answer.clone(), good()]).await;
        let book = book(&stub);
        let fault = book.schema(ID).await.unwrap_err();
        assert!(matches!(fault, Fault::Silent { .. }), "{answer:?}: {fault}");
        book.schema(ID).await.unwrap();
    }
    for answer in [Answer::Hang, Answer::Garbage] {
        let fault = fault_of(answer.clone()).await;
        assert!(matches!(fault, Fault::Silent { .. }), "{answer:?}: {fault}");
    }
}

#[tokio::test]
async fn an_unknown_id_is_asked_for_again_and_may_still_come() {
    let stub = Stub::start([unknown(), unknown(), good()]).await;
    book(&stub).schema(ID).await.unwrap();
    assert_eq!(stub.asked(), 3);
}

#[tokio::test]
async fn an_id_that_stays_unknown_is_believed_unknown_for_a_while() {
    let stub = Stub::start([unknown()]).await;
    let book = book(&stub);
    assert!(matches!(book.schema(ID).await, Err(Fault::UnknownSchema { id: 7 })));
    let asked = stub.asked();
    assert!((2..=4).contains(&asked), "{asked}");
    assert!(matches!(book.schema(ID).await, Err(Fault::UnknownSchema { id: 7 })));
    assert_eq!(stub.asked(), asked);
    tokio::time::sleep(Duration::from_millis(450)).await;
    assert!(book.schema(ID).await.is_err());
    assert!(stub.asked() > asked);
}

#[tokio::test]
async fn credentials_are_refused_with_a_hint() {
    for status in [401, 403] {
        let fault = fault_of(say(status, r#"{"error_code":401,"message":"no"}"#)).await;
        assert!(matches!(fault, Fault::Refused { .. }), "{fault}");
        assert!(fault.to_string().contains("under [registry]"), "{fault}");
    }
}

#[tokio::test]
async fn a_schema_of_another_kind_is_unusable() {
    let fault = fault_of(say(200, r#"{"schema":"{}","schemaType":"JSON"}"#)).await;
    assert!(matches!(fault, Fault::UnusableSchema { id: 7, .. }), "{fault}");
    let fault = fault_of(say(200, r#"{"schema":"{\"type\":\"recrod\"}"}"#)).await;
    assert!(matches!(fault, Fault::UnusableSchema { id: 7, .. }), "{fault}");
}

#[tokio::test]
async fn references_are_fetched_before_what_needs_them() {
    let of = |schema: &str, rest: &str| {
        let schema = serde_json::Value::from(schema);
        say(200, &format!(r#"{{"id":3,"schema":{schema},"references":[{rest}]}}"#))
    };
    let fields = r#"[{"name":"b","type":"x.B"}]"#;
    let root = of(
        &format!(r#"{{"type":"record","name":"A","fields":{fields}}}"#),
        r#"{"name":"x.B","subject":"b","version":1}"#,
    );
    let inner = of(r#"{"type":"record","name":"B","namespace":"x","fields":[]}"#, "");
    let stub = Stub::start([root, inner]).await;
    assert_eq!(book(&stub).schema(ID).await.unwrap().references().len(), 1);
}

/// A book that asks `first`, and then `second`.
fn of_two(first: &str, second: &Stub) -> RegistryBook {
    let urls = vec![format!("{first}/"), second.url.clone()];
    let config = RegistryConfig { urls, request_limit_ms: 300, ..RegistryConfig::at("") };
    RegistryBook::new(&config).unwrap()
}

#[tokio::test]
async fn another_address_answers_when_the_first_does_not() {
    let up = Stub::start([good()]).await;
    of_two("http://127.0.0.1:1", &up).schema(ID).await.unwrap();
    let ill = [say(503, ""), say(500, "{}"), say(429, ""), say(401, ""), unknown()];
    for answer in ill.into_iter().chain([Answer::Hang, Answer::Garbage]) {
        let ill = Stub::start([answer.clone()]).await;
        let before = up.asked();
        of_two(&ill.url, &up).schema(ID).await.unwrap();
        assert_eq!((ill.asked(), up.asked()), (1, before + 1), "{answer:?}");
    }
}

#[tokio::test]
async fn another_address_registers_and_lists_too() {
    let script = |path: &str| match path {
        "/subjects" => say(200, r#"["a"]"#),
        _ => say(200, r#"{"id":7,"schema":"\"string\""}"#),
    };
    let (ill, up) = (Stub::start([say(500, "{}")]).await, Stub::routed(script).await);
    let book = of_two(&ill.url, &up);
    assert_eq!(book.register("a", "\"string\"").await.unwrap(), ID);
    assert_eq!(book.latest().await.unwrap(), [("a".to_owned(), ID, "\"string\"".to_owned())]);
}

#[tokio::test]
async fn who_asks_to_be_left_alone_is() {
    for (status, seconds, left_alone) in [(429, 1, true), (503, 1, true), (500, 1, false)] {
        let stub = Stub::start([Answer::Busy(status, seconds), good()]).await;
        let book = book(&stub);
        let fault = book.schema(ID).await.unwrap_err();
        assert!(matches!(fault, Fault::Silent { .. }), "{fault}");
        if left_alone {
            let fault = book.schema(ID).await.unwrap_err();
            assert!(matches!(fault, Fault::Silent { .. }), "{fault}");
            assert!(fault.to_string().contains("left alone, for another"), "{fault}");
            assert_eq!(stub.asked(), 1);
            tokio::time::sleep(Duration::from_millis(1_050)).await;
        }
        book.schema(ID).await.unwrap();
        assert_eq!(stub.asked(), 2);
    }
}

#[tokio::test]
async fn a_question_that_nobody_waits_for_any_more_poisons_nothing() {
    for first in [Answer::Hang, unknown()] {
        let stub = Stub::start([first.clone(), good()]).await;
        let book = book(&stub);
        let gave_up = tokio::time::timeout(Duration::from_millis(100), book.schema(ID)).await;
        assert!(gave_up.is_err());
        tokio::time::sleep(Duration::from_millis(800)).await;
        match book.schema(ID).await {
            Ok(_) | Err(Fault::Silent { .. }) => book.schema(ID).await.map(drop).unwrap(),
            Err(fault) => panic!("{first:?}: {fault}"),
        }
    }
}

fn subjects(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[tokio::test]
async fn after_a_warm_up_the_first_record_asks_nobody() {
    let script = |path: &str| match path {
        "/subjects/a-value/versions/latest" => {
            say(200, r#"{"id":7,"version":2,"schema":"\"string\"","subject":"a-value"}"#)
        }
        "/subjects/b%2Fc%25/versions/latest" => say(200, r#"{"id":8,"schema":"\"int\""}"#),
        "/schemas/ids/7?deleted=true" => say(200, r#"{"schema":"\"string\""}"#),
        "/schemas/ids/8?deleted=true" => say(200, r#"{"schema":"\"int\""}"#),
        _ => say(404, r#"{"error_code":40401,"message":"Subject not found"}"#),
    };
    let stub = Stub::routed(script).await;
    let book = book(&stub);
    let warmth = book.warm_up(&subjects(&["a-value", "b/c%", "d-value"])).await;
    assert_eq!((warmth.subjects, warmth.ready, &warmth.first_failure), (3, 2, &None));
    let asked = stub.asked();
    for id in [7, 8] {
        book.schema(SchemaId(id)).await.unwrap();
    }
    assert_eq!(stub.asked(), asked);
    book.warm_up(&subjects(&["a-value"])).await;
    assert_eq!(stub.asked(), asked + 1, "what is known is not fetched again");
}

#[tokio::test]
async fn a_warm_up_that_fails_leaves_nothing_behind() {
    let latest = || say(200, r#"{"id":7,"schema":"\"string\""}"#);
    // The subject's answer, what is said of the id meanwhile, and what is told.
    let table = [
        (say(503, ""), good(), "does not answer"),
        (Answer::Hang, good(), "does not answer"),
        (say(401, "{}"), good(), "refused"),
        (latest(), unknown(), "unknown"),
        (latest(), say(500, ""), "does not answer"),
        (latest(), Answer::Hang, "does not answer"),
    ];
    for (of_subject, of_id, told) in table {
        let stub = Stub::start([of_subject.clone(), of_id.clone(), good()]).await;
        let book = book(&stub);
        let warmth = book.warm_up(&subjects(&["a-value"])).await;
        assert_eq!(warmth.ready, 0);
        let failure = warmth.first_failure.unwrap();
        assert!(failure.contains(told), "{of_subject:?} {of_id:?}: {failure}");
        book.schema(ID).await.unwrap();
    }
}

#[tokio::test]
async fn a_warm_up_has_its_bounds() {
    let stub = Stub::start([Answer::Hang]).await;
    let config = RegistryConfig { warm_up_limit_ms: 200, ..RegistryConfig::at(&stub.url) };
    let many: BTreeSet<String> = (0..1_000).map(|n| format!("t{n}-value")).collect();
    let warmth = RegistryBook::new(&config).unwrap().warm_up(&many).await;
    assert!(warmth.took < Duration::from_millis(1_500), "{warmth:?}");
    assert!(warmth.first_failure.unwrap().contains("200 ms are over"));
    assert!(stub.asked() <= 8, "{}", stub.asked());
    let nobody = say(404, r#"{"error_code":40401,"message":"Subject not found"}"#);
    let stub = Stub::start([nobody]).await;
    let config = RegistryConfig { warm_up_limit_ms: 60_000, ..RegistryConfig::at(&stub.url) };
    RegistryBook::new(&config).unwrap().warm_up(&many).await;
    assert_eq!(stub.asked(), 500);
}

#[tokio::test]
async fn a_start_tells_what_is_wrong_with_the_address() {
    let types = say(200, r#"["JSON","AVRO"]"#);
    book(&Stub::start([types]).await).check().await.unwrap();
    let fault = book(&Stub::start([say(200, "<html>")]).await).check().await.unwrap_err();
    assert!(fault.to_string().contains("not as a schema registry does"), "{fault}");
    assert!(fault.to_string().contains("/apis/ccompat/v7"), "{fault}");
    let nobody = RegistryBook::new(&RegistryConfig::at("http://127.0.0.1:1")).unwrap();
    let fault = nobody.check().await.unwrap_err();
    assert!(matches!(fault, Fault::Silent { .. }), "{fault}");
    for bad in [
        RegistryConfig::at("no address"),
        RegistryConfig { urls: vec![], ..RegistryConfig::at("") },
    ] {
        assert!(matches!(RegistryBook::new(&bad), Err(Fault::Refused { .. })));
    }
}

#[tokio::test]
async fn a_registration_answers_the_id_or_why_not() {
    let stub = Stub::start([say(200, r#"{"id":42}"#)]).await;
    assert_eq!(book(&stub).register("a-value", "\"string\"").await.unwrap(), SchemaId(42));
    let incompatible = say(409, r#"{"error_code":409,"message":"incompatible"}"#);
    let fault = book(&Stub::start([incompatible]).await).register("a", "{}").await.unwrap_err();
    assert!(matches!(fault, Fault::Refused { .. }), "{fault}");
}
