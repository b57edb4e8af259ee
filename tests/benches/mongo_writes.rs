//! What a guarded write costs in MongoDB against a bare one of the same documents, and which form
//! of it costs least. On the stack's server; run it by `cargo bench -p readmill-tests --bench
//! mongo_writes`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its figures")]
#![allow(clippy::cast_precision_loss, reason = "its figures")]

#[path = "../it/paths.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod paths;

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bson::raw::cstr;
use bson::{Document as Row, RawArrayBuf, RawDocumentBuf, doc, rawdoc};
use mongodb::options::{Acknowledgment, WriteConcern};
use mongodb::{Client, Database};
use readmill_connectors::mongo::{Mongo, MongoConfig, MongoStore};
use readmill_core::{Document, Identity, Key};
use readmill_engine::{Put, Store, Write};
use readmill_models::Points;
use readmill_workload::{Knobs, Source, oracle};

const COLLECTION: &str = "points.g1";

fn size(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

/// The form of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Bare,
    Filter,
    Computed,
    ComputedOrAsItIs,
    Upsert,
    Delta,
    FindAndModify,
    /// What the store does, with the making of its rows.
    Store,
    /// The same, with one document of a thousand that another writer has changed.
    StoreWithConflicts,
}

/// A way to write a batch.
#[derive(Debug, Clone, Copy)]
struct Way {
    name: &'static str,
    form: Form,
    statements: usize,
    parallel: usize,
    ordered: bool,
}

const fn way(name: &'static str, form: Form, statements: usize, parallel: usize) -> Way {
    Way { name, form, statements, parallel, ordered: false }
}

const WAYS: [Way; 17] = [
    way("bare", Form::Bare, 1_000, 4),
    way("store", Form::Store, 1_000, 4),
    way("store, 1 conflict in 1,000", Form::StoreWithConflicts, 1_000, 4),
    way("filter on the revision", Form::Filter, 1_000, 4),
    way("computed", Form::Computed, 1_000, 4),
    way("computed, else as it is", Form::ComputedOrAsItIs, 1_000, 4),
    way("filter, upsert", Form::Upsert, 1_000, 4),
    way("filter, $set of what changed", Form::Delta, 1_000, 4),
    way("findAndModify", Form::FindAndModify, 1, 8),
    Way { ordered: true, ..way("computed, ordered", Form::Computed, 1_000, 4) },
    way("computed, 100 a command", Form::Computed, 100, 4),
    way("computed, 250 a command", Form::Computed, 250, 4),
    way("computed, 500 a command", Form::Computed, 500, 4),
    way("bare, 1 command", Form::Bare, 1_000, 1),
    way("computed, 1 command", Form::Computed, 1_000, 1),
    way("computed, 2 commands", Form::Computed, 1_000, 2),
    way("computed, 8 commands", Form::Computed, 1_000, 8),
];

/// The documents, all of one revision, and where they are.
struct Bench {
    db: Database,
    store: MongoStore,
    keys: Vec<Key>,
    documents: Vec<Document<Points>>,
    rows: Vec<Row>,
    revision: i64,
}

fn durably() -> RawDocumentBuf {
    rawdoc! {"w": "majority", "j": true, "wtimeout": 60_000_i64}
}

impl Bench {
    /// Members as their ledgers make them.
    async fn new(members: u32, events_each: u64) -> Self {
        let events = u64::from(members) * events_each;
        let knobs = Knobs { events, members, deliveries_per_mille: 0, ..Knobs::default() };
        let folded = oracle::fold::<Points>(Source::new(knobs).unwrap());
        let uri = paths::stack("MONGO_URI");
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let database = format!("bench_mongo_writes_{}", since.as_millis());
        let config = MongoConfig { database: database.clone(), ..MongoConfig::at(&uri) };
        let store = Mongo::connect(&config).await.unwrap().documents("points", 1).await.unwrap();
        let db = Client::with_uri_str(&uri).await.unwrap().database(&database);
        let made = folded.states.into_iter().map(|(key, state)| {
            let mut document = Document::<Points>::default();
            document.stamp.mark(&Identity::version("points", key.as_str(), true, 1));
            document.state = Some(state);
            (key, document)
        });
        let (keys, documents) = made.unzip();
        let mut bench = Self { db, store, keys, documents, rows: Vec::new(), revision: 1 };
        assert!(bench.put(|_| 0).await.iter().all(|put| *put == Put::Done));
        let mut cursor = bench.db.collection::<Row>(COLLECTION).find(doc! {}).await.unwrap();
        let mut rows = BTreeMap::new();
        while cursor.advance().await.unwrap() {
            let row = cursor.deserialize_current().unwrap();
            rows.insert(row.get_str("_id").unwrap().to_owned(), row);
        }
        bench.rows = bench.keys.iter().filter_map(|key| rows.remove(key.as_str())).collect();
        bench
    }

