//! `held retry`: held records are folded again, key by key.

use std::collections::BTreeMap;

use anyhow::Result;
use readmill_core::{Key, Outcome, ReadModel};
use readmill_engine::{Desk, Held, HeldRecord, Ports};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::key_text;
use crate::exit::{Exit, Failure};
use crate::out;

/// So many of the stuck keys are named,
const MOST_NAMED: usize = 20;
/// and so many in JSON.
const MOST_TOLD: usize = 1_000;

/// Whose are to be tried again: those of a key, those without one, or all.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// Those that hold this key.
    pub key: Option<String>,
    /// Those of which no key is known.
    pub keyless: bool,
    /// All of them.
    pub all: bool,
    /// What waits for versions is folded without them.
    pub without_missing: bool,
}

impl Retry {
    fn checked(&self) -> Result<(), Failure> {
        let chosen = [self.key.is_some(), self.keyless, self.all];
        if chosen.into_iter().filter(|chosen| *chosen).count() == 1 {
            return Ok(());
        }
        let hint = "say one of key, keyless and all";
        Err(Failure::new(Exit::Usage, "it is not clear what is to be tried again", hint))
    }
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Retried {
    /// Of which model.
    pub model: String,
    /// How many records ended how.
    pub ended: BTreeMap<String, u64>,
    /// How many keys are stuck.
    pub stuck_keys: usize,
    /// The first of them.
    pub stuck: Vec<Stuck>,
}

/// A key that is stuck, and where and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stuck {
    key: Option<String>,
    position: String,
    reason: String,
}

/// Obeys the command.
pub async fn retry<M: ReadModel>(
    ports: &Ports<M>,
    wanted: &Retry,
    progress: &(dyn Fn(u64, u64) + Send + Sync),
) -> Result<Retried> {
    wanted.checked()?;
    let mut sum = Retried { model: M::NAME.to_owned(), ..Retried::default() };
    if wanted.all {
        let mut done = BTreeMap::new();
        // A record without a key may, once it is read, queue behind one that had none before.
        for _ in 0..2 {
            let mut keys = keys(ports).await?;
            keys.retain(|key, _| !done.contains_key(key));
            deal(ports, wanted, &keys, &mut sum, progress).await?;
            done.append(&mut keys);
        }
    } else {
        // Also with nothing held: a key that was left held by a crash is freed.
        let named = wanted.key.as_deref().map(Key::from);
        deal(ports, wanted, &BTreeMap::from([(named, 0)]), &mut sum, progress).await?;
    }
    Ok(sum)
}

/// Whose records are held, and how many of each; those without a key come first.
async fn keys<M: ReadModel>(ports: &Ports<M>) -> Result<BTreeMap<Option<Key>, u64>> {
    let mut keys: BTreeMap<Option<Key>, u64> = BTreeMap::new();
    let mut visit = |held: HeldRecord| *keys.entry(held.key).or_default() += 1;
    ports.held.visit(M::NAME, &Held::All, &mut visit).await?;
    Ok(keys)
}

async fn deal<M: ReadModel>(
    ports: &Ports<M>,
    wanted: &Retry,
    keys: &BTreeMap<Option<Key>, u64>,
    sum: &mut Retried,
    progress: &(dyn Fn(u64, u64) + Send + Sync),
) -> Result<()> {
    let (_open, closing) = watch::channel(false);
    let mut desk = Desk::new(ports, closing).closing_gaps(wanted.without_missing);
    let (mut done, of) = (0, keys.values().sum());
    for (key, many) in keys {
        let dealt = desk.retry(key.as_ref()).await?;
        for outcome in dealt.ended {
            *sum.ended.entry(outcome.name().to_owned()).or_default() += 1;
        }
        if let Some((position, reason)) = dealt.stuck {
            sum.stuck_keys += 1;
            if sum.stuck.len() < MOST_TOLD {
                let key = key.as_ref().map(|key| key.as_str().to_owned());
                sum.stuck.push(Stuck { key, position: position.to_string(), reason });
            }
        }
        done += many;
        progress(done, of);
    }
    Ok(())
}

impl Retried {
    fn is_nothing(&self) -> bool {
        self.ended.is_empty() && self.stuck_keys == 0
    }

    /// How the command ends.
    pub fn exit(&self, wanted: &Retry) -> Exit {
        let moved = self.ended.contains_key(Outcome::Held.name());
        match (self.is_nothing(), wanted.all) {
            (true, true) => Exit::Done,
            (true, false) => Exit::NotFound,
            (false, _) if self.stuck_keys == 0 && !moved => Exit::Done,
            (false, _) => Exit::StillHeld,
        }
    }
}

/// Prints it, and answers how the command ends.
pub fn print(sum: &Retried, wanted: &Retry) -> Exit {
    let Retried { model, ended, stuck_keys, stuck } = sum;
    if sum.is_nothing() {
        let key = wanted.key.as_deref();
        let named = (!wanted.all).then(|| format!(" under {}", key_text(key)));
        let whose = named.filter(|_| key.is_some()).unwrap_or_default();
        out::line(format!("{model}: nothing is held{whose}"));
        return sum.exit(wanted);
    }
    let told = Outcome::ALL.into_iter().filter_map(|outcome| {
        let many = ended.get(outcome.name())?;
        // Held by another key's document: it stands in that queue now.
        let name =
            if outcome == Outcome::Held { "moved to another key's queue" } else { outcome.name() };
        Some(format!("{many} {name}"))
    });
    let told = told.collect::<Vec<_>>().join(", ");
    let told = if told.is_empty() { "nothing left its queue".to_owned() } else { told };
    out::line(format!("{model}: {told}; {stuck_keys} keys are stuck"));
    for Stuck { key, position, reason } in stuck.iter().take(MOST_NAMED) {
        out::line(format!("  {} at {position}: {reason}", key_text(key.as_deref())));
    }
    if *stuck_keys > MOST_NAMED {
        out::line(format!("  … and {} more: see `readmill held list`", stuck_keys - MOST_NAMED));
    }
    sum.exit(wanted)
}
