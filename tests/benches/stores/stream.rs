//! A stream in which each key has many events, folded together and one event a write.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use readmill_connectors::mongo::{Mongo, MongoConfig};
use readmill_core::{Offset, Partition, Position, Record};
use readmill_engine::feed::feed;
use readmill_engine::patience::Patience;
use readmill_engine::river::River;
use readmill_engine::{
    Changes, Clock, Fault, Forgetting, Limits, Memory, Metrics, Only, Outlet, Ports, Pulse, Said,
    SchemaBook, Script, Side, Tally, VersionsOf, Watch, Word,
};
use readmill_models::Points;
use readmill_schemas::SchemaId;
use readmill_schemas::writer::WriterSchema;
use readmill_workload::{Knobs, Source, SourceRow, Wire, written_schemas};
use tokio::sync::watch;

use super::lab::{Wall, size};
use super::paths::stack;
use super::servers::name;

const MEMBERS: u32 = 256;
const EVENTS_PER_MEMBER: u64 = 100;

/// Events a second, round by round.
#[derive(Default)]
pub struct Rates {
    pub coalesced: Vec<f64>,
    pub one_per_event: Vec<f64>,
}

/// Schemas in memory, under the numbers of their places.
#[derive(Debug)]
struct Book(Vec<Arc<WriterSchema>>);

#[async_trait]
impl SchemaBook for Book {
    async fn schema(&self, id: SchemaId) -> Result<Arc<WriterSchema>, Fault> {
        let found = usize::try_from(id.0).ok().and_then(|at| self.0.get(at));
        found.cloned().ok_or(Fault::UnknownSchema { id: id.0 })
    }
}

#[derive(Debug)]
struct Nobody;

#[async_trait]
impl Outlet for Nobody {
    async fn send(&self, _: &[Said]) -> Result<(), Fault> {
        Ok(())
    }
}

/// The records of a partition, in waves: each has one event of every key that has one left.
fn waves(wire: &Wire) -> Vec<Vec<Record>> {
    let knobs = Knobs {
        events: u64::from(MEMBERS) * EVENTS_PER_MEMBER,
        members: MEMBERS,
        skew_per_mille: 0,
        deliveries_per_mille: 0,
        early_per_mille: 0,
        ..Knobs::default()
    };
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut waves: Vec<Vec<SourceRow>> = Vec::new();
    for row in Source::new(knobs).unwrap() {
        let wave = seen.entry(row.aggregate_id.clone()).or_default();
        if waves.len() <= *wave {
            waves.push(Vec::new());
        }
        waves[*wave].push(row);
        *wave += 1;
    }
    let mut offset = 0;
    let mut record = |row: &SourceRow| {
        let (key, value) = wire.record(row);
        let position = Position { partition: partition(), offset: Offset(offset) };
        offset += 1;
        let (key, value, headers) = (Some(key), Some(value), Vec::new());
        Record { position, timestamp_ms: 0, key, value, headers }
    };
    waves.iter().map(|rows| rows.iter().map(&mut record).collect()).collect()
}

fn partition() -> Partition {
    Partition::new("stream", 0)
}

/// In turns: as the river takes them, and each wave only when the one before is settled, so that
/// every event is a write of its own, though many are written together.
pub async fn coalescing() -> Rates {
    let schemas = written_schemas();
    let book = schemas.iter().map(|schema| Arc::new(WriterSchema::parse(&schema.text).unwrap()));
    let book = Arc::new(Book(book.collect()));
    let id = |name: &str| {
        let at = schemas.iter().position(|schema| schema.name == name)?;
        Some(SchemaId(u32::try_from(at).ok()?))
    };
    let waves = waves(&Wire::new(&id).unwrap());
    let events = waves.iter().map(Vec::len).sum::<usize>();
    let all = Limits::default();
    let one = Limits { batch_records: 1, open_records_per_partition: 1, ..all };
    let mut rates = Rates::default();
    for round in 1..=size("READMILL_STORES_ROUNDS", 5) {
        for (name, limits, taken) in [
            ("coalesced", all, &mut rates.coalesced),
            ("one a write", one, &mut rates.one_per_event),
        ] {
            let (rate, written) = fold(&book, &waves, limits).await;
            println!(
                "  round {round} stream {name:11} {rate:7.0} events/s, {written} writes of {events}"
            );
            taken.push(rate);
        }
    }
    rates
}

/// Folds the stream into an empty store. Answers how fast, and how many documents were written.
async fn fold(book: &Arc<Book>, waves: &[Vec<Record>], limits: Limits) -> (f64, u64) {
    let mut config = MongoConfig::at(stack("MONGO_URI"));
    config.database = name();
    let mongo = Mongo::connect(&config).await.unwrap();
    let metrics = Metrics::new().unwrap();
    let partials = mongo.documents("points.partials", 1).await.unwrap();
    let ports = Arc::new(Ports::<Points> {
        script: Script {
            schemas: Arc::clone(book) as _,
            versions_of: VersionsOf::default(),
            forgotten: Forgetting::nobody(),
            only: Only::default(),
        },
        store: Arc::new(mongo.documents("points", 1).await.unwrap()),
        held: Arc::new(mongo.held().await.unwrap()),
        outlet: Arc::new(Nobody),
        word: Word::alone(),
        mirror: None,
        memory: Memory::default(),
        side: Side { partials: Some(Arc::new(partials)), edges: None },
        clock: Arc::new(Wall) as Arc<dyn Clock>,
        metrics: metrics.clone(),
        changes: Changes::default(),
    });
    let (_close, closing) = watch::channel(false);
    let tally = Tally::new("points", metrics.clone());
    let patience = Patience::new(closing.clone(), metrics.clone(), "points");
    let watch = Watch::new(tally.clone(), Pulse::default(), closing);
    let mut river = River::<Points>::new(ports, &partition(), limits, &watch, patience);
    let (line, mut feed) = feed(partition(), waves.len());
    for wave in waves {
        line.batches.send(wave.clone()).await.unwrap();
    }
    drop(line);
    let began = Instant::now();
    river.flow(&mut feed).await.unwrap();
    let took = began.elapsed();
    let counts = tally.counts();
    let events: usize = waves.iter().map(Vec::len).sum();
    assert_eq!(counts.applied as usize, events, "{counts:?}");
    let text = metrics.render().unwrap();
    let series = "readmill_written_total{model=\"points\"} ";
    let written = text.lines().find_map(|line| line.strip_prefix(series));
    drop(river);
    let client = mongodb::Client::with_uri_str(&config.uri).await.unwrap();
    client.database(&config.database).drop().await.unwrap();
    (events as f64 / took.as_secs_f64(), written.map_or(0, |n| n.parse().unwrap()))
}
