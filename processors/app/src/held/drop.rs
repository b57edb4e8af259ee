//! `held drop`: held records are given up, after it was said what is lost.

use anyhow::Result;
use readmill_core::{Key, ReadModel};
use readmill_engine::{Desk, Ports};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::deeds::Line;
use super::{key_text, one};
use crate::cli::{HeldOne, position};
use crate::exit::{Exit, Failure};
use crate::out;

/// Which are to be given up: that from a position, those of a key, or those without one.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Drop {
    /// The one from there.
    pub position: Option<String>,
    /// All that hold this key; with a position, the one that holds it.
    pub key: Option<String>,
    /// All of which no key is known.
    pub keyless: bool,
    /// Do it; without this it is only said what would be lost.
    pub yes: bool,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Dropped {
    /// Of which model.
    pub model: String,
    /// What is lost, or would be.
    pub lost: Vec<Line>,
    /// From where those came that are given up.
    pub dropped: Vec<String>,
    /// The one that stays held, and why.
    pub stays: Option<(String, String)>,
    /// How many are still behind them.
    pub behind: usize,
}

impl Drop {
    fn checked(&self) -> Result<(), Failure> {
        let named = self.position.is_some() || self.key.is_some();
        if named != self.keyless {
            return Ok(());
        }
        let hint = "say position, key, or keyless alone";
        Err(Failure::new(Exit::Usage, "it is not clear what is to be given up", hint))
    }

    fn position(&self) -> Result<Option<HeldOne>, Failure> {
        let Some(text) = &self.position else { return Ok(None) };
        let position = position(text).map_err(|why| {
            let hint = "`readmill held list` names those that there are";
            Failure::new(Exit::Usage, format!("position {why}"), hint)
        })?;
        Ok(Some(HeldOne { position, key: self.key.clone() }))
    }
}

/// Obeys the command.
pub async fn drop<M: ReadModel>(ports: &Ports<M>, wanted: &Drop) -> Result<Dropped> {
    wanted.checked()?;
    let (_open, closing) = watch::channel(false);
    let mut desk = Desk::new(ports, closing);
    let key = wanted.key.as_deref().map(Key::from);
    let lost = match wanted.position()? {
        Some(one_of_them) => vec![one(&*ports.held, M::NAME, &one_of_them).await?],
        None => desk.queue(key.as_ref()).await?,
    };
    if lost.is_empty() {
        let told = format!("nothing of {} is held under {}", M::NAME, key_text(key_of(wanted)));
        let hint = format!("`readmill held list --model {}` names what is", M::NAME);
        return Err(Failure::new(Exit::NotFound, told, hint).into());
    }
    let lines = lost.iter().map(Line::of).collect();
    let mut done = Dropped { model: M::NAME.to_owned(), lost: lines, ..Dropped::default() };
    if !wanted.yes {
        return Ok(done);
    }
    for held in &lost {
        if let Some(why) = desk.give_up(held).await? {
            done.stays = Some((held.position().to_string(), why));
            return Ok(done);
        }
        done.dropped.push(held.position().to_string());
    }
    done.behind = desk.queue(lost.first().and_then(|held| held.key.as_ref())).await?.len();
    Ok(done)
}

fn key_of(wanted: &Drop) -> Option<&str> {
    wanted.key.as_deref()
}

/// Prints it, and answers how the command ends.
///
/// # Errors
/// When nothing was given up, since nobody said so.
pub fn print(done: &Dropped, yes: bool, as_json: bool) -> Result<Exit> {
    let model = &done.model;
    if as_json {
        out::line(serde_json::to_value(done)?.to_string());
        return ended(done, yes);
    }
    out::line(format!("{model}: lost to the read model for ever, through every later delivery:"));
    for line in &done.lost {
        let Line { position, bytes, held_at, reason, .. } = line;
        let edited = if line.edited { ", edited" } else { "" };
        out::line(format!(
            "  {position} of {}, {bytes} bytes{edited}, held since {held_at}: {reason}",
            key_text(line.key.as_deref())
        ));
    }
    if !yes {
        return ended(done, yes);
    }
    for position in &done.dropped {
        out::line(format!("dropped {position}"));
    }
    if let Some((position, why)) = &done.stays {
        out::line(format!("{position} stays held: {why}"));
    } else if done.behind > 0 {
        let behind = done.behind;
        out::line(format!("{behind} records are still behind it: `readmill held retry`"));
    }
    ended(done, yes)
}

fn ended(done: &Dropped, yes: bool) -> Result<Exit> {
    if !yes {
        let hint = "keep a copy with `readmill held export`, then say --yes";
        return Err(Failure::new(Exit::Usage, "nothing was dropped", hint).into());
    }
    Ok(if done.stays.is_some() { Exit::StillHeld } else { Exit::Done })
}
