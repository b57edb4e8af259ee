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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
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
}
