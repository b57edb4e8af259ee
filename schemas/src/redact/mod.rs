//! A record without one person: their id becomes an alias, and what tells of them becomes empty.
//!
//! Schemas and their ids stay, and so does every byte that has nothing to do with the person.
mod avro;
mod blank;
mod json;
mod marks;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use thiserror::Error;

use crate::plan::error::{Failure, ReadFault};
use crate::{ReadError, SchemaId, Shape, WriterSchema, framing};

use avro::{Role, Walk};
use marks::Marked;

pub use marks::{AnnotationError, Annotations};

/// A person, and the text that stands for them from now on.
#[derive(Clone, Copy)]
pub struct Person<'a> {
    /// By what they were known.
    pub id: &'a str,
    /// What stands there instead. Where ids are UUIDs, it must be one, too.
    pub alias: &'a str,
}

/// Nothing of a person is told.
impl fmt::Debug for Person<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Person").finish_non_exhaustive()
    }
}

/// A record's parts.
#[derive(Clone, Copy)]
pub struct Parts<'a> {
    /// The key's bytes.
    pub key: Option<&'a [u8]>,
    /// The value's bytes.
    pub value: Option<&'a [u8]>,
    /// The headers.
    pub headers: &'a [(String, Vec<u8>)],
}

/// Nothing of the record is told.
impl fmt::Debug for Parts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").finish_non_exhaustive()
    }
}

/// What is to become of a record.
#[derive(Clone, PartialEq, Eq)]
pub enum Redacted {
    /// It says nothing of the person that could be changed.
    Untouched,
    /// It is to be this.
    Anew {
        /// The key's bytes.
        key: Option<Vec<u8>>,
        /// The value's bytes.
        value: Option<Vec<u8>>,
        /// The headers.
        headers: Vec<(String, Vec<u8>)>,
    },
}

/// Nothing of the record is told.
impl fmt::Debug for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Untouched => "Untouched",
            Self::Anew { .. } => "Anew",
        })
    }
}

/// Why a record that has the person's id cannot be written anew. What stands in it is not told.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the {part} {why}")]
pub struct RedactError {
    part: &'static str,
    why: Why,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
enum Why {
    #[error("cannot be read: {0}")]
    Unreadable(ReadError),
    #[error("names schema {0}, which nobody knows")]
    Unknown(SchemaId),
    #[error("is neither framed Avro nor JSON")]
    Formless,
}

impl From<ReadFault> for Why {
    fn from(fault: ReadFault) -> Self {
        Self::Unreadable(fault.into())
    }
}

impl Failure for Why {
    fn in_field(self, name: &str) -> Self {
        match self {
            Self::Unreadable(error) => Self::Unreadable(error.in_field(name)),
            other @ (Self::Unknown(_) | Self::Formless) => other,
        }
    }

    fn in_item(self, place: usize) -> Self {
        match self {
            Self::Unreadable(error) => Self::Unreadable(error.in_item(place)),
            other @ (Self::Unknown(_) | Self::Formless) => other,
        }
    }
}

/// The schema under an id, where it is known.
pub type SchemaOf<'a> = dyn Fn(SchemaId) -> Option<Arc<WriterSchema>> + 'a;

/// Takes one person out of records.
pub struct Redaction<'a> {
    person: Person<'a>,
    annotations: &'a Annotations,
    schemas: &'a SchemaOf<'a>,
}

impl fmt::Debug for Redaction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redaction").finish_non_exhaustive()
    }
}

impl<'a> Redaction<'a> {
    /// Of a person, by what contracts say, from records of these schemas.
    pub const fn new(
        person: Person<'a>,
        annotations: &'a Annotations,
        schemas: &'a SchemaOf<'a>,
    ) -> Self {
        Self { person, annotations, schemas }
    }

