//! `verify`: the documents of a model against a fresh fold of its log, or against another of its
//! generations, at the same positions.

mod against;
mod report;
mod trail;
mod witness;

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, RandomState};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::future::BoxFuture;
use readmill_core::{Key, ReadModel};
use readmill_engine::mirror::Heals;
use readmill_engine::patience::Patience;
use readmill_engine::roster::{Generation, Roster, Verified};
use readmill_engine::verify::{
    Doing, Following, Mends, Scope, Seen, Summary, Told, Tolerances, Verification,
};
use readmill_engine::{Clock as _, Fault, Metrics, Only, Ports, Script};
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

pub use self::report::{Manner, Report, With};
pub use self::trail::LogTrail;
pub use self::witness::Witness;

/// Obeys the command.
///
/// # Errors
/// When the source, the store or the mirror does not answer or refuses.
pub async fn verify(mut args: VerifyArgs) -> Result<Exit> {
    let config = Arc::new(Config::load(&args.config)?);
    let name = args.model.name;
    let mut model = model_of(&config, &args.config, name)?;
    // Whoever compares waits for the mirror.
    model.care.required = true;
    let scope = scope(&mut args)?;
    let asked = Asked::Verification;
    let verifying = Verifying { config, model, args, scope, asked };
    match readmill_models::visit(name, verifying) {
        Some(verifying) => verifying.await,
        None => Ok(Exit::Usage),
    }
}

/// Makes some documents of one generation anew, where they are not what the log says.
///
/// # Errors
/// As those of a verification.
pub async fn make_anew(
    config: Arc<Config>,
    mut model: config::Model,
    (scope, with_groups): (Scope, bool),
    args: VerifyArgs,
) -> Result<Exit> {
    model.care.required = true;
    let name = model.row.name;
    let asked = Asked::Rebuild { with_groups };
    let verifying = Verifying { config, model, args, scope, asked };
    match readmill_models::visit(name, verifying) {
        Some(verifying) => verifying.await,
        None => Ok(Exit::Usage),
    }
}

/// A sample for which no seed was given has one from now on.
fn scope(args: &mut VerifyArgs) -> Result<Scope> {
    if let Some(file) = &args.keys {
        return Ok(Scope::Keys(keys_in(file)?));
    }
    Ok(match (&args.prefix, args.sample) {
        (Some(prefix), _) => Scope::Prefix(prefix.clone()),
        (None, Some(many)) => {
            let seed = *args.seed.get_or_insert_with(drawn);
            Scope::Sample { many: many.get(), seed: seed.into() }
        }
        (None, None) => Scope::All,
    })
}

/// Another one each time; short enough to be typed in.
fn drawn() -> u32 {
    let bits = RandomState::new().hash_one(SystemClock.now_ms());
    u32::try_from(bits >> 32).unwrap_or_default()
}

/// The keys in a file, one a line.
///
/// # Errors
/// When it cannot be read.
pub fn keys_in(file: &Path) -> Result<BTreeSet<Key>> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        let told = format!("{} cannot be read: {error}", file.display());
        Failure::new(Exit::Usage, told, "name a file with a key a line")
    })?;
    Ok(text.lines().filter(|line| !line.is_empty()).map(Key::from).collect())
}

struct Verifying {
    config: Arc<Config>,
    model: config::Model,
    args: VerifyArgs,
    scope: Scope,
    asked: Asked,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// Whether documents are as they should be.
    Verification,
    /// That they are, and what follows from them.
    Rebuild {
        /// With roll-ups.
        with_groups: bool,
    },
}

impl Visit for Verifying {
    type Out = BoxFuture<'static, Result<Exit>>;

    fn visit<M: ReadModel>(self) -> Self::Out {
        Box::pin(async move { self.verify::<M>().await })
    }
}

/// Two sides, and how the log is read that leads from the one to the other.
struct Sides<'s, M: ReadModel> {
    left: &'s Seen<M>,
    right: &'s Seen<M>,
    right_stands: bool,
    right_was_late: bool,
    script: Script,
    /// Through which others are told of what is mended.
    ports: Option<Ports<M>>,
}

impl Verifying {
    async fn verify<M: ReadModel>(mut self) -> Result<Exit> {
        let services = Arc::new(Services::default());
        self.model = match self.args.generation {
            Some(generation) => config::Model { generation, ..self.model },
            None => services.live(&self.model).await?,
        };
        match self.args.against {
            Some(generation) => {
                let other = config::Model { generation, ..self.model.clone() };
                self.against::<M>(&services, &other).await
            }
            None => self.afresh::<M>(&services).await,
        }
    }

