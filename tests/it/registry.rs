//! The real registry: schemas are at hand before the first record, and a bare machine will do.

use std::process::Command;
use std::time::Duration;

use readmill_connectors::registry::{RegistryBook, RegistryConfig, SubjectStrategy};
use readmill_engine::{Fault, SchemaBook};
use readmill_schemas::points::PointsEvent;
use readmill_schemas::{Events, SchemaId};
use readmill_workload::written_schemas;

use crate::paths::{readmill, stack};
use crate::proxy::Link;
use crate::real::Corner;

const LIMIT: Duration = Duration::from_secs(60);
/// What the first topic of the workload is called, there and in the names of its records.
const WORKLOAD_TOPIC: &str = "shop.public.points_outbox";

/// Registers the envelope of a topic as a connector would, and the events of points.
async fn register(book: &RegistryBook, strategy: SubjectStrategy, topic: &str) -> Vec<SchemaId> {
    let mut ids = Vec::new();
    for schema in written_schemas() {
        let event = PointsEvent::CONTRACTS.iter().any(|contract| contract.name == schema.name);
        let envelope = schema.name == format!("{WORKLOAD_TOPIC}.Envelope");
        if event || envelope {
            let name = schema.name.replace(WORKLOAD_TOPIC, topic);
            // Events in payloads have their record's name for a subject, whatever the topic's is.
            let subject = if event { name } else { strategy.subject(topic, &name) };
            let text = schema.text.replace(WORKLOAD_TOPIC, topic);
            ids.push(book.register(&subject, &text).await.unwrap());
        }
    }
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warm_up_spares_the_first_records_the_registry() {
    let corner = Corner::new("warm");
    let direct = RegistryBook::new(&RegistryConfig::at(stack("REGISTRY_URL"))).unwrap();
    let upstream = stack("REGISTRY_URL").replace("http://", "");
    let (host, path) = upstream.split_once('/').unwrap();
    let strategies =
        [SubjectStrategy::TopicName, SubjectStrategy::RecordName, SubjectStrategy::TopicRecordName];
    for (strategy, n) in strategies.into_iter().zip(0..) {
        let topic = format!("{}.s{n}.points_outbox", corner.name);
        let ids = register(&direct, strategy, &topic).await;
        let link = Link::to(host);
        let url = format!("http://{}/{path}", link.address);
        let config = RegistryConfig { request_limit_ms: 500, ..RegistryConfig::at(url) };
        let config = RegistryConfig { warm_up_limit_ms: 30_000, ..config };
        let book = RegistryBook::new(&config).unwrap();
        let names: Vec<&str> = PointsEvent::CONTRACTS.iter().map(|known| known.name).collect();
        let warmth = book.warm_up(&strategy.subjects(&[topic], &names)).await;
        assert_eq!((warmth.ready, &warmth.first_failure), (ids.len(), &None), "{strategy}");
        link.cut();
        for id in ids {
            book.schema(id).await.unwrap();
        }
        let stranger = book.schema(SchemaId(u32::MAX)).await;
        assert!(matches!(stranger, Err(Fault::Silent { .. })), "{stranger:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_says_what_it_has_fetched() {
    let corner = Corner::new("warmed");
    corner.make_topics().await;
    let direct = RegistryBook::new(&RegistryConfig::at(stack("REGISTRY_URL"))).unwrap();
    let topic = format!("{}.public.points_outbox", corner.name);
    let ids = register(&direct, SubjectStrategy::default(), &topic).await;
    let mill = corner.start();
    mill.wait_for("/readyz", LIMIT);
    assert_eq!(mill.stop(), Some(0));
    let logs = std::fs::read_dir(corner.dir()).unwrap().map(|entry| entry.unwrap().path());
    let log = logs.into_iter().find(|path| path.extension().is_some_and(|end| end == "log"));
    let log = std::fs::read_to_string(log.unwrap()).unwrap();
    let said = log.lines().find(|line| line.contains("schemas fetched") && line.contains("points"));
    let said = said.unwrap_or_else(|| panic!("nothing is said in\n{log}"));
    assert!(said.contains(&format!("ready={}", ids.len())), "{said}");
}

/// Runs `schemas check` as on a machine that has no certificates at all.
fn check_without_certificates(corner: &Corner, configuration: &str) -> (Option<i32>, String) {
    let file = corner.dir().join("bare.toml");
    std::fs::write(&file, configuration).unwrap();
    let output = Command::new(readmill())
        .args(["schemas", "check", "-c", file.to_str().unwrap()])
        .envs([("SSL_CERT_FILE", "/nonexistent"), ("SSL_CERT_DIR", "/nonexistent")])
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_machine_without_certificates_needs_them_only_for_https() {
    let corner = Corner::new("bare");
    let configuration = corner.configuration();
    let (code, said) = check_without_certificates(&corner, &configuration);
    assert_eq!(code, Some(0), "{said}");
    let url = stack("REGISTRY_URL");
    let https = configuration.replace(&url, &url.replace("http://", "https://"));
    let (code, said) = check_without_certificates(&corner, &https);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("set `ca_file` under [registry]"), "{said}");
}
