//! A held record as text, for stores that have no form of their own for bytes.

use readmill_core::{Key, Offset, Partition, Position};
use readmill_engine::{HeldRecord, Original, Record, Unfolded};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The id of a held record: it is held once for a model and a key, however often it comes.
pub fn id(record: &HeldRecord) -> String {
    let Position { partition, offset } = record.position();
    let place = format!("{}/{}/{}/{}", record.model, partition.topic, partition.index, offset.0);
    match &record.key {
        Some(key) => format!("{place}/{key}"),
        None => place,
    }
}

/// A held record as it is stored. The model is part of the id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The key that it holds.
    pub key: Option<Key>,
    /// How much of it is not folded.
    pub unfolded: Unfolded,
    /// How often it was tried again.
    pub tries: u32,
    /// Why it is held.
    pub reason: String,
    /// When it was held, in milliseconds since 1970.
    pub held_at_ms: i64,
    /// Where it came from.
    pub topic: String,
    /// Where it came from.
    pub partition: i32,
    /// Where it came from.
    pub offset: i64,
    /// The record's own time.
    pub timestamp_ms: i64,
    /// The record's key, in hexadecimal digits like all of its bytes.
    pub record_key: Option<Bytes>,
    /// The record's value.
    pub value: Option<Bytes>,
    /// The record's headers.
    pub headers: Headers,
    /// What it came with, if it was edited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<OriginalRow>,
}

type Headers = Vec<(String, Bytes)>;

/// What an edited record came with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginalRow {
    /// The value.
    pub value: Option<Bytes>,
    /// The headers.
    pub headers: Headers,
}

fn bytes_of(headers: &[(String, Vec<u8>)]) -> Headers {
    headers.iter().map(|(name, value)| (name.clone(), Bytes(value.clone()))).collect()
}

fn headers_of(rows: Headers) -> Vec<(String, Vec<u8>)> {
    rows.into_iter().map(|(name, value)| (name, value.0)).collect()
}

impl Row {
    /// The row of a held record.
    pub fn of(held: &HeldRecord) -> Self {
        let Record { position, timestamp_ms, key, value, headers } = &held.record;
        let original = held.original.as_ref().map(|original| OriginalRow {
            value: original.value.clone().map(Bytes),
            headers: bytes_of(&original.headers),
        });
        Self {
            key: held.key.clone(),
            unfolded: held.unfolded,
            tries: held.tries,
            reason: held.reason.clone(),
            held_at_ms: held.held_at_ms,
            topic: position.partition.topic.to_string(),
            partition: position.partition.index,
            offset: position.offset.0,
            timestamp_ms: *timestamp_ms,
            record_key: key.clone().map(Bytes),
            value: value.clone().map(Bytes),
            headers: bytes_of(headers),
            original,
        }
    }

    /// The held record of a row.
    pub fn into_held(self, model: &'static str) -> HeldRecord {
        let partition = Partition::new(self.topic, self.partition);
        let record = Record {
            position: Position { partition, offset: Offset(self.offset) },
            timestamp_ms: self.timestamp_ms,
            key: self.record_key.map(|bytes| bytes.0),
            value: self.value.map(|bytes| bytes.0),
            headers: headers_of(self.headers),
        };
        let original = self.original.map(|OriginalRow { value, headers }| Original {
            value: value.map(|bytes| bytes.0),
            headers: headers_of(headers),
        });
        let Self { key, unfolded, reason, held_at_ms, tries, .. } = self;
        HeldRecord { model, key, unfolded, reason, held_at_ms, tries, record, original }
    }
}

/// Bytes as hexadecimal digits.
pub fn hex_text(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The bytes of hexadecimal digits in pairs.
pub fn bytes_of_hex(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2);
        pair.and_then(|pair| u8::from_str_radix(pair, 16).ok())
    });
    pairs.collect()
}

/// Bytes, written as hexadecimal digits: a text that every tool can turn back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex_text(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let digits = String::deserialize(deserializer)?;
        bytes_of_hex(&digits)
            .map(Self)
            .ok_or_else(|| D::Error::custom("not hexadecimal digits in pairs"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_record_keeps_every_byte() {
        let held = HeldRecord {
            model: "deliveries",
            key: Some(Key::from("d/1")),
            unfolded: Unfolded::All,
            reason: "undecodable".to_owned(),
            held_at_ms: 5,
            tries: 2,
            record: Record {
                position: Position { partition: Partition::new("t", 3), offset: Offset(9) },
                timestamp_ms: -1,
                key: Some((0..=255).collect()),
                value: None,
                headers: vec![("a".to_owned(), vec![0, 255]), ("a".to_owned(), vec![])],
            },
            original: Some(Original { value: Some(vec![7]), headers: Vec::new() }),
        };
        assert_eq!(id(&held), "deliveries/t/3/9/d/1");
        let text = serde_json::to_string(&Row::of(&held)).unwrap();
        let row: Row = serde_json::from_str(&text).unwrap();
        assert_eq!(row.into_held("deliveries"), held);
    }

    #[test]
    fn what_is_no_pair_of_digits_is_an_error() {
        for text in ["\"0\"", "\"zz\"", "\"é\"", "7"] {
            assert!(serde_json::from_str::<Bytes>(text).is_err(), "{text}");
        }
    }
}
