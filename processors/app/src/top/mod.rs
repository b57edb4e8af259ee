//! `top`: a running instance as it is now, again and again on a terminal, or once.

mod ask;
mod draw;
mod keys;
mod live;
mod shown;
mod terminal;
mod told;
mod view;
mod warnings;
mod watch;

use std::time::Instant;

use anyhow::{Context as _, Result};
use readmill_connectors::address;

use crate::cli::TopArgs;
use crate::exit::Exit;
use crate::out;
use crate::remote::Remote;

use ask::Asker;
use draw::Scene;
use shown::Shown;
use watch::Watch;

pub use told::{LaneTold, Status};

/// Obeys the command.
///
/// # Errors
/// When the instance does not answer at first, or refuses; or when there is no terminal to draw on.
pub async fn top(args: TopArgs) -> Result<Exit> {
    let asker = Asker::new(Remote::at(&args.of)?);
    if !args.once && !args.json {
        return live::live(asker, &args).await;
    }
    let shown = twice(asker, &args).await?;
    if args.json {
        out::line(serde_json::to_string(&shown).context("it cannot be written as JSON")?);
        return Ok(Exit::Done);
    }
    let scene = Scene {
        instance: shown.instance.clone(),
        shown: Some(shown),
        silent: None,
        every_seconds: args.every.as_secs_f64(),
    };
    let lines = draw::whole(&scene, terminal::columns());
    lines.iter().for_each(|line| out::line(line.plain()));
    Ok(Exit::Done)
}

/// Two looks, since rates lie between them.
async fn twice(mut asker: Asker, args: &TopArgs) -> Result<Shown> {
    let mut watch = Watch::default();
    watch.take(asker.look(None).await?, Instant::now());
    tokio::time::sleep(args.every).await;
    let busy = watch.busy();
    watch.take(asker.look(Some(&busy)).await?, Instant::now());
    watch.shown(&address::told(&args.of.instance)).context("nothing was seen")
}
