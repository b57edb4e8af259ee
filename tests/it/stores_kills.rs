//! Servers of documents, and a process that has the embedded store, are killed in the middle of
//! batches: nothing that was acknowledged is missing. `tools/store-kills` does it many times.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use readmill_connectors::conformance::{Pebble, Pebbles};
use readmill_connectors::embedded::{Embedded, EmbeddedConfig, EmbeddedStore};
use readmill_connectors::mongo::{Mongo, MongoConfig};
use readmill_connectors::redis::{Redis, RedisConfig};
use readmill_core::{Document, Key};
use readmill_engine::{Fault, Put, Store, Write};
use readmill_workload::Rng;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::faults::stage::{Service, Stage};

const FEW: u64 = 5;
const SHARES: usize = 4;
const SHARE_KEYS: usize = 100;
const LIMIT: Duration = Duration::from_secs(60);
/// Where a process of this binary is to write, until it is killed.
const DIRECTORY: &str = "READMILL_STORE_KILLS_DIRECTORY";

/// The revision that was acknowledged last, of each key.
type Acknowledged = Arc<Mutex<BTreeMap<usize, i64>>>;

/// What came of the kills of one kind.
#[derive(Default)]
struct Sum {
    kills: u64,
    acknowledged: i64,
    missing: usize,
}

impl Sum {
    #[track_caller]
    fn tell(&self, name: &str) {
        let Self { kills, acknowledged, missing } = self;
        println!("store={name} kills={kills} acknowledged={acknowledged} missing={missing}");
        assert_eq!(*missing, 0, "acknowledged writes are missing");
        assert!(*acknowledged > 0, "nothing was written");
    }
}

