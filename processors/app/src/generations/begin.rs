//! A generation is begun beside the live one, where it is to begin.

use std::path::PathBuf;

use anyhow::Result;
use readmill_connectors::kafka::GroupPositions;
use readmill_core::ReadModel;
use readmill_engine::Clock as _;
use readmill_engine::roster::{Fingerprint, Refusal, Roster};
use readmill_models::Visit;
use readmill_schemas::Timestamp;

use super::case::{Case, refused};
use super::intake::{self, Intake};
use super::registrar::Standing;
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
}

/// The fingerprint of a model in this binary.
struct Print<'a>(&'a config::Model);

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
            let words = match at {
                Beginning::Archive(dir) => intake::words(dir),
                Beginning::Time(from) => from.to_string(),
                Beginning::Log => "the beginning".to_owned(),
            };
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

/// Lets a generation begin where it is to begin.
async fn prepare(case: &Case, number: u32, at: &Beginning) -> Result<()> {
    let model = case.numbered(number);
    let from = match at {
        Beginning::Log => return Ok(()),
        Beginning::Time(from) => from,
        Beginning::Archive(dir) => {
            let Standing { roster, .. } = case.standing().await?;
            let (config, services) = (&*case.config, &*case.services);
            let intake = Intake { config, services, model: &model, roster, dir: dir.clone() };
            return match readmill_models::visit(case.model.row.name, intake) {
                Some(folding) => folding.await,
                None => Ok(()),
            };
        }
    };
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
