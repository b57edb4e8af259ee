//! How things are laid out in the embedded store: names of spaces, keys, values and their guards.

use fjall::Slice;
use readmill_core::{Document, Key, ReadModel};
use readmill_engine::{Fault, Write};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::faults::refused;

/// The storage engine takes keys of up to 65,535 bytes, one of which is [`MARK`].
const MAX_KEY_BYTES: usize = 65_534;

/// A value's bytes are written as one, so they are in memory more than once.
const MAX_VALUE_BYTES: usize = 32 << 20;

/// A document may be as large as this while its key is free, so that it can always be held.
pub const FREE_DOCUMENT_BYTES: usize = MAX_VALUE_BYTES - (64 << 10);

/// Stands before every key, since the engine knows no empty ones.
const MARK: u8 = b'=';

/// A value begins with its revision, so that a comparison reads no JSON.
const REVISION_BYTES: usize = 8;

/// The space of one generation of a read model.
pub fn documents(model: &str, generation: u32) -> String {
    format!("{model}.g{generation}")
}

/// The space of a mirror.
pub fn views(name: &str) -> String {
    format!("views.{name}")
}

/// The space of held records.
pub const HELD: &str = "held";
/// The space of reactions.
pub const SAID: &str = "said";

/// When a value may be written; the comparison is with the revision that is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// Exactly this revision is stored; 0 means that nothing is.
    Revision(i64),
    /// Nothing is stored.
    Absent,
    /// Nothing newer than this revision is stored.
    NotNewerThan(i64),
    /// Whatever is stored.
    Any,
}

impl Guard {
    /// The fence.
    pub fn allows(self, stored: Option<i64>) -> bool {
        match self {
            Self::Revision(0) | Self::Absent => stored.is_none(),
            Self::Revision(expected) => stored == Some(expected),
            Self::NotNewerThan(revision) => stored.is_none_or(|stored| stored <= revision),
            Self::Any => true,
        }
    }
}

/// One guarded value on its way into a space.
#[derive(Debug, Clone)]
pub struct Cell {
    /// The stored key.
    pub key: Slice,
    /// When it may be written.
    pub guard: Guard,
    /// The revision that it has.
    pub revision: i64,
    /// The stored value; none takes it away.
    pub value: Option<Slice>,
}

impl Cell {
    /// Lays out a value.
    pub fn new(
        key: &str,
        guard: Guard,
        revision: i64,
        content: &impl Serialize,
    ) -> Result<Self, Fault> {
        let value = value_of(revision, content)?;
        if value.len() > MAX_VALUE_BYTES {
            return Err(refused(
                format!("a value of {} bytes is larger than {MAX_VALUE_BYTES}", value.len()),
                "let the read model keep less in one document",
            ));
        }
        Ok(Self { key: stored_key(key)?, guard, revision, value: Some(value.into()) })
    }

    /// Lays out a document; none is larger than a document can be.
    pub fn of_document<M: ReadModel>(write: &Write<'_, M>) -> Result<Option<Self>, Fault> {
        let stamp = &write.document.stamp;
        let (revision, guard) = (stamp.revision, Guard::Revision(write.expected));
        let value = value_of(revision, write.document)?;
        let limit = if stamp.is_held() { MAX_VALUE_BYTES } else { FREE_DOCUMENT_BYTES };
        if value.len() > limit {
            return Ok(None);
        }
        let key = stored_key(write.key.as_str())?;
        Ok(Some(Self { key, guard, revision, value: Some(value.into()) }))
    }

    /// Takes away what is stored, if the guard allows it.
    pub fn removal(key: &str, guard: Guard) -> Result<Self, Fault> {
        Ok(Self { key: stored_key(key)?, guard, revision: 0, value: None })
    }
}

fn value_of(revision: i64, content: &impl Serialize) -> Result<Vec<u8>, Fault> {
    let mut value = revision.to_be_bytes().to_vec();
    serde_json::to_writer(&mut value, content).map_err(|error| {
        refused(
            format!("a value cannot be written as JSON: {error}"),
            "the state of a read model must be plain data with text keys",
        )
    })?;
    Ok(value)
}

/// A key as it is stored.
pub fn stored_key(key: &str) -> Result<Slice, Fault> {
    if key.len() > MAX_KEY_BYTES {
        return Err(refused(
            format!("a key of {} bytes is longer than {MAX_KEY_BYTES}", key.len()),
            "derive a shorter key in the read model",
        ));
    }
    let mut stored = Vec::with_capacity(key.len() + 1);
    stored.push(MARK);
    stored.extend_from_slice(key.as_bytes());
    Ok(stored.into())
}

