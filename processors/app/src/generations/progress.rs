//! Watching how a generation catches up: how far, how fast, and when it will be done.

use std::time::Duration;

use anyhow::Result;
use readmill_engine::{Bounds, Fault};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::verbs::Doer;
use crate::bars::spinner;
use crate::exit::{Exit, Failure};
use crate::out;
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

/// Watches until it has caught up. Answers whether it has: an archive tells nobody how far it is.
///
/// # Errors
/// When a service does not answer, or the generation has failed or is gone.
pub async fn watch(doer: &Doer, model: &str, number: u32, as_json: bool) -> Result<bool> {
    let bar = spinner(as_json);
    let (began, mut told) = (Instant::now(), Instant::now());
    let mut first = None;
    let mut worked_on = Instant::now();
    loop {
        let list = doer.list(model).await?;
        let Look { behind, is_worked_on, share_percent } = Look::of(&list, number)?;
        if is_worked_on {
            worked_on = Instant::now();
        } else if worked_on.elapsed() >= LONELY_AFTER {
            worked_on = Instant::now();
            let told = "no instance folds it: start one with `readmill run` and this binary\n";
            bar.suspend(|| out::complain(told));
        }
        let Some(behind) = behind else {
            bar.finish_and_clear();
            out::complain("an archive is folded by `readmill run`, now or when it is started\n");
            return Ok(false);
        };
        let first = *first.get_or_insert(behind);
        let pace = Pace { share_percent, ..Pace::of(first, behind, began.elapsed()) };
        bar.set_message(pace.text());
        if behind.records <= near(behind) {
            bar.finish_and_clear();
            if as_json {
                out::line(pace.json(model, number, true));
            }
            return Ok(true);
        }
        if as_json && told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            out::line(pace.json(model, number, false));
        }
        sleep(LOOK_EVERY).await;
    }
}

/// So few records behind is as good as at the end, which moves on: a swap waits for the rest.
const fn near(behind: Behind) -> i64 {
    let hundredth = behind.of / 100;
    if hundredth > 1_000 { 1_000 } else { hundredth + 10 }
}

/// How one generation stands, in the list of all.
struct Look {
    behind: Option<Behind>,
    is_worked_on: bool,
    /// How much it has of its share where it has least, so that live streams stay fresh.
    share_percent: Option<u64>,
}

impl Look {
    /// One that has failed, or is gone, is an error.
    fn of(list: &Value, number: u32) -> Result<Self> {
        let mut all = list["generations"].as_array().into_iter().flatten();
        let Some(found) = all.find(|generation| generation["generation"] == number) else {
            let told = format!("generation {number} was given up");
            return Err(Failure::new(Exit::Failed, told, "begin another one").into());
        };
        if let Some(why) = found["failed"][0].as_str() {
            let told = format!("generation {number} stopped: {why}");
            let hint =
                "mend what it says, and restart the instance, or `readmill rebuild --cancel`";
            return Err(Failure::new(Exit::Failed, told, hint).into());
        }
        let behind = found["behind_records"].as_i64().zip(found["of_records"].as_i64());
        let behind = behind.map(|(records, of)| Behind { records, of });
        let is_worked_on = found["instances"].as_u64().is_some_and(|n| n > 0);
        let share_percent = found["share_percent"].as_u64();
        Ok(Self { behind, is_worked_on, share_percent })
    }
}

/// How fast it goes.
struct Pace {
    behind: Behind,
    records_per_s: f64,
    eta_s: Option<f64>,
    share_percent: Option<u64>,
}

impl Pace {
    fn of(first: Behind, now: Behind, elapsed: Duration) -> Self {
        // What came meanwhile was read, too, or is still to be read.
        let read = (first.records + now.of - first.of - now.records).max(0) as f64;
        let records_per_s = read / elapsed.as_secs_f64().max(0.001);
        let closing = (first.records - now.records) as f64 / elapsed.as_secs_f64().max(0.001);
        let eta_s = (closing > 0.0).then(|| now.records as f64 / closing);
        Self { behind: now, records_per_s, eta_s, share_percent: None }
    }

    fn text(&self) -> String {
        let Self { behind: Behind { records, of }, records_per_s, eta_s, share_percent } = self;
        let eta = eta_s.map_or_else(|| "?".to_owned(), |seconds| format!("{seconds:.0} s"));
        let mut text =
            format!("{records} of {of} records to go, {records_per_s:.0} a second, done in {eta}");
        if let Some(percent) = share_percent.filter(|percent| *percent < 100) {
            text += &format!("; held back to {percent} % so that live streams stay fresh");
        }
        text
    }

    fn json(&self, model: &str, generation: u32, caught_up: bool) -> String {
        let body = json!({
            "model": model, "generation": generation,
            "behind_records": self.behind.records, "of_records": self.behind.of,
            "records_per_s": self.records_per_s.round(), "eta_s": self.eta_s.map(f64::round),
            "caught_up": caught_up, "share_percent": self.share_percent,
        });
        body.to_string()
    }
}
