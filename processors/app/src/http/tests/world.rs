//! A server of one model for tests, and a client that sends what it is told to.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use readmill_connectors::embedded::{Embedded, EmbeddedConfig};
use readmill_core::rollup::{Added, Difference, Partial, PartialName, Partials};
use readmill_core::{Contribution, GroupName, Offset, Outcome, Partition, ResumeAt};
use readmill_engine::{LaneRule, Meter, Store, Write};
use readmill_models::{Points, points};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::super::*;
use crate::config::Config;

/// A model with documents that a test has put there.
#[derive(Debug)]
struct Shelf {
    state: ModelState,
    counts: Counts,
    documents: BTreeMap<&'static str, Standing>,
    rollups: Rollups,
    changes: Changes,
}

#[async_trait]
impl ServedModel for Shelf {
    fn row(&self) -> Row {
        readmill_models::ALL[0]
    }

    fn counts(&self) -> Counts {
        self.counts
    }

    fn state(&self) -> ModelState {
        self.state.clone()
    }

    async fn get(&self, key: &Key) -> Result<Standing, Fault> {
        if key.as_str() == "down" {
            let detail = "connection refused".to_owned();
            return Err(Fault::Silent { service: "MongoDB", detail });
        }
        Ok(self.documents.get(key.as_str()).cloned().unwrap_or(Standing::Never))
    }

    fn generation(&self) -> Option<u32> {
        Some(1)
    }

    async fn rollups(&self) -> Result<Rollups, Fault> {
        Ok(self.rollups.clone())
    }

    async fn reach(&self, wanted: &[Position], until: Deadline) -> Result<Reaching, Fault> {
        let settled = ResumeAt::stored(10);
        let strange = wanted.iter().find(|record| *record.partition.topic != *"t");
        if let Some(strange) = strange {
            return Ok(Reaching::NotOurs(format!("not folded from {}", strange.partition.topic)));
        }
        if wanted.iter().all(|record| settled.covers(record.offset)) {
            return Ok(Reaching::Settled);
        }
        tokio::time::sleep_until(until).await;
        let places = wanted.iter().map(|record| (record.partition.clone(), Some(settled)));
        Ok(Reaching::NotYet(places.collect()))
    }

    async fn list(&self, asked: &listing::Asked) -> Result<Listing, Fault> {
        if asked.by.is_some() {
            return Ok(Listing::Cannot("no indexes here"));
        }
        let after = asked.after.as_ref();
        let rest = self.documents.iter().filter(|(key, _)| {
            key.starts_with(&asked.prefix) && after.is_none_or(|after| **key > after.as_str())
        });
        let mut page = Vec::new();
        for (key, standing) in rest {
            let Standing::Live { revision, state, .. } = standing else { continue };
            if page.len() == asked.limit {
                let last = page.last().map(|last: &listing::Listed| last.key.clone());
                return Ok(Listing::Page(page, last));
            }
            let (key, state) = (Key::from(*key), state.to_string());
            page.push(listing::Listed { key, revision: *revision, state });
        }
        Ok(Listing::Page(page, None))
    }

    async fn changes(&self) -> Result<(u32, Changes), Fault> {
        Ok((1, self.changes.clone()))
    }
}

/// Entries of the ledger: kinds, days, members and points, each in a partial group of its own.
const ENTRIES: [(&str, &str, &str, i64); 4] = [
    ("earned", "2026-11-20", "m-1", 5),
    ("earned", "2026-11-21", "m-1", 10),
    ("earned", "2026-11-21", "m-2", 40),
    ("used", "2026-11-21", "m-1", 7),
];

async fn rollups(dir: &TempDir) -> Rollups {
    let embedded = Embedded::open(&EmbeddedConfig::at(dir.path())).unwrap();
    let store: Arc<dyn Store<Partials>> = Arc::new(embedded.documents("p.partials", 1).unwrap());
    for ((kind, day, member, value), at) in ENTRIES.into_iter().zip(0..) {
        let group = GroupName::of(&[kind, day]);
        let (partition, key) = (Partition::new("t", at), Key::from(member));
        let what = Contribution::of(&points::LEDGER, group.clone(), value);
        let differences = &[Difference::added(what)];
        let differences = differences.iter().collect();
        let added = Added { key: &key, revision: 1, offset: Offset(0), differences };
        let mut partial = Partial::default();
        assert!(partial.add(&added, points::LEDGER.beside));
        let mut document = Document::<Partials> { state: Some(partial), ..Document::default() };
        document.stamp.revision = 1;
        let key = PartialName::key(points::LEDGER.name, &group, &partition, &key);
        store.put(&[Write { key: &key, expected: 0, document: &document }]).await.unwrap();
    }
    Rollups::of::<Points>(Some(store))
}

/// A server of one model, and what a test may do to it.
pub struct World {
    pub address: SocketAddr,
    pub metrics: Metrics,
    pub pulse: Pulse,
    pub changes: Changes,
    pub stop: watch::Sender<bool>,
    pub close: watch::Sender<bool>,
    pub serving: tokio::task::JoinHandle<Result<()>>,
    /// Where its store is, and where a test keeps its files.
    pub dir: TempDir,
}