fn kills() -> u64 {
    std::env::var("READMILL_STORE_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(FEW)
}

fn key(number: usize) -> Key {
    Key(format!("k{number}"))
}

/// What stands under a key at a revision: nothing else may.
fn document(number: usize, revision: i64) -> Document<Pebbles> {
    let title = format!("{number} at {revision} ").repeat(20);
    Pebble { title, ..Pebble::number(revision) }.at_revision(revision)
}

/// Writes a share of the keys again and again, and tells what is acknowledged, until a fault.
async fn write(
    store: &impl Store<Pebbles>,
    share: usize,
    told: impl Fn(usize, i64),
) -> Result<(), Fault> {
    let numbers: Vec<usize> = (share * SHARE_KEYS..(share + 1) * SHARE_KEYS).collect();
    let keys: Vec<Key> = numbers.iter().map(|number| key(*number)).collect();
    loop {
        let found = store.load(&keys).await?;
        let stands = found.iter().map(|found| found.as_ref().map_or(0, |f| f.stamp.revision));
        let mut stands: Vec<i64> = stands.collect();
        let mut all_done = true;
        while all_done {
            let next = |(number, stands): (&usize, &i64)| document(*number, stands + 1);
            let documents: Vec<_> = numbers.iter().zip(&stands).map(next).collect();
            let both = keys.iter().zip(&documents);
            let writes = both.map(|(key, document)| Write {
                key,
                expected: document.stamp.revision - 1,
                document,
            });
            let puts = store.put(&writes.collect::<Vec<_>>()).await?;
            for ((put, number), stands) in puts.into_iter().zip(&numbers).zip(&mut stands) {
                if put == Put::Done {
                    *stands += 1;
                    told(*number, *stands);
                }
                all_done &= put == Put::Done;
            }
        }
    }
}

/// How many keys have less than was acknowledged. What stands must be whole.
async fn missing(store: &impl Store<Pebbles>, acknowledged: &BTreeMap<usize, i64>) -> usize {
    let numbers: Vec<usize> = (0..SHARES * SHARE_KEYS).collect();
    let keys: Vec<Key> = numbers.iter().map(|number| key(*number)).collect();
    let until = Instant::now() + LIMIT;
    let found = loop {
        match store.load(&keys).await {
            Ok(found) => break found,
            Err(fault) => assert!(Instant::now() < until, "{fault}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let mut missing = 0;
    for (number, found) in numbers.into_iter().zip(found) {
        let revision = found.as_ref().map_or(0, |found| found.stamp.revision);
        if let Some(found) = found {
            assert_eq!(found, document(number, revision), "a document is torn");
        }
        let least = acknowledged.get(&number).copied().unwrap_or(0);
        if revision < least {
            println!("k{number} is at revision {revision}, and {least} was acknowledged");
            missing += 1;
        }
    }
    missing
}

fn note(acknowledged: &Acknowledged, number: usize, revision: i64) {
    acknowledged.lock().unwrap().insert(number, revision);
}

fn total(acknowledged: &Acknowledged) -> i64 {
    acknowledged.lock().unwrap().values().sum()
}

/// Kills a server while it is written into, starts it again and looks.
async fn kill_server(
    name: &str,
    service: Service,
    store: impl Store<Pebbles> + Clone + 'static,
    stage: &Stage,
) {
    let (mut rng, mut sum, acknowledged) =
        (Rng::new(9, 1), Sum::default(), Acknowledged::default());
    for _ in 0..kills() {
        let mut writers = JoinSet::new();
        for share in 0..SHARES {
            let (store, notes) = (store.clone(), Arc::clone(&acknowledged));
            writers.spawn(async move {
                write(&store, share, |number, revision| note(&notes, number, revision)).await
            });
        }
        let (before, until) = (total(&acknowledged), Instant::now() + LIMIT);
        while total(&acknowledged) == before {
            assert!(Instant::now() < until, "nothing is written");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(rng.below(150))).await;
        tokio::task::block_in_place(|| stage.kill(service));
        // What is acknowledged to no one any more does not count.
        writers.shutdown().await;
        tokio::task::block_in_place(|| stage.revive(service));
        sum.kills += 1;
        let notes = acknowledged.lock().unwrap().clone();
        sum.missing += missing(&store, &notes).await;
    }
    sum.acknowledged = total(&acknowledged);
    sum.tell(name);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_mongodb_has_acknowledged_outlives_its_kills() {
    let dir = tempfile::Builder::new().prefix("readmill-store-").tempdir().unwrap().keep();
    let stage = Stage::up(&dir, &[Service::Mongo], "", &[]);
    let mut config = MongoConfig::at(stage.address("MONGO_URI"));
    config.select_limit_ms = 2_000;
    let mongo = Mongo::connect(&config).await.unwrap();
    let store = mongo.documents("kills", 1).await.unwrap();
    kill_server("mongodb", Service::Mongo, store, &stage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_redis_has_acknowledged_outlives_its_kills() {
    let dir = tempfile::Builder::new().prefix("readmill-store-").tempdir().unwrap().keep();
    let stage = Stage::up(&dir, &[Service::Redis], "--appendfsync always", &[]);
    let redis = Redis::connect(&RedisConfig::at(stage.address("REDIS_URL"))).await.unwrap();
    let store = redis.documents("kills", 1).await.unwrap();
    kill_server("redis", Service::Redis, store, &stage).await;
}

fn open(directory: &Path) -> Result<EmbeddedStore, Fault> {
    Embedded::open(&EmbeddedConfig::at(directory))?.documents("kills", 1)
}

/// The process that is killed: without a directory it has nothing to do.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_writes_until_it_is_killed() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    let store = open(Path::new(&directory)).unwrap();
    let mut writers = JoinSet::new();
    for share in 0..SHARES {
        let store = store.clone();
        writers.spawn(async move {
            let told = |number, revision| {
                writeln!(std::io::stdout(), "\nacknowledged {number} {revision}").unwrap();
            };
            write(&store, share, told).await
        });
    }
    let ended = writers.join_next().await;
    panic!("a writer has ended: {ended:?}");
}

fn writing_process(directory: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "stores_kills::a_process_that_writes_until_it_is_killed", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Kills a process after some of its acknowledgements, and notes all that it had told.
fn kill_process(directory: &Path, after: u64, acknowledged: &Acknowledged) {
    let mut process = writing_process(directory);
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let read = |line: &str| {
        let mut words = line.strip_prefix("acknowledged ")?.split(' ');
        Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
    };
    let mut seen = 0;
    // The last line may be cut off: it has no end.
    while let Some(Ok(line)) = lines.next() {
        if let Some((number, revision)) = read(&line) {
            note(acknowledged, number, revision);
            seen += 1;
        }
        if seen == after {
            let another = open(directory).unwrap_err().to_string();
            assert!(another.contains("in use by another process"), "{another}");
            process.kill().unwrap();
            seen += 1;
        }
    }
    process.wait().unwrap();
    assert!(seen > after, "the process ended by itself after {seen} acknowledgements");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_embedded_store_has_acknowledged_outlives_the_process() {
    let directory = TempDir::new().unwrap();
    let (mut rng, mut sum, acknowledged) =
        (Rng::new(9, 2), Sum::default(), Acknowledged::default());
    for _ in 0..kills() {
        let after = 1 + rng.below(4_000);
        tokio::task::block_in_place(|| kill_process(directory.path(), after, &acknowledged));
        sum.kills += 1;
        let store = open(directory.path()).unwrap();
        let notes = acknowledged.lock().unwrap().clone();
        sum.missing += missing(&store, &notes).await;
    }
    sum.acknowledged = total(&acknowledged);
    sum.tell("embedded");
}
