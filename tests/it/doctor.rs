//! `readmill doctor` on the real stack: a healthy corner has nothing that hurts, and planted faults
//! are found by their ids.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use readmill_connectors::kafka::{GroupPositions, KafkaConfig};
use readmill_core::{Partition, ResumeAt};
use readmill_schemas::Events as _;
use readmill_schemas::Timestamp;
use readmill_schemas::points::{PointsEarned, PointsEvent};
use serde_json::Value;

use crate::connectors::{Bench, OUTBOX_SQL};
use crate::mill::{readmill, wait};
use crate::outboxes::row;
use crate::paths::stack;
use crate::real::{Corner, wait_until_quiet};
use crate::redis::server::Server;
use crate::routed::Router;
use crate::shop::Shop;

const LIMIT: Duration = Duration::from_secs(60);

/// What the doctor has said.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    findings: Vec<Value>,
    summary: Value,
    text: String,
}

impl Said {
    #[track_caller]
    fn of(config: &Path, args: &[&str]) -> Self {
        let config = ["doctor", "-c", config.to_str().unwrap(), "--json"];
        let output = readmill(&[&config, args].concat());
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        let mut lines: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).expect(&text)).collect();
        let summary = lines.pop().unwrap()["summary"].clone();
        assert!(summary.is_object(), "{text}");
        Self { code: output.status.code(), findings: lines, summary, text }
    }

    fn find(&self, id: &str) -> Option<&Value> {
        self.findings.iter().find(|finding| finding["id"] == id)
    }

    /// It was found, about this and saying that.
    #[track_caller]
    fn tells(&self, id: &str, about: &str, what: &str) {
        let of_id = self.findings.iter().filter(|finding| finding["id"] == id);
        let text = |finding: &Value, field: &str| finding[field].as_str().unwrap().to_owned();
        let mut of_id = of_id.map(|found| (text(found, "about"), text(found, "what")));
        let is_told = of_id.any(|(a, w)| a.contains(about) && w.contains(what));
        assert!(is_told, "no {id} about {about} that says {what}:\n{}", self.text);
    }

    /// Nothing that is above what is worth knowing.
    #[track_caller]
    fn is_well(&self) {
        let grave = self.findings.iter().filter(|finding| finding["severity"] != "notes");
        let grave: Vec<&Value> = grave.collect();
        assert!(grave.is_empty() && self.code == Some(0), "{grave:#?}");
    }
}

/// An event of a member; what it says does not matter here.
fn fact(member: &str, version: i64, lot: &str) -> (String, i64, PointsEvent) {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let occurred_at = Timestamp::from_millis(i64::try_from(now.as_millis()).unwrap());
    let event = PointsEarned {
        ledger_id: format!("l-{lot}"),
        member_id: member.to_owned(),
        occurred_at,
        lot_id: lot.to_owned(),
        points: 1,
        expires_at: occurred_at.plus_millis(86_400_000_000),
        reason: "order".to_owned(),
        order_no: None,
    };
    (member.to_owned(), version, event.into())
}

fn points(corner: &Corner) -> String {
    corner.topics("points").trim_matches('"').to_owned()
}

