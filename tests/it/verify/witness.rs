//! The witness of a running instance: what goes wrong is found by itself, and told without a key.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use readmill_connectors::mongo::MongoStore;
use readmill_core::Key;
use readmill_engine::{Put, Store, Write};
use readmill_models::Points;

use super::all;
use crate::mill::{Mill, succeed, wait};
use crate::real::{Corner, wait_until_quiet};

const LIMIT: Duration = Duration::from_secs(90);
const EVERY: u64 = 3;
/// A finding is told within so many rotations.
const ROTATIONS: u64 = 2;

fn now_seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

/// Of one kind, as the gauge says.
fn findings(mill: &Mill, kind: &str) -> Option<f64> {
    mill.metric_of("readmill_verify_findings", &format!("kind=\"{kind}\""))
}

async fn change(store: &MongoStore) -> Key {
    let documents = all::<Points>(store).await;
    let mut living = documents.into_iter().filter(|(_, document)| document.state.is_some());
    let (key, mut document) = living.next().unwrap();
    document.state.as_mut().unwrap().available += 1;
    let expected = document.stamp.revision;
    let write = Write { key: &key, expected, document: &document };
    assert_eq!(store.put(&[write]).await.unwrap(), [Put::Done]);
    key
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_document_is_found_by_the_instance_itself() {
    let corner = Corner::new("witness");
    corner.make_topics().await;
    let file = corner.configuration_file();
    let file = file.to_str().unwrap();
    let with = format!("store = \"mongo\"\nverify_every_seconds = {EVERY}\n");
    let configuration = corner.configuration().replace("store = \"mongo\"\n", &with);
    let mill = Mill::start(corner.dir(), &configuration);
    mill.wait_for("/readyz", LIMIT);
    succeed(&["produce", "--kafka", "-c", file, "--events", "3000", "--keys", "300"]);
    wait_until_quiet(&[&mill], LIMIT);
    let through = || mill.metric("readmill_verified_through_seconds").unwrap_or(0.0);
    let settled = now_seconds();
    wait(LIMIT, "all that has come to be found equal", || through() >= settled - 1.0);
    assert_eq!(findings(&mill, "changed"), Some(0.0));
    let store = corner.mongo().await.documents("points", 1).await.unwrap();
    let began = Instant::now();
    let key = change(&store).await;
    wait(LIMIT, "the wrong document to be found", || findings(&mill, "changed") == Some(1.0));
    let took = began.elapsed();
    println!("a wrong document was found after {took:.1?}, with a rotation every {EVERY} s");
    assert!(took < Duration::from_secs(EVERY * (ROTATIONS + 1)), "{took:?}");
    let before = through();
    std::thread::sleep(Duration::from_secs(EVERY * 2));
    assert_eq!(before, through(), "it is not found equal any more");
    let logs = std::fs::read_dir(corner.dir()).unwrap().map(|entry| entry.unwrap().path());
    let logs = logs.filter(|path| path.extension().is_some_and(|end| end == "log"));
    let log: String = logs.map(|path| std::fs::read_to_string(path).unwrap()).collect();
    assert!(log.contains("a verification found this") && log.contains("bucket"), "{log}");
    assert!(!log.contains(key.as_str()), "keys do not appear in logs");
    let dir = corner.dir().to_str().unwrap();
    let repaired =
        crate::mill::readmill(&["verify", "points", "-c", file, "--repair", "--dir", dir]);
    assert!(String::from_utf8_lossy(&repaired.stdout).contains(key.as_str()), "{repaired:?}");
    wait(LIMIT, "it to be well again", || findings(&mill, "changed") == Some(0.0));
    wait(LIMIT, "all to be found equal again", || through() > before);
    assert_eq!(mill.stop(), Some(0));
}
