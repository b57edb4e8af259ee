//! How the process ends: the exit codes, and how an error is told to a person.

use std::fmt::{self, Write as _};

use readmill_engine::Fault;

use crate::config::Mistakes;

/// The exit codes, for `--help`.
pub const CODES: &str = "Exit codes:
  0  done
  1  failed while running
  2  a mistake in the configuration or on the command line
  3  a service refused, cannot be reached, or an address is in use
  4  stored data is damaged
  5  there is no such document, or no such held record
  6  some records are still held
  7  a mirror, a fold of the log, or an origin differs from the documents; or the doctor has
     found what is as grave as --fail-on says";

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Failed while running.
    Failed = 1,
    /// A mistake in the configuration or on the command line.
    Usage = 2,
    /// A service refused, cannot be reached, or an address is in use.
    Service = 3,
    /// Stored data is damaged.
    Damaged = 4,
    /// There is no such document, or no such held record.
    NotFound = 5,
    /// Some records are still held.
    StillHeld = 6,
    /// A mirror, a fold of the log, or an origin differs from the documents; or the doctor has
    /// found something.
    Differs = 7,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A failure of the binary itself, which knows its exit code and what to do about it.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What went wrong: lowercase, without a full stop.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl Failure {
    /// A failure with its remedy.
    pub fn new(exit: Exit, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hint: hint.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// The exit code of an error: that of the first cause which knows one.
pub fn code(error: &anyhow::Error) -> Exit {
    error.chain().find_map(code_of).unwrap_or(Exit::Failed)
}

fn code_of(cause: &(dyn std::error::Error + 'static)) -> Option<Exit> {
    if let Some(failure) = cause.downcast_ref::<Failure>() {
        return Some(failure.exit);
    }
    if cause.is::<Mistakes>() {
        return Some(Exit::Usage);
    }
    cause.downcast_ref::<Fault>().map(|fault| match fault {
        Fault::Silent { .. } | Fault::Refused { .. } => Exit::Service,
        Fault::UnknownSchema { .. }
        | Fault::UnusableSchema { .. }
        | Fault::RolledBack { .. }
        | Fault::Damaged { .. } => Exit::Damaged,
        Fault::Overslept | Fault::Abandoned => Exit::Failed,
    })
}

/// The error with its causes and hints, in lines for stderr.
pub fn told(error: &anyhow::Error) -> String {
    let mut text = String::new();
    if let Some(mistakes) = error.chain().find_map(|cause| cause.downcast_ref::<Mistakes>()) {
        for line in mistakes.lines() {
            text += &format!("error: {line}\n");
        }
        return text + "hint: `readmill check --example` prints every setting with its meaning\n";
    }
    let mut last = String::new();
    for cause in error.chain() {
        let message = message(cause);
        // A cause that its wrapper has told already is not told again.
        if last.is_empty() {
            text += &format!("error: {message}\n");
        } else if !last.contains(&message) {
            text += &format!("  because: {message}\n");
        }
        last = message;
    }
    if let Some(hint) = error.chain().find_map(hint) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "hint: {hint}");
    }
    text
}

/// The first cause that knows what to do about it, in a line, and that; else all causes.
pub fn in_short(error: &anyhow::Error) -> (String, Option<String>) {
    let knows = error.chain().find_map(|cause| Some((message(cause), hint(cause)?)));
    knows.map_or_else(|| (format!("{error:#}"), None), |(told, hint)| (told, Some(hint)))
}

/// A fault without its hint, which has a line of its own; anything else as it is.
fn message(cause: &(dyn std::error::Error + 'static)) -> String {
    let told = cause.to_string();
    match hint(cause) {
        Some(hint) => told.replace(&format!(" ({hint})"), ""),
        None => told,
    }
}

fn hint(cause: &(dyn std::error::Error + 'static)) -> Option<String> {
    if let Some(failure) = cause.downcast_ref::<Failure>() {
        return Some(failure.hint.clone());
    }
    cause.downcast_ref::<Fault>().and_then(|fault| match fault {
        Fault::Refused { hint, .. } | Fault::Damaged { hint, .. } => Some((*hint).to_owned()),
        Fault::Silent { service: "the instance", .. } => {
            Some("see that it is running, and that --instance has its address".to_owned())
        }
        Fault::Silent { service, .. } => Some(format!(
            "see that {service} is running, and that the configuration has its address"
        )),
        Fault::UnknownSchema { .. } => Some(
            "see that [registry] names the registry that the records were written with".to_owned(),
        ),
        Fault::UnusableSchema { .. }
        | Fault::RolledBack { .. }
        | Fault::Overslept
        | Fault::Abandoned => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> Fault {
        let (detail, hint) = ("authentication failed".to_owned(), "check the user in mongo.uri");
        Fault::Refused { service: "MongoDB", detail, hint }
    }

    #[test]
    fn every_fault_ends_with_its_code() {
        let silent = Fault::Silent { service: "Kafka", detail: "no broker".to_owned() };
        let damaged = Fault::Damaged { what: "a".to_owned(), detail: "b".to_owned(), hint: "c" };
        let table = [
            (anyhow::Error::new(silent), Exit::Service),
            (anyhow::Error::new(refused()).context("while starting"), Exit::Service),
            (anyhow::Error::new(damaged), Exit::Damaged),
            (anyhow::Error::new(Failure::new(Exit::NotFound, "no", "look")), Exit::NotFound),
            (anyhow::anyhow!("something else"), Exit::Failed),
        ];
        for (error, wanted) in table {
            assert_eq!(code(&error), wanted, "{error:#}");
        }
    }

    #[test]
    fn causes_are_told_once_and_the_hint_has_its_line() {
        let error = anyhow::Error::new(refused()).context("points cannot start");
        let wanted = "error: points cannot start\n  because: MongoDB refused: authentication \
                      failed\nhint: check the user in mongo.uri\n";
        assert_eq!(told(&error), wanted);
    }
}