fn lanes() -> Lanes {
    let lesser = LaneRule { priority: 1, ..LaneRule::default() };
    let rules = [("online", LaneRule::default()), ("batch", lesser)];
    Lanes::new(&rules.map(|(name, rule)| (name.to_owned(), rule)).into())
}

/// A configuration with these settings of `[http]`, below a directory.
pub fn config(dir: &TempDir, http: &str) -> Config {
    let at = dir.path().display();
    let text = format!(
        "[http]\nlisten = \"127.0.0.1:0\"\n{http}\n[source]\nkind = \"archive\"\n\
         archive_dir = \"{at}\"\n[embedded]\ndirectory = \"{at}/store\"\n[models.points]\n\
         topics = [\"t\"]\nstore = \"embedded\"\n"
    );
    let text = text.replace("$DIR", &at.to_string());
    Config::parse("f.toml", &text, &readmill_connectors::elsewhere::Here).unwrap()
}

/// A server without tokens.
pub async fn world(state: ModelState) -> World {
    world_with(state, tempfile::tempdir().unwrap(), "").await
}

/// A server whose model runs, with files that were written to this directory.
pub async fn locked(dir: TempDir, http: &str) -> World {
    world_with(ModelState::Running, dir, http).await
}

async fn world_with(state: ModelState, dir: TempDir, http: &str) -> World {
    let config = Arc::new(config(&dir, http));
    let metrics = Metrics::new().unwrap();
    metrics.add(Meter::Written, &["points"], 3);
    metrics.observe(Meter::Freshness, &["points"], 0.2);
    let mut counts = Counts::default();
    counts.count(Outcome::Applied);
    counts.count(Outcome::Skipped);
    let live = Standing::Live {
        revision: 2,
        state: json!({ "available": 5 }),
        shows: Some(json!({ "hash": { "available": "5" } })),
    };
    let documents =
        [("m-1", live.clone()), ("a/b ü", live), ("d-1", Standing::Gone { revision: 9 })];
    let rollups = rollups(&dir).await;
    let changes = Changes::beginning(7);
    let shelf =
        Shelf { state, counts, documents: documents.into(), rollups, changes: changes.clone() };
    let (stop, stopping) = watch::channel(false);
    let (close, closed) = watch::channel(false);
    let pulse = Pulse::default();
    let bound = bind(&config.http).await.unwrap();
    let served = Served {
        metrics: metrics.clone(),
        actions: Actions::new(config.http.limits.request),
        config,
        services: Arc::default(),
        pulse: pulse.clone(),
        lanes: lanes(),
        history: History::default(),
        explaining: Explaining::default(),
        models: vec![Arc::new(shelf)],
        stall_limit: Duration::ZERO,
        stopping,
        since: Instant::now(),
        feeds: Feeds::beside(NonZeroU32::new(4).unwrap()),
    };
    let address = bound.address().unwrap();
    let serving = tokio::spawn(serve(bound, served, closed));
    World { address, metrics, pulse, changes, stop, close, serving, dir }
}

/// An answer as it came.
#[derive(Debug)]
pub struct Raw {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl World {
    /// The status and the body of a GET.
    pub async fn get(&self, path: &str) -> (u16, String) {
        self.get_as("localhost", path).await
    }

    pub async fn get_as(&self, host: &str, path: &str) -> (u16, String) {
        let head = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        self.ask(head).await
    }

    /// The status and the body of a PUT.
    pub async fn put(&self, path: &str, content_type: &str, body: &str) -> (u16, String) {
        let length = body.len();
        self.ask(format!(
            "PUT {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n{body}"
        ))
        .await
    }

    pub async fn ask(&self, request: String) -> (u16, String) {
        let answer = self.send(request.as_bytes()).await;
        (answer.status, answer.body)
    }

    /// Sends bytes, and answers what comes until the connection is closed.
    pub async fn send(&self, request: &[u8]) -> Raw {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        // A server that has refused may close before it has read everything.
        let _ = stream.read_to_end(&mut answer).await;
        Raw::of(&String::from_utf8_lossy(&answer))
    }

    /// What comes back for a request in plain text, byte for byte.
    pub async fn get_bytes(&self) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(b"GET /models HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        answer
    }

    /// The answer to a request without a body, with further headers.
    pub async fn asked(&self, method: &str, path: &str, headers: &[&str]) -> Raw {
        let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n"
        );
        self.send(request.as_bytes()).await
    }

    /// The value of a metric.
    pub fn refused(&self, reason: &str) -> u64 {
        let text = self.metrics.render().unwrap();
        let series = format!("readmill_http_refused_total{{reason=\"{reason}\"}} ");
        let value = text.lines().find_map(|line| line.strip_prefix(&series));
        value.map_or(0, |value| value.parse().unwrap())
    }

    #[track_caller]
    pub fn json(&self, body: &str) -> Value {
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"))
    }
}

impl Raw {
    /// An answer, taken apart.
    #[track_caller]
    pub fn of(answer: &str) -> Self {
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no answer: {answer:?}"));
        Self { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }
}
