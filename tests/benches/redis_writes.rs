//! What the guard costs: documents written by the store, against a bare pipeline of the same
//! `HSET`s, in turns, on a server of its own with an append-only file.

#![allow(clippy::unwrap_used, reason = "a benchmark")]
#![allow(clippy::print_stdout, reason = "its result")]
#![allow(clippy::cast_precision_loss, reason = "its figures")]

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt, stream};
use readmill_connectors::conformance::{Pebble, Pebbles};
use readmill_connectors::redis::{Redis, RedisConfig, RedisStore};
use readmill_core::{Document, Key};
use readmill_engine::{Put, Store, Write};
use redis::aio::MultiplexedConnection;

const DOCUMENTS: i64 = 20_000;
const BATCH: usize = 2_000;
const PIPELINE: usize = 500;
const ROUNDS: i64 = 9;

struct Server {
    child: Child,
    dir: tempfile::TempDir,
    port: u16,
}

impl Server {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", ""]);
        command.args(["--appendonly", "yes", "--appendfsync", "everysec", "--dir"]).arg(dir.path());
        let child = command.stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(500));
        Self { child, dir, port }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It goes with the benchmark, whatever it says.
        let _ = self.child.kill();
        let _ = self.child.wait();
        println!("data in {} is removed", self.dir.path().display());
    }
}

fn key(number: i64) -> Key {
    Key(format!("p-{number}"))
}

/// One round of guarded writes.
async fn guarded(store: &RedisStore, revision: i64) -> Duration {
    let documents: Vec<(Key, Document<Pebbles>)> = (0..DOCUMENTS)
        .map(|number| (key(number), Pebble::number(number + revision).at_revision(revision)))
        .collect();
    let begun = Instant::now();
    for batch in documents.chunks(BATCH) {
        let writes: Vec<Write<'_, Pebbles>> = batch
            .iter()
            .map(|(key, document)| Write { key, expected: revision - 1, document })
            .collect();
        let puts = store.put(&writes).await.unwrap();
        assert!(puts.iter().all(|put| *put == Put::Done));
    }
    begun.elapsed()
}

type Hash = (String, Vec<(String, String)>);

/// One round of bare writes of the same fields.
async fn bare(connection: &MultiplexedConnection, hashes: &[Hash]) -> Duration {
    let begun = Instant::now();
    for batch in hashes.chunks(BATCH) {
        let pipelines = batch.chunks(PIPELINE).map(|chunk| {
            let mut pipeline = redis::Pipeline::with_capacity(chunk.len());
            for (key, fields) in chunk {
                pipeline.cmd("HSET").arg(key).arg(fields);
            }
            let mut connection = connection.clone();
            async move { pipeline.query_async::<Vec<i64>>(&mut connection).await }
        });
        let pipelines: Vec<_> = pipelines.collect();
        stream::iter(pipelines).buffered(2).try_collect::<Vec<_>>().await.unwrap();
    }
    begun.elapsed()
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

#[tokio::main]
async fn main() {
    let server = Server::start();
    let uri = format!("redis://127.0.0.1:{}", server.port);
    let config = RedisConfig::at(&uri);
    let store = Redis::connect(&config).await.unwrap().documents("pebbles", 1).await.unwrap();
    guarded(&store, 1).await;
    let client = redis::Client::open(uri.as_str()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut hashes: Vec<Hash> = Vec::new();
    for number in 0..DOCUMENTS {
        let mut read = redis::cmd("HGETALL");
        read.arg(format!("rm:pebbles:1:{{{}}}", key(number)));
        let fields = read.query_async(&mut connection).await.unwrap();
        hashes.push((format!("bare:{number}"), fields));
    }
    let fields = hashes.first().map_or(0, |(_, fields)| fields.len());
    let bytes: usize = hashes
        .iter()
        .flat_map(|(_, fields)| fields)
        .map(|(name, value)| name.len() + value.len())
        .sum();
    println!("{fields} fields, {} bytes a document", bytes / hashes.len());
    bare(&connection, &hashes).await;
    let (mut with, mut without, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let bare = bare(&connection, &hashes).await.as_secs_f64();
        let guarded = guarded(&store, round + 2).await.as_secs_f64();
        with.push(DOCUMENTS as f64 / guarded);
        without.push(DOCUMENTS as f64 / bare);
        ratios.push(bare / guarded);
    }
    println!("guarded {:.0}/s, bare {:.0}/s", median(with), median(without));
    println!("redis_guarded/pipeline={:.2}", median(ratios));
}
