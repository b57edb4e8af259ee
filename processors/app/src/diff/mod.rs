//! `diff`: what this binary's fold would make of the log, held against the stored documents.

mod judge;
mod pairs;
mod report;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use futures::future::BoxFuture;
use readmill_core::{Key, Partition, ReadModel, ResumeAt};
use readmill_engine::history::{Search, Sources, gather};
use readmill_engine::{Clock as _, Fault, Held, HeldRecord, Only, Ports, Since, Store, Until};
use readmill_models::Visit;
use tokio::time::sleep;

use crate::bars::progress;
use crate::cli::DiffArgs;
use crate::config::{self, Config};
use crate::exit::Exit;
use crate::get::model_of;
use crate::ports::{Opening, SystemClock};
use crate::scratch::{Excerpt, Folded, Scratch};
use crate::services::Services;
use crate::standing::Standing;

use judge::{Judge, Verdict};
use pairs::Pairs;
use report::Report;

/// What has moved on while it was compared is folded further so many times.
const ROUNDS: usize = 3;
/// What is written is settled, and its offset committed, within about this time.
const SETTLE_LIMIT: Duration = Duration::from_secs(1);
/// Behind the last record there may be so many ends of transactions.
const MOST_MARKERS: u64 = 10_000;
const MS_OF_HOUR: i64 = 3_600_000;

/// Obeys the command.
///
/// # Errors
/// When the log or the store does not answer or refuses.
pub async fn diff(args: DiffArgs) -> Result<Exit> {
    let config = Config::load(&args.config)?;
    let name = args.model.name;
    let mut model = model_of(&config, &args.config, name)?;
    if let Some(generation) = args.against {
        model.generation = generation;
    }
    match readmill_models::visit(name, Rehearsal { config, model, args }) {
        Some(rehearsal) => rehearsal.await,
        None => Ok(Exit::Usage),
    }
}

struct Rehearsal {
    config: Config,
    model: config::Model,
    args: DiffArgs,
}

impl Visit for Rehearsal {
    type Out = BoxFuture<'static, Result<Exit>>;

    fn visit<M: ReadModel>(mut self) -> Self::Out {
        Box::pin(async move {
            let services = Services::default();
            if self.args.against.is_none() {
                self.model = services.live_or_first(&self.model).await;
            }
            self.rehearse::<M>(services).await
        })
    }
}

impl Rehearsal {
    async fn rehearse<M: ReadModel>(&self, services: Services) -> Result<Exit> {
        let opening = Opening { config: &self.config, model: &self.model, services: &services };
        let stored = services.documents::<M>(&self.model).await?;
        let dir = self.args.dir.as_deref().unwrap_or(&self.config.instance.state_dir);
        let scratch = Scratch::<M>::open(opening, dir, Only::default()).await?;
        let settled = self.settled().await?;
        let first = self.fold(opening, &scratch, self.since(), settled).await?;
        let whole = first.bounds.values().all(|bounds| bounds.from == ResumeAt::START);
        let mut report = Report::new(self.args.examples, whole);
        report.counts = first.counts;
        let mut ends = ends(&first);
        let mut moved = compare(&stored, &scratch, whole, &mut report).await?;
        for _ in 0..ROUNDS {
            if moved.is_empty() {
                break;
            }
            sleep(SETTLE_LIMIT).await;
            let since = Since::Places(ends.clone());
            let more = self.fold(opening, &scratch, since, self.settled().await?).await?;
            report.counts.add(more.counts);
            ends.extend(self::ends(&more));
            let again = Again { opening, stored: &stored, scratch: &scratch, ends: &ends, whole };
            moved = again.compare(moved, &mut report).await?;
        }
        report.moved_on += moved.len() as u64;
        let mut count = |held: HeldRecord| report.note_held(&held.reason);
        scratch.ports.held.visit(M::NAME, &Held::All, &mut count).await?;
        report.tell(M::NAME, self.args.json);
        Ok(if report.differs() { Exit::Differs } else { Exit::Done })
    }

    fn since(&self) -> Since {
        let hours =
            self.args.hours.map(|hours| SystemClock.now_ms() - i64::from(hours) * MS_OF_HOUR);
        let from = self.args.from.map(|from| from.as_millis());
        hours.or(from).map_or(Since::Beginning, Since::Time)
    }

