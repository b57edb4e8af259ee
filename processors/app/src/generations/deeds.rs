//! What may be done with generations, by whomever it is asked for: a command, or the HTTP API.

use std::time::Duration;

use anyhow::Result;
use readmill_engine::roster::{Generation, Refusal, Roster, Seat};
use readmill_schemas::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::begin::{Beginning, begin, newest};
use super::case::{Case, refused};
use super::erase::retire;
use super::progress::{self, Behind};
use super::registrar::Standing;
use super::swap::{HandingOver, NotDone, Tell};
use crate::config::Source;
use crate::exit::{Exit, Failure};
use crate::standing::Group;

/// Each step of a handover may take so long unless somebody says otherwise.
const STEP_LIMIT_SECONDS: u64 = 60;

/// And nobody waits for longer.
const MOST_STEP_LIMIT_SECONDS: u64 = 3_600;

const fn step_limit_seconds() -> u64 {
    STEP_LIMIT_SECONDS
}

/// Something that may be done. Its JSON, `{ "<verb>": { … } }`, is what the HTTP API takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Deed {
    /// A generation is begun, at the log's beginning or with a time.
    Rebuild {
        /// The time, or an age.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<String>,
    },
    /// The newest one that readers do not see takes no more records for now.
    Pause {},
    /// It goes on.
    Resume {},
    /// It is given up and erased.
    Cancel {},
    /// Readers see another one.
    Swap {
        /// Which; without it the newest.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<u32>,
        /// Also if nobody has verified it.
        #[serde(default)]
        unverified: bool,
        /// Each step may take so long.
        #[serde(default = "step_limit_seconds")]
        step_limit_seconds: u64,
    },
    /// Readers see the one again that they saw before.
    Rollback {
        /// Each step may take so long.
        #[serde(default = "step_limit_seconds")]
        step_limit_seconds: u64,
    },
    /// One that readers do not see is erased.
    Retire {
        /// Which.
        generation: u32,
    },
}

impl Deed {
    /// Its verb.
    pub const fn verb(&self) -> &'static str {
        match self {
            Self::Rebuild { .. } => "rebuild",
            Self::Pause {} => "pause",
            Self::Resume {} => "resume",
            Self::Cancel {} => "cancel",
            Self::Swap { .. } => "swap",
            Self::Rollback { .. } => "rollback",
            Self::Retire { .. } => "retire",
        }
    }

    /// Does it, and answers what came of it.
    ///
    /// # Errors
    /// When the generations do not allow it, a service fails, or a step takes too long.
    pub async fn perform(self, case: &Case, tell: Tell<'_>) -> Result<Value> {
        match self {
            Self::Rebuild { from } => {
                let at = from.map_or(Ok(Beginning::Log), |text| time(&text).map(Beginning::Time));
                begun(case, &at?).await
            }
            Self::Pause {} => pause(case, true).await,
            Self::Resume {} => pause(case, false).await,
            Self::Cancel {} => {
                let (number, _) = case.change(|roster| newest(roster)).await?;
                gone(case, number).await
            }
            Self::Swap { to, unverified, step_limit_seconds } => {
                swap(case, to, unverified, limit(step_limit_seconds)?, tell).await
            }
            Self::Rollback { step_limit_seconds } => {
                rollback(case, limit(step_limit_seconds)?, tell).await
            }
            Self::Retire { generation } => gone(case, generation).await,
        }
    }
}

fn limit(seconds: u64) -> Result<Duration, Failure> {
    let allowed = (1..=MOST_STEP_LIMIT_SECONDS).contains(&seconds);
    let told = || {
        let told = format!("the limit of a step must be from 1 to {MOST_STEP_LIMIT_SECONDS} s");
        Failure::new(Exit::Usage, told, "most swaps take a second or two")
    };
    allowed.then(|| Duration::from_secs(seconds)).ok_or_else(told)
}

fn time(text: &str) -> Result<Timestamp, Failure> {
    crate::cli::since(text).map_err(|why| {
        Failure::new(Exit::Usage, format!("from {why}"), "leave it out to begin with the log")
    })
}

/// Begins one, wherever it is to begin.
///
/// # Errors
/// When a service does not answer or refuses, or the generations do not allow it.
pub async fn begun(case: &Case, at: &Beginning) -> Result<Value> {
    let (number, is_new) = begin(case, at).await?;
    Ok(json!({ "model": case.model.row.name, "generation": number, "begun": is_new }))
}

async fn pause(case: &Case, paused: bool) -> Result<Value> {
    let changed = case.change(|roster| {
        let number = newest(roster)?;
        roster.change(number, |generation| generation.paused = paused)?;
        Ok(number)
    });
    let (number, _) = changed.await?;
    Ok(json!({ "model": case.model.row.name, "generation": number, "paused": paused }))
}

async fn gone(case: &Case, number: u32) -> Result<Value> {
    retire(case, number).await?;
    Ok(json!({ "model": case.model.row.name, "generation": number, "gone": true }))
}