    /// What is to become of a record. Texts that are the id become the alias, wherever they stand;
    /// ids within other texts stay.
    ///
    /// # Errors
    /// When a record that has the id's bytes cannot be read.
    pub fn redact(&self, parts: Parts<'_>) -> Result<Redacted, RedactError> {
        let Parts { key, value, headers } = parts;
        let all = || {
            let values = headers.iter().map(|(_, value)| value.as_slice());
            key.into_iter().chain(value).chain(values)
        };
        if !all().any(|bytes| self.concerns(bytes)) {
            return Ok(Redacted::Untouched);
        }
        let told = |part| move |why| RedactError { part, why };
        let value = value.map(|it| self.value(it, headers).map_err(told("value"))).transpose()?;
        let key = key.map(|it| self.key(it).map_err(told("key"))).transpose()?;
        let header = |(name, value): &(String, Vec<u8>)| {
            let new = self.bytes(value, None).map_err(told("header"))?;
            Ok((name.clone(), new))
        };
        let new: Vec<_> = headers.iter().map(header).collect::<Result<_, RedactError>>()?;
        let is_new = |part: &Option<Cow<'_, [u8]>>| matches!(part, Some(Cow::Owned(_)));
        if !is_new(&value) && !is_new(&key) && new.iter().all(|(_, new)| new.is_none()) {
            return Ok(Redacted::Untouched);
        }
        let old = headers.iter().map(|(_, value)| value);
        let headers = new.into_iter().zip(old);
        Ok(Redacted::Anew {
            key: key.map(Cow::into_owned),
            value: value.map(Cow::into_owned),
            headers: headers
                .map(|((name, new), old)| (name, new.unwrap_or_else(|| old.clone())))
                .collect(),
        })
    }

    /// Whether these bytes have the person's id.
    pub fn names(&self, bytes: &[u8]) -> bool {
        contains(bytes, self.person.id.as_bytes())
    }

    /// Whether these bytes may say something of the person. JSON can write their id in many ways.
    fn concerns(&self, bytes: &[u8]) -> bool {
        let Person { id, alias } = self.person;
        contains(bytes, id.as_bytes())
            || contains(bytes, alias.as_bytes())
            || bytes.contains(&b'\\')
    }

    /// Whether a text is the person's id, or was.
    fn is_person(&self, text: &str) -> bool {
        !text.is_empty() && (text == self.person.id || text == self.person.alias)
    }