fn kafka(corner: &Corner) -> KafkaConfig {
    let (brokers, group_prefix) = (stack("KAFKA_BROKERS"), corner.name.clone());
    KafkaConfig { brokers, group_prefix, ..KafkaConfig::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_corner_has_nothing_that_hurts_and_groups_are_judged_as_they_stand() {
    let corner = Corner::new("doctor");
    corner.make_topics_of(2).await;
    let router = Router::new(PointsEvent::CONTRACTS).await;
    let topic = points(&corner);
    let facts: Vec<_> = (1..=20).map(|n| fact("m-1", n, &n.to_string())).collect();
    router.send(&topic, &facts[..15]).await;
    let file = corner.configuration_file();
    let said = Said::of(&file, &[]);
    said.is_well();
    said.tells("group-unbegun", &corner.name, "committed nothing");
    assert_eq!(said.summary["records"], 15, "{}", said.text);
    let is_made = corner.mongo().await.has("readmill.rosters.g1").await.unwrap();
    assert!(!is_made, "looking makes nothing");

    let mill = corner.start();
    mill.wait_for("/readyz", LIMIT);
    wait_until_quiet(&[&mill], LIMIT);
    let said = Said::of(&file, &[]);
    said.is_well();
    assert!(said.find("group-alone").is_none(), "{}", said.text);
    mill.stop();
    router.send(&topic, &facts[15..]).await;
    // Positions of a generation that nobody has.
    let own = GroupPositions::of(&kafka(&corner), &format!("{}.points.g7", corner.name), &[topic]);
    let own = own.unwrap();
    let at = own.bounds().unwrap().into_keys().map(|partition| (partition, ResumeAt::START));
    own.commit(&at.collect()).unwrap();
    let said = Said::of(&file, &[]);
    assert_eq!(said.code, Some(7), "{}", said.text);
    said.tells("group-alone", &format!("group {}.points.g1", corner.name), "5 records wait");
    said.tells("group-left", ".points.g7", "no generation 7");
    assert_eq!(Said::of(&file, &["--fail-on", "loses"]).code, Some(0));

    // What is committed is not in the log any more: the log is cut behind it.
    cut(&kafka(&corner), &points(&corner)).await;
    let said = Said::of(&file, &["--fail-on", "loses"]);
    said.tells("group-lost", ".points.g1", "records were deleted before they were read");
    said.tells("log-truncated", &points(&corner), "have lost their first records");
    assert_eq!(said.code, Some(7), "{}", said.text);
    let told = readmill(&["doctor", "-c", file.to_str().unwrap()]);
    let told = String::from_utf8(told.stdout).unwrap();
    let heads = ["loses data\n", "worth knowing\n", "looked at the brokers", "will hurt: 0"];
    let places: Vec<usize> = heads.iter().map(|head| told.find(head).expect(&told)).collect();
    assert!(places.is_sorted() && !told.contains("m-1"), "{told}");
}

/// Deletes all records of a topic.
async fn cut(config: &KafkaConfig, topic: &str) {
    let admin: AdminClient<DefaultClientContext> = config.client().create().unwrap();
    let mut list = rdkafka::TopicPartitionList::new();
    for index in 0..2 {
        let end = rdkafka::Offset::End;
        list.add_partition_offset(topic, index, end).unwrap();
    }
    admin.delete_records(&list, &AdminOptions::new()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn planted_faults_are_found_by_their_ids_and_a_silent_service_keeps_nobody() {
    let corner = Corner::new("illdoctor");
    let topic = points(&corner);
    let admin: AdminClient<DefaultClientContext> = kafka(&corner).client().create().unwrap();
    let compacted = NewTopic::new(&topic, 2, TopicReplication::Fixed(-1))
        .set("cleanup.policy", "compact")
        .set("max.message.bytes", "2000000");
    let held = format!("{}.held", corner.name);
    let small =
        NewTopic::new(&held, 1, TopicReplication::Fixed(-1)).set("max.message.bytes", "1000");
    admin.create_topics(&[compacted, small], &AdminOptions::new()).await.unwrap();
    let router = Router::new(PointsEvent::CONTRACTS).await;
    // One comes before its time, one never, and a version is given twice.
    let mut facts: Vec<_> = [1, 3, 2, 5].map(|n| fact("secret-member", n, "a")).into();
    facts.push(fact("other-member", 1, "a"));
    router.send(&topic, &facts).await;
    let twice = Partition::new(topic.as_str(), 0);
    router.send_as(&twice, "shared-member", 1, "e-1").await;
    router.send_as(&twice, "shared-member", 1, "e-2").await;
    let mut evicting = Server::start(&["--maxmemory-policy", "allkeys-lru"]);
    let configuration = corner
        .configuration()
        .replace(&stack("REDIS_URL"), &evicting.uri())
        .replace("[models.points]", &format!("[models.points]\nheld_topic = \"{held}\""));
    let file = corner.dir().join("ill.toml");
    std::fs::write(&file, &configuration).unwrap();
    let said = Said::of(&file, &[]);
    assert_eq!(said.code, Some(7), "{}", said.text);
    said.tells("topic-compacted", &topic, "compact");
    said.tells("held-topic-small", &held, "max.message.bytes is 1000, and 2000000");
    said.tells("topic-missing", "deliveries_outbox_a", "does not exist");
    said.tells("redis-evicts-documents", "redis 127.0.0.1", "allkeys-lru");
    said.tells("redis-forgets", "redis 127.0.0.1", "appendonly");
    said.tells("order-inverted", &topic, "1 versions came behind a later one");
    said.tells("order-gap", &topic, "1 versions of aggregates are missing");
    said.tells("version-shared", &topic, "1 changes have the version of another, the first at 0@");
    assert!(!said.text.contains("secret-member"), "{}", said.text);

    evicting.kill();
    let mut configuration = configuration.replace(&stack("REGISTRY_URL"), "http://127.0.0.1:1");
    configuration = configuration.replace(&stack("MONGO_URI"), "mongodb://me:s3cret@127.0.0.1:1/");
    std::fs::write(&file, configuration).unwrap();
    let begun = Instant::now();
    let said = Said::of(&file, &["--limit-seconds", "3"]);
    assert!(begun.elapsed() < Duration::from_secs(40), "{:?}", begun.elapsed());
    for silent in ["Redis", "the registry", "the outboxes of points"] {
        said.tells("service-silent", silent, "");
    }
    // It would take five seconds by its own limit.
    said.tells("service-silent", "MongoDB", "no answer within 3 s");
    said.tells("topic-compacted", &topic, "compact");
    assert!(!said.text.contains("s3cret"), "{}", said.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_is_looked_at_through_its_connector_and_commits_that_cross_are_found() {
    let corner = Corner::new("sourcedoctor");
    let name = corner.name.clone();
    let topic = points(&corner);
    corner.make_topics_of(2).await;
    let shop = Shop::open(&corner, OUTBOX_SQL);
    let connect = format!("[connect]\nurl = \"{}\"\n", stack("CONNECT_URL"));
    let file = corner.dir().join("doctor.toml");
    std::fs::write(&file, connect + &corner.configuration()).unwrap();
    let bench = Bench::new(corner);
    bench.applied("postgres/outbox.json", &[]);
    for n in 1..=3 {
        shop.sql(&row("points_outbox", "m-1", &n.to_string()));
    }
    let published = || Said::of(&file, &[]).summary["records"].as_u64().unwrap();
    wait(LIMIT, "the rows to be published", || published() >= 3);
    let said = Said::of(&file, &[]);
    said.is_well();
    assert!(said.find("topic-unfed").is_none(), "{}", said.text);

    // The first to write is the last to commit.
    let (early, late) = (shop.client().await, shop.client().await);
    early.batch_execute(&format!("begin; {}", row("points_outbox", "m-1", "4"))).await.unwrap();
    late.batch_execute(&row("points_outbox", "m-1", "5")).await.unwrap();
    early.batch_execute("commit").await.unwrap();
    wait(LIMIT, "both to be published", || published() >= 5);
    let said = Said::of(&file, &[]);
    said.tells("order-inverted", &topic, "1 versions came behind a later one");
    said.tells("order-concurrent", &topic, "1 rows were written before");
    assert!(said.find("order-gap").is_none(), "{}", said.text);

    put(&format!("/connectors/{name}/stop"));
    let slot = format!("slot {name} of database {name}");
    let found = || Said::of(&file, &["--records", "0"]);
    wait(LIMIT, "the slot to be left", || found().find("slot-unread").is_some());
    let said = found();
    said.tells("connector-rests", &format!("connector {name}"), "it is stopped");
    said.tells("slot-unread", &slot, "nobody reads it, the server keeps");

    // The same by the address of a model's origin, and without Connect.
    let origin = format!(
        "[models.points]\norigin_url = \"{}\"\norigin_query = \"select aggregate_id as key, \
         version from points_outbox\"\norigin_fields = {{ available = \"version\" }}\n",
        shop.url
    );
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text.split_once("\n\n").unwrap().1.replace("[models.points]\n", &origin);
    std::fs::write(&file, text).unwrap();
    found().tells("slot-unread", &slot, "nobody reads it");
}

/// A PUT to Connect, without a body.
#[track_caller]
fn put(path: &str) {
    let url = stack("CONNECT_URL");
    let host = url.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(host).unwrap();
    let head = format!("PUT {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n");
    stream.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 2"), "{answer}");
}