    /// With a fresh fold of the log.
    async fn afresh<M: ReadModel>(&self, services: &Arc<Services>) -> Result<Exit> {
        let left = services.seen::<M>(&self.model).await?;
        // First of all: what is settled now is in every document that is read from now on.
        let mut trail = LogTrail::begin(&self.config, &self.model, services).await?;
        let mut report = Report::new(M::NAME, &self.manner())?;
        let dir = self.args.dir.as_deref().unwrap_or(&self.config.instance.state_dir);
        let scratch = Scratch::<M>::open(trail.opening(), dir, self.only::<M>()).await?;
        report.bar.set_message("folding the log aside");
        let before = trail.before().await?;
        report.bar.set_length(before.most_records());
        let folded = scratch.fold(before, &report.bar).await?;
        trail.read(&folded.bounds);
        let right = scratch.seen();
        let sides = Sides {
            left: &left,
            right: &right,
            right_stands: true,
            right_was_late: folded.counts.stale > 0,
            script: scratch.ports.script.clone(),
            ports: self.ports(&trail).await?,
        };
        let mirror = trail.opening().mirror::<M>().await?;
        let mirror = mirror.as_deref().map(|tended| tended.mirror());
        let summary = self.compare(sides, &trail, mirror, &mut report).await?;
        if self.scope == Scope::All && summary.findings() == 0 {
            self.write_down(services, &summary, "a fresh fold").await?;
        }
        let exit = report.finish(&summary, With::Fold { records: folded.counts.consumed })?;
        // What is to be made anew, and nobody can tell how, was not.
        let is_left = self.asked != Asked::Verification && summary.open() > 0;
        Ok(if is_left && exit == Exit::Done { Exit::Differs } else { exit })
    }

    fn with_groups(&self) -> bool {
        self.asked == Asked::Rebuild { with_groups: true }
    }

    /// For which keys the log is folded: roll-ups need all.
    fn only<M: ReadModel>(&self) -> Only {
        let needs_all = self.with_groups() && !M::ROLLUPS.is_empty();
        if needs_all { Only::default() } else { Only::of(self.scope.clone()) }
    }

    async fn ports<M: ReadModel>(&self, trail: &LogTrail) -> Result<Option<Ports<M>>> {
        if !self.args.repair {
            return Ok(None);
        }
        trail.opening().ports_by_hand().await.map(Some)
    }

    async fn compare<M: ReadModel>(
        &self,
        sides: Sides<'_, M>,
        trail: &LogTrail,
        mirror: Option<&dyn Heals>,
        report: &mut Report,
    ) -> Result<Summary> {
        let (_stop, stopping) = watch::channel(false);
        let metrics = Metrics::new().context("the metrics cannot be registered")?;
        let mut told = |told: Told<'_>| report.note(&told);
        let patience = Patience::new(stopping, metrics, M::NAME);
        let ports = sides.ports.as_ref();
        let mut verification = Verification {
            left: sides.left,
            right: sides.right,
            right_stands: sides.right_stands,
            right_was_late: sides.right_was_late,
            trail,
            script: sides.script,
            tolerances: self.tolerances(),
            scope: self.scope.clone(),
            with_groups: self.with_groups(),
            doing: if self.args.repair { Doing::Repair } else { Doing::Check },
            following: ports.map(|ports| Following::of(ports, patience.clone())),
            patience,
            rest_limit: Duration::from_secs(self.args.rest_limit),
            limit_per_second: u32::MAX,
            began: Instant::now(),
            summary: Summary::default(),
            departed: BTreeSet::new(),
            mends: Mends::default(),
            told: &mut told,
        };
        verification.run(mirror).await?;
        Ok(std::mem::take(&mut verification.summary))
    }

    /// Notes in the roster that the generation is as it should be.
    async fn write_down(
        &self,
        services: &Services,
        summary: &Summary,
        by: &str,
    ) -> Result<(), Fault> {
        let Summary { documents, groups, .. } = summary;
        let mut how = format!("{documents} documents and {groups} groups, by {by}");
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
        let VerifyArgs { values, json, report, seed, .. } = &self.args;
        let (values, json, file, seed) = (*values, *json, report.clone(), *seed);
        Manner { values, json, file, generation: Some(self.model.generation), seed }
    }

    fn tolerances(&self) -> Tolerances {
        Tolerances { ignored: self.args.ignore.clone(), allowed: self.args.tolerance.clone() }
    }
}