    fn value<'v>(
        &self,
        value: &'v [u8],
        headers: &[(String, Vec<u8>)],
    ) -> Result<Cow<'v, [u8]>, Why> {
        let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        let Ok(framed) = framing::read_with(value, headers) else {
            return self.text_or_bytes(value);
        };
        let Some(writer) = (self.schemas)(framed.schema) else {
            return self.unknown(framed.schema, value);
        };
        let table = |table: &str| {
            let table = table.to_owned();
            let is_it = move |marked: &Marked| {
                marked.table().is_some_and(|wanted| Shape::is_table(&table, wanted))
            };
            self.annotations.which(is_it)
        };
        let roles: Vec<Role<'_>> = match Shape::of(&writer) {
            Shape::Envelope => vec![Role::Envelope(None)],
            Shape::Flattened => vec![Role::Outbox],
            Shape::TableEnvelope { table: full } => {
                table(&full).map(|marked| Role::Envelope(Some(marked))).collect()
            }
            Shape::TableRow { table: full } => {
                table(&full).map(|marked| Role::Of(marked, marked.root())).collect()
            }
            Shape::Event => self.roles_of_event(&writer),
            Shape::Housekeeping(_) => Vec::new(),
        };
        self.framed(&writer, &roles, value, framed.body)
    }

    fn key<'v>(&self, key: &'v [u8]) -> Result<Cow<'v, [u8]>, Why> {
        let Ok(framed) = framing::read(key) else { return self.text_or_bytes(key) };
        match (self.schemas)(framed.schema) {
            Some(writer) => self.framed(&writer, &[], key, framed.body),
            None => self.unknown(framed.schema, key),
        }
    }

    /// What is no framed Avro. The id within another text is no fault.
    fn text_or_bytes<'v>(&self, bytes: &'v [u8]) -> Result<Cow<'v, [u8]>, Why> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(self
                .text(text, None)?
                .map_or(Cow::Borrowed(bytes), |new| Cow::Owned(new.into_bytes()))),
            Err(_) if self.names(bytes) => Err(Why::Formless),
            Err(_) => Ok(Cow::Borrowed(bytes)),
        }
    }

    fn unknown<'v>(&self, id: SchemaId, bytes: &'v [u8]) -> Result<Cow<'v, [u8]>, Why> {
        if self.names(bytes) { Err(Why::Unknown(id)) } else { Ok(Cow::Borrowed(bytes)) }
    }

    fn roles_of_event(&self, writer: &WriterSchema) -> Vec<Role<'_>> {
        let name = writer.name().unwrap_or_default();
        let known = self.annotations.which(move |marked| marked.is_of(&name));
        known.map(|marked| Role::Of(marked, marked.root())).collect()
    }

    /// A message whose body is at its end, behind whatever tells its schema.
    fn framed<'v>(
        &self,
        writer: &WriterSchema,
        roles: &[Role<'_>],
        message: &'v [u8],
        body: &[u8],
    ) -> Result<Cow<'v, [u8]>, Why> {
        let mut new = Cow::Borrowed(body);
        for role in if roles.is_empty() { &[Role::Plain] } else { roles } {
            let old = new;
            new = Cow::Owned(
                self.body(writer, *role, &old)
                    .or_else(|why| if self.names(&old) { Err(why) } else { Ok(old.to_vec()) })?,
            );
        }
        if *new == *body {
            return Ok(Cow::Borrowed(message));
        }
        let head = message.get(..message.len() - body.len()).unwrap_or_default();
        Ok(Cow::Owned([head, &*new].concat()))
    }

    fn body(&self, writer: &WriterSchema, role: Role<'_>, body: &[u8]) -> Result<Vec<u8>, Why> {
        Walk::new(self, writer).body(writer.schema(), role, body)
    }

    /// A text as it is from now on, if it changes; the payload of an `event` must be JSON.
    fn text(&self, text: &str, event: Option<&str>) -> Result<Option<String>, Why> {
        if !self.concerns(text.as_bytes()) {
            return Ok(None);
        }
        if text == self.person.id && !text.is_empty() {
            return Ok(Some(self.person.alias.to_owned()));
        }
        let is_json = text.trim_start().starts_with(['{', '[', '"']);
        let Some(mut new) = is_json.then(|| json::redact(self, text, None)).flatten() else {
            let is_fault = event.is_some() && self.names(text.as_bytes());
            return if is_fault { Err(Why::Formless) } else { Ok(None) };
        };
        for marked in event.into_iter().flat_map(|event| {
            self.annotations.which(move |marked: &Marked| marked.is_called(event))
        }) {
            let read = json::redact(self, &new, Some((marked, marked.root())));
            new = read.unwrap_or(new);
        }
        Ok((new != text).then_some(new))
    }

    /// Bytes as they are from now on, if they change; the payload of an `event` must be framed
    /// Avro or JSON.
    fn bytes(&self, bytes: &[u8], event: Option<&str>) -> Result<Option<Vec<u8>>, Why> {
        if !self.concerns(bytes) {
            return Ok(None);
        }
        let done = match framing::read(bytes) {
            Ok(framed) => match (self.schemas)(framed.schema) {
                Some(writer) => {
                    let roles = self.roles_of_event(&writer);
                    self.framed(&writer, &roles, bytes, framed.body)
                }
                None => self.unknown(framed.schema, bytes),
            },
            Err(_) => match std::str::from_utf8(bytes) {
                Ok(text) => {
                    let new = self.text(text, event)?.map(String::into_bytes);
                    Ok(new.map_or(Cow::Borrowed(bytes), Cow::Owned))
                }
                Err(_) if self.names(bytes) => Err(Why::Formless),
                Err(_) => Ok(Cow::Borrowed(bytes)),
            },
        };
        match done {
            Ok(Cow::Owned(new)) => Ok(Some(new)),
            Ok(Cow::Borrowed(_)) => Ok(None),
            // Bytes of which nothing is known need have no form.
            Err(_) if event.is_none() => Ok(None),
            Err(why) => Err(why),
        }
    }
}

/// Nothing has the empty text.
fn contains(bytes: &[u8], text: &[u8]) -> bool {
    let Some((first, rest)) = text.split_first() else { return false };
    let begins = |(at, byte): (usize, &u8)| (byte == first).then_some(at + 1);
    let mut places = bytes.iter().enumerate().filter_map(begins);
    places.any(|at| bytes.get(at..).is_some_and(|behind| behind.starts_with(rest)))
}
