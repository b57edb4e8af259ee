//! A person is forgotten while everything runs: documents, views, held records and the shadow of a
//! rebuild lose them, and no rebuild brings them back. What the stores have is searched byte by byte.

use std::time::Duration;

use futures::TryStreamExt as _;
use mongodb::Client;
use mongodb::bson::RawDocumentBuf;
use readmill_connectors::kafka::producer::Outgoing;
use readmill_connectors::kafka::{KafkaConfig, Producer};
use readmill_core::Key;
use readmill_engine::Store as _;
use readmill_models::Points;
use readmill_workload::Knobs;
use serde_json::Value;

use crate::faults::shipment::Shipment;
use crate::faults::topics::Group;
use crate::mill::{Mill, readmill, succeed, wait};
use crate::paths::stack;
use crate::real::{Corner, contents};

const LIMIT: Duration = Duration::from_secs(120);
const PARTITIONS: i32 = 4;
const PIECE: usize = 1_500;

fn knobs() -> Knobs {
    Knobs { events: 100_000, members: 200, ..Knobs::default() }
}

/// How often something in the stores of a corner has the person's id in it.
async fn remains(corner: &Corner, person: &str) -> Vec<String> {
    let mut found = Vec::new();
    let has = |bytes: &[u8]| bytes.windows(person.len()).any(|window| window == person.as_bytes());
    let mongo = Client::with_uri_str(stack("MONGO_URI")).await.unwrap();
    let database = mongo.database(&corner.name);
    for name in database.list_collection_names().await.unwrap() {
        let collection = database.collection::<RawDocumentBuf>(&name);
        let all = collection.find(bson::doc! {}).await.unwrap();
        let all: Vec<RawDocumentBuf> = all.try_collect().await.unwrap();
        found.extend(all.iter().filter(|one| has(one.as_bytes())).map(|_| name.clone()));
    }
    let redis = redis::Client::open(stack("REDIS_URL")).unwrap();
    let mut redis = redis.get_multiplexed_async_connection().await.unwrap();
    let keys: Vec<Vec<u8>> =
        redis::cmd("KEYS").arg(format!("{}:*", corner.name)).query_async(&mut redis).await.unwrap();
    for key in keys {
        let kind: String = redis::cmd("TYPE").arg(&key).query_async(&mut redis).await.unwrap();
        let read = match kind.as_str() {
            "hash" => redis::cmd("HGETALL").arg(&key).clone(),
            "set" => redis::cmd("SMEMBERS").arg(&key).clone(),
            "zset" => redis::cmd("ZRANGE").arg(&key).arg(0).arg(-1).clone(),
            _ => redis::cmd("GET").arg(&key).clone(),
        };
        let value: redis::Value = read.query_async(&mut redis).await.unwrap();
        // As text, since nothing that readmill keeps there is compressed.
        if has(&key) || has(format!("{value:?}").as_bytes()) {
            found.push(String::from_utf8_lossy(&key).into_owned());
        }
    }
    found
}

fn wait_for_all(corner: &Corner, shipment: &Shipment, generation: u32) {
    let group = format!("{}.points.g{generation}", corner.name);
    let its = shipment.partitions().into_iter().filter(|p| p.topic.contains("points_")).collect();
    let group = Group::new(&stack("KAFKA_BROKERS"), &group, its);
    wait(LIMIT, "everything to be settled", || group.lag() == Some(0));
}

/// A record that nobody can read, and that tells of a person all the same.
async fn send_unreadable(corner: &Corner, person: &str) {
    let brokers = stack("KAFKA_BROKERS");
    let producer = Producer::new(&KafkaConfig { brokers, ..KafkaConfig::default() }).unwrap();
    let text = format!("\u{7}{}{person}", char::from(u8::try_from(person.len() * 2).unwrap()));
    let record = Outgoing {
        topic: format!("{}.public.points_outbox", corner.name),
        partition: Some(0),
        key: None,
        value: Some(text.into_bytes()),
        headers: Vec::new(),
    };
    producer.send(vec![record]).await.unwrap();
}

