//! A person taken out of an archive: records that are theirs alone are emptied, others lose what
//! tells of them.

use std::cell::RefCell;
use std::sync::Arc;

use readmill_core::Record;
use readmill_engine::Fault;
use readmill_schemas::redact::Parts;
use readmill_schemas::{Annotations, Person, Redacted, Redaction, SchemaId, WriterSchema};

use super::book::ArchiveBook;
use super::erase::{Fate, erase};
use super::error::{self, COPY_AGAIN};
use super::layout::schema_path;
use super::manifest::Manifest;
use super::storage::Storage;

/// What was done to an archive for a person.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PersonErased {
    /// How many files were written anew.
    pub files: u64,
    /// How many records were emptied, since they were the person's own.
    pub emptied: u64,
    /// How many records lost what tells of the person.
    pub redacted: u64,
    /// How many records were emptied, since they have the id and cannot be read.
    pub unreadable: u64,
    /// How many records have the id within some longer text, which stays.
    pub within: u64,
    /// Whether somebody appends to the archive: what is in a file that has not ended was not looked
    /// at.
    pub is_growing: bool,
}

/// Takes a person out of an archive. `is_own` says of a record whether whatever it is folded into
/// is the person's own; `told` hears of the bytes that were looked through.
///
/// # Errors
/// When a file or a schema is not as it was written, or something cannot be written.
pub fn erase_person(
    storage: &Arc<dyn Storage>,
    person: Person<'_>,
    annotations: &Annotations,
    is_own: &mut dyn FnMut(&Record) -> bool,
    told: &mut dyn FnMut(u64),
) -> Result<PersonErased, Fault> {
    let shelf = Shelf::of(storage)?;
    let schema = |id| shelf.schema(id);
    let redaction = Redaction::new(person, annotations, &schema);
    let mut done = PersonErased::default();
    let mut judge = |record: &Record| {
        if is_empty(record) {
            return Ok(Fate::Keep);
        }
        if is_own(record) {
            return Ok(Fate::Empty);
        }
        let redacted = redaction.redact(parts(record));
        // What could not be looked up must not be taken for what nobody knows.
        shelf.fault.take().map_or(Ok(()), Err)?;
        Ok(match redacted {
            Ok(Redacted::Untouched) => {
                done.within += u64::from(names(&redaction, record));
                Fate::Keep
            }
            Ok(Redacted::Anew { key, value, headers }) => {
                let new = Record { key, value, headers, ..Record::at(record.position.clone()) };
                done.within += u64::from(names(&redaction, &new));
                Fate::Replace(new)
            }
            Err(error) => {
                tracing::warn!(position = %record.position, %error, "the record is emptied");
                done.unreadable += 1;
                Fate::Empty
            }
        })
    };
    let erased = erase(storage, &mut judge, told)?;
    Ok(PersonErased {
        files: erased.files,
        emptied: erased.emptied.saturating_sub(done.unreadable),
        redacted: erased.replaced,
        is_growing: erased.is_growing,
        ..done
    })
}

fn parts(record: &Record) -> Parts<'_> {
    let (key, value) = (record.key.as_deref(), record.value.as_deref());
    Parts { key, value, headers: &record.headers }
}

const fn is_empty(record: &Record) -> bool {
    record.key.is_none() && record.value.is_none() && record.headers.is_empty()
}

fn names(redaction: &Redaction<'_>, record: &Record) -> bool {
    let headers = record.headers.iter().map(|(_, value)| value);
    let mut all = record.key.iter().chain(&record.value).chain(headers);
    all.any(|bytes| redaction.names(bytes))
}

/// The archive's schemas, and why one could not be looked up.
struct Shelf {
    storage: Arc<dyn Storage>,
    book: ArchiveBook,
    manifest: Manifest,
    fault: RefCell<Option<Fault>>,
}

impl Shelf {
    fn of(storage: &Arc<dyn Storage>) -> Result<Self, Fault> {
        let manifest = Manifest::of(&**storage)?;
        let (storage, book) = (Arc::clone(storage), ArchiveBook::of(Arc::clone(storage)));
        Ok(Self { storage, book, manifest, fault: RefCell::default() })
    }

    /// None for what the archive does not have. What it should have must be there: records that
    /// cannot be read for want of it would be emptied.
    fn schema(&self, id: SchemaId) -> Option<Arc<WriterSchema>> {
        let fault = match self.book.find(id) {
            Ok(schema) => return Some(schema),
            Err(fault) => fault,
        };
        let is_listed = self.manifest.schemas.contains_key(&id.0);
        let is_unknown = matches!(fault, Fault::UnknownSchema { .. });
        let is_unusable = matches!(fault, Fault::UnusableSchema { .. });
        if is_listed && is_unknown {
            let place = self.storage.place(&schema_path(id));
            let lost = error::damaged(&place, "it does not exist", COPY_AGAIN);
            self.fault.replace(Some(lost));
        } else if is_listed || !(is_unknown || is_unusable) {
            self.fault.replace(Some(fault));
        }
        None
    }
}
