//! Readers on every road to a model's documents, who note what they should never see.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bson::doc;
use readmill_core::Key;
use readmill_core::digest::Digest;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::mill;
use crate::paths::stack;
use crate::real::Corner;

const PAUSE: Duration = Duration::from_millis(2);
const PATIENCE: Duration = Duration::from_secs(10);
/// How many finds are told.
const TOLD: usize = 10;

/// What readers saw.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Answers.
    pub answers: u64,
    /// Answers that were none.
    pub errors: u64,
    /// Documents at one revision that say two different things.
    pub mixed: u64,
    /// Documents at a revision lower than one that was seen before.
    pub backward: u64,
    /// The longest wait for an answer.
    pub longest: Duration,
    told: Vec<String>,
}

impl Seen {
    /// Nothing may be wrong.
    #[track_caller]
    pub fn check(&self) {
        let Self { answers, errors, mixed, backward, told, .. } = self;
        assert!(*answers > 1_000, "only {answers} answers");
        assert_eq!((*errors, *mixed, *backward), (0, 0, 0), "{}", told.join("\n"));
    }

    fn add(&mut self, other: Self) {
        self.answers += other.answers;
        self.errors += other.errors;
        self.mixed += other.mixed;
        self.backward += other.backward;
        self.longest = self.longest.max(other.longest);
        self.told.extend(other.told);
        self.told.truncate(TOLD);
    }

    fn tell(&mut self, what: impl FnOnce() -> String) {
        if self.told.len() < TOLD {
            self.told.push(what());
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { answers, errors, mixed, backward, longest, .. } = self;
        write!(f, "answers={answers} reader_errors={errors} mixed={mixed} backward={backward}")?;
        write!(f, " longest_ms={}", longest.as_millis())
    }
}

/// Readers at work.
pub struct Readers {
    stop: Arc<AtomicBool>,
    rounds: Arc<Vec<AtomicU64>>,
    works: JoinSet<Seen>,
}

/// What one answer says of a document: its revision, and all else.
type Answer = Result<Option<(i64, String)>, String>;

/// One road to documents.
#[derive(Clone)]
enum Road {
    /// The query API of instances, in turns.
    Api { model: &'static str, ports: Vec<u16> },
    /// The view in MongoDB.
    View(mongodb::Collection<bson::Document>),
    /// The keys of documents in Redis that the live key names.
    Hash { connection: redis::aio::MultiplexedConnection, live: String, braces: bool },
}

impl Road {
    async fn ask(&mut self, key: &Key, turn: u64) -> Answer {
        match self {
            Self::Api { model, ports } => {
                let port = ports[usize::try_from(turn).unwrap() % ports.len()];
                let path = format!("/models/{model}/{key}");
                let asked = tokio::task::spawn_blocking(move || mill::get(port, &path));
                match asked.await.unwrap() {
                    Some((200, body)) => {
                        let body: Value = serde_json::from_str(&body).unwrap();
                        let revision = body["revision"].as_i64().unwrap();
                        Ok(Some((revision, body["state"].to_string())))
                    }
                    Some((404 | 410, _)) => Ok(None),
                    other => Err(format!("{other:?}")),
                }
            }
            Self::View(view) => {
                let found = view.find_one(doc! {"_id": key.as_str()}).await;
                let found = found.map_err(|error| error.to_string())?;
                Ok(found.and_then(|mut found| {
                    let stamp = found.remove("_readmill")?;
                    let revision = stamp.as_document()?.get_i64("revision").ok()?;
                    Some((revision, found.to_string()))
                }))
            }
            Self::Hash { connection, live, braces } => {
                let failed = |error: redis::RedisError| error.to_string();
                let head: String =
                    redis::cmd("GET").arg(&*live).query_async(connection).await.map_err(failed)?;
                let place = match braces {
                    true => format!("{head}:{{{key}}}"),
                    false => format!("{head}:{key}"),
                };
                let mut fields: BTreeMap<String, String> = redis::cmd("HGETALL")
                    .arg(place)
                    .query_async(connection)
                    .await
                    .map_err(failed)?;
                let revision = fields.remove("_revision").map(|text| text.parse().unwrap());
                fields.remove("_readmill");
                Ok(revision.map(|revision| (revision, format!("{fields:?}"))))
            }
        }
    }
}

impl Readers {
    /// Begins to read documents of points and of deliveries.
    pub async fn begin(corner: &Corner, ports: Vec<u16>, keys: [Vec<Key>; 2]) -> Self {
        let [points, deliveries] = keys;
        let client = mongodb::Client::with_uri_str(stack("MONGO_URI")).await.unwrap();
        let view = client.database(&corner.name).collection("points");
        let connection = redis::Client::open(stack("REDIS_URL")).unwrap();
        // How long an answer takes on a busy machine is not what is asked here.
        let patient = redis::AsyncConnectionConfig::new().set_response_timeout(Some(PATIENCE));
        let connection =
            connection.get_multiplexed_async_connection_with_config(&patient).await.unwrap();
        let hash = |name: &str, braces| {
            let live = format!("{}:{name}.live", corner.name);
            Road::Hash { connection: connection.clone(), live, braces }
        };
        let roads = [
            (Road::Api { model: "points", ports: ports.clone() }, points.clone()),
            (Road::Api { model: "deliveries", ports }, deliveries.clone()),
            (Road::View(view), points.clone()),
            (hash("deliveries", true), deliveries),
            (hash("points:available", false), points),
        ];
        let stop = Arc::new(AtomicBool::new(false));
        let rounds: Arc<Vec<AtomicU64>> =
            Arc::new(roads.iter().map(|_| AtomicU64::default()).collect());
        let mut works = JoinSet::new();
        for (number, (road, keys)) in roads.into_iter().enumerate() {
            works.spawn(read(road, keys, Arc::clone(&stop), Arc::clone(&rounds), number));
        }
        Self { stop, rounds, works }
    }

