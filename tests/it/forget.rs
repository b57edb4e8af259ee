//! A person is forgotten while everything runs: documents, views, held records, archives and the
//! shadow of a rebuild lose them, and no rebuild brings them back. All is searched byte by byte.

use std::path::Path;
use std::time::Duration;

use futures::TryStreamExt as _;
use mongodb::Client;
use mongodb::bson::RawDocumentBuf;
use readmill_connectors::kafka::producer::Outgoing;
use readmill_connectors::kafka::{KafkaConfig, Producer};
use readmill_core::{Document, Key};
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

/// A corner in which a person is told of everywhere, and then forgotten.
struct Drill {
    corner: Corner,
    file: String,
    archive: String,
    shipment: Shipment,
    mill: Mill,
    person: String,
}

impl Drill {
    /// With documents, views, a held record, a shadow generation and an archive.
    async fn begin() -> Self {
        let corner = Corner::new("forget");
        corner.make_topics_of(PARTITIONS).await;
        let file = corner.configuration_file().to_str().unwrap().to_owned();
        let mut shipment = Shipment::of(&corner, &knobs(), 4).await;
        shipment.send(PIECE, PARTITIONS).await;
        let mill = corner.start();
        mill.wait_for("/readyz", LIMIT);
        wait_for_all(&corner, &shipment, 1);
        succeed(&["rebuild", "points", "-c", &file]);
        let mut living = shipment.points.documents.iter().filter(|(_, it)| it.state.is_some());
        let person = living.next().unwrap().0.as_str().to_owned();
        send_unreadable(&corner, &person).await;
        wait(LIMIT, "the unreadable record to be held", || held(&file) > 0);
        let archive = corner.dir().join("archive").to_str().unwrap().to_owned();
        succeed(&["archive", "-c", &file, "--to", &archive]);
        Self { corner, file, archive, shipment, mill, person }
    }

    fn forget(&self, more: &[&str]) -> Value {
        let Self { file, archive, person, .. } = self;
        let args = ["forget", person, "-c", file, "--archive", archive, "--json"];
        serde_json::from_str(&succeed(&[&args[..], more].concat())).unwrap()
    }

    async fn check_nowhere(&self) {
        assert_eq!(remains(&self.corner, &self.person).await, [""; 0]);
    }

    /// Begins a generation anew, and looks whether all but the person are in it.
    async fn rebuild(&self, number: u32, more: &[&str]) {
        succeed(&["retire", "points", &(number - 1).to_string(), "-c", &self.file]);
        succeed(&[&["rebuild", "points", "-c", &self.file][..], more].concat());
        wait_for_all(&self.corner, &self.shipment, number);
        self.check_nowhere().await;
        self.check_others(number).await;
    }

    /// The days of what they earned count them still, which is told apart from errors until that is
    /// mended.
    fn check_rollups(&self) {
        let verified = |more: &[&str]| -> Value {
            let args = [&["verify", "points", "-c", &self.file, "--json"], more].concat();
            let said = String::from_utf8(readmill(&args).stdout).unwrap();
            serde_json::from_str(said.lines().last().unwrap()).unwrap()
        };
        let found = verified(&[]);
        assert_eq!(found["findings"], 0, "{found}");
        assert!(found["undecided"]["roll-up"]["forgotten"].as_u64() > Some(0), "{found}");
        let mended = verified(&["--repair"]);
        assert!(mended["mended"].as_u64() > Some(0), "{mended}");
        let found = verified(&[]);
        assert!(found["undecided"]["roll-up"]["forgotten"].is_null(), "{found}");
    }

    async fn check_others(&self, generation: u32) {
        let all = self.shipment.points.documents.values();
        let living = all.filter(|document| document.state.is_some()).count();
        let mongo = self.corner.mongo().await;
        let store = mongo.documents("points", generation).await.unwrap();
        assert_eq!(contents::<Points>(&store).await.living, living - 1, "{generation}");
        let found = store.load(&[Key::from(self.person.as_str())]).await.unwrap();
        assert!(found.iter().all(Option::<Document<Points>>::is_none));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_forgotten_is_nowhere_and_no_replay_brings_them_back() {
    let mut drill = Drill::begin().await;
    let before = remains(&drill.corner, &drill.person).await;
    let has = |what: &str| before.iter().any(|place| place.contains(what));
    assert!(has("points") && has("held") && has(":"), "{before:?}");

    let receipt = drill.corner.dir().join("receipt.json");
    let told = drill.forget(&["--receipt", receipt.to_str().unwrap()]);
    check_receipt(&told);
    assert!(!std::fs::read_to_string(receipt).unwrap().contains(&drill.person));
    drill.check_nowhere().await;
    let got = readmill(&["get", "points", &drill.person, "-c", &drill.file]);
    assert!(!got.status.success());
    let bytes = bytes_below(Path::new(&drill.archive));
    let id = drill.person.as_bytes();
    assert!(!bytes.windows(id.len()).any(|window| window == id), "the archive tells of them");

    drill.check_rollups();
    // What the log still says of them is heard by nobody, live or in a replay.
    drill.shipment.send(PIECE, PARTITIONS).await;
    wait_for_all(&drill.corner, &drill.shipment, 1);
    drill.check_nowhere().await;
    drill.check_others(1).await;
    drill.rebuild(3, &[]).await;
    let archive = drill.archive.clone();
    drill.rebuild(4, &["--archive", &archive]).await;

    // Done again, it finds nothing.
    let again = drill.forget(&["--no-log"]);
    let nothing = ["documents", "rewritten", "held", "partials", "views"];
    for model in again["models"].as_array().unwrap() {
        assert!(nothing.iter().all(|what| model[what] == 0), "{again}");
    }
    println!("stores=3 remains={}", remains(&drill.corner, &drill.person).await.len());
    assert_eq!(drill.mill.stop(), Some(0));
}

/// It says that both generations, the held record and the archive lost the person.
#[track_caller]
fn check_receipt(told: &Value) {
    let many = |value: &Value| value.as_u64().unwrap_or(0);
    for generation in [1, 2] {
        let all = told["models"].as_array().unwrap().iter();
        let mut its = all.filter(|it| it["model"] == "points" && it["generation"] == generation);
        let its = its.next().unwrap();
        assert!(its["documents"] == 1 && many(&its["views"]) > 0, "{told}");
        assert!(generation > 1 || many(&its["held"]) > 0, "{told}");
    }
    assert!(told["log"].as_array().unwrap().iter().any(|it| many(&it["records"]) > 0), "{told}");
    let archive = &told["archives"][0];
    assert!(many(&archive["emptied"]) > 0 && archive["within_texts"] == 0, "{told}");
}

fn bytes_below(dir: &Path) -> Vec<u8> {
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
