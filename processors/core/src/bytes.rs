//! Bytes inside documents: binary where a store has it, hexadecimal where it keeps text.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
    if !to.is_human_readable() {
        return to.serialize_bytes(bytes);
    }
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble & 15)]);
    let text: String = bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect();
    to.serialize_str(&text)
}

pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
    if from.is_human_readable() {
        from.deserialize_str(Reading)
    } else {
        from.deserialize_byte_buf(Reading)
    }
}

/// Bytes that may be absent.
pub mod optional {
    use super::{Deserialize, Deserializer, Read, Serialize, Serializer, Shown};

    #[allow(clippy::ref_option, reason = "what serde asks for")]
    pub fn serialize<S: Serializer>(bytes: &Option<Vec<u8>>, to: S) -> Result<S::Ok, S::Error> {
        bytes.as_deref().map(Shown).serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<u8>>, D::Error> {
        Ok(Option::<Read>::deserialize(from)?.map(|Read(bytes)| bytes))
    }
}

/// Bytes with names.
pub mod named {
    use super::{Deserialize, Deserializer, Read, Serializer, Shown};

    type Named = Vec<(String, Vec<u8>)>;

    pub fn serialize<S: Serializer>(all: &[(String, Vec<u8>)], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(all.iter().map(|(name, bytes)| (name, Shown(bytes))))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Named, D::Error> {
        let all = Vec::<(String, Read)>::deserialize(from)?;
        Ok(all.into_iter().map(|(name, Read(bytes))| (name, bytes)).collect())
    }
}

struct Shown<'a>(&'a [u8]);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        serialize(self.0, to)
    }
}

struct Read(Vec<u8>);

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        deserialize(from).map(Self)
    }
}

struct Reading;

impl Visitor<'_> for Reading {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes, or pairs of hexadecimal digits")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Vec<u8>, E> {
        let pair = |pair: &[u8]| {
            let pair = std::str::from_utf8(pair).ok()?;
            let sound = pair.len() == 2 && !pair.starts_with('+');
            u8::from_str_radix(pair, 16).ok().filter(|_| sound)
        };
        let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(pair).collect();
        bytes.ok_or_else(|| E::custom("bytes must be pairs of hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use crate::model::Reaction;
    use crate::position::{Offset, Partition, Position};
    use crate::record::Record;

    #[test]
    fn a_record_survives_as_text() {
        let position = Position { partition: Partition::new("t", 3), offset: Offset(9) };
        let headers = vec![("id".to_owned(), vec![0, 255]), ("id".to_owned(), vec![])];
        let key = Some(vec![1]);
        let record = Record { position, timestamp_ms: -1, key, value: None, headers };
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record, "{text}");
    }

    #[test]
    fn bytes_survive_as_text() {
        let reaction = Reaction { contract: "c".to_owned(), body: vec![0, 1, 0xab, 0xff] };
        let text = serde_json::to_string(&reaction).unwrap();
        assert_eq!(text, r#"{"contract":"c","body":"0001abff"}"#);
        assert_eq!(serde_json::from_str::<Reaction>(&text).unwrap(), reaction);
        for broken in ["0", "0g", "+1", "é"] {
            let text = format!(r#"{{"contract":"c","body":"{broken}"}}"#);
            assert!(serde_json::from_str::<Reaction>(&text).is_err(), "{broken}");
        }
    }
}
