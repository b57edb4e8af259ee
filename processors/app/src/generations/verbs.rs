//! What a person does with generations: `rebuild`, `generations`, `swap`, `rollback`, `retire`.

use std::time::Duration;

use anyhow::Result;
use futures::future::BoxFuture;
use readmill_core::ReadModel;
use readmill_engine::patience::Patience;
use readmill_engine::roster::{Fingerprint, Generation, Refusal, Roster, Seat};
use readmill_engine::{Metrics, mirror};
use readmill_models::Visit;
use readmill_schemas::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::progress;
use super::registrar::{Registrar, Standing};
use super::swap::{HandingOver, NotDone};
use crate::cli::{GenerationsArgs, GenerationsPlace, RetireArgs, RollbackArgs, SwapArgs};
use crate::config::{self, Config, Source};
use crate::exit::{Exit, Failure};
use crate::get::model_of;
use crate::out;
use crate::ports::Opening;
use crate::services::Services;
use crate::standing::Group;

/// An instance that is told to let a generation go does so within this time.
const LET_GO_LIMIT: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A model whose generations are dealt with.
pub struct Case {
    /// The configuration.
    pub config: Config,
    /// The model in it.
    pub model: config::Model,
    /// What is open.
    pub services: Services,
}

impl Case {
    /// Of the command line.
    ///
    /// # Errors
    /// When the configuration has mistakes, or not the model.
    pub fn of(place: &GenerationsPlace) -> Result<Self> {
        let config = Config::load(&place.config)?;
        let model = model_of(&config, &place.config, place.model.name)?;
        Ok(Self { config, model, services: Services::default() })
    }

    /// Where its generations are listed.
    ///
    /// # Errors
    /// When the store does not answer or refuses.
    pub async fn registrar(&self) -> Result<Registrar> {
        Ok(self.services.registrar(&self.model).await?)
    }

    /// The roster, which there must be.
    ///
    /// # Errors
    /// When it is not there, or the store does not answer or refuses.
    pub async fn standing(&self) -> Result<Standing> {
        let found = self.registrar().await?.read().await?;
        found.ok_or_else(|| refused(&Refusal("it was never folded here".to_owned())).into())
    }

    /// Changes the roster.
    ///
    /// # Errors
    /// When the change is refused, or the store does not answer or refuses.
    pub async fn change(
        &self,
        change: impl Fn(&mut Roster) -> Result<u32, Refusal>,
    ) -> Result<(u32, Standing)> {
        let changed = self.registrar().await?.change(change).await?;
        changed.map_err(|refusal| refused(&refusal).into())
    }

    /// The model with a generation's number.
    pub fn numbered(&self, generation: u32) -> config::Model {
        config::Model { generation, ..self.model.clone() }
    }
}

/// What the roster refuses.
pub fn refused(refusal: &Refusal) -> Failure {
    let hint = "`readmill generations <model> -c <file>` lists what there is";
    Failure::new(Exit::Usage, refusal.to_string(), hint)
}

/// The fingerprint of a model in this binary.
pub struct Print<'a>(pub &'a config::Model);

impl Visit for Print<'_> {
    type Out = Fingerprint;

    fn visit<M: ReadModel>(self) -> Fingerprint {
        Fingerprint::of::<M>(&self.0.topics)
    }
}

/// The newest generation that readers do not see.
pub fn newest(roster: &Roster) -> Result<u32, Refusal> {
    let others = roster.generations.iter().filter(|other| other.number != roster.live);
    let newest = others.map(|other| other.number).max();
    newest.ok_or_else(|| Refusal("there is no generation but the live one".to_owned()))
}

