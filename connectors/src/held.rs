//! A held record as text, for stores that have no form of their own for bytes.

use readmill_core::{Key, Offset, Partition, Position};
use readmill_engine::{HeldRecord, Record};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The id of a held record: one record is held once for a model, however often it comes.
pub fn id(record: &HeldRecord) -> String {
    let Position { partition, offset } = record.position();
    format!("{}/{}/{}/{}", record.model, partition.topic, partition.index, offset.0)
}

/// A held record as it is stored. The model is part of the id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The key that it holds.
    pub key: Option<Key>,
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
    pub headers: Vec<(String, Bytes)>,
}

impl Row {
    /// The row of a held record.
    pub fn of(held: &HeldRecord) -> Self {
        let Record { position, timestamp_ms, key, value, headers } = &held.record;
        let headers = headers.iter().map(|(name, value)| (name.clone(), Bytes(value.clone())));
        Self {
            key: held.key.clone(),
            reason: held.reason.clone(),
            held_at_ms: held.held_at_ms,
            topic: position.partition.topic.to_string(),
            partition: position.partition.index,
            offset: position.offset.0,
            timestamp_ms: *timestamp_ms,
            record_key: key.clone().map(Bytes),
            value: value.clone().map(Bytes),
            headers: headers.collect(),
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
            headers: self.headers.into_iter().map(|(name, bytes)| (name, bytes.0)).collect(),
        };
        let Self { key, reason, held_at_ms, .. } = self;
        HeldRecord { model, key, reason, held_at_ms, record }
    }
}

/// Bytes, written as hexadecimal digits: a text that every tool can turn back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or_default();
        let digits = self.0.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]);
        serializer.serialize_str(&digits.collect::<String>())
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let digits = String::deserialize(deserializer)?;
        let pairs = digits.as_bytes().chunks(2).map(|pair| {
            let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2);
            pair.and_then(|pair| u8::from_str_radix(pair, 16).ok())
        });
        let bytes: Option<Vec<u8>> = pairs.collect();
        bytes.map(Self).ok_or_else(|| D::Error::custom("not hexadecimal digits in pairs"))
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
            reason: "undecodable".to_owned(),
            held_at_ms: 5,
            record: Record {
                position: Position { partition: Partition::new("t", 3), offset: Offset(9) },
                timestamp_ms: -1,
                key: Some((0..=255).collect()),
                value: None,
                headers: vec![("a".to_owned(), vec![0, 255]), ("a".to_owned(), vec![])],
            },
        };
        assert_eq!(id(&held), "deliveries/t/3/9");
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