async fn swap(
    case: &Case,
    to: Option<u32>,
    unverified: bool,
    step_limit: Duration,
    tell: Tell<'_>,
) -> Result<Value> {
    let Standing { roster, .. } = case.standing().await?;
    let to = match to {
        Some(to) => to,
        None => newest(&roster).map_err(|refusal| refused(&refusal))?,
    };
    let next = roster.standing(to).map_err(|refusal| refused(&refusal))?;
    if next.verified.is_none() && !unverified {
        let told = format!("generation {to} is not verified");
        let hint = format!(
            "verify it with `readmill verify <model> --generation {to}`, or swap --unverified"
        );
        return Err(Failure::new(Exit::Usage, told, hint).into());
    }
    if next.verified.is_none() {
        tell(&format!("warning: generation {to} is not verified"));
    }
    hand_over(case, to, step_limit, tell).await
}

async fn rollback(case: &Case, step_limit: Duration, tell: Tell<'_>) -> Result<Value> {
    let Standing { roster, .. } = case.standing().await?;
    let Some(before) = roster.before else {
        let told = Refusal("readers have seen no other generation that still stands".to_owned());
        return Err(refused(&told).into());
    };
    hand_over(case, before, step_limit, tell).await
}

async fn hand_over(case: &Case, to: u32, step_limit: Duration, tell: Tell<'_>) -> Result<Value> {
    let since = Instant::now();
    let mut handing =
        HandingOver::of(&case.config, &case.services, &case.model, step_limit).await?;
    let before = handing.hand_over(to, tell).await.map_err(|why| match why {
        NotDone::Refused(refusal) => anyhow::Error::from(refused(&refusal)),
        NotDone::TooLong(_) => {
            let hint = "see that instances fold both generations: `readmill generations` tells";
            Failure::new(Exit::Failed, why.to_string(), hint).into()
        }
        NotDone::Fault(fault) => fault.into(),
    })?;
    let (name, seconds) = (case.model.row.name, since.elapsed().as_secs_f64());
    Ok(json!({ "model": name, "live": to, "before": before, "seconds": seconds }))
}

/// What generations there are, which one readers see, and how far each is.
///
/// # Errors
/// When a service does not answer or refuses.
pub async fn list(case: &Case) -> Result<Value> {
    let Standing { roster, .. } = case.standing().await?;
    let seats = case.registrar().await?.seats().await?;
    let mut list = Vec::new();
    for generation in &roster.generations {
        let model = case.numbered(generation.number);
        let behind = match &case.config.source {
            Source::Kafka { kafka, .. } => {
                Some(progress::behind(&Group::of(kafka, &model)?).await?)
            }
            Source::Archive { .. } => None,
        };
        list.push(described(&roster, generation, behind, seats.values()));
    }
    let handover = roster.handover.as_ref().map(|handover| handover.to);
    Ok(json!({
        "model": case.model.row.name, "live": roster.live, "before": roster.before,
        "swapping_to": handover, "generations": list,
    }))
}

fn described<'s>(
    roster: &Roster,
    generation: &Generation,
    behind: Option<Behind>,
    seats: impl Iterator<Item = &'s Seat>,
) -> Value {
    let number = generation.number;
    let works: Vec<_> = seats.filter_map(|seat| seat.works_on(number)).collect();
    let failed: Vec<&String> = works.iter().filter_map(|works| works.failed.as_ref()).collect();
    let share_percent = works.iter().filter_map(|works| works.share_percent).min();
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
        "behind_records": behind.map(|behind| behind.records),
        "of_records": behind.map(|behind| behind.of),
        "instances": works.len(),
        "share_percent": share_percent,
        "failed": failed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deeds_are_read_as_they_are_written() {
        let table = [
            (r#"{"rebuild":{}}"#, Deed::Rebuild { from: None }),
            (r#"{"rebuild":{"from":"7d"}}"#, Deed::Rebuild { from: Some("7d".to_owned()) }),
            (r#"{"pause":{}}"#, Deed::Pause {}),
            (
                r#"{"swap":{"to":2,"unverified":true,"step_limit_seconds":9}}"#,
                Deed::Swap { to: Some(2), unverified: true, step_limit_seconds: 9 },
            ),
            (r#"{"rollback":{}}"#, Deed::Rollback { step_limit_seconds: STEP_LIMIT_SECONDS }),
            (r#"{"retire":{"generation":1}}"#, Deed::Retire { generation: 1 }),
        ];
        for (text, wanted) in table {
            let read: Deed = serde_json::from_str(text).unwrap();
            assert_eq!(read, wanted, "{text}");
            let written = serde_json::to_value(&read).unwrap();
            assert_eq!(serde_json::from_value::<Deed>(written).unwrap(), wanted, "{text}");
            assert!(text.starts_with(&format!("{{\"{}\"", read.verb())), "{text}");
        }
        // A file of this machine is nothing that the network may name.
        let strange =
            [r#"{"rebuild":{"archive":"/etc"}}"#, r#"{"pause":{"x":1}}"#, r#"{"run":{}}"#];
        for text in strange {
            assert!(serde_json::from_str::<Deed>(text).is_err(), "{text}");
        }
    }
}
