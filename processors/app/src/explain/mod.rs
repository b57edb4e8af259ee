//! `explain`: the events that made a document, what each changed, and the document as it was.

mod compare;
mod steps;
mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::future::BoxFuture;
use indicatif::ProgressBar;
use readmill_core::{Document, Key, Partition, Position, ReadModel};
use readmill_engine::history::{Gathered, Search, Sources, Touch, gather};
use readmill_engine::{Bounds, Fault, Metrics, Since, Until};
use readmill_models::Visit;
use serde_json::Value as Json;
use tokio::time::sleep;

use crate::bars::progress;
use crate::cli::{ExplainArgs, When};
use crate::config::{self, Config};
use crate::exit::{Exit, Failure};
use crate::get::model_of;
use crate::ports::{Opening, SystemClock};
use crate::scratch::Excerpt;
use crate::services::Services;

use compare::{Compared, Stored};
use steps::{Folding, Step};

const TICK: Duration = Duration::from_millis(100);
/// What an instance keeps of a key's records beside its work, and how much it reads for them.
const MOST_BYTES_BESIDE: u64 = 16 << 20;
const MOST_RECORDS_BESIDE: u64 = 5_000_000;

/// Obeys the command.
///
/// # Errors
/// When the log cannot be read, or has more for the key than fits into memory.
pub async fn explain(args: ExplainArgs) -> Result<Exit> {
    let config = Arc::new(Config::load(&args.config)?);
    let name = args.model.name;
    let model = model_of(&config, &args.config, name)?;
    match readmill_models::visit(name, Telling(Explaining { config, model, args, beside: None })) {
        Some(explaining) => explaining.await,
        None => Ok(Exit::Usage),
    }
}

/// Explains by an instance itself, with what it has open, and within bounds: it has other work.
///
/// # Errors
/// When the log cannot be read, or has more than an instance reads for this.
pub async fn beside(
    config: &Arc<Config>,
    model: &config::Model,
    services: &Arc<Services>,
    args: ExplainArgs,
) -> Result<Json> {
    let (config, beside) = (Arc::clone(config), Some(Arc::clone(services)));
    let explaining = Explaining { config, model: model.clone(), args, beside };
    match readmill_models::visit(model.row.name, Answering(explaining)) {
        Some(explaining) => explaining.await,
        None => Ok(Json::Null),
    }
}

/// What is to be explained, by whom.
struct Explaining {
    config: Arc<Config>,
    model: config::Model,
    args: ExplainArgs,
    /// What is open, if it is an instance that explains.
    beside: Option<Arc<Services>>,
}

/// It is told on the command line.
struct Telling(Explaining);

impl Visit for Telling {
    type Out = BoxFuture<'static, Result<Exit>>;

    fn visit<M: ReadModel>(self) -> Self::Out {
        Box::pin(async move {
            let (story, compared) = self.0.story::<M>().await?;
            Ok(self.0.tell(&story, &compared)?)
        })
    }
}

/// It is answered as JSON.
struct Answering(Explaining);

impl Visit for Answering {
    type Out = BoxFuture<'static, Result<Json>>;

    fn visit<M: ReadModel>(self) -> Self::Out {
        Box::pin(async move {
            let (story, compared) = self.0.story::<M>().await?;
            Ok(self.0.answer(&story, &compared)?)
        })
    }
}

/// What the log says of a document.
struct Story<M: ReadModel> {
    /// What was read.
    bounds: BTreeMap<Partition, Bounds>,
    /// How many records that was.
    records: u64,
    /// How many of them nobody knows the key of.
    keyless: u64,
    /// What each record did.
    steps: Vec<Step>,
    /// What comes of them.
    document: Option<Document<M>>,
}

impl Explaining {
    /// What the log says of the document, and how that compares with what is stored.
    async fn story<M: ReadModel>(&self) -> Result<(Story<M>, Compared)> {
        let services = self.beside.clone().unwrap_or_default();
        let opening = Opening { config: &self.config, model: &self.model, services: &services };
        let key = Key(self.args.key.clone());
        self.check_landmark()?;
        // Before the log: what is stored is then no younger than what is read.
        let kept = self.beside.clone().unwrap_or_default();
        let stored = Stored::<M>::load(&kept, &self.model, &key).await;
        drop(kept);
        let sources = Sources {
            script: opening.script().await?,
            clock: Arc::new(SystemClock),
            metrics: Metrics::new().context("the metrics cannot be registered")?,
        };
        let (bounds, gathered) = self.gather::<M>(opening, &sources, &key).await?;
        let touches = self.within(&gathered)?;
        let mut folding = Folding::<M>::new(&sources, &key);
        for touch in &touches {
            folding.fold(touch).await?;
        }
        let (steps, document) = folding.end();
        let compared = match self.args.as_of {
            Some(_) => Compared::NotAsked,
            None => stored.compare(&sources, &key, &touches, document.as_ref()).await?,
        };
        let Gathered { records, keyless, .. } = gathered;
        Ok((Story { bounds, records, keyless, steps, document }, compared))
    }

