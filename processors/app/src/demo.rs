//! `demo`: the whole river on this machine alone, from a generated archive to served documents.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use futures::future::BoxFuture;
use readmill_connectors::archive::{MANIFEST, Manifest};
use readmill_connectors::embedded::EmbeddedConfig;
use readmill_connectors::registry::SubjectStrategy;
use readmill_core::digest::Digest;
use readmill_core::{Counts, Key, ReadModel};
use readmill_engine::mirror::Care;
use readmill_engine::{Fault, Limits};
use readmill_models::{ALL, Row, Visit};
use readmill_workload::{Knobs, Table};
use serde_json::{Value, json};

use crate::bars::progress;
use crate::changes::Changes;
use crate::cli::DemoArgs;
use crate::config::{
    Config, Holding, Http, Instance, Mirror, Model, REBUILD_FRESHNESS_LIMIT_MS, Reactions, Source,
    Store,
};
use crate::exit::{Exit, Failure};
use crate::out;
use crate::produce::archive;
use crate::run::{Mill, told_to_stop};

const DEFAULT_PORT: u16 = 9464;
const STALL_LIMIT: Duration = Duration::from_secs(60);
/// How many documents of each model are shown.
const SAMPLES: usize = 1;
/// Only documents that fit on a screen are shown.
const SAMPLE_LINES: usize = 50;
/// A demo runs all models, so all services have something to say.
const OTHERS_PER_MILLE: u32 = 400;
const KNOBS: &str = "workload.json";
const TICK: Duration = Duration::from_millis(100);

/// Obeys the command.
///
/// # Errors
/// When the directory cannot be used, or the address is taken.
pub async fn demo(args: DemoArgs) -> Result<Exit> {
    let knobs = args.workload.knobs(OTHERS_PER_MILLE)?;
    let place = Place::new(args.dir.as_deref())?;
    let records = generate(&place.dir, &knobs).await?;
    let mut config = configuration(&place.dir);
    config.http.listen = listen(&args);
    let mut mill = Mill::start(Arc::new(config)).await?;
    let began = Instant::now();
    let Some(counts) = fold(&mut mill, records).await? else {
        mill.stop().await?;
        return Ok(Exit::Done);
    };
    let found = look(&mill).await?;
    let report = Report { counts, found, seconds: began.elapsed().as_secs_f64() };
    out::line(if args.json { report.json(&knobs).to_string() } else { report.text() });
    if !args.exit {
        if !args.json {
            out::line(format!("\nserving on http://{}/ until stopped (Ctrl-C)", listen(&args)));
        }
        told_to_stop().await?;
    }
    mill.stop().await?;
    Ok(Exit::Done)
}

/// A demo that ends by itself takes any free port, so that several may run side by side.
fn listen(args: &DemoArgs) -> SocketAddr {
    let port = if args.exit { 0 } else { DEFAULT_PORT };
    args.listen.unwrap_or_else(|| ([127, 0, 0, 1], port).into())
}

/// The directory of the demo; one of its own is removed afterwards.
struct Place {
    dir: PathBuf,
    temporary: bool,
}

