//! What the book answers when the registry does not answer well.

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
    for answer in [say(500, "{}"), say(503, ""), say(429, "{}"), garbage, no_schema, proxy] {
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
    tokio::time::sleep(std::time::Duration::from_millis(450)).await;
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

#[tokio::test]
async fn another_address_answers_when_the_first_does_not() {
    let (down, up) = (Stub::start([say(503, "")]).await, Stub::start([good()]).await);
    let urls = vec![format!("{}/", down.url), up.url.clone()];
    let config = RegistryConfig { urls, ..RegistryConfig::at("") };
    RegistryBook::new(&config).unwrap().schema(ID).await.unwrap();
    assert_eq!((down.asked(), up.asked()), (1, 1));
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
