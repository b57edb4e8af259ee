//! `held drop`: held records are given up, after it was said what is lost.

use anyhow::Result;
use readmill_core::{Key, ReadModel};
use readmill_engine::{Desk, HeldRecord, Ports};
use readmill_schemas::Timestamp;
use tokio::sync::watch;

use super::{key_text, one};
use crate::cli::{HeldDropArgs, HeldOne};
use crate::exit::{Exit, Failure};
use crate::out;

/// Obeys the command.
pub async fn drop<M: ReadModel>(ports: &Ports<M>, args: &HeldDropArgs) -> Result<Exit> {
    let (_open, closing) = watch::channel(false);
    let mut desk = Desk::new(ports, closing);
    let key = args.key.as_deref().map(Key::from);
    let lost = match &args.position {
        Some(position) => {
            let wanted = HeldOne { position: position.clone(), key: args.key.clone() };
            vec![one(&*ports.held, M::NAME, &wanted).await?]
        }
        None => desk.queue(key.as_ref()).await?,
    };
    if lost.is_empty() {
        let told = format!("nothing of {} is held under {}", M::NAME, key_text(key.as_ref()));
        let hint = format!("`readmill held list --model {}` names what is", M::NAME);
        return Err(Failure::new(Exit::NotFound, told, hint).into());
    }
    tell(M::NAME, &lost);
    if !args.yes {
        let hint = "keep a copy with `readmill held export`, then say --yes";
        return Err(Failure::new(Exit::Usage, "nothing was dropped", hint).into());
    }
    for held in &lost {
        if let Some(why) = desk.give_up(held).await? {
            out::line(format!("{} stays held: {why}", held.position()));
            return Ok(Exit::StillHeld);
        }
        out::line(format!("dropped {}", held.position()));
    }
    let behind = desk.queue(lost.first().and_then(|held| held.key.as_ref())).await?.len();
    if behind > 0 {
        out::line(format!("{behind} records are still behind it: `readmill held retry`"));
    }
    Ok(Exit::Done)
}

/// What is lost.
fn tell(model: &str, lost: &[HeldRecord]) {
    out::line(format!("{model}: lost to the read model for ever, through every later delivery:"));
    for held in lost {
        let since = Timestamp::from_millis(held.held_at_ms);
        let (key, bytes) = (key_text(held.key.as_ref()), held.record.bytes());
        let edited = if held.original.is_some() { ", edited" } else { "" };
        out::line(format!(
            "  {} of {key}, {bytes} bytes{edited}, held since {since}: {}",
            held.position(),
            held.reason
        ));
    }
}