    /// How far the stored documents are settled: further is not folded, so that what is not stored
    /// is not merely late.
    async fn settled(&self) -> Result<BTreeMap<Partition, ResumeAt>, Fault> {
        Standing::of(&self.config, &self.model)?.settled().await
    }

    async fn fold<M: ReadModel>(
        &self,
        opening: Opening<'_>,
        scratch: &Scratch<M>,
        since: Since,
        settled: BTreeMap<Partition, ResumeAt>,
    ) -> Result<Folded> {
        let excerpt = Excerpt::open(opening, since, Until::Places(settled)).await?;
        let bar = progress(excerpt.most_records(), "folded");
        let folded = scratch.fold(excerpt, &bar).await;
        bar.finish_and_clear();
        Ok(folded?)
    }
}

/// Where a fold has ended.
fn ends(folded: &Folded) -> BTreeMap<Partition, ResumeAt> {
    folded.bounds.iter().map(|(partition, bounds)| (partition.clone(), bounds.to)).collect()
}

/// Compares all documents, key by key. Answers the keys that have moved on meanwhile.
async fn compare<M: ReadModel>(
    stored: &Arc<dyn Store<M>>,
    scratch: &Scratch<M>,
    whole: bool,
    report: &mut Report,
) -> Result<Vec<Key>, Fault> {
    let judge = Judge { whole, quiet: false };
    let mut pairs = Pairs::new(&**stored, &*scratch.ports.store);
    let mut moved = Vec::new();
    let bar = progress(0, "compared");
    while let Some((key, stored, folded)) = pairs.next().await? {
        bar.inc_length(1);
        bar.inc(1);
        let verdict = judge.judge(stored.as_ref(), folded.as_ref())?;
        if verdict == Verdict::MovedOn && moved.len() < report::MOST_MOVED {
            moved.push(key);
        } else {
            report.note(&key, verdict);
        }
    }
    bar.finish_and_clear();
    Ok(moved)
}

/// A second look.
struct Again<'a, M: ReadModel> {
    opening: Opening<'a>,
    stored: &'a Arc<dyn Store<M>>,
    scratch: &'a Scratch<M>,
    ends: &'a BTreeMap<Partition, ResumeAt>,
    whole: bool,
}

impl<M: ReadModel> Again<'_, M> {
    /// Compares those again that had moved on. Answers those that still have, as far as anybody
    /// can tell.
    async fn compare(&self, keys: Vec<Key>, report: &mut Report) -> Result<Vec<Key>, Fault> {
        let (mut moved, mut quiet) = (Vec::new(), true);
        for keys in keys.chunks(pairs::PAGE_DOCUMENTS) {
            let stored = self.stored.load(keys).await?;
            let folded = self.scratch.ports.store.load(keys).await?;
            // Afterwards: what comes later is in none of them.
            quiet = quiet && self.is_exhausted().await?;
            let judge = Judge { whole: self.whole, quiet };
            for (key, (stored, folded)) in keys.iter().zip(stored.iter().zip(&folded)) {
                let verdict = judge.judge(stored.as_ref(), folded.as_ref())?;
                if verdict == Verdict::MovedOn {
                    moved.push(key.clone());
                } else {
                    report.note(key, verdict);
                }
            }
        }
        Ok(moved)
    }

    /// Whether the log has no record that was not folded. What stands behind its last one may be
    /// the end of a transaction.
    async fn is_exhausted(&self) -> Result<bool, Fault> {
        let since = Since::Places(self.ends.clone());
        let rest = Excerpt::open(self.opening, since, Until::Now).await?;
        if rest.most_records() > MOST_MARKERS {
            return Ok(false);
        }
        let search = Search::of(BTreeSet::new());
        let rest = gather::<M>(&sources(&self.scratch.ports), rest.log, &search).await?;
        Ok(rest.records == 0)
    }
}

fn sources<M: ReadModel>(ports: &Ports<M>) -> Sources {
    Sources {
        script: ports.script.clone(),
        clock: Arc::clone(&ports.clock),
        metrics: ports.metrics.clone(),
    }
}