    /// Waits until each has read some more.
    pub async fn seen_on_every_road(&self) {
        let now = || self.rounds.iter().map(|round| round.load(Ordering::Relaxed));
        let before: Vec<u64> = now().collect();
        while now().zip(&before).any(|(now, before)| now < before + 100) {
            sleep(PAUSE * 10).await;
        }
    }

    /// Ends, and answers what all saw.
    pub async fn end(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        let mut seen = Seen::default();
        for one in self.works.join_all().await {
            seen.add(one);
        }
        seen
    }
}

/// Reads the hottest keys again and again: they change all the time.
async fn read(
    mut road: Road,
    keys: Vec<Key>,
    stop: Arc<AtomicBool>,
    rounds: Arc<Vec<AtomicU64>>,
    number: usize,
) -> Seen {
    let mut seen = Seen::default();
    let mut known: BTreeMap<Key, (i64, BTreeMap<i64, Digest>)> = BTreeMap::new();
    for turn in 0_u64.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let key = &keys[usize::try_from(turn * 7).unwrap() % keys.len().min(60)];
        let asked = Instant::now();
        let answer = road.ask(key, turn).await;
        seen.longest = seen.longest.max(asked.elapsed());
        seen.answers += 1;
        rounds[number].fetch_add(1, Ordering::Relaxed);
        let (last, said) = known.entry(key.clone()).or_default();
        match answer {
            Err(why) => {
                seen.errors += 1;
                seen.tell(|| format!("road {number}: {why}"));
            }
            Ok(None) if *last > 0 && number < 3 => {
                seen.backward += 1;
                seen.tell(|| format!("road {number}: {key} was at {last}, and is gone"));
            }
            Ok(None) => {}
            Ok(Some((revision, state))) => {
                if revision < *last {
                    seen.backward += 1;
                    seen.tell(|| format!("road {number}: {key} was at {last}, is at {revision}"));
                }
                let mut digest = Digest::default();
                digest.add(key, &state).unwrap();
                if *said.entry(revision).or_insert(digest) != digest {
                    seen.mixed += 1;
                    seen.tell(|| format!("road {number}: {key} is two things at {revision}"));
                }
                *last = revision.max(*last);
            }
        }
        sleep(PAUSE).await;
    }
    seen
}