/// `generations`
///
/// # Errors
/// When a service does not answer or refuses.
pub async fn generations(args: GenerationsArgs) -> Result<Exit> {
    let case = Case::of(&args.place)?;
    let Standing { roster, .. } = case.standing().await?;
    let seats = case.registrar().await?.seats().await?;
    let mut list = Vec::new();
    for generation in &roster.generations {
        let model = case.numbered(generation.number);
        let behind = match &case.config.source {
            Source::Kafka { kafka, .. } => {
                Some(progress::behind(&Group::of(kafka, &model)?).await?.records)
            }
            Source::Archive { .. } => None,
        };
        list.push(described(&roster, generation, behind, seats.values()));
    }
    if args.json {
        let handover = roster.handover.as_ref().map(|handover| handover.to);
        let body = json!({
            "model": case.model.row.name, "live": roster.live, "before": roster.before,
            "swapping_to": handover, "generations": list,
        });
        out::line(body.to_string());
    } else {
        list.iter().for_each(|generation| out::line(line(generation)));
    }
    Ok(Exit::Done)
}

fn described<'s>(
    roster: &Roster,
    generation: &Generation,
    behind: Option<i64>,
    seats: impl Iterator<Item = &'s Seat>,
) -> Value {
    let number = generation.number;
    let works: Vec<_> = seats.filter_map(|seat| seat.works_on(number)).collect();
    let failed: Vec<&String> = works.iter().filter_map(|works| works.failed.as_ref()).collect();
    json!({
        "generation": number,
        "live": roster.live == number,
        "fold": generation.fingerprint.fold,
        "contracts": generation.fingerprint.contracts,
        "topics": generation.fingerprint.topics,
        "begun": Timestamp::from_millis(generation.begun_ms).to_string(),
        "from": generation.from,
        "paused": generation.paused,
        "verified": generation.verified.as_ref().map(|verified| json!({
            "at": Timestamp::from_millis(verified.at_ms).to_string(), "how": verified.how,
        })),
        "behind_records": behind,
        "instances": works.len(),
        "failed": failed,
    })
}

/// A generation in a line for people.
fn line(generation: &Value) -> String {
    let plain = |name: &str| generation[name].as_str().unwrap_or_default().to_owned();
    let is = |name: &str| generation[name].as_bool().unwrap_or(false);
    let seen = if is("live") { "live" } else { "beside" };
    let mut line = format!(
        "generation {}  {seen:<7} fold {}  begun {} from {}",
        generation["generation"],
        generation["fold"],
        plain("begun"),
        plain("from"),
    );
    if let Some(behind) = generation["behind_records"].as_i64() {
        line += &format!("  {behind} records behind");
    }
    line += &format!("  in {} instances", generation["instances"]);
    if is("paused") {
        line += "  paused";
    }
    line += &generation["verified"]["at"]
        .as_str()
        .map_or_else(|| "  not verified".to_owned(), |at| format!("  verified {at}"));
    for why in generation["failed"].as_array().into_iter().flatten() {
        line += &format!("\n  stopped: {}", why.as_str().unwrap_or_default());
    }
    line
}

/// `swap`
///
/// # Errors
/// When it is not verified, a service fails, or a step takes too long.
pub async fn swap(args: SwapArgs) -> Result<Exit> {
    let case = Case::of(&args.place)?;
    let Standing { roster, .. } = case.standing().await?;
    let to = match args.to {
        Some(to) => to,
        None => newest(&roster).map_err(|refusal| refused(&refusal))?,
    };
    let next = roster.standing(to).map_err(|refusal| refused(&refusal))?;
    if next.verified.is_none() && !args.unverified {
        let told = format!("generation {to} is not verified");
        let hint = format!(
            "verify it with `readmill verify <model> --generation {to}`, or swap --unverified"
        );
        return Err(Failure::new(Exit::Usage, told, hint).into());
    }
    if next.verified.is_none() {
        out::complain(format!("warning: generation {to} is not verified\n"));
    }
    hand_over(&case, to, args.step_limit, args.json).await
}

/// `rollback`
///
/// # Errors
/// When there is nobody to go back to, a service fails, or a step takes too long.
pub async fn rollback(args: RollbackArgs) -> Result<Exit> {
    let case = Case::of(&args.place)?;
    if let Some(after) = args.after {
        out::complain(format!("rolling back in {} s, unless stopped\n", after.as_secs()));
        sleep(after).await;
    }
    let Standing { roster, .. } = case.standing().await?;
    let Some(before) = roster.before else {
        let told = Refusal("readers have seen no other generation that still stands".to_owned());
        return Err(refused(&told).into());
    };
    hand_over(&case, before, args.step_limit, args.json).await
}