impl Place {
    fn new(dir: Option<&Path>) -> Result<Self> {
        let own = || std::env::temp_dir().join(format!("readmill-demo-{}", std::process::id()));
        let place = match dir {
            Some(dir) => Self { dir: dir.to_owned(), temporary: false },
            None => Self { dir: own(), temporary: true },
        };
        Ok(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.temporary {
            // What cannot be removed is the system's to clean up.
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}

/// Generates the archive, unless an earlier demo in this directory has; answers how many records
/// it holds.
async fn generate(dir: &Path, knobs: &Knobs) -> Result<u64> {
    let archived = dir.join("archive");
    if archived.join(MANIFEST).exists() {
        same_knobs(dir, knobs)?;
        return Ok(Manifest::read(&archived)?.records());
    }
    keep_knobs(dir, knobs)?;
    let bar = progress(knobs.events, "generated");
    let (changes, told) = (Changes::generated(knobs)?, bar.clone());
    let into = archived.clone();
    tokio::task::spawn_blocking(move || archive(&into, changes, &told)).await??;
    bar.finish_and_clear();
    Ok(Manifest::read(&archived)?.records())
}

/// An interrupted demo goes on with the workload that it began with, and with no other.
fn same_knobs(dir: &Path, knobs: &Knobs) -> Result<()> {
    let text = std::fs::read_to_string(dir.join(KNOBS)).unwrap_or_default();
    if serde_json::from_str::<Knobs>(&text).is_ok_and(|kept| kept == *knobs) {
        return Ok(());
    }
    let told = format!("{} holds a demo of another workload", dir.display());
    let hint = "give the same arguments as before, or another --dir";
    Err(Failure::new(Exit::Usage, told, hint).into())
}

fn keep_knobs(dir: &Path, knobs: &Knobs) -> Result<()> {
    let keep = || {
        std::fs::create_dir_all(dir)?;
        std::fs::write(dir.join(KNOBS), serde_json::to_vec(knobs)?)
    };
    keep().map_err(|error| {
        let told = format!("{} cannot be written: {error}", dir.display());
        Failure::new(Exit::Service, told, "name a directory with room that you may write").into()
    })
}

fn configuration(dir: &Path) -> Config {
    Config {
        instance: Instance {
            state_dir: dir.join("state"),
            stall_limit: STALL_LIMIT,
            rebuild_freshness_limit_ms: REBUILD_FRESHNESS_LIMIT_MS,
        },
        http: Http::at(([127, 0, 0, 1], 0).into()),
        source: Source::Archive { dir: dir.join("archive") },
        lanes: BTreeMap::new(),
        models: ALL.iter().map(|row| model(dir, *row)).filter(has_topics).collect(),
        connect: None,
        traces: None,
        unused: Vec::new(),
    }
}

/// Whether the workload writes anything for a model: the others have no part in a demo.
const fn has_topics(model: &Model) -> bool {
    !model.topics.is_empty()
}

/// A model as a demo in `dir` keeps it.
pub fn model(dir: &Path, row: Row) -> Model {
    let embedded = Arc::new(EmbeddedConfig::at(dir.join("store")));
    let topics = Table::of_model(row.name).map(|table| table.topic().to_owned());
    Model {
        row,
        topics: topics.collect(),
        lane_of: BTreeMap::new(),
        versions_of: BTreeMap::new(),
        subjects: SubjectStrategy::default(),
        store: Store::Embedded(Arc::clone(&embedded)),
        mirror: row.mirror.map(|_| Mirror::Embedded(Arc::clone(&embedded))),
        care: Care::default(),
        gauged: Vec::new(),
        verify_every: None,
        origin: None,
        generation: 1,
        reactions: Reactions::Embedded(embedded),
        held: Holding::default(),
        limits: Limits::default(),
    }
}

/// Folds the archive to its end; `None` when the demo was stopped before.
async fn fold(mill: &mut Mill, records: u64) -> Result<Option<Counts>> {
    let bar = progress(records, "folded");
    let served = mill.served();
    let watching = {
        let bar = bar.clone();
        tokio::spawn(async move {
            loop {
                let consumed = served.iter().map(|model| model.counts().consumed).sum();
                bar.set_position(consumed);
                tokio::time::sleep(TICK).await;
            }
        })
    };
    let counts = tokio::select! {
        counts = mill.ended() => Some(counts?),
        told = told_to_stop() => told.map(|()| None)?,
    };
    watching.abort();
    bar.finish_and_clear();
    Ok(counts)
}

/// What is found in the stores at the end.
#[derive(Debug, Default)]
struct Found {
    documents: u64,
    tombstones: u64,
    digest: Digest,
    samples: Vec<(&'static str, Key, String)>,
}

async fn look(mill: &Mill) -> Result<Found, Fault> {
    let mut found = Found::default();
    for model in &mill.process().config.models {
        let look = Look { process: mill.process().clone(), model: model.clone() };
        if let Some(looking) = readmill_models::visit(model.row.name, look) {
            let Found { documents, tombstones, digest, samples } = looking.await?;
            found.documents += documents;
            found.tombstones += tombstones;
            found.digest.merge(digest);
            found.samples.extend(samples);
        }
    }
    Ok(found)
}

struct Look {
    process: crate::wiring::Process,
    model: Model,
}

impl Visit for Look {
    type Out = BoxFuture<'static, Result<Found, Fault>>;

    fn visit<M: ReadModel>(self) -> Self::Out {
        Box::pin(async move {
            let store = self.process.services.documents::<M>(&self.model).await?;
            let mut found = Found::default();
            let mut broken = None;
            let mut visit = |key: Key, document: readmill_core::Document<M>| {
                let Some(state) = &document.state else {
                    found.tombstones += u64::from(document.stamp.gone);
                    return;
                };
                found.documents += 1;
                if let Err(error) = found.digest.add(&key, state) {
                    broken = Some(error);
                }
                let shown = serde_json::to_string_pretty(state).unwrap_or_default();
                if found.samples.len() < SAMPLES && shown.lines().count() <= SAMPLE_LINES {
                    found.samples.push((M::NAME, key, shown));
                }
            };
            store.scan(&mut visit).await?;
            match broken {
                None => Ok(found),
                Some(error) => Err(Fault::Damaged {
                    what: format!("a document of {}", M::NAME),
                    detail: error.to_string(),
                    hint: "its state cannot be written as JSON: report it",
                }),
            }
        })
    }
}

/// What a demo tells at its end.
struct Report {
    counts: Counts,
    found: Found,
    seconds: f64,
}

impl Report {
    fn per_second(&self) -> f64 {
        (self.counts.consumed as f64 / self.seconds.max(0.001)).round()
    }

    fn json(&self, knobs: &Knobs) -> Value {
        let Counts { consumed, applied, duplicate, stale, waiting, held, skipped } = self.counts;
        json!({
            "seed": knobs.seed,
            "events": consumed,
            "applied": applied,
            "duplicate": duplicate,
            "stale": stale,
            "waiting": waiting,
            "held": held,
            "skipped": skipped,
            "documents": self.found.documents,
            "tombstones": self.found.tombstones,
            "events_per_second": self.per_second(),
            "seconds": self.seconds,
            "digest": self.found.digest.to_string(),
        })
    }

    fn text(&self) -> String {
        let Counts { consumed, applied, duplicate, stale, waiting, held, skipped } = self.counts;
        let sum = if self.counts.add_up() { "they add up" } else { "THEY DO NOT ADD UP" };
        let mut text = String::new();
        for (model, key, state) in &self.found.samples {
            text += &format!("{model} {key}\n{state}\n\n");
        }
        text += &format!(
            "consumed {consumed} = applied {applied} + duplicate {duplicate} + stale {stale} \
             + waiting {waiting} + held {held} + skipped {skipped}: {sum}\n\
             documents {}, tombstones {}, digest {}\n{} events a second, in {:.1} s",
            self.found.documents,
            self.found.tombstones,
            self.found.digest,
            self.per_second(),
            self.seconds,
        );
        text
    }
}
