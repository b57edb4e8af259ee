//! What the outbox event router passes on: the event as the value, the rest in key and headers.

use readmill_schemas::framing::{self, Framed};

use super::{Change, Payload, Reading};

/// What the outbox event router passes on: the payload is the value, the rest is beside it.
#[derive(Debug, Clone, Copy)]
pub struct Routed<'a> {
    /// The record's key: the aggregate, as plain text or as framed Avro.
    pub key: Option<&'a [u8]>,
    /// The header `id`: the event's own id.
    pub id: Option<&'a [u8]>,
    /// The header `aggregateVersion`, or `version`.
    pub version: Option<&'a [u8]>,
    /// The value.
    pub value: Framed<'a>,
    /// When the record was published, in milliseconds since 1970.
    pub timestamp_ms: i64,
}

/// Reads what the outbox event router passed on.
pub fn read_routed(routed: Routed<'_>) -> Reading<'_> {
    let Some(event_id) = routed.id.and_then(text) else {
        return Reading::Broken("a routed event has no header id");
    };
    let Some(aggregate) = routed.key.and_then(key_text) else {
        return Reading::Broken("the key of a routed event is not text");
    };
    // A service without versions leaves the header empty.
    let digits = routed.version.filter(|digits| !digits.is_empty());
    let version = match digits.map(|digits| text(digits).map(str::parse)) {
        None => None,
        Some(Some(Ok(version))) => Some(version),
        Some(Some(Err(_)) | None) => {
            return Reading::Broken("the header aggregateVersion of a routed event is no number");
        }
    };
    Reading::Row(Change {
        event_id,
        aggregate: aggregate.into(),
        version,
        versions_of: None,
        payload: Payload::Avro(routed.value),
        position: None,
        committed_ms: routed.timestamp_ms,
    })
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// A key as a string converter writes it, or as an Avro converter does: framed, with its length.
fn key_text(key: &[u8]) -> Option<&str> {
    let Ok(framed) = framing::read(key) else { return text(key) };
    let (length, rest) = match framed.body {
        [short, rest @ ..] if short & 0x81 == 0 => (usize::from(short >> 1), rest),
        [low, high, rest @ ..] if low & 0x81 == 0x80 && high & 0x80 == 0 => {
            (usize::from(low & 0x7f) >> 1 | usize::from(*high) << 6, rest)
        }
        _ => return None,
    };
    text(rest).filter(|text| text.len() == length)
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    fn framed(body: &[u8]) -> Framed<'_> {
        Framed { schema: readmill_schemas::SchemaId(5), body }
    }

    fn routed<'a>(key: &'a [u8], id: Option<&'a [u8]>, version: Option<&'a [u8]>) -> Reading<'a> {
        let value = framed(b"event");
        read_routed(Routed { key: Some(key), id, version, value, timestamp_ms: 9 })
    }

    #[test]
    fn a_routed_event_is_read_from_key_and_headers() {
        let change = |aggregate, version| {
            Reading::Row(Change {
                event_id: "e-1",
                aggregate: Cow::Borrowed(aggregate),
                version,
                versions_of: None,
                payload: Payload::Avro(framed(b"event")),
                position: None,
                committed_ms: 9,
            })
        };
        let id = Some(&b"e-1"[..]);
        assert_eq!(routed(b"m-1", id, Some(b"3")), change("m-1", Some(3)));
        assert_eq!(routed(b"m-1", id, Some(b"")), change("m-1", None));
        assert_eq!(routed(b"\0\0\0\0\x07\x06m-1", id, None), change("m-1", None));
        let long = "k".repeat(200);
        let key = [&b"\0\0\0\0\x07\x90\x03"[..], long.as_bytes()].concat();
        assert_eq!(routed(&key, id, None), change(&long, None));
        for (key, id, version) in [
            (&b"m-1"[..], None, None),
            (b"m-1", id, Some(&b"three"[..])),
            (b"\0\0\0\0\x07\x08m-1", id, None),
            (b"\xff", id, None),
        ] {
            assert!(matches!(routed(key, id, version), Reading::Broken(_)));
        }
    }
}