async fn hand_over(case: &Case, to: u32, step_limit: Duration, as_json: bool) -> Result<Exit> {
    let since = Instant::now();
    let mut handing =
        HandingOver::of(&case.config, &case.services, &case.model, step_limit).await?;
    let tell = |step: &str| {
        if !as_json {
            out::complain(format!("{step}\n"));
        }
    };
    let before = handing.hand_over(to, &tell).await.map_err(|why| match why {
        NotDone::Refused(refusal) => anyhow::Error::from(refused(&refusal)),
        NotDone::TooLong(_) => {
            let hint = "see that instances fold both generations: `readmill generations` tells";
            Failure::new(Exit::Failed, why.to_string(), hint).into()
        }
        NotDone::Fault(fault) => fault.into(),
    })?;
    let (name, seconds) = (case.model.row.name, since.elapsed().as_secs_f64());
    if as_json {
        let body = json!({ "model": name, "live": to, "before": before, "seconds": seconds });
        out::line(body.to_string());
    } else {
        out::line(format!(
            "{name}: readers see generation {to}, after {seconds:.1} s; generation {before} stays \
             warm: `readmill rollback {name}` goes back to it"
        ));
    }
    Ok(Exit::Done)
}

/// `retire`
///
/// # Errors
/// When readers see it, a service fails, or an instance does not let it go.
pub async fn retire(args: RetireArgs) -> Result<Exit> {
    retire_one(&Case::of(&args.place)?, args.generation).await
}

/// Gives a generation up, and erases it.
///
/// # Errors
/// When readers see it, a service fails, or an instance does not let it go.
pub async fn retire_one(case: &Case, number: u32) -> Result<Exit> {
    let (_, standing) = case.change(|roster| roster.drop_out(number).map(|()| number)).await?;
    let registrar = case.registrar().await?;
    let until = Instant::now() + LET_GO_LIMIT;
    loop {
        let seats = registrar.seats().await?;
        let has_gone =
            |seat: &Seat| seat.seen >= standing.revision || seat.works_on(number).is_none();
        if seats.values().all(has_gone) {
            break;
        }
        if Instant::now() >= until {
            tracing::warn!("an instance may still have it: it is erased all the same");
            break;
        }
        sleep(LOOK_EVERY).await;
    }
    let model = case.numbered(number);
    let erase = Erase { config: &case.config, services: &case.services, model: &model };
    if let Some(erasing) = readmill_models::visit(case.model.row.name, erase) {
        erasing.await?;
    }
    out::line(format!("{}: generation {number} is gone", case.model.row.name));
    Ok(Exit::Done)
}

/// A generation whose documents are erased, with all that is kept beside them.
struct Erase<'a> {
    config: &'a Config,
    services: &'a Services,
    model: &'a config::Model,
}

impl<'a> Visit for Erase<'a> {
    type Out = BoxFuture<'a, Result<()>>;

    fn visit<M: ReadModel>(self) -> Self::Out {
        Box::pin(async move {
            let side = self.services.side::<M>(self.model).await?;
            if let Some(partials) = side.partials {
                partials.drop_all().await?;
            }
            if let Some(edges) = side.edges {
                edges.drop_all().await?;
            }
            let Self { config, services, model } = self;
            if let Some(tended) = (Opening { config, model, services }).mirror::<M>().await? {
                let (_open, closing) = watch::channel(false);
                let mut patience = Patience::new(closing, Metrics::new()?, M::NAME);
                let mirror = tended.mirror();
                mirror::take_out_all(&mut patience, mirror, |_| true).await?;
                if let Some(marker) = mirror.sight().await?.marker {
                    mirror.mark(Some(&marker), "").await?;
                }
            }
            let held = self.services.held(self.model).await?;
            let records = held.list(M::NAME, &readmill_engine::Held::All).await?;
            held.release(&records).await?;
            Ok(self.services.documents::<M>(self.model).await?.drop_all().await?)
        })
    }
}
