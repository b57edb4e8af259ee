//! What Connect answers.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::trace::cause;

/// The state of a connector or a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum State {
    /// At work.
    Running,
    /// It has failed, and stays so until somebody restarts it.
    Failed,
    /// Nobody runs it at this moment.
    Unassigned,
    /// Told to pause.
    Paused,
    /// Told to stop.
    Stopped,
    /// It is being restarted.
    Restarting,
    /// It was deleted.
    Destroyed,
    /// A state that is not known here.
    #[serde(other)]
    Unknown,
}

impl State {
    /// As it is told.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Failed => "failed",
            Self::Unassigned => "unassigned",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
            Self::Restarting => "restarting",
            Self::Destroyed => "destroyed",
            Self::Unknown => "unknown",
        }
    }
}

/// A connector, or one of its tasks.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Part {
    /// The task's number; none for the connector itself.
    #[serde(default)]
    pub id: Option<u32>,
    /// Its state.
    pub state: State,
    /// The worker that runs it.
    #[serde(default, rename = "worker_id")]
    pub worker: String,
    /// Why it failed, as a stack trace.
    #[serde(default)]
    pub trace: Option<String>,
}

impl Part {
    /// Why it failed, in one line.
    pub fn cause(&self) -> Option<String> {
        let failed = self.state == State::Failed;
        failed.then(|| cause(self.trace.as_deref().unwrap_or_default()))
    }
}

/// How a connector is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Status {
    /// The connector itself.
    pub connector: Part,
    /// Its tasks.
    #[serde(default)]
    pub tasks: Vec<Part>,
    /// `source` or `sink`.
    #[serde(default, rename = "type")]
    pub kind: String,
}

impl Status {
    /// The connector and its tasks.
    pub fn parts(&self) -> impl Iterator<Item = &Part> {
        std::iter::once(&self.connector).chain(&self.tasks)
    }

    /// Whether it runs with at least one task, and all of them do.
    pub fn runs(&self) -> bool {
        !self.tasks.is_empty() && self.parts().all(|part| part.state == State::Running)
    }

    /// The first part that has failed.
    pub fn failed(&self) -> Option<&Part> {
        // A task says more than the connector, which fails with it at times.
        let parts = self.tasks.iter().chain(std::iter::once(&self.connector));
        parts.into_iter().find(|part| part.state == State::Failed)
    }
}

/// A kind of connector that Connect has.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Plugin {
    /// Its class.
    pub class: String,
    /// Its version.
    #[serde(default)]
    pub version: Option<String>,
}

/// What Connect itself finds in a configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Validation {
    /// Options that it refuses, and why.
    pub errors: Vec<(String, String)>,
    /// All options that it knows for this configuration.
    pub known: BTreeSet<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Validated {
    configs: Vec<Judged>,
}

#[derive(Debug, Deserialize)]
struct Judged {
    value: JudgedValue,
}

#[derive(Debug, Deserialize)]
struct JudgedValue {
    name: String,
    #[serde(default)]
    errors: Vec<String>,
}

impl From<Validated> for Validation {
    fn from(validated: Validated) -> Self {
        let mut validation = Self::default();
        for Judged { value } in validated.configs {
            let name = value.name;
            let errors = value.errors.into_iter().map(|why| (name.clone(), first_line(&why)));
            validation.errors.extend(errors);
            validation.known.insert(name);
        }
        validation
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim().to_owned()
}

/// How Connect tells what is wrong.
#[derive(Debug, Deserialize)]
pub(super) struct Complaint {
    #[serde(default)]
    pub message: String,
}
