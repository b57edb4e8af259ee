//! An archive that was copied over kills is the log, and folds to the documents of the log.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use readmill_connectors::embedded::{Embedded, EmbeddedConfig};
use readmill_connectors::kafka::producer::Outgoing;
use readmill_connectors::kafka::{KafkaConfig, Producer};
use readmill_engine::Contents;
use readmill_models::{Deliveries, Points};
use readmill_workload::Rng;

use super::place::{Place, assert_same, log_of};
use crate::mill::{Mill, wait};
use crate::paths::{self, stack};
use crate::real::{Corner, consumed, wait_until_quiet};

const LIMIT: Duration = Duration::from_secs(120);
const EVENTS: &str = "16000";
const RATE: &str = "1000";

/// Records such as no service writes, but a topic may have.
async fn send_oddities(topic: &str) {
    let config = KafkaConfig { brokers: stack("KAFKA_BROKERS"), ..KafkaConfig::default() };
    let outgoing = |key: Option<&[u8]>, value: Option<&[u8]>, headers: &[(&str, &[u8])]| Outgoing {
        topic: topic.to_owned(),
        partition: Some(0),
        key: key.map(<[u8]>::to_vec),
        value: value.map(<[u8]>::to_vec),
        headers: headers.iter().map(|(name, v)| ((*name).to_owned(), v.to_vec())).collect(),
    };
    let tombstone = outgoing(Some(b"m-1"), None, &[("h", b"1"), ("h", b""), ("\u{e9}", b"\0\xff")]);
    let records =
        vec![tombstone.clone(), outgoing(None, None, &[]), outgoing(Some(b""), None, &[])];
    Producer::new(&config).unwrap().send([records, vec![tombstone; 3]].concat()).await.unwrap();
}

/// Copies while records come, and is killed again and again, each time a while after it has got
/// further; answers how often.
fn copy_over_kills(place: &Place, producing: &mut Child) -> u32 {
    let mut rng = Rng::new(11, 1);
    let mut kills = 0;
    let records = || place.manifest().map_or(0, |manifest| manifest.records());
    while producing.try_wait().unwrap().is_none() {
        let before = records();
        let mut copy = place.begin(&["--follow", "--file-limit-seconds", "1"]);
        wait(LIMIT, "the copy to get further", || {
            records() > before || producing.try_wait().unwrap().is_some()
        });
        std::thread::sleep(Duration::from_millis(rng.below(1200)));
        kill(&mut copy);
        kills += u32::from(records() > before);
    }
    // And without --follow, where it is soon done.
    for pause_ms in [20, 60, 100, 140, 180] {
        let mut copy = place.begin(&[]);
        std::thread::sleep(Duration::from_millis(pause_ms));
        kill(&mut copy);
    }
    kills
}

fn kill(copy: &mut Child) {
    copy.kill().unwrap();
    copy.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_copied_over_kills_is_the_log_and_folds_to_its_documents() {
    let corner = Corner::new("archived");
    corner.make_topics_of(4).await;
    let points = corner.topics("points").replace('"', "");
    send_oddities(&points).await;
    let all = format!("{points}, {}", corner.topics("deliveries").replace('"', ""));
    let topics: Vec<&str> = all.split(", ").collect();
    let place = Place::by(tempfile::tempdir().unwrap(), &corner.configuration());
    let config = corner.configuration_file();
    let mut producing = Command::new(paths::readmill())
        .args(["produce", "--kafka", "-c", config.to_str().unwrap()])
        .args(["--events", EVENTS, "--rate", RATE, "--seed", "3", "--keys", "300"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let kills = copy_over_kills(&place, &mut producing);
    assert!(kills >= 3, "only {kills} kills met work in hand");
    let copied = place.copy(&[]);
    let log = log_of(&topics);
    let records: usize = log.values().map(Vec::len).sum();
    assert!(records > 16_000);
    assert_eq!(copied["archive"]["records"], records, "{copied}");
    assert_same(&place.records(), &log);
    let (code, said) = place.with("verify", &[]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(place.copy(&[])["copied"]["records"], 0, "there is nothing more");
    let (from_kafka, from_archive) =
        (fold_from_kafka(&corner, records).await, fold_from_archive(&corner, &place).await);
    assert!(from_kafka[0].living > 200 && from_kafka[1].living > 20, "{from_kafka:?}");
    assert_eq!(from_archive, from_kafka);
}

async fn fold_from_kafka(corner: &Corner, records: usize) -> [Contents; 2] {
    let mill = corner.start();
    wait(LIMIT, "all records to be consumed", || consumed(&[&mill]) >= records as f64);
    wait_until_quiet(&[&mill], LIMIT);
    assert_eq!(mill.stop(), Some(0));
    let (mongo, redis) = (corner.mongo().await, corner.redis().await);
    let points = mongo.documents("points", 1).await.unwrap();
    let deliveries = redis.documents("deliveries", 1).await.unwrap();
    [
        Contents::of::<Points>(&points).await.unwrap(),
        Contents::of::<Deliveries>(&deliveries).await.unwrap(),
    ]
}

async fn fold_from_archive(corner: &Corner, place: &Place) -> [Contents; 2] {
    let store = place.dir().join("store");
    let configuration = format!(
        "[source]\nkind = \"archive\"\narchive_dir = \"{}\"\n\n[embedded]\ndirectory = \"{}\"\n\n\
         [models.points]\ntopics = [{}]\nstore = \"embedded\"\n\n\
         [models.deliveries]\ntopics = [{}]\nstore = \"embedded\"\n",
        place.archive().display(),
        store.display(),
        corner.topics("points"),
        corner.topics("deliveries"),
    );
    // A writer may go on meanwhile.
    let mut copy = place.begin(&["--follow"]);
    let mut mill = Mill::start(place.dir(), &configuration);
    let since = Instant::now();
    let mut ended = None;
    wait(LIMIT, "the archive to be folded", || {
        ended = mill.ended();
        ended.is_some()
    });
    assert!(ended.unwrap().success(), "after {:?}", since.elapsed());
    assert!(copy.try_wait().unwrap().is_none(), "the writer goes on");
    kill(&mut copy);
    let embedded = Embedded::open(&EmbeddedConfig::at(&store)).unwrap();
    let [points, deliveries] =
        ["points", "deliveries"].map(|name| embedded.documents(name, 1).unwrap());
    [
        Contents::of::<Points>(&points).await.unwrap(),
        Contents::of::<Deliveries>(&deliveries).await.unwrap(),
    ]
}
