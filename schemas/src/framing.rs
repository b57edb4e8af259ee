//! Confluent's framing: a zero byte and a schema's id in front of the Avro body.
use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

const MAGIC: u8 = 0;

/// The registry's number of a writer's schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SchemaId(pub u32);

impl fmt::Display for SchemaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A message taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Framed<'a> {
    /// The schema that the body was written with.
    pub schema: SchemaId,
    /// The Avro body.
    pub body: &'a [u8],
}

/// Why a message has no frame.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FrameError {
    /// There are no bytes at all.
    #[error("empty message")]
    Empty,
    /// The id is cut off.
    #[error("message of {length} bytes is too short for a schema id")]
    Short {
        /// How many bytes there are.
        length: usize,
    },
    /// A header that should carry the id carries something else.
    #[error("header {name} has no schema id that is understood")]
    Header {
        /// The header's name.
        name: String,
    },
    /// The message starts with something else.
    #[error("wrong magic byte {found:#04x}")]
    Magic {
        /// The first byte.
        found: u8,
    },
}

/// Takes a message apart.
pub fn read(message: &[u8]) -> Result<Framed<'_>, FrameError> {
    match message {
        [] => Err(FrameError::Empty),
        [MAGIC, a, b, c, d, body @ ..] => {
            let schema = SchemaId(u32::from_be_bytes([*a, *b, *c, *d]));
            Ok(Framed { schema, body })
        }
        [MAGIC, ..] => Err(FrameError::Short { length: message.len() }),
        [found, ..] => Err(FrameError::Magic { found: *found }),
    }
}

/// The headers in which serializers put the id instead of framing the value: Apicurio's content
/// id as 8 bytes, and Confluent's as a frame of its own.
const ID_HEADERS: [&str; 2] = ["apicurio.value.contentId", "__value_schema_id"];

/// Takes a message apart whose schema id may be in a header; then the whole message is the body.
pub fn read_with<'a, 'h>(
    message: &'a [u8],
    headers: impl Iterator<Item = (&'h str, &'h [u8])>,
) -> Result<Framed<'a>, FrameError> {
    let mut ids = headers.filter(|(name, _)| ID_HEADERS.contains(name));
    let id = match ids.next() {
        None => return read(message),
        Some((_, [0, 0, 0, 0, a, b, c, d] | [MAGIC, a, b, c, d])) => [*a, *b, *c, *d],
        Some((name, _)) => return Err(FrameError::Header { name: name.to_owned() }),
    };
    Ok(Framed { schema: SchemaId(u32::from_be_bytes(id)), body: message })
}

/// Appends a frame; the body is appended by `body`.
pub fn write(schema: SchemaId, body: impl FnOnce(&mut Vec<u8>), out: &mut Vec<u8>) {
    out.push(MAGIC);
    out.extend_from_slice(&schema.0.to_be_bytes());
    body(out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_taken_apart() {
        let table: [(&[u8], Result<Framed<'_>, FrameError>); 6] = [
            (&[], Err(FrameError::Empty)),
            (&[0], Err(FrameError::Short { length: 1 })),
            (&[0, 0, 0, 1], Err(FrameError::Short { length: 4 })),
            (b"{}", Err(FrameError::Magic { found: b'{' })),
            (&[0, 0, 0, 1, 2], Ok(Framed { schema: SchemaId(258), body: &[] })),
            (&[0, 255, 255, 255, 255, 7], Ok(Framed { schema: SchemaId(u32::MAX), body: &[7] })),
        ];
        for (message, expected) in table {
            assert_eq!(read(message), expected, "{message:?}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let mut out = Vec::new();
        write(SchemaId(7), |out| out.extend_from_slice(b"abc"), &mut out);
        assert_eq!(read(&out), Ok(Framed { schema: SchemaId(7), body: b"abc" }));
    }

    #[test]
    fn an_id_may_come_in_a_header() {
        let read = |name: &'static str, value: &'static [u8]| {
            read_with(b"body", std::iter::once((name, value)))
        };
        let framed = Ok(Framed { schema: SchemaId(7), body: &b"body"[..] });
        assert_eq!(read("apicurio.value.contentId", &[0, 0, 0, 0, 0, 0, 0, 7]), framed);
        assert_eq!(read("__value_schema_id", &[0, 0, 0, 0, 7]), framed);
        let guid = FrameError::Header { name: "__value_schema_id".to_owned() };
        assert_eq!(read("__value_schema_id", &[1; 17]), Err(guid));
        assert_eq!(read("other", &[0; 5]), Err(FrameError::Magic { found: b'b' }));
    }
}
