//! What a person does with generations: `rebuild`, `generations`, `swap`, `rollback`, `retire`.

use std::time::Duration;

use anyhow::Result;
use futures::future::BoxFuture;
use readmill_connectors::kafka::GroupPositions;
use readmill_core::ReadModel;
use readmill_engine::patience::Patience;
use readmill_engine::roster::{Fingerprint, Generation, Refusal, Roster, Seat};
use readmill_engine::{Clock as _, Metrics, mirror};
use readmill_models::Visit;
use readmill_schemas::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::intake::{self, Intake};
use super::part;
use super::progress;
use super::registrar::{Registrar, Standing};
use super::swap::{HandingOver, NotDone};
use crate::cli::{
    GenerationsArgs, GenerationsPlace, RebuildArgs, RetireArgs, RollbackArgs, SwapArgs,
};
use crate::config::{self, Config, Source};
use crate::exit::{Exit, Failure};
use crate::get::model_of;
use crate::out;
use crate::ports::{Opening, SystemClock};
use crate::services::Services;
use crate::standing::Group;

/// An instance that is told to let a generation go does so within this time.
const LET_GO_LIMIT: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A model whose generations are dealt with.
struct Case {
    config: Config,
    model: config::Model,
    services: Services,
}

impl Case {
    fn of(place: &GenerationsPlace) -> Result<Self> {
        let config = Config::load(&place.config)?;
        let model = model_of(&config, &place.config, place.model.name)?;
        Ok(Self { config, model, services: Services::default() })
    }

    async fn registrar(&self) -> Result<Registrar> {
        Ok(self.services.registrar(&self.model).await?)
    }

    /// The roster, which there must be.
    async fn standing(&self) -> Result<Standing> {
        let found = self.registrar().await?.read().await?;
        found.ok_or_else(|| refused(&Refusal("it was never folded here".to_owned())).into())
    }

    async fn change(
        &self,
        change: impl Fn(&mut Roster) -> Result<u32, Refusal>,
    ) -> Result<(u32, Standing)> {
        let changed = self.registrar().await?.change(change).await?;
        changed.map_err(|refusal| refused(&refusal).into())
    }

    fn numbered(&self, generation: u32) -> config::Model {
        config::Model { generation, ..self.model.clone() }
    }
}

fn refused(refusal: &Refusal) -> Failure {
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

/// `rebuild`
///
/// # Errors
/// When a service does not answer or refuses, or the generations do not allow it.
pub async fn rebuild(args: RebuildArgs) -> Result<Exit> {
    let case = Case::of(&args.place)?;
    if let Some(scope) = part::scope(&args.part)? {
        let Standing { roster, .. } = case.standing().await?;
        let Case { config, model, .. } = case;
        return part::make(config, &model, &roster, (scope, args)).await;
    }
    if args.pause || args.resume {
        let paused = args.pause;
        let (number, _) = case
            .change(|roster| {
                let number = newest(roster)?;
                roster.change(number, |generation| generation.paused = paused)?;
                Ok(number)
            })
            .await?;
        let did = if paused { "rests" } else { "goes on" };
        out::line(format!("{}: generation {number} {did}", case.model.row.name));
        return Ok(Exit::Done);
    }
    if args.cancel {
        let (number, _) = case.change(|roster| newest(roster)).await?;
        return retire_one(&case, number).await;
    }
    let (number, is_new) = begin(&case, &args).await?;
    let name = case.model.row.name;
    if args.json {
        out::line(json!({ "model": name, "generation": number, "begun": is_new }).to_string());
    } else if is_new {
        out::line(format!("{name}: generation {number} is begun; instances of this fold make it"));
    } else {
        out::line(format!("{name}: generation {number} is under way already"));
    }
    if args.detach {
        return Ok(Exit::Done);
    }
    progress::watch(&case.config, &case.services, &case.numbered(number), args.json).await?;
    if !args.json {
        out::line(format!(
            "{name}: generation {number} has caught up; next: `readmill verify {name} \
             --generation {number} -c {file}`, then `readmill swap {name} -c {file}`",
            file = args.place.config.display()
        ));
    }
    Ok(Exit::Done)
}

/// The newest generation that readers do not see.
fn newest(roster: &Roster) -> Result<u32, Refusal> {
    let others = roster.generations.iter().filter(|other| other.number != roster.live);
    let newest = others.map(|other| other.number).max();
    newest.ok_or_else(|| Refusal("there is no generation but the live one".to_owned()))
}

/// Begins a generation of this binary's fold, unless one is under way that readers never saw.
async fn begin(case: &Case, args: &RebuildArgs) -> Result<(u32, bool)> {
    let name = case.model.row.name;
    let Some(fingerprint) = readmill_models::visit(name, Print(&case.model)) else {
        return Err(refused(&Refusal(format!("there is no model {name}"))).into());
    };
    let now_ms = SystemClock.now_ms();
    let Standing { roster, .. } = case.registrar().await?.open(&fingerprint, now_ms).await?;
    let under_way = roster.generations.iter().find(|generation| {
        let seen = generation.number == roster.live || Some(generation.number) == roster.before;
        !seen && generation.fingerprint == fingerprint
    });
    let (number, is_new) = match under_way {
        Some(generation) if !generation.preparing => return Ok((generation.number, false)),
        Some(generation) => (generation.number, false),
        None => {
            let words = match (&args.archive, args.from) {
                (Some(dir), _) => intake::words(dir),
                (None, Some(from)) => from.to_string(),
                (None, None) => "the beginning".to_owned(),
            };
            let begun = case.change(|roster| {
                let number = roster.begin(fingerprint.clone(), words.clone(), now_ms)?;
                roster.change(number, |generation| generation.preparing = true)?;
                Ok(number)
            });
            (begun.await?.0, true)
        }
    };
    prepare(case, number, args).await?;
    let ready = |roster: &mut Roster| {
        roster.change(number, |generation| generation.preparing = false).map(|()| number)
    };
    case.change(ready).await?;
    Ok((number, is_new))
}

/// Lets a generation begin where it is to begin.
async fn prepare(case: &Case, number: u32, args: &RebuildArgs) -> Result<()> {
    let model = case.numbered(number);
    if let Some(dir) = &args.archive {
        let Standing { roster, .. } = case.standing().await?;
        let (config, services) = (&case.config, &case.services);
        let intake = Intake { config, services, model: &model, roster, dir: dir.clone() };
        return match readmill_models::visit(case.model.row.name, intake) {
            Some(folding) => folding.await,
            None => Ok(()),
        };
    }
    let Some(from) = args.from else { return Ok(()) };
    let Source::Kafka { kafka, .. } = &case.config.source else {
        case.change(|roster| roster.drop_out(number).map(|()| number)).await?;
        let told = Refusal("an archive is folded from its beginning".to_owned());
        return Err(refused(&told).into());
    };
    let from_ms = from.as_millis();
    let group = Group::of(kafka, &model)?;
    let begin = move |positions: &GroupPositions| {
        positions.commit(&positions.at_time(&positions.bounds()?, from_ms)?)
    };
    Ok(group.ask(begin).await?)
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

async fn retire_one(case: &Case, number: u32) -> Result<Exit> {
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
