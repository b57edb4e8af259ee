//! `status`: how a running instance is, in a few lines.

use anyhow::{Context as _, Result};
use readmill_connectors::address::told;
use serde_json::Value;

use crate::cli::StatusArgs;
use crate::exit::Exit;
use crate::figures::{UNKNOWN, seconds, span};
use crate::out;
use crate::remote::Remote;
use crate::table::{Table, numbers, words};
use crate::top::Status;

/// Obeys the command.
///
/// # Errors
/// When the instance does not answer, or refuses.
pub async fn status(args: StatusArgs) -> Result<Exit> {
    let body = Remote::at(&args.of)?.get(&["status.json"], &[]).await?;
    let read = "the instance tells something else than this binary reads";
    let status: Status = serde_json::from_value(body.clone()).context(read)?;
    if args.json {
        out::line(body.to_string());
    } else {
        tell(&told(&args.of.instance), &status, &body);
    }
    let well = status.healthy && status.ready && !status.stopping;
    Ok(if well { Exit::Done } else { Exit::Failed })
}

fn tell(instance: &str, status: &Status, body: &Value) {
    let healthy = if status.healthy { "healthy" } else { "not healthy" };
    let ready = match (status.stopping, status.ready) {
        (true, _) => "stopping",
        (false, true) => "ready",
        (false, false) => "not ready",
    };
    let (version, up) = (&status.version, span(status.uptime_seconds));
    out::line(format!("{instance}: readmill {version}, {healthy}, {ready}, up {up}"));
    for what in status.ailments.iter().chain(&status.obstacles) {
        out::line(format!("  {what}"));
    }
    out::line("");
    models(status, body).print();
}

fn models(status: &Status, body: &Value) -> Table<10> {
    let mut table = Table::new([
        words("MODEL"),
        words("STATE"),
        numbers("GENERATION"),
        numbers("CONSUMED"),
        numbers("APPLIED"),
        numbers("WAITING"),
        numbers("HELD"),
        numbers("WRITTEN"),
        numbers("P50"),
        numbers("P99"),
    ]);
    for (at, model) in status.models.iter().enumerate() {
        let fresh = |name: &str| seconds(body["models"][at]["freshness"][name].as_f64());
        let generation = model.generation.map_or_else(|| UNKNOWN.to_owned(), |n| n.to_string());
        table.row([
            model.name.as_str().into(),
            model.state.as_str().into(),
            generation.into(),
            model.counts.consumed.to_string().into(),
            model.counts.applied.to_string().into(),
            model.counts.waiting.to_string().into(),
            model.counts.held.to_string().into(),
            model.written.to_string().into(),
            fresh("p50_seconds").into(),
            fresh("p99_seconds").into(),
        ]);
    }
    table
}