    fn check_landmark(&self) -> Result<(), Failure> {
        let Some(When::At(Position { partition, .. })) = &self.args.as_of else { return Ok(()) };
        if self.model.topics.iter().any(|topic| **topic == *partition.topic) {
            return Ok(());
        }
        let told = format!("{} is none of the topics of {}", partition.topic, self.args.model.name);
        let hint = format!("its topics are {}", self.model.topics.join(", "));
        Err(Failure::new(Exit::Usage, told, hint))
    }

    fn check_extent(&self, records: u64) -> Result<(), Failure> {
        if self.beside.is_none() || records <= MOST_RECORDS_BESIDE {
            return Ok(());
        }
        let told = format!("the log has {records} records: too many to read beside other work");
        let hint = "ask with since, or run `readmill explain`, which has no such limit";
        Err(Failure::new(Exit::Usage, told, hint))
    }

    /// Reads the log for the key; and again for what its document embeds, until that is all there.
    async fn gather<M: ReadModel>(
        &self,
        opening: Opening<'_>,
        sources: &Sources,
        key: &Key,
    ) -> Result<(BTreeMap<Partition, Bounds>, Gathered<M>)> {
        let mut keys = BTreeSet::from([key.clone()]);
        let mut since = match self.args.since {
            Some(since) => Since::Time(since.as_millis()),
            None => Since::Beginning,
        };
        loop {
            let excerpt = Excerpt::open(opening, since, Until::Now).await?;
            self.check_extent(excerpt.most_records())?;
            let bounds = excerpt.bounds.clone();
            let gathered = self.read::<M>(sources, excerpt, &keys).await?;
            let before = keys.len();
            keys.extend(embedded(sources, key, &gathered).await?);
            if keys.len() == before {
                return Ok((bounds, gathered));
            }
            let from = bounds.into_iter().map(|(partition, bounds)| (partition, bounds.from));
            since = Since::Places(from.collect());
        }
    }

    async fn read<M: ReadModel>(
        &self,
        sources: &Sources,
        excerpt: Excerpt,
        keys: &BTreeSet<Key>,
    ) -> Result<Gathered<M>, Fault> {
        let landmark = match &self.args.as_of {
            Some(When::At(position)) => Some(position.clone()),
            Some(When::By(_)) | None => None,
        };
        let mut search = Search { landmark, ..Search::of(keys.clone()) };
        let read = Arc::clone(&search.read);
        let bar = match &self.beside {
            Some(_) => ProgressBar::hidden(),
            None => progress(excerpt.most_records(), "read"),
        };
        if self.beside.is_some() {
            search.most_bytes = MOST_BYTES_BESIDE;
        }
        let showing = async {
            loop {
                bar.set_position(read.load(Ordering::Relaxed));
                sleep(TICK).await;
            }
        };
        let gathered = tokio::select! {
            gathered = gather::<M>(sources, excerpt.log, &search) => gathered,
            never = showing => never,
        };
        bar.finish_and_clear();
        gathered
    }

    /// What had come at the time that is asked for.
    fn within<'g, M: ReadModel>(
        &self,
        gathered: &'g Gathered<M>,
    ) -> Result<Vec<&'g Touch<M>>, Failure> {
        let all = gathered.touches.iter();
        Ok(match &self.args.as_of {
            None => all.collect(),
            Some(When::By(time)) => {
                all.take_while(|touch| touch.came_ms <= time.as_millis()).collect()
            }
            Some(When::At(position)) => {
                let Some(came_ms) = gathered.landmark_ms else {
                    let told = format!("nothing was read of {} up to there", position.partition);
                    let hint = "name a record that the log still has, or leave out --since";
                    return Err(Failure::new(Exit::NotFound, told, hint));
                };
                let place = (came_ms, position);
                all.take_while(|touch| (touch.came_ms, &touch.part.from) <= place).collect()
            }
        })
    }
}

/// The keys of all documents that one embeds at any time.
async fn embedded<M: ReadModel>(
    sources: &Sources,
    key: &Key,
    gathered: &Gathered<M>,
) -> Result<BTreeSet<Key>, Fault> {
    if !M::EMBEDS {
        return Ok(BTreeSet::new());
    }
    let mut folding = Folding::<M>::new(sources, key);
    for touch in &gathered.touches {
        folding.fold(touch).await?;
    }
    Ok(folding.embedded)
}
