//! `reconcile`: the documents of a model against what another system says of the same keys.

mod corrections;
mod origin;
mod reconciler;
mod slots;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use futures::future::BoxFuture;
use readmill_core::ReadModel;
use readmill_engine::Metrics;
use readmill_engine::patience::Patience;
use readmill_engine::reconcile::{Corrections, Reconciliation};
use readmill_engine::verify::{Summary, Told, Tolerances};
use readmill_models::Visit;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::cli::ReconcileArgs;
use crate::config::{self, Config};
use crate::exit::{Exit, Failure};
use crate::get::model_of;
use crate::services::Services;
use crate::verify::{LogTrail, Manner, Report, With};

use self::corrections::Corrector;
use self::origin::Asked;
pub use self::origin::{layouts, tables};
pub use self::reconciler::Reconciler;

/// Obeys the command.
///
/// # Errors
/// When the origin, the source or the store does not answer or refuses.
pub async fn reconcile(args: ReconcileArgs) -> Result<Exit> {
    let config = Arc::new(Config::load(&args.config)?);
    let name = args.model.name;
    let model = model_of(&config, &args.config, name)?;
    match readmill_models::visit(name, Reconciling { config, model, args }) {
        Some(reconciling) => reconciling.await,
        None => Ok(Exit::Usage),
    }
}

struct Reconciling {
    config: Arc<Config>,
    model: config::Model,
    args: ReconcileArgs,
}

impl Visit for Reconciling {
    type Out = BoxFuture<'static, Result<Exit>>;

    fn visit<M: ReadModel>(self) -> Self::Out {
        Box::pin(async move { self.reconcile::<M>().await })
    }
}

impl Reconciling {
    async fn reconcile<M: ReadModel>(self) -> Result<Exit> {
        let Self { config, model, args } = self;
        let asked = Asked::of(&args, &model)?;
        let mut origin = asked.open::<M>().await?;
        let services = Arc::new(Services::default());
        let model = services.live(&model).await?;
        let store = services.documents::<M>(&model).await?;
        let trail = LogTrail::begin(&config, &model, &services).await?;
        let ReconcileArgs { values, json, report, .. } = &args;
        let mut corrector = None;
        if args.repair {
            if !asked.is_of_tables() {
                let told = "only what the tables of a replica say can be sent through the log";
                let hint = "leave --repair out, and mend what is found at its source";
                return Err(Failure::new(Exit::Usage, told, hint).into());
            }
            let layouts = origin::layouts::<M>()?;
            corrector = Some(Corrector::open(&config, &model, &services, layouts).await?);
        }
        let corrections = corrector.as_mut().map(|corrector| corrector as &mut dyn Corrections);
        let (values, json, file) = (*values, *json, report.clone());
        let manner = Manner { values, json, file, ..Manner::default() };
        let mut report = Report::new(M::NAME, &manner)?;
        report.bar.set_message("asking the origin");
        let (_stop, stopping) = watch::channel(false);
        let mut told = |told: Told<'_>| report.note(&told);
        let mut reconciliation = Reconciliation {
            store,
            origin: &mut *origin,
            trail: &trail,
            measure: asked.measure(),
            tolerances: Tolerances {
                ignored: args.ignore.clone(),
                allowed: args.tolerance.clone(),
            },
            one_way: args.one_way,
            corrections,
            patience: Patience::new(stopping, Metrics::new()?, M::NAME),
            rest: asked.rest(),
            rest_limit: Duration::from_secs(args.rest_limit),
            limit_per_second: args.limit_per_second.map_or(u32::MAX, std::num::NonZero::get),
            began: Instant::now(),
            summary: Summary::default(),
            told: &mut told,
        };
        reconciliation.run().await?;
        let summary = std::mem::take(&mut reconciliation.summary);
        drop(reconciliation);
        report.finish(&summary, With::Origin)
    }
}
