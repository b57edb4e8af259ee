//! What measuring costs on the hot path: the same records through the river, with metrics and with
//! none, in turns. Documents are in memory, so that no store hides it. Run it by
//! `tools/bench-overhead`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark")]
#![allow(clippy::print_stdout, reason = "its figures")]

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use async_trait::async_trait;
use readmill_core::rollup::Partials;
use readmill_core::{Offset, Partition, Position, Record};
use readmill_engine::feed::feed;
use readmill_engine::patience::Patience;
use readmill_engine::river::River;
use readmill_engine::shelf::{NoneHeld, Shelf};
use readmill_engine::{
    Changes, Clock, Fault, Forgetting, Limits, Memory, Metrics, Only, Ports, Pulse, SchemaBook,
    Script, Side, Silent, Tally, VersionsOf, Watch, Word,
};
use readmill_models::Points;
use readmill_schemas::SchemaId;
use readmill_schemas::writer::WriterSchema;
use readmill_workload::{Knobs, Source, Table, Wire, written_schemas};
use tokio::sync::watch;

const MEMBERS: u32 = 20_000;
const BATCH: usize = 1_000;
/// The rounds before these are for caches of the machine.
const WARM_UP: usize = 2;

fn size(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

/// Schemas in memory, under the numbers of their places.
#[derive(Debug)]
struct Book(BTreeMap<SchemaId, Arc<WriterSchema>>);

#[async_trait]
impl SchemaBook for Book {
    async fn schema(&self, id: SchemaId) -> Result<Arc<WriterSchema>, Fault> {
        self.0.get(&id).cloned().ok_or(Fault::UnknownSchema { id: id.0 })
    }
}

#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now_ms(&self) -> i64 {
        1_800_000_000_000
    }
}

fn partition() -> Partition {
    Partition::new("bench.points_outbox", 0)
}

/// The records of a partition, in batches.
fn batches(wire: &Wire, events: u64) -> Vec<Vec<Record>> {
    let knobs = Knobs {
        events,
        members: MEMBERS,
        deliveries_per_mille: 0,
        others_per_mille: 0,
        early_per_mille: 0,
        ..Knobs::default()
    };
    let rows = Source::new(knobs).unwrap().filter(|row| row.table == Table::Points);
    let records: Vec<Record> = rows
        .zip(0..)
        .map(|(row, offset)| {
            let (key, value) = wire.record(&row);
            let position = Position { partition: partition(), offset: Offset(offset) };
            let (key, value) = (Some(key), Some(value));
            Record { position, timestamp_ms: 0, key, value, headers: Vec::new() }
        })
        .collect();
    records.chunks(BATCH).map(<[Record]>::to_vec).collect()
}

fn ports(book: &Arc<Book>, metrics: &Metrics) -> Ports<Points> {
    Ports {
        script: Script {
            schemas: Arc::clone(book) as _,
            versions_of: VersionsOf::default(),
            forgotten: Forgetting::nobody(),
            only: Only::default(),
        },
        store: Arc::new(Shelf::<Points>::default()),
        held: Arc::new(NoneHeld),
        outlet: Arc::new(Silent),
        word: Word::alone(),
        mirror: None,
        memory: Memory::default(),
        side: Side { partials: Some(Arc::new(Shelf::<Partials>::default())), edges: None },
        clock: Arc::new(Still),
        metrics: metrics.clone(),
        changes: Changes::default(),
    }
}

/// The processor time of this thread, in nanoseconds: others on the machine do not count.
fn spent() -> u64 {
    let told = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    told.split(' ').next().unwrap().parse().unwrap()
}

/// Folds everything into nothing. Answers the nanoseconds of an event.
async fn fold(book: &Arc<Book>, batches: &[Vec<Record>], metrics: Metrics) -> f64 {
    let ports = Arc::new(ports(book, &metrics));
    let (_close, closing) = watch::channel(false);
    let tally = Tally::new("points", metrics.clone());
    let patience = Patience::new(closing.clone(), metrics.clone(), "points");
    let watch = Watch::new(tally.clone(), Pulse::default(), closing);
    let mut river = River::new(ports, &partition(), Limits::default(), &watch, patience);
    let (line, feed) = feed(partition(), batches.len());
    let mut feed = feed.in_lane(Some("live"));
    for batch in batches {
        line.batches.send(batch.clone()).await.unwrap();
    }
    drop(line);
    let began = spent();
    river.flow(&mut feed).await.unwrap();
    let took = spent() - began;
    let (counts, events) = (tally.counts(), batches.iter().map(Vec::len).sum::<usize>());
    assert_eq!(counts.applied, events as u64, "{counts:?}");
    took as f64 / events as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let schemas = written_schemas();
    let numbered = schemas
        .iter()
        .zip(0..)
        .map(|(schema, id)| (SchemaId(id), Arc::new(WriterSchema::parse(&schema.text).unwrap())));
    let book = Arc::new(Book(numbered.collect()));
    let id = |name: &str| {
        let at = schemas.iter().position(|schema| schema.name == name)?;
        Some(SchemaId(u32::try_from(at).ok()?))
    };
    let wire = Wire::new(&id).unwrap();
    let batches = batches(&wire, size("READMILL_OVERHEAD_EVENTS", 200_000));
    let rounds = usize::try_from(size("READMILL_OVERHEAD_ROUNDS", 21)).unwrap();
    let (mut with, mut without, mut pairs) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds + WARM_UP {
        // Whoever goes first in a pair does so in every other one.
        let mut pair = [0.0; 2];
        for turn in 0..2 {
            let measured = (round + turn) % 2;
            let metrics = if measured == 1 { Metrics::new().unwrap() } else { Metrics::off() };
            pair[measured] = fold(&book, &batches, metrics).await;
        }
        if round >= WARM_UP {
            without.push(pair[0]);
            with.push(pair[1]);
            pairs.push(pair[1] / pair[0]);
        }
    }
    let overhead = (median(pairs) - 1.0) * 100.0;
    println!("without metrics  {:7.0} ns of processor time an event", median(without));
    println!("with metrics     {:7.0} ns", median(with));
    println!("metrics_overhead={overhead:.2}% rounds={rounds}");
}
