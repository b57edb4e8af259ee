//! What a registry did not answer: faults that several waiters can share, and unknown ids.

use std::collections::VecDeque;
use std::error::Error;
use std::time::Duration;

use readmill_engine::Fault;
use readmill_schemas::SchemaId;
use schema_registry_converter::error::SRCError;
use schema_registry_converter::schema_registry_common::RawError;
use tokio::time::Instant;

use super::handshake;

const SERVICE: &str = "schema registry";
/// Confluent's code of an id that does not exist, as against a path that does not.
const NO_SUCH_SCHEMA: u32 = 40_403;
/// Its codes of a subject, and of a version, that do not exist.
const NO_SUCH_SUBJECT: [u32; 2] = [40_401, 40_402];
/// How many unknown ids are remembered.
const REMEMBERED_IDS: usize = 1_000;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Miss {
    /// It does not answer, or not sensibly: it is asked again.
    Silent(String),
    /// It refuses, and will go on doing so.
    Refused(String, &'static str),
    /// It answers that there is no such id.
    Unknown,
    /// There is such a schema, and it cannot be used.
    Unusable(String),
}

/// What a registry's answer means. Only its own word that an id does not exist counts as unknown;
/// a 404 of a proxy, or garbage, must never make a good record look like poison.
pub fn judge(error: &SRCError) -> Miss {
    if let Some((refused, hint)) = handshake::refusal(error) {
        return Miss::Refused(refused, hint);
    }
    let told = told(error);
    match status(error) {
        Some(401) => Miss::Refused(
            told,
            "set `username` and `password`, or `token`, under [registry] to an account that may \
             read schemas",
        ),
        Some(403) => Miss::Refused(told, "give the account under [registry] the right to do this"),
        Some(404) if code(error) == Some(NO_SUCH_SCHEMA) => Miss::Unknown,
        Some(409) => Miss::Refused(
            told,
            "the schema is incompatible with the subject's: fix it or use another subject",
        ),
        Some(422) => Miss::Refused(told, "the registry takes the schema for invalid: fix it"),
        Some(_) | None => Miss::Silent(told),
    }
}

/// Whether it is the registry's own word that a subject does not exist.
pub fn no_such_subject(error: &SRCError) -> bool {
    status(error) == Some(404) && code(error).is_some_and(|code| NO_SUCH_SUBJECT.contains(&code))
}

/// The status is only in the text of the library's error.
fn status(error: &SRCError) -> Option<u16> {
    let (_, rest) = error.error.split_once("failed with status ")?;
    rest.split(' ').next()?.parse().ok()
}

/// The registry's own code, where the answer was the registry's.
fn code(error: &SRCError) -> Option<u32> {
    error.source()?.downcast_ref::<RawError>().map(|raw| raw.error_code)
}

/// The library's words and their innermost cause; never a body, which may be anything.
fn told(error: &SRCError) -> String {
    let words = error.error.to_lowercase();
    match code(error) {
        Some(0) => words,
        Some(code) => format!("{words} (error code {code})"),
        None if error.source().is_some() => format!("{words}: {}", innermost(error)),
        None => words,
    }
}

impl Miss {
    /// What it means for a schema that refers to the one that was asked for.
    pub fn of_reference(self) -> Self {
        if self == Self::Unknown {
            return Self::Unusable("it refers to a schema that is unknown".to_owned());
        }
        self
    }

    /// What it means for a registration, which asks for no id.
    pub fn of_subject(self) -> Self {
        if self == Self::Unknown {
            return Self::Silent("it loses a schema while registering it".to_owned());
        }
        self
    }

    /// The fault of whoever asked for `id`.
    pub fn fault(self, id: SchemaId) -> Fault {
        match self {
            Self::Silent(detail) => Fault::Silent { service: SERVICE, detail },
            Self::Refused(detail, hint) => Fault::Refused { service: SERVICE, detail, hint },
            Self::Unknown => Fault::UnknownSchema { id: id.0 },
            Self::Unusable(detail) => Fault::UnusableSchema { id: id.0, detail },
        }
    }
}

/// What an error's innermost cause says.
pub fn innermost(error: &(dyn Error + 'static)) -> String {
    error.source().map_or_else(|| error.to_string(), innermost)
}

/// No answer from one address.
pub fn unanswered(told: &str, error: &(dyn Error + 'static)) -> Fault {
    match handshake::refusal(error) {
        Some((refused_by, hint)) => refused(format!("{told}: {refused_by}"), hint),
        None => silent(format!("{told}: {}", innermost(error))),
    }
}

/// A refusal at start.
pub fn refused(detail: String, hint: &'static str) -> Fault {
    Fault::Refused { service: SERVICE, detail, hint }
}

/// A registry that does not answer at start.
pub const fn silent(detail: String) -> Fault {
    Fault::Silent { service: SERVICE, detail }
}

/// Ids that the registry did not know a short while ago, oldest first.
#[derive(Debug)]
pub struct UnknownIds {
    age: Duration,
    ids: VecDeque<(SchemaId, Instant)>,
}

impl UnknownIds {
    /// Believes that an id is unknown for this long.
    pub const fn new(age: Duration) -> Self {
        Self { age, ids: VecDeque::new() }
    }

    /// Whether an id is believed to be unknown.
    pub fn contains(&mut self, id: SchemaId, now: Instant) -> bool {
        while self.ids.front().is_some_and(|(_, since)| now.duration_since(*since) >= self.age) {
            self.ids.pop_front();
        }
        self.ids.iter().any(|(known, _)| *known == id)
    }

    /// Remembers an unknown id; the oldest gives way.
    pub fn insert(&mut self, id: SchemaId, now: Instant) {
        if self.ids.len() >= REMEMBERED_IDS {
            self.ids.pop_front();
        }
        self.ids.push_back((id, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_ids_are_bounded_in_number_and_age() {
        let mut unknown = UnknownIds::new(Duration::from_secs(30));
        let start = Instant::now();
        for id in 0..2_000 {
            unknown.insert(SchemaId(id), start);
        }
        assert_eq!(unknown.ids.len(), REMEMBERED_IDS);
        assert!(!unknown.contains(SchemaId(999), start));
        assert!(unknown.contains(SchemaId(1_000), start + Duration::from_secs(29)));
        assert!(!unknown.contains(SchemaId(1_000), start + Duration::from_secs(30)));
        assert!(unknown.ids.is_empty());
    }
}
