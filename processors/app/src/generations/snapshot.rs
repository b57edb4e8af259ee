//! A generation that begins with what stands in its origin's tables: its log from now on, and a
//! snapshot of the tables that their connector reads into the same log.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use futures::future::BoxFuture;
use readmill_connectors::kafka::GroupPositions;
use readmill_connectors::origin::Signals;
use readmill_core::ReadModel;
use readmill_engine::Metrics;
use readmill_engine::verify::Summary;
use readmill_models::Visit;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::config::{self, Config, Source};
use crate::exit::{Exit, Failure};
use crate::reconcile::{Reconciler, tables};
use crate::services::Services;
use crate::standing::Group;

/// The tables are compared again after so long; each time after twice as long, up to a minute.
const LOOK_AFTER: Duration = Duration::from_secs(2);
const LOOK_AFTER_AT_MOST: Duration = Duration::from_secs(60);

/// The origin of a model whose tables can be read again.
///
/// # Errors
/// When the model is of no tables, or nobody says how their connector is told.
pub fn origin(config: &Config, model: &config::Model) -> Result<config::Origin, Failure> {
    let name = model.row.name;
    let refused = |told: String, hint: &str| Err(Failure::new(Exit::Usage, told, hint));
    if !model.row.replicates {
        let told = format!("{name} is no replica of tables");
        let hint = "of an outbox that is keyed by its aggregates a snapshot sends the last row of \
                    each alone (signals-lose-rows): read it again with a connector of its own";
        return refused(told, hint);
    }
    if matches!(config.source, Source::Archive { .. }) {
        let told = "an archive has no connector".to_owned();
        return refused(told, "rebuild it from its beginning");
    }
    match &model.origin {
        Some(origin) if origin.query.is_none() && origin.rest.is_none() => Ok(origin.clone()),
        Some(_) | None => {
            let told = format!("nobody says where the tables of {name} are");
            refused(told, "set origin_url and origin_signals in the model's stanza")
        }
    }
}

/// Lets the generation's log begin where it ends now, and then asks for the tables to be read: what
/// is committed from then on is in the log, and what was committed before is in the tables. Done
/// again after a crash, it goes on with what was begun.
///
/// # Errors
/// When the brokers or the database do not answer or refuse.
pub async fn begin(config: &Config, model: &config::Model, id: &str) -> Result<()> {
    let origin = origin(config, model)?;
    let Source::Kafka { kafka, .. } = &config.source else { return Ok(()) };
    let signals = Signals::open(&origin.url, &origin.signals).await?;
    let tables = readmill_models::visit(model.row.name, Tables).transpose()?.unwrap_or_default();
    let begin = |positions: &GroupPositions| {
        let bounds = positions.bounds()?;
        let settled = positions.settled_within(&bounds)?;
        let has_begun = bounds.iter().any(|(partition, bounds)| {
            settled.get(partition).is_some_and(|settled| *settled > bounds.from)
        });
        if has_begun {
            // What was read since belongs to it.
            return Ok(());
        }
        positions.commit(&bounds.into_iter().map(|(partition, b)| (partition, b.to)).collect())
    };
    Group::of(kafka, model)?.ask(begin).await?;
    Ok(signals.ask_for_snapshot(id, &tables).await?)
}

/// The names of a model's tables.
struct Tables;

impl Visit for Tables {
    type Out = Result<Vec<String>>;

    fn visit<M: ReadModel>(self) -> Self::Out {
        tables::<M>()
    }
}

/// A generation that is to come to what its origin's tables say.
pub struct Filling<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The model with the generation's number.
    pub model: &'a config::Model,
    /// So long it may take.
    pub limit: Duration,
    /// Whoever is told how far it is.
    pub told: &'a (dyn Fn(&Summary) + Send + Sync),
}

impl<'a> Visit for Filling<'a> {
    type Out = BoxFuture<'a, Result<Summary>>;

    fn visit<M: ReadModel>(self) -> Self::Out {
        Box::pin(async move { self.wait::<M>().await })
    }
}

impl Filling<'_> {
    /// Waits until every row of the tables is in it, and nothing else: no connector says when a
    /// snapshot has ended, so the tables themselves are asked.
    async fn wait<M: ReadModel>(&self) -> Result<Summary> {
        let (_open, stop) = watch::channel(false);
        let reconciler = Reconciler {
            origin: origin(self.config, self.model)?,
            config: Arc::new(self.config.clone()),
            model: self.model.clone(),
            services: Arc::new(Services::default()),
            metrics: Metrics::new()?,
            every: LOOK_AFTER,
            stop,
        };
        let until = Instant::now() + self.limit;
        let mut pause = LOOK_AFTER;
        loop {
            sleep(pause).await;
            let summary = reconciler.compare::<M>(&mut |_| {}).await?;
            if summary.findings() == 0 && summary.open() == 0 {
                return Ok(summary);
            }
            (self.told)(&summary);
            if Instant::now() >= until {
                let told = format!(
                    "{} documents are not as the tables say, and {} are not decided",
                    summary.findings(),
                    summary.open()
                );
                let hint = "see whether the connector obeys signals (`readmill connectors status` \
                            and its log) and what is held; the same command goes on";
                return Err(Failure::new(Exit::Differs, told, hint).into());
            }
            pause = (pause * 2).min(LOOK_AFTER_AT_MOST);
        }
    }
}