fn held(file: &str) -> usize {
    let listed = succeed(&["held", "list", "--model", "points", "-c", file, "--json"]);
    listed.lines().count()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_forgotten_is_nowhere_and_no_replay_brings_them_back() {
    let corner = Corner::new("forget");
    corner.make_topics_of(PARTITIONS).await;
    let file = corner.configuration_file().to_str().unwrap().to_owned();
    let mut shipment = Shipment::of(&corner, &knobs(), 4).await;
    shipment.send(PIECE, PARTITIONS).await;
    let mill = corner.start();
    mill.wait_for("/readyz", LIMIT);
    wait_for_all(&corner, &shipment, 1);
    succeed(&["rebuild", "points", "-c", &file]);
    let person = shipment
        .points
        .documents
        .iter()
        .find(|(_, document)| document.state.is_some())
        .map(|(key, _)| key.as_str().to_owned())
        .unwrap();
    send_unreadable(&corner, &person).await;
    wait(LIMIT, "the unreadable record to be held", || held(&file) > 0);
    let before = remains(&corner, &person).await;
    let has = |what: &str| before.iter().any(|place| place.contains(what));
    assert!(has("points") && has("held") && before.iter().any(|p| p.contains(':')), "{before:?}");
    let archive = corner.dir().join("archive");
    let archive = archive.to_str().unwrap();
    succeed(&["archive", "-c", &file, "--to", archive]);

    let receipt = corner.dir().join("receipt.json");
    let receipt = receipt.to_str().unwrap();
    let args = ["forget", &person, "-c", &file, "--archive", archive];
    let told = succeed(&[&args[..], &["--receipt", receipt, "--json"]].concat());
    let told: Value = serde_json::from_str(&told).unwrap();
    let of = |generation: u64| {
        let all = told["models"].as_array().unwrap().iter();
        let mut its = all.filter(|it| it["model"] == "points" && it["generation"] == generation);
        its.next().unwrap().clone()
    };
    for generation in [1, 2] {
        assert_eq!(of(generation)["documents"], 1, "{told}");
        assert!(of(generation)["views"].as_u64() > Some(0), "{told}");
    }
    assert!(of(1)["held"].as_u64() > Some(0), "{told}");
    assert!(told["log"].as_array().unwrap().iter().any(|it| it["records"].as_u64() > Some(0)));
    assert!(!std::fs::read_to_string(receipt).unwrap().contains(&person));
    assert_eq!(remains(&corner, &person).await, [""; 0]);
    assert!(!readmill(&["get", "points", &person, "-c", &file]).status.success());

    // What the log still says of them is heard by nobody, live or in a replay.
    let settled = |mill: &Mill| mill.metric("readmill_consumed_total");
    let consumed = settled(&mill);
    shipment.send(PIECE, PARTITIONS).await;
    wait_for_all(&corner, &shipment, 1);
    assert!(settled(&mill) > consumed);
    succeed(&["retire", "points", "2", "-c", &file]);
    succeed(&["rebuild", "points", "-c", &file]);
    wait_for_all(&corner, &shipment, 3);
    assert_eq!(remains(&corner, &person).await, [""; 0]);
    let all = shipment.points.documents.values().filter(|it| it.state.is_some()).count();
    for generation in [1, 3] {
        let store = corner.mongo().await.documents("points", generation).await.unwrap();
        assert_eq!(contents::<Points>(&store).await.living, all - 1, "{generation}");
    }
    // From the archive, too, which tells of them no more.
    let bytes = bytes_below(std::path::Path::new(archive));
    assert!(!bytes.windows(person.len()).any(|window| window == person.as_bytes()));
    succeed(&["retire", "points", "3", "-c", &file]);
    succeed(&["rebuild", "points", "-c", &file, "--archive", archive]);
    wait_for_all(&corner, &shipment, 4);
    assert_eq!(remains(&corner, &person).await, [""; 0]);
    let store = corner.mongo().await.documents("points", 4).await.unwrap();
    assert_eq!(contents::<Points>(&store).await.living, all - 1);
    let found = store.load(&[Key::from(person.as_str())]).await.unwrap();
    assert!(found.iter().all(Option::<readmill_core::Document<Points>>::is_none));
    // Done again, it finds nothing.
    let again: Value = serde_json::from_str(&succeed(&[&args[..], &["--json"]].concat())).unwrap();
    let nothing = ["documents", "rewritten", "held", "partials", "views"];
    for model in again["models"].as_array().unwrap() {
        assert!(nothing.iter().all(|what| model[what] == 0), "{again}");
    }
    println!("stores=3 remains={}", remains(&corner, &person).await.len());
    assert_eq!(mill.stop(), Some(0));
}

fn bytes_below(dir: &std::path::Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        bytes.extend(path.to_string_lossy().as_bytes());
        bytes.extend(if path.is_dir() {
            bytes_below(&path)
        } else {
            std::fs::read(&path).unwrap()
        });
    }
    bytes
}