    fn bytes(&self) -> usize {
        let all = self.rows.iter().map(|row| RawDocumentBuf::try_from(row).unwrap());
        all.map(|row| row.as_bytes().len()).sum::<usize>() / self.rows.len()
    }

    async fn put(&self, expected: impl Fn(usize) -> i64) -> Vec<Put> {
        let all = self.keys.iter().zip(&self.documents).enumerate();
        let writes: Vec<Write<'_, Points>> = all
            .map(|(at, (key, document))| Write { key, expected: expected(at), document })
            .collect();
        self.store.put(&writes).await.unwrap()
    }

    /// The next revision of every document, with a change in it.
    fn change(&mut self) {
        self.revision += 1;
        for document in &mut self.documents {
            document.stamp.revision = self.revision;
            document.state.as_mut().unwrap().available += 1;
        }
        for row in &mut self.rows {
            let available = row.get_i64("available").unwrap() + 1;
            row.insert("available", available);
            row.get_document_mut("_readmill").unwrap().insert("revision", self.revision);
        }
    }

    /// Writes every document once; answers in microseconds for each.
    async fn write(&mut self, way: Way) -> f64 {
        self.change();
        let before = self.revision - 1;
        let begun = match way.form {
            Form::Store => {
                let begun = Instant::now();
                assert!(self.put(|_| before).await.iter().all(|put| *put == Put::Done));
                begun.elapsed()
            }
            Form::StoreWithConflicts => {
                let is_late = |at: usize| at % 1_000 == 500;
                let expected = |at| if is_late(at) { before - 1 } else { before };
                let begun = Instant::now();
                let puts = self.put(expected).await;
                let taken = begun.elapsed();
                let right = |(at, put): (usize, &Put)| (*put == Put::Done) != is_late(at);
                assert!(puts.iter().enumerate().all(right), "a verdict is not exact");
                let last = |at| if is_late(at) { before } else { -1 };
                self.put(last).await;
                taken
            }
            Form::Bare
            | Form::Filter
            | Form::Computed
            | Form::ComputedOrAsItIs
            | Form::Upsert
            | Form::Delta
            | Form::FindAndModify => self.send(way).await,
        };
        begun.as_secs_f64() * 1e6 / self.keys.len() as f64
    }

    /// Sends commands that are ready, so many at a time.
    async fn send(&self, way: Way) -> Duration {
        let before = self.revision - 1;
        let commands: Vec<RawDocumentBuf> = if way.form == Form::FindAndModify {
            self.rows.iter().map(|row| find_and_modify(row, before)).collect()
        } else {
            self.rows.chunks(way.statements).map(|rows| command(way, rows, before)).collect()
        };
        let mut lanes: Vec<Vec<RawDocumentBuf>> = vec![Vec::new(); way.parallel];
        for (at, command) in commands.into_iter().enumerate() {
            lanes[at % way.parallel].push(command);
        }
        let begun = Instant::now();
        let running = lanes.into_iter().map(|lane| {
            let db = self.db.clone();
            tokio::spawn(async move {
                let mut made = 0;
                for command in lane {
                    let reply = db.run_raw_command(command).await.unwrap();
                    assert!(!reply.contains_key("writeErrors"), "{reply}");
                    made += reply.get_i32("n").unwrap_or(1);
                }
                made
            })
        });
        let running: Vec<_> = running.collect();
        let mut made = 0;
        for lane in running {
            made += usize::try_from(lane.await.unwrap()).unwrap();
        }
        assert_eq!(made, self.rows.len());
        begun.elapsed()
    }

    /// New documents: through the store, and through the driver without any guard.
    async fn insert(&self) -> (f64, f64) {
        let each = |taken: Duration| taken.as_secs_f64() * 1e6 / self.keys.len() as f64;
        self.db.collection::<Row>(COLLECTION).delete_many(doc! {}).await.unwrap();
        let begun = Instant::now();
        assert!(self.put(|_| 0).await.iter().all(|put| *put == Put::Done));
        let guarded = each(begun.elapsed());
        let bare = self.db.collection::<RawDocumentBuf>("bare");
        bare.delete_many(doc! {}).await.unwrap();
        let rows = self.rows.iter().map(|row| RawDocumentBuf::try_from(row).unwrap());
        let rows: Vec<_> = rows.collect();
        let concern = WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build();
        let begun = Instant::now();
        bare.insert_many(rows).ordered(false).write_concern(concern).await.unwrap();
        (guarded, each(begun.elapsed()))
    }
}

