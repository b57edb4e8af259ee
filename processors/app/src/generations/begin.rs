//! A generation is begun beside the live one, where it is to begin.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use readmill_connectors::kafka::{GroupPositions, Places};
use readmill_core::{Partition, ReadModel};
use readmill_engine::roster::{Fingerprint, Refusal, Roster};
use readmill_engine::{Bounds, Clock as _, Fault};
use readmill_models::Visit;
use readmill_schemas::Timestamp;

use super::case::{Case, refused};
use super::intake::{self, Intake};
use super::registrar::Standing;
use super::{places, snapshot};
use crate::config::{self, Source};
use crate::ports::SystemClock;
use crate::standing::Group;

/// Where a generation begins.
#[derive(Debug, Clone, Default)]
pub enum Beginning {
    /// Where its log does.
    #[default]
    Log,
    /// With what was written at a time or later.
    Time(Timestamp),
    /// With an archive, which this process folds first.
    Archive(PathBuf),
    /// At the places of a file.
    Positions(PathBuf, Places),
    /// Where its log ends, with a snapshot of its tables behind that.
    Snapshot,
}

impl Beginning {
    /// In words.
    fn words(&self) -> String {
        match self {
            Self::Log => "the beginning".to_owned(),
            Self::Time(from) => from.to_string(),
            Self::Archive(dir) => intake::words(dir),
            Self::Positions(file, _) => format!("the positions in {}", file.display()),
            Self::Snapshot => "a snapshot of its tables".to_owned(),
        }
    }
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
///
/// # Errors
/// When there is none.
pub fn newest(roster: &Roster) -> Result<u32, Refusal> {
    let others = roster.generations.iter().filter(|other| other.number != roster.live);
    let newest = others.map(|other| other.number).max();
    newest.ok_or_else(|| Refusal("there is no generation but the live one".to_owned()))
}

/// Begins a generation of this binary's fold, unless one is under way that readers never saw.
/// Answers its number, and whether it is new.
///
/// # Errors
/// When a service does not answer or refuses, or the generations do not allow it.
pub async fn begin(case: &Case, at: &Beginning) -> Result<(u32, bool)> {
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
            let words = at.words();
            let begun = case.change(|roster| {
                let number = roster.begin(fingerprint.clone(), words.clone(), now_ms)?;
                roster.change(number, |generation| generation.preparing = true)?;
                Ok(number)
            });
            (begun.await?.0, true)
        }
    };
    prepare(case, number, at).await?;
    let ready = |roster: &mut Roster| {
        roster.change(number, |generation| generation.preparing = false).map(|()| number)
    };
    case.change(ready).await?;
    Ok((number, is_new))
}

/// Lets a generation begin where it is to begin. One that cannot is given up.
async fn prepare(case: &Case, number: u32, at: &Beginning) -> Result<()> {
    let model = case.numbered(number);
    let prepared = match at {
        Beginning::Log => return Ok(()),
        Beginning::Archive(dir) => {
            let Standing { roster, .. } = case.standing().await?;
            let (config, services) = (&*case.config, &*case.services);
            let intake = Intake { config, services, model: &model, roster, dir: dir.clone() };
            return match readmill_models::visit(case.model.row.name, intake) {
                Some(folding) => folding.await,
                None => Ok(()),
            };
        }
        Beginning::Snapshot => {
            let Standing { roster, .. } = case.standing().await?;
            let begun_ms = roster.generation(number).map_or(0, |generation| generation.begun_ms);
            let id = format!("readmill-{}-{number}-{begun_ms}", model.row.name);
            snapshot::begin(&case.config, &model, &id).await
        }
        Beginning::Time(from) => {
            let from_ms = from.as_millis();
            let at = move |positions: &GroupPositions, bounds: &Extents| {
                positions.at_time(bounds, from_ms)
            };
            commit(case, &model, at).await
        }
        Beginning::Positions(_, places) => {
            let places = places.clone();
            let at =
                move |_: &GroupPositions, bounds: &Extents| places::within(bounds, places.clone());
            commit(case, &model, at).await
        }
    };
    if prepared.is_err() {
        case.change(|roster| roster.drop_out(number).map(|()| number)).await?;
    }
    prepared
}

/// The extent of each partition.
type Extents = BTreeMap<Partition, Bounds>;

/// Lets its group begin at places in the log.
async fn commit(
    case: &Case,
    model: &config::Model,
    at: impl Fn(&GroupPositions, &Extents) -> Result<Places, Fault> + Send + 'static,
) -> Result<()> {
    let Source::Kafka { kafka, .. } = &case.config.source else {
        let told = Refusal("an archive is folded from its beginning".to_owned());
        return Err(refused(&told).into());
    };
    let begin =
        move |positions: &GroupPositions| positions.commit(&at(positions, &positions.bounds()?)?);
    Ok(Group::of(kafka, model)?.ask(begin).await?)
}
