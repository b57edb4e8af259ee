//! How many documents an instance serves in a second from its embedded store, beside what it
//! answers without any, over connections that stay open. Run it by `tools/bench-api`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its figures")]

#[path = "../it/mill.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod mill;
#[path = "../it/paths.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod paths;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mill::{Mill, free_port, succeed, wait};
use paths::stack;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

const LIMIT: Duration = Duration::from_secs(600);
/// The constant that gets are held against.
const CONSTANT: &str = "/healthz";

fn size(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

/// An instance that has folded a log; the rate is not limited, which it is by default.
fn start(dir: &Path) -> Mill {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let (name, port) = (format!("benchapi{}", since.as_millis()), free_port());
    let (brokers, registry, at) = (stack("KAFKA_BROKERS"), stack("REGISTRY_URL"), dir.display());
    let configuration = format!(
        "[http]\nlisten = \"127.0.0.1:{port}\"\nlimit_requests_per_second = 1000000\n\
         [instance]\nstate_dir = \"{at}/state\"\n[source]\nkind = \"kafka\"\n\
         [kafka]\nbrokers = \"{brokers}\"\ngroup_prefix = \"{name}\"\n\
         [registry]\nurls = [\"{registry}\"]\n[embedded]\ndirectory = \"{at}/store\"\n\
         [models.points]\ntopics = [\"{name}.public.points_outbox\"]\nstore = \"embedded\"\n"
    );
    let file = dir.join("bench.toml");
    std::fs::write(&file, &configuration).unwrap();
    let events = size("READMILL_API_EVENTS", 700_000).to_string();
    let keys = size("READMILL_API_KEYS", 100_000).to_string();
    let members = ["--keys", &keys, "--skew-per-mille", "0", "--deliveries-per-mille", "0"];
    let produce = ["produce", "--kafka", "-c", file.to_str().unwrap(), "--events", &events];
    succeed(&[&produce[..], &members].concat());
    let mill = Mill::start_at(dir, port, &configuration);
    mill.wait_for("/readyz", LIMIT);
    wait(LIMIT, "the log to be folded", || {
        let answer = mill.ask("/generations/points").map(|(_, body)| body).unwrap_or_default();
        let list: Value = serde_json::from_str(&answer).unwrap_or_default();
        list["generations"][0]["behind_records"] == 0
    });
    mill
}

/// The paths of all documents.
fn paths_of(mill: &Mill) -> Vec<String> {
    let (mut paths, mut after) = (Vec::new(), String::new());
    loop {
        let (_, body) = mill.ask(&format!("/models/points?limit=1000{after}")).unwrap();
        let page: Value = serde_json::from_str(&body).unwrap();
        let documents = page["documents"].as_array().unwrap().iter();
        paths.extend(
            documents.map(|one| format!("/models/points/{}", one["key"].as_str().unwrap())),
        );
        let Some(more) = page["more_after"].as_str() else { return paths };
        after = format!("&after={more}");
    }
}

/// A connection that stays open.
struct Client {
    answers: BufReader<OwnedReadHalf>,
    asks: OwnedWriteHalf,
    line: String,
    body: Vec<u8>,
}

impl Client {
    async fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (answers, asks) = stream.into_split();
        Self { answers: BufReader::new(answers), asks, line: String::new(), body: Vec::new() }
    }

    async fn ask(&mut self, path: &str) {
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        self.asks.write_all(head.as_bytes()).await.unwrap();
        let (mut length, mut is_first) = (0, true);
        loop {
            self.line.clear();
            self.answers.read_line(&mut self.line).await.unwrap();
            if std::mem::take(&mut is_first) {
                assert!(self.line.contains(" 200 "), "{path}: {}", self.line);
            }
            if let Some(value) = self.line.strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            }
            if self.line == "\r\n" {
                break;
            }
        }
        self.body.resize(length, 0);
        self.answers.read_exact(&mut self.body).await.unwrap();
    }
}

/// Asks for all of these again and again, over several connections; how long each answer took.
async fn press(port: u16, paths: &Arc<Vec<String>>, lasting: Duration) -> (f64, Vec<Duration>) {
    let connections = usize::try_from(size("READMILL_API_CONNECTIONS", 16)).unwrap();
    let (began, until) = (Instant::now(), Instant::now() + lasting);
    let one = |number: usize| {
        let paths = Arc::clone(paths);
        tokio::spawn(async move {
            let (mut client, mut times) = (Client::connect(port).await, Vec::new());
            // A prime, so that each connection goes its own way through all of them.
            let mut at = number * 7919;
            while Instant::now() < until {
                at = (at + 104_729) % paths.len();
                let asked = Instant::now();
                client.ask(&paths[at]).await;
                times.push(asked.elapsed());
            }
            times
        })
    };
    let clients: Vec<_> = (0..connections).map(one).collect();
    let mut times = Vec::new();
    for client in clients {
        times.extend(client.await.unwrap());
    }
    (times.len() as f64 / began.elapsed().as_secs_f64(), times)
}

fn percentile_ms(times: &mut [Duration], per_mille: usize) -> f64 {
    times.sort_unstable();
    times[(times.len() * per_mille / 1000).min(times.len() - 1)].as_secs_f64() * 1000.0
}

#[tokio::main]
async fn main() {
    let dir = std::env::temp_dir().join(format!("readmill-bench-api-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let mill = start(&dir);
    let paths = Arc::new(paths_of(&mill));
    let constant = Arc::new(vec![CONSTANT.to_owned()]);
    let lasting = Duration::from_secs(size("READMILL_API_SECONDS", 10));
    press(mill.port(), &paths, lasting / 2).await;
    let (mut gets, mut constants, mut times) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=size("READMILL_API_ROUNDS", 3) {
        let (limit, _) = press(mill.port(), &constant, lasting).await;
        let (rate, took) = press(mill.port(), &paths, lasting).await;
        println!("  round {round}: {rate:.0} gets/s, {limit:.0} constants/s");
        constants.push(limit);
        gets.push(rate);
        times.extend(took);
    }
    let mean = |rates: &[f64]| rates.iter().sum::<f64>() / rates.len() as f64;
    let (gets, constants) = (mean(&gets), mean(&constants));
    println!(
        "documents={} gets_per_s={gets:.0} p50_ms={:.2} p99_ms={:.2} constant_per_s={constants:.0} \
         ratio={:.2}",
        paths.len(),
        percentile_ms(&mut times, 500),
        percentile_ms(&mut times, 990),
        gets / constants,
    );
    drop(mill);
    std::fs::remove_dir_all(&dir).unwrap();
}