fn command(way: Way, rows: &[Row], before: i64) -> RawDocumentBuf {
    let mut updates = RawArrayBuf::new();
    for row in rows {
        updates.push(statement(way.form, row, before));
    }
    let mut command = rawdoc! {"update": COLLECTION, "updates": updates, "ordered": way.ordered};
    command.append(cstr!("writeConcern"), durably());
    command
}

fn filter(row: &Row, before: i64) -> RawDocumentBuf {
    rawdoc! {"_id": row.get_str("_id").unwrap(), "_readmill.revision": before}
}

fn statement(form: Form, row: &Row, before: i64) -> RawDocumentBuf {
    let id = rawdoc! {"_id": row.get_str("_id").unwrap()};
    let whole = RawDocumentBuf::try_from(row).unwrap();
    let computed = |otherwise: bson::RawBson| {
        let is_expected = rawdoc! {"$eq": ["$_readmill.revision", before]};
        let whole = rawdoc! {"$literal": whole.clone()};
        let stage = rawdoc! {"$replaceWith": {"$cond": [is_expected, whole, otherwise]}};
        rawdoc! {"q": id.clone(), "u": [stage]}
    };
    match form {
        Form::Bare => rawdoc! {"q": id, "u": whole},
        Form::Computed => computed(rawdoc! {"$size": "$_id"}.into()),
        Form::ComputedOrAsItIs => computed("$$ROOT".into()),
        Form::Upsert => rawdoc! {"q": filter(row, before), "u": whole, "upsert": true},
        Form::Delta => {
            let available = row.get_i64("available").unwrap();
            let set = rawdoc! {"available": available, "_readmill.revision": before + 1};
            rawdoc! {"q": filter(row, before), "u": {"$set": set}}
        }
        Form::Filter | Form::FindAndModify | Form::Store | Form::StoreWithConflicts => {
            rawdoc! {"q": filter(row, before), "u": whole}
        }
    }
}

fn find_and_modify(row: &Row, before: i64) -> RawDocumentBuf {
    rawdoc! {
        "findAndModify": COLLECTION,
        "query": filter(row, before),
        "update": RawDocumentBuf::try_from(row).unwrap(),
        "fields": {"_id": 1},
        "writeConcern": durably(),
    }
}

fn median(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// All ways in turns, so that the machine's moods fall on all of them; each round begins with
/// another. Answers the rates of guarded writes relative to bare ones, of changes and of inserts.
async fn measure(events_each: u64) -> (f64, f64) {
    let members = u32::try_from(size("READMILL_MONGO_DOCUMENTS", 4_000)).unwrap();
    let rounds = usize::try_from(size("READMILL_MONGO_ROUNDS", 9)).unwrap();
    let mut bench = Bench::new(members, events_each).await;
    println!("{} documents of {} bytes, {rounds} rounds", bench.keys.len(), bench.bytes());
    let mut times = vec![Vec::new(); WAYS.len()];
    let mut inserts = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let (guarded, bare) = bench.insert().await;
        for at in 0..WAYS.len() {
            let at = (at + round) % WAYS.len();
            let taken = bench.write(WAYS[at]).await;
            // The first round warms up.
            if round > 0 {
                times[at].push(taken);
            }
        }
        if round > 0 {
            inserts.0.push(guarded);
            inserts.1.push(bare);
        }
    }
    let ratio = |guarded: &[f64], bare: &[f64]| {
        median(&guarded.iter().zip(bare).map(|(guarded, bare)| bare / guarded).collect::<Vec<_>>())
    };
    for (way, taken) in WAYS.iter().zip(&times) {
        let (each, of_bare) = (median(taken), ratio(taken, &times[0]));
        let least = taken.iter().copied().fold(f64::INFINITY, f64::min);
        println!(
            "  {:28} {each:7.1} us each, at best {least:6.1}  {of_bare:5.2} of bare",
            way.name
        );
    }
    let (guarded, bare) = (median(&inserts.0), median(&inserts.1));
    let inserted = ratio(&inserts.0, &inserts.1);
    println!("  {:28} {guarded:7.1} us each  {inserted:5.2} of bare ({bare:.1})", "new documents");
    bench.db.drop().await.unwrap();
    (ratio(&times[1], &times[0]), inserted)
}

#[tokio::main]
async fn main() {
    let (small, new) = measure(2).await;
    let (large, _) = measure(40).await;
    println!("guarded/bare small={small:.2} large={large:.2} new={new:.2}");
}
