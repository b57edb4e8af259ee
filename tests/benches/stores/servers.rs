//! Guarded writes beside bare ones of the same documents, on the same servers.

use std::time::{Duration, Instant};

use bson::raw::cstr;
use bson::{RawArrayBuf, RawDocumentBuf, doc, rawdoc};
use futures::future::try_join_all;
use mongodb::Client;
use readmill_connectors::mongo::{Mongo, MongoConfig};
use readmill_connectors::redis::{Redis, RedisConfig};

use super::batches::{Batch, Documents, put};
use super::lab::size;
use super::paths::stack;

const DOCUMENTS: usize = 4_000;
/// As many statements as a command of the store has, and as many commands side by side.
const STATEMENTS: usize = 1_000;
const PIPELINE: usize = 500;

/// Rates of both, round by round.
#[derive(Default)]
pub struct Rates {
    pub guarded: Vec<f64>,
    pub bare: Vec<f64>,
}

impl Rates {
    fn add(&mut self, name: &str, round: u64, writes: usize, guarded: Duration, bare: Duration) {
        let rate = |took: Duration| writes as f64 / took.as_secs_f64();
        self.guarded.push(rate(guarded));
        self.bare.push(rate(bare));
        let (guarded, bare) = (rate(guarded), rate(bare));
        println!("  round {round} {name} guarded {guarded:7.0} bare {bare:7.0} documents/s");
    }
}

/// A name that nobody else uses.
pub fn name() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    format!("storesbench{}", since.as_millis())
}

fn whole(documents: &mut Documents) -> [Batch; 1] {
    [documents.row(0, DOCUMENTS)]
}

/// MongoDB: the store, and unordered replacements by `_id` alone, as durable.
pub async fn mongo() -> Rates {
    let mut config = MongoConfig::at(stack("MONGO_URI"));
    config.database = name();
    let parallel = config.parallel_commands;
    let store = Mongo::connect(&config).await.unwrap().documents("guarded", 1).await.unwrap();
    let db = Client::with_uri_str(&config.uri).await.unwrap().database(&config.database);
    let mut documents = Documents::new(DOCUMENTS);
    put(&store, &whole(&mut documents), 1).await;
    let rows = db.collection::<RawDocumentBuf>(store.collection());
    let mut cursor = rows.find(doc! {}).await.unwrap();
    let mut same = Vec::new();
    while cursor.advance().await.unwrap() {
        same.push(cursor.current().to_owned());
    }
    let mut rates = Rates::default();
    for round in 0..=size("READMILL_STORES_ROUNDS", 5) {
        let guarded = put(&store, &whole(&mut documents), 1).await;
        let commands = bare_commands(&same, i64::try_from(round).unwrap());
        let began = Instant::now();
        for some in commands.chunks(parallel) {
            let running = some.iter().map(|body| db.run_raw_command(body.clone()).into_future());
            try_join_all(running).await.unwrap();
        }
        // The first round fills what is empty.
        if round > 0 {
            rates.add("mongodb", round, DOCUMENTS, guarded, began.elapsed());
        }
    }
    db.drop().await.unwrap();
    rates
}

fn bare_commands(same: &[RawDocumentBuf], round: i64) -> Vec<RawDocumentBuf> {
    let command = |some: &[RawDocumentBuf]| {
        let mut statements = RawArrayBuf::new();
        for row in some {
            let mut row = row.clone();
            // Else the server would see that nothing changes.
            row.append(cstr!("round"), round);
            let id = row.get_str("_id").unwrap().to_owned();
            statements.push(rawdoc! {"q": {"_id": id}, "u": row, "upsert": true});
        }
        let mut command = RawDocumentBuf::new();
        command.append(cstr!("update"), "bare");
        command.append(cstr!("updates"), statements);
        command.append(cstr!("ordered"), false);
        command.append(cstr!("writeConcern"), rawdoc! {"w": "majority", "j": true});
        command
    };
    same.chunks(STATEMENTS).map(command).collect()
}

/// Redis: the store, and pipelines of `HSET`.
pub async fn redis() -> Rates {
    let mut config = RedisConfig::at(stack("REDIS_URL"));
    config.prefix = format!("{}:", name());
    let store = Redis::connect(&config).await.unwrap().documents("guarded", 1).await.unwrap();
    let client = ::redis::Client::open(config.uri.as_str()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut documents = Documents::new(DOCUMENTS);
    put(&store, &whole(&mut documents), 1).await;
    let mut keys: Vec<String> = ::redis::cmd("KEYS")
        .arg(format!("{}guarded:1:*", config.prefix))
        .query_async(&mut connection)
        .await
        .unwrap();
    keys.retain(|key| key.contains("member-"));
    assert_eq!(keys.len(), DOCUMENTS);
    let mut same: Vec<(String, Vec<(String, String)>)> = Vec::new();
    for key in &keys {
        let hash = ::redis::cmd("HGETALL").arg(key).query_async(&mut connection).await.unwrap();
        same.push((format!("{}bare:{key}", config.prefix), hash));
    }
    let mut rates = Rates::default();
    for round in 0..=size("READMILL_STORES_ROUNDS", 5) {
        let guarded = put(&store, &whole(&mut documents), 1).await;
        let began = Instant::now();
        for some in same.chunks(PIPELINE) {
            let mut pipeline = ::redis::Pipeline::with_capacity(some.len());
            for (key, fields) in some {
                pipeline.cmd("HSET").arg(key).arg(fields).ignore();
            }
            let () = pipeline.query_async(&mut connection).await.unwrap();
        }
        if round > 0 {
            rates.add("redis", round, DOCUMENTS, guarded, began.elapsed());
        }
    }
    for some in keys.iter().chain(same.iter().map(|(key, _)| key)).collect::<Vec<_>>().chunks(500) {
        let mut unlink = ::redis::cmd("UNLINK");
        for key in some {
            unlink.arg(key.as_str());
        }
        let _: i64 = unlink.query_async(&mut connection).await.unwrap();
    }
    rates
}
