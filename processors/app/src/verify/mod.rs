//! `verify`: the documents of a model against a fresh fold of its log at the same positions.

mod report;
mod trail;
mod witness;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use futures::future::BoxFuture;
use readmill_core::{Key, ReadModel};
use readmill_engine::patience::Patience;
use readmill_engine::roster::{Generation, Roster, Verified};
use readmill_engine::verify::{Doing, Scope, Summary, Tolerances, Verification};
use readmill_engine::{Clock as _, Fault};
use readmill_models::Visit;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::cli::VerifyArgs;
use crate::config::{self, Config};
use crate::exit::{Exit, Failure};
use crate::get::model_of;
use crate::ports::SystemClock;
use crate::scratch::Scratch;
use crate::services::Services;

pub use self::report::{Against, Manner, Report};
pub use self::trail::LogTrail;
pub use self::witness::Witness;

/// Obeys the command.
///
/// # Errors
/// When the source, the store or the mirror does not answer or refuses.
pub async fn verify(args: VerifyArgs) -> Result<Exit> {
    let config = Arc::new(Config::load(&args.config)?);
    let name = args.model.name;
    let mut model = model_of(&config, &args.config, name)?;
    // Whoever compares waits for the mirror.
    model.care.required = true;
    let scope = scope(&args)?;
    match readmill_models::visit(name, Verifying { config, model, args, scope }) {
        Some(verifying) => verifying.await,
        None => Ok(Exit::Usage),
    }
}

fn scope(args: &VerifyArgs) -> Result<Scope> {
    if let Some(file) = &args.keys {
        return Ok(Scope::Keys(keys(file)?));
    }
    Ok(match (&args.prefix, args.sample) {
        (Some(prefix), _) => Scope::Prefix(prefix.clone()),
        (None, Some(many)) => Scope::Sample(many.get()),
        (None, None) => Scope::All,
    })
}

fn keys(file: &Path) -> Result<Vec<Key>> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        let told = format!("{} cannot be read: {error}", file.display());
        Failure::new(Exit::Usage, told, "name a file with a key a line")
    })?;
    let keys: BTreeSet<Key> = text.lines().filter(|line| !line.is_empty()).map(Key::from).collect();
    Ok(keys.into_iter().collect())
}

struct Verifying {
    config: Arc<Config>,
    model: config::Model,
    args: VerifyArgs,
    scope: Scope,
}

impl Visit for Verifying {
    type Out = BoxFuture<'static, Result<Exit>>;

    fn visit<M: ReadModel>(self) -> Self::Out {
        Box::pin(async move { self.verify::<M>().await })
    }
}

impl Verifying {
    async fn verify<M: ReadModel>(mut self) -> Result<Exit> {
        let services = Arc::new(Services::default());
        self.model = match self.args.generation {
            Some(generation) => config::Model { generation, ..self.model },
            None => services.live(&self.model).await?,
        };
        let left = services.seen::<M>(&self.model).await?;
        // First of all: what is settled now is in every document that is read from now on.
        let mut trail = LogTrail::begin(&self.config, &self.model, &services).await?;
        let mut report = Report::new(M::NAME, &self.manner())?;
        let dir = self.args.dir.as_deref().unwrap_or(&self.config.instance.state_dir);
        let scratch = Scratch::<M>::open(trail.opening(), dir).await?;
        report.bar.set_message("folding the log aside");
        let before = trail.before().await?;
        report.bar.set_length(before.most_records());
        let folded = scratch.fold(before, &report.bar).await?;
        trail.read(&folded.bounds);
        let (right, metrics) = (scratch.seen(), scratch.ports.metrics.clone());
        let (_stop, stopping) = watch::channel(false);
        let mut told = |told: readmill_engine::verify::Told<'_>| report.note(&told);
        let mut verification = Verification {
            left: &left,
            right: &right,
            right_stands: true,
            right_was_late: folded.counts.stale > 0,
            trail: &trail,
            script: scratch.script(),
            tolerances: self.tolerances(),
            scope: self.scope.clone(),
            doing: if self.args.repair { Doing::Repair } else { Doing::Check },
            patience: Patience::new(stopping, metrics, M::NAME),
            rest_limit: Duration::from_secs(self.args.rest_limit),
            limit_per_second: u32::MAX,
            began: Instant::now(),
            summary: Summary::default(),
            departed: BTreeSet::new(),
            told: &mut told,
        };
        let mirror = trail.opening().mirror::<M>().await?;
        verification.run(mirror.as_deref().map(|tended| tended.mirror())).await?;
        let summary = std::mem::take(&mut verification.summary);
        drop(verification);
        if matches!(self.scope, Scope::All) && summary.findings() == 0 {
            self.write_down(&services, &summary).await?;
        }
        report.finish(&summary, Against::Fold(folded.counts.consumed))
    }

    /// Notes in the roster that the generation is as it should be.
    async fn write_down(&self, services: &Services, summary: &Summary) -> Result<(), Fault> {
        let Summary { documents, groups, .. } = summary;
        let mut how = format!("{documents} documents and {groups} groups, by a fresh fold");
        if !(self.args.ignore.is_empty() && self.args.tolerance.is_empty()) {
            how += ", but for what was not to be compared";
        }
        let verified = Verified { at_ms: SystemClock.now_ms(), how };
        let note = |roster: &mut Roster| {
            let noted = |generation: &mut Generation| generation.verified = Some(verified.clone());
            roster.change(self.model.generation, noted)
        };
        // One that was given up meanwhile needs no note.
        services.registrar(&self.model).await?.change(note).await.map(drop)
    }

    fn manner(&self) -> Manner {
        let VerifyArgs { values, json, report, .. } = &self.args;
        Manner { values: *values, json: *json, file: report.clone() }
    }

    fn tolerances(&self) -> Tolerances {
        Tolerances { ignored: self.args.ignore.clone(), allowed: self.args.tolerance.clone() }
    }
}
