//! Waiting until a connector and all of its tasks run, or one of them has failed.

use std::time::Duration;

use indicatif::ProgressBar;
use readmill_connectors::connect::{Connect, Secrets, Status};
use readmill_engine::Fault;
use tokio::time::{Instant, sleep};

use super::told::tasks;

const PAUSE: Duration = Duration::from_millis(250);
/// It must run for so long: a first look may find what ran before, or a task that is about to fail.
const STEADY: Duration = Duration::from_secs(2);
/// For so long a failure of before may still be shown.
const OLD_FAILURE: Duration = Duration::from_secs(15);

/// How the wait ended.
pub enum Ready {
    /// It runs.
    Runs,
    /// It has failed: why, in one line.
    Failed(String),
    /// The time is up: how it is.
    Late(String),
}

impl Ready {
    /// What went wrong, if anything did.
    pub fn error(&self) -> Option<String> {
        match self {
            Self::Runs => None,
            Self::Failed(why) => Some(format!("failed: {why}")),
            Self::Late(how) => Some(format!("does not run in time: {how}")),
        }
    }
}

/// A connector that is waited for.
pub struct Wait<'w> {
    /// Where.
    pub connect: &'w Connect,
    /// Which.
    pub name: &'w str,
    /// How it was before.
    pub before: Option<Status>,
    /// What must not be told of it.
    pub secrets: &'w Secrets,
    /// How long.
    pub limit: Duration,
}

impl Wait<'_> {
    /// Waits, and shows what for.
    ///
    /// # Errors
    /// When Connect does not answer.
    pub async fn ready(&self, bar: &ProgressBar) -> Result<Ready, Fault> {
        let begun = Instant::now();
        let mut steady: Option<Instant> = None;
        let mut is_old = true;
        let mut how = "not there yet".to_owned();
        while begun.elapsed() < self.limit {
            if let Some(status) = self.connect.status(self.name).await? {
                let state = status.connector.state.word();
                how = format!("connector {state}, tasks {}", tasks(&status));
                bar.set_message(format!("{}: {how}", self.name));
                is_old &= self.is_old_failure(&status) && begun.elapsed() < OLD_FAILURE;
                if let Some(why) = self.failure(&status).filter(|_| !is_old) {
                    return Ok(Ready::Failed(why));
                }
                let since = status.runs().then(|| steady.unwrap_or_else(Instant::now));
                steady = since;
                if since.is_some_and(|since| since.elapsed() >= STEADY) {
                    return Ok(Ready::Runs);
                }
            }
            sleep(PAUSE).await;
        }
        Ok(Ready::Late(how))
    }

    fn is_old_failure(&self, status: &Status) -> bool {
        let trace = |status: &Status| status.failed().map(|part| part.trace.clone());
        let now = trace(status);
        now.is_some() && self.before.as_ref().and_then(trace) == now
    }

    fn failure(&self, status: &Status) -> Option<String> {
        let part = status.failed()?;
        let why = self.secrets.scrub(&part.cause().unwrap_or_default());
        Some(match part.id {
            Some(task) => format!("task {task}: {why}"),
            None => why,
        })
    }
}
