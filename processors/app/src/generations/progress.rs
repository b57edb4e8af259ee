//! Watching how a generation catches up: how far, how fast, and when it will be done.

use std::time::Duration;

use anyhow::Result;
use readmill_engine::{Bounds, Fault};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::registrar::Registrar;
use crate::bars::spinner;
use crate::config::{self, Config, Source};
use crate::exit::{Exit, Failure};
use crate::out;
use crate::services::Services;
use crate::standing::Group;

const LOOK_EVERY: Duration = Duration::from_millis(500);
/// It is told again, where nobody sees a bar, after this.
const TELL_EVERY: Duration = Duration::from_secs(10);
/// If nobody works on it for so long, that is told.
const LONELY_AFTER: Duration = Duration::from_secs(10);

/// How far a generation is behind its log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Behind {
    /// Records that are still to be read.
    pub records: i64,
    /// Records that the log has in all.
    pub of: i64,
}

/// How far a group is behind the ends of its log.
///
/// # Errors
/// When no broker answers.
pub async fn behind(group: &Group) -> Result<Behind, Fault> {
    group
        .ask(|positions| {
            let bounds = positions.bounds()?;
            let settled = positions.settled_within(&bounds)?;
            let mut behind = Behind::default();
            for (partition, Bounds { from, to }) in bounds {
                let at = settled.get(&partition).map_or(from, |at| *at.max(&from));
                behind.records += (to.value() - at.value()).max(0);
                behind.of += to.value() - from.value();
            }
            Ok(behind)
        })
        .await
}

/// Watches until it has caught up.
///
/// # Errors
/// When a service does not answer, or the generation has failed or is gone.
pub async fn watch(
    config: &Config,
    services: &Services,
    model: &config::Model,
    as_json: bool,
) -> Result<()> {
    let Source::Kafka { kafka, .. } = &config.source else {
        out::complain("an archive is folded by the next `readmill run`\n");
        return Ok(());
    };
    let registrar = services.registrar(model).await?;
    let group = Group::of(kafka, model)?;
    let bar = spinner(as_json);
    let (began, mut told) = (Instant::now(), Instant::now());
    let mut first = None;
    let mut worked_on = Instant::now();
    loop {
        let work = work_on(&registrar, model.generation).await?;
        if work.is_some() {
            worked_on = Instant::now();
        } else if worked_on.elapsed() >= LONELY_AFTER {
            worked_on = Instant::now();
            let told = "no instance folds it: start one with `readmill run` and this binary\n";
            bar.suspend(|| out::complain(told));
        }
        let behind = behind(&group).await?;
        let first = *first.get_or_insert(behind);
        let pace = Pace::of(first, behind, began.elapsed()).with(work.unwrap_or_default());
        bar.set_message(pace.text());
        if behind.records <= near(behind) {
            bar.finish_and_clear();
            if as_json {
                out::line(pace.json(model, true));
            }
            return Ok(());
        }
        if as_json && told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            out::line(pace.json(model, false));
        }
        sleep(LOOK_EVERY).await;
    }
}

/// So few records behind is as good as at the end, which moves on: a swap waits for the rest.
const fn near(behind: Behind) -> i64 {
    let hundredth = behind.of / 100;
    if hundredth > 1_000 { 1_000 } else { hundredth + 10 }
}

/// How instances fold a generation.
#[derive(Debug, Clone, Copy, Default)]
struct Work {
    /// How much it has of its share where it has least, so that live streams stay fresh.
    share_percent: Option<u32>,
}

/// How instances fold it, if any does; one that has failed is an error.
async fn work_on(registrar: &Registrar, generation: u32) -> Result<Option<Work>> {
    let Some(standing) = registrar.read().await? else { return Ok(None) };
    if standing.roster.generation(generation).is_none() {
        let told = format!("generation {generation} was given up");
        return Err(Failure::new(Exit::Failed, told, "begin another one").into());
    }
    let seats = registrar.seats().await?;
    let works: Vec<_> = seats.values().filter_map(|seat| seat.works_on(generation)).collect();
    if let Some(why) = works.iter().find_map(|works| works.failed.as_ref()) {
        let told = format!("generation {generation} stopped: {why}");
        let hint = "mend what it says, and restart the instance, or `readmill rebuild --cancel`";
        return Err(Failure::new(Exit::Failed, told, hint).into());
    }
    let share_percent = works.iter().filter_map(|works| works.share_percent).min();
    Ok((!works.is_empty()).then_some(Work { share_percent }))
}

/// How fast it goes.
struct Pace {
    behind: Behind,
    records_per_s: f64,
    eta_s: Option<f64>,
    work: Work,
}

impl Pace {
    fn of(first: Behind, now: Behind, elapsed: Duration) -> Self {
        // What came meanwhile was read, too, or is still to be read.
        let read = (first.records + now.of - first.of - now.records).max(0) as f64;
        let records_per_s = read / elapsed.as_secs_f64().max(0.001);
        let closing = (first.records - now.records) as f64 / elapsed.as_secs_f64().max(0.001);
        let eta_s = (closing > 0.0).then(|| now.records as f64 / closing);
        Self { behind: now, records_per_s, eta_s, work: Work::default() }
    }

    fn with(self, work: Work) -> Self {
        Self { work, ..self }
    }

    fn text(&self) -> String {
        let Self { behind: Behind { records, of }, records_per_s, eta_s, work } = self;
        let eta = eta_s.map_or_else(|| "?".to_owned(), |seconds| format!("{seconds:.0} s"));
        let mut text =
            format!("{records} of {of} records to go, {records_per_s:.0} a second, done in {eta}");
        if let Some(percent) = work.share_percent.filter(|percent| *percent < 100) {
            text += &format!("; held back to {percent} % so that live streams stay fresh");
        }
        text
    }

    fn json(&self, model: &config::Model, caught_up: bool) -> String {
        let body = json!({
            "model": model.row.name, "generation": model.generation,
            "behind_records": self.behind.records, "of_records": self.behind.of,
            "records_per_s": self.records_per_s.round(), "eta_s": self.eta_s.map(f64::round),
            "caught_up": caught_up, "share_percent": self.work.share_percent,
        });
        body.to_string()
    }
}
