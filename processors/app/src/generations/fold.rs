//! One generation of a model while this process folds it.

use std::convert::Infallible;
use std::sync::Arc;

use readmill_connectors::archive::{ArchiveConfig, ArchiveLog};
use readmill_connectors::kafka::{KafkaConfig, KafkaLog, Membership};
use readmill_connectors::registry::Warmth;
use readmill_core::{Counts, ReadModel};
use readmill_engine::held_apart::name_of;
use readmill_engine::leave::GivesLeave;
use readmill_engine::roster::{Roster, Works};
use readmill_engine::{
    Fault, Forgetting, LaneRule, Leave, Log, Meter, Metrics, Pulse, Reached, RollupGauges, Rollups,
    Tally, Watch, Word,
};
use readmill_schemas::Events as _;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::face::Shown;
use super::reach::Reach;
use super::rebuilds::{Standing, State};
use crate::config;
use crate::ports::{Bound, Opening};
use crate::reconcile::Reconciler;
use crate::schemas;
use crate::verify::Witness;
use crate::wiring::{Process, position_dir};

/// The lane of topics that are in none, while another generation is folded beside.
pub const LIVE_LANE: &str = "live";
/// The lane of all topics of generations that readers do not see.
pub const REBUILD_LANE: &str = "rebuild";
/// Of a hundred turns so many are a rebuild's own, however much the live streams have to do: what
/// comes all the time would keep it from ever catching up.
const REBUILD_SHARE_PERCENT: u32 = 100;

/// Whether readers see what is folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// They do: its metrics are the model's, and others hear of what it holds.
    Live,
    /// They do not: it gives way to those that they see.
    Beside,
}

/// A generation that is being folded.
#[derive(Debug)]
pub struct Fold<M: ReadModel> {
    /// Its role.
    pub role: Role,
    /// What readers would see of it.
    pub shown: Shown<M>,
    /// Its counts.
    pub tally: Tally,
    /// How it ended, once it has.
    pub ended: Option<Result<(), String>>,
    /// Where it is measured.
    pub metrics: Metrics,
    leave: GivesLeave,
    reached: Reached,
    stop: watch::Sender<bool>,
}

/// The work of a generation, until it ends.
pub type Work = JoinHandle<Result<Counts, Fault>>;

/// A generation that is to be folded.
#[derive(Debug)]
pub struct Begin<'a> {
    /// What all models share.
    pub process: &'a Process,
    /// The model with the generation's number.
    pub model: &'a config::Model,
    /// Its role.
    pub role: Role,
    /// The roster, as it is from now on.
    pub roster: watch::Receiver<Arc<Roster>>,
    /// Who is forgotten, as it is from now on.
    pub forgotten: Forgetting,
}

