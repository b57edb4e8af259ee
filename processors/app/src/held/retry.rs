//! `held retry`: held records are folded again, key by key.

use std::collections::BTreeMap;

use anyhow::Result;
use readmill_core::{Key, Outcome, Position, ReadModel};
use readmill_engine::{Desk, Held, HeldRecord, Ports};
use tokio::sync::watch;

use super::key_text;
use crate::bars::progress;
use crate::cli::HeldRetryArgs;
use crate::exit::Exit;
use crate::out;

/// So many of the stuck keys are named.
const MOST_NAMED: usize = 20;

/// What came of it.
#[derive(Debug, Default)]
struct Sum {
    ended: BTreeMap<Outcome, u64>,
    stuck: Vec<(Option<Key>, Position, String)>,
}

/// Obeys the command.
pub async fn retry<M: ReadModel>(ports: &Ports<M>, args: &HeldRetryArgs) -> Result<Exit> {
    let mut sum = Sum::default();
    let named = args.key.as_deref().map(Key::from);
    if args.all {
        let mut done = BTreeMap::new();
        // A record without a key may, once it is read, queue behind one that had none before.
        for _ in 0..2 {
            let mut keys = keys(ports).await?;
            keys.retain(|key, _| !done.contains_key(key));
            deal(ports, args, &keys, &mut sum).await?;
            done.append(&mut keys);
        }
    } else {
        // Also with nothing held: a key that was left held by a crash is freed.
        deal(ports, args, &BTreeMap::from([(named.clone(), 0)]), &mut sum).await?;
    }
    if sum.ended.is_empty() && sum.stuck.is_empty() {
        let whose = named.map(|key| format!(" under {}", key_text(Some(&key))));
        out::line(format!("{}: nothing is held{}", M::NAME, whose.unwrap_or_default()));
        return Ok(if args.all { Exit::Done } else { Exit::NotFound });
    }
    Ok(tell(M::NAME, &sum))
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
    args: &HeldRetryArgs,
    keys: &BTreeMap<Option<Key>, u64>,
    sum: &mut Sum,
) -> Result<()> {
    let (_open, closing) = watch::channel(false);
    let mut desk = Desk::new(ports, closing).closing_gaps(args.without_missing);
    let bar = progress(keys.values().sum(), "tried again");
    for (key, many) in keys {
        let dealt = desk.retry(key.as_ref()).await?;
        for outcome in dealt.ended {
            *sum.ended.entry(outcome).or_default() += 1;
        }
        if let Some((position, reason)) = dealt.stuck {
            sum.stuck.push((key.clone(), position, reason));
        }
        bar.inc(*many);
    }
    bar.finish_and_clear();
    Ok(())
}

fn tell(model: &str, sum: &Sum) -> Exit {
    let ended = Outcome::ALL.into_iter().filter_map(|outcome| {
        let many = sum.ended.get(&outcome)?;
        // Held by another key's document: it stands in that queue now.
        let name =
            if outcome == Outcome::Held { "moved to another key's queue" } else { outcome.name() };
        Some(format!("{many} {name}"))
    });
    let ended = ended.collect::<Vec<_>>().join(", ");
    let ended = if ended.is_empty() { "nothing left its queue".to_owned() } else { ended };
    let stuck = sum.stuck.len();
    out::line(format!("{model}: {ended}; {stuck} keys are stuck"));
    for (key, position, reason) in sum.stuck.iter().take(MOST_NAMED) {
        out::line(format!("  {} at {position}: {reason}", key_text(key.as_ref())));
    }
    if stuck > MOST_NAMED {
        out::line(format!("  … and {} more: see `readmill held list`", stuck - MOST_NAMED));
    }
    let moved = sum.ended.contains_key(&Outcome::Held);
    if stuck == 0 && !moved { Exit::Done } else { Exit::StillHeld }
}