/// The key that was stored.
pub fn key_of(space: &str, stored: &[u8]) -> Result<Key, Fault> {
    match stored.split_first().map(|(mark, key)| (mark, std::str::from_utf8(key))) {
        Some((&MARK, Ok(key))) => Ok(Key::from(key)),
        Some(_) | None => Err(damaged(space, "a key is not one that was written")),
    }
}

/// The revision of a stored value.
pub fn revision_of(space: &str, value: &[u8]) -> Result<i64, Fault> {
    match value.first_chunk::<REVISION_BYTES>() {
        Some(bytes) => Ok(i64::from_be_bytes(*bytes)),
        None => Err(damaged(space, "a value is too short to have a revision")),
    }
}

/// The content of a stored value.
pub fn content_of<T: DeserializeOwned>(space: &str, value: &[u8]) -> Result<T, Fault> {
    let content = value.get(REVISION_BYTES..).unwrap_or_default();
    // Serde's own words may quote the data; only the place is told.
    serde_json::from_slice(content).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        damaged(space, &format!("a value cannot be read at line {line}, column {column}"))
    })
}

/// A stored document.
pub fn document_of<M: ReadModel>(space: &str, value: &[u8]) -> Result<Document<M>, Fault> {
    let revision = revision_of(space, value)?;
    let document: Document<M> = content_of(space, value)?;
    if document.stamp.revision != revision {
        return Err(damaged(space, "a document and its guard have different revisions"));
    }
    Ok(document)
}

fn damaged(space: &str, detail: &str) -> Fault {
    Fault::Damaged {
        what: format!("the embedded store's {space}"),
        detail: detail.to_owned(),
        hint: "another version may have written it: use that one, or rebuild the read model",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::{Pebble, Pebbles, somewhere};

    #[test]
    fn guards_restate_the_fence() {
        let table = [
            (Guard::Revision(0), None, true),
            (Guard::Revision(0), Some(1), false),
            (Guard::Revision(3), None, false),
            (Guard::Revision(3), Some(3), true),
            (Guard::Revision(3), Some(4), false),
            (Guard::Absent, None, true),
            (Guard::Absent, Some(0), false),
            (Guard::NotNewerThan(3), None, true),
            (Guard::NotNewerThan(3), Some(3), true),
            (Guard::NotNewerThan(3), Some(4), false),
            (Guard::Any, None, true),
            (Guard::Any, Some(4), true),
        ];
        for (guard, stored, allowed) in table {
            assert_eq!(guard.allows(stored), allowed, "{guard:?} against {stored:?}");
        }
    }

    #[test]
    fn a_cell_reads_back_and_an_empty_key_is_a_key() {
        let cell = Cell::new("", Guard::Absent, -7, &vec![1, 2]).unwrap();
        assert_eq!(key_of("x", &cell.key).unwrap(), Key::from(""));
        let value = cell.value.unwrap();
        assert_eq!(revision_of("x", &value).unwrap(), -7);
        assert_eq!(content_of::<Vec<i32>>("x", &value).unwrap(), [1, 2]);
    }

    #[test]
    fn what_was_not_written_here_is_damage_and_is_not_quoted() {
        assert!(revision_of("x", b"short").is_err());
        assert!(key_of("x", b"").is_err());
        let text = content_of::<i32>("x", b"01234567\"secret\"").unwrap_err().to_string();
        assert!(!text.contains("secret"), "{text}");
    }

    #[test]
    fn a_document_that_is_too_large_has_no_cell_and_one_that_stands_can_be_held() {
        let state = |bytes| Pebble { title: "x".repeat(bytes), ..Pebble::number(1) };
        let beside = value_of(1, &state(0).at_revision(1)).unwrap().len();
        let key = Key::from("k");
        let fits = |document: &Document<Pebbles>| {
            let write = Write { key: &key, expected: 1, document };
            Cell::of_document(&write).unwrap().is_some()
        };
        let mut largest = state(FREE_DOCUMENT_BYTES - beside).at_revision(1);
        assert!(fits(&largest));
        assert!(!fits(&state(FREE_DOCUMENT_BYTES - beside + 1).at_revision(1)));
        largest.stamp.held = somewhere();
        assert!(fits(&largest));
    }

    #[test]
    fn a_key_that_is_too_long_is_refused_before_the_engine_panics() {
        assert!(stored_key(&"k".repeat(MAX_KEY_BYTES)).is_ok());
        assert!(stored_key(&"k".repeat(MAX_KEY_BYTES + 1)).is_err());
    }
}