impl Begin<'_> {
    /// Begins to fold it. It takes nothing in until it is given leave.
    ///
    /// # Errors
    /// What a service refuses.
    pub async fn begin<M: ReadModel>(self) -> Result<(Fold<M>, Work), Fault> {
        let Process { config, services, metrics, pulse, .. } = self.process;
        let (metrics, pulse, bound) = match self.role {
            Role::Live => (metrics.clone(), pulse.clone(), Bound::AsConfigured),
            Role::Beside => (aside()?, Pulse::default(), Bound::Unheard),
        };
        let generation = self.model.generation;
        let opening = Opening { config, model: self.model, services };
        let held = opening.held(bound).await?;
        let word = Word::of(generation, self.roster.clone());
        let script = opening.script_without(self.forgotten.clone()).await?;
        let ports = opening.ports::<M>(held, word, script, metrics.clone()).await?;
        self.warm_up::<M>().await?;
        let rollups = Rollups::of::<M>(ports.side.partials.clone());
        let tally = Tally::new(M::NAME, metrics.clone());
        let (stop, stopping) = watch::channel(false);
        let (leave, given) = Leave::given_by_another();
        let reached = Reached::default();
        let shown = Shown {
            generation,
            store: Arc::clone(&ports.store),
            rollups,
            changes: ports.changes.clone(),
            reach: Reach::of(Arc::clone(config), self.model.clone(), reached.clone()),
        };
        let watch = Watch {
            tally: tally.clone(),
            pulse: pulse.clone(),
            stop: stopping,
            reached: reached.clone(),
            leave: given.clone(),
        };
        let log = self.log::<M>(&tally, metrics.clone(), (pulse, given)).await?;
        let gauges = self.gauges::<M>(&shown.rollups, metrics.clone());
        let witness = self.witness(metrics.clone(), stop.subscribe());
        let reconciler = self.reconciler(metrics.clone(), stop.subscribe());
        let running = readmill_engine::run(Arc::new(ports), log, self.model.limits, watch);
        let work = tokio::spawn(async move {
            tokio::select! {
                result = running => result,
                never = gauges.watch() => match never {},
                never = watched::<M>(witness) => match never {},
                never = reconciled::<M>(reconciler) => match never {},
            }
        });
        let role = self.role;
        Ok((Fold { role, shown, tally, ended: None, metrics, leave, reached, stop }, work))
    }

    /// Whoever compares the documents with a second fold, if anyone is to.
    fn witness(&self, metrics: Metrics, stop: watch::Receiver<bool>) -> Option<Witness> {
        let every = self.model.verify_every.filter(|_| self.role == Role::Live)?;
        let Process { config, services, .. } = self.process;
        Some(Witness {
            config: Arc::clone(config),
            model: self.model.clone(),
            services: Arc::clone(services),
            metrics,
            every,
            stop,
        })
    }

    /// Whoever compares the documents with their origin, if anyone is to.
    fn reconciler(&self, metrics: Metrics, stop: watch::Receiver<bool>) -> Option<Reconciler> {
        let origin = self.model.origin.clone().filter(|_| self.role == Role::Live)?;
        let Process { config, services, .. } = self.process;
        Some(Reconciler {
            config: Arc::clone(config),
            model: self.model.clone(),
            services: Arc::clone(services),
            metrics,
            every: origin.every?,
            origin,
            stop,
        })
    }

    fn gauges<M: ReadModel>(&self, rollups: &Rollups, metrics: Metrics) -> RollupGauges {
        let gauged = match self.role {
            Role::Live => self.model.gauged.clone(),
            Role::Beside => Vec::new(),
        };
        RollupGauges { model: M::NAME, rollups: rollups.clone(), gauged, metrics }
    }

    /// Fetches what the first records will need; if that fails, they ask for it themselves.
    async fn warm_up<M: ReadModel>(&self) -> Result<(), Fault> {
        let config::Source::Kafka { registry, .. } = &self.process.config.source else {
            return Ok(());
        };
        if registry.warm_up_limit_ms == 0 {
            return Ok(());
        }
        let book = self.process.services.registry(registry).await?;
        let subjects = schemas::subjects(self.model, M::Event::CONTRACTS);
        let Warmth { subjects, ready, first_failure, took } = book.warm_up(&subjects).await;
        let (ms, because) = (took.as_millis(), first_failure.as_deref());
        tracing::info!(model = M::NAME, ready, subjects, ms, because, "schemas fetched");
        Ok(())
    }

    async fn log<M: ReadModel>(
        &self,
        tally: &Tally,
        metrics: Metrics,
        (pulse, leave): (Pulse, Leave),
    ) -> Result<Box<dyn Log>, Fault> {
        match &self.process.config.source {
            config::Source::Kafka { kafka, .. } => {
                let membership = self.membership::<M>(kafka, tally, metrics, (pulse, leave));
                Ok(Box::new(join(Arc::clone(kafka), membership).await?))
            }
            config::Source::Archive { dir } => {
                let place = position_dir(&self.process.config.instance.state_dir, self.model);
                let archive = ArchiveConfig {
                    dir: dir.clone(),
                    state_dir: place,
                    topics: self.model.topics.clone(),
                };
                Ok(Box::new(ArchiveLog::open(&archive)?))
            }
        }
    }

    fn membership<M: ReadModel>(
        &self,
        kafka: &KafkaConfig,
        tally: &Tally,
        metrics: Metrics,
        (pulse, leave): (Pulse, Leave),
    ) -> Membership {
        let lanes = &self.process.lanes;
        let mut lane_of = self.model.lane_of.clone();
        let (name, default) = match self.role {
            Role::Live => (M::NAME, LIVE_LANE),
            Role::Beside => {
                lanes.ensure(LIVE_LANE, LaneRule::default());
                let priority = lanes.last_priority().saturating_add(1);
                let least_share_percent = REBUILD_SHARE_PERCENT;
                let limit_ms = self.process.config.instance.rebuild_freshness_limit_ms;
                let freshness_limit_ms = Some(limit_ms);
                let rule = LaneRule {
                    priority,
                    least_share_percent,
                    freshness_limit_ms,
                    ..LaneRule::default()
                };
                lanes.ensure(REBUILD_LANE, rule);
                lane_of.clear();
                (name_of(M::NAME, self.model.generation), REBUILD_LANE)
            }
        };
        for topic in &self.model.topics {
            lane_of.entry(topic.clone()).or_insert_with(|| default.to_owned());
        }
        Membership {
            model: name,
            group: self.model.group(kafka),
            topics: self.model.topics.clone(),
            lane_of,
            lanes: lanes.clone(),
            leave,
            tally: tally.clone(),
            metrics,
            pulse,
        }
    }
}

async fn watched<M: ReadModel>(witness: Option<Witness>) -> Infallible {
    match witness {
        Some(witness) => witness.watch::<M>().await,
        None => std::future::pending().await,
    }
}

async fn reconciled<M: ReadModel>(reconciler: Option<Reconciler>) -> Infallible {
    match reconciler {
        Some(reconciler) => reconciler.watch::<M>().await,
        None => std::future::pending().await,
    }
}

async fn join(kafka: Arc<KafkaConfig>, membership: Membership) -> Result<KafkaLog, Fault> {
    let join = move || KafkaLog::join(&kafka, membership);
    // Joining asks for the topics first, and that blocks.
    tokio::task::spawn_blocking(join)
        .await
        .unwrap_or_else(|error| Err(Fault::defect("joining a group", &error)))
}

/// Metrics that nobody is shown.
fn aside() -> Result<Metrics, Fault> {
    Metrics::new().map_err(|error| Fault::defect("the metrics of a rebuild", &error))
}

impl<M: ReadModel> Fold<M> {
    /// Gives it leave to take records in, or takes that back.
    pub fn let_go_on(&self, goes_on: bool, life: std::time::Duration) {
        if goes_on { self.leave.give(life) } else { self.leave.take_back() }
    }

    /// Asks it to end, with what is in hand settled.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// How it stands, for metrics.
    pub fn standing(&self, rests: bool) -> Standing {
        let state = match &self.ended {
            Some(Err(_)) => State::Failed,
            Some(Ok(())) => State::Ended,
            None if rests => State::Resting,
            None => State::Folding,
        };
        let left = self.metrics.total(Meter::LagRecords);
        Standing { state, done: self.tally.counts().consumed, left }
    }

    /// How it stands, for others to see.
    pub fn works(&self, goes_on: bool) -> Works {
        let places = self.reached.places();
        Works {
            generation: self.shown.generation,
            rests: !goes_on && self.reached.rests(),
            places: places.into_iter().map(|(partition, at)| (partition, at.value())).collect(),
            share_percent: None,
            failed: self.ended.clone().and_then(Result::err),
        }
    }
}
