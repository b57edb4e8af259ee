//! What stands for a value that the database did not send, in each form that it comes in.
use super::encoding::BinaryMode;
use super::moment::Date;
use super::value::Semantic;

/// Debezium's own text for it (`unavailable.value.placeholder`).
pub const UNAVAILABLE: &str = "__debezium_unavailable_value";

/// `UUID.nameUUIDFromBytes` of that text, which stands for an array of UUIDs.
const UNAVAILABLE_UUID: [u8; 16] = 0xb68a_35a7_17ad_35b3_af2a_ae46_edb4_545a_u128.to_be_bytes();

/// The placeholder in its forms.
#[derive(Debug, Clone)]
pub(super) struct Placeholder {
    text: String,
    texts: [String; 4],
    uuid: Option<[u8; 16]>,
}

impl Placeholder {
    pub(super) fn new(text: &str) -> Self {
        let encoded = |mode: BinaryMode| mode.encode(text.as_bytes());
        let texts = [
            encoded(BinaryMode::Base64),
            encoded(BinaryMode::Base64UrlSafe),
            encoded(BinaryMode::Hex),
            format!("{{\"{text}\":\"{text}\"}}"),
        ];
        let uuid = (text == UNAVAILABLE).then_some(UNAVAILABLE_UUID);
        Self { text: text.to_owned(), texts, uuid }
    }

    /// Whether a text of any column is the placeholder.
    pub(super) fn is_text(&self, text: &str) -> bool {
        let known = text == self.text || self.texts.iter().any(|form| text == form);
        known && !self.text.is_empty()
    }

    pub(super) fn is_bytes(&self, bytes: &[u8]) -> bool {
        !bytes.is_empty() && bytes == self.text.as_bytes()
    }

    /// An array whose only item is the placeholder, or whose numbers are its bytes.
    pub(super) fn is_array(&self, items: &[Semantic<'_>]) -> bool {
        if items.is_empty() {
            return false;
        }
        if let [Semantic::Uuid(uuid)] = items {
            return self.uuid.as_ref() == Some(uuid);
        }
        let number = |item: &Semantic<'_>| {
            if let Semantic::Int(value) | Semantic::Date(Date { days: value }) = item {
                Some(*value)
            } else {
                None
            }
        };
        let bytes = self.text.bytes().map(|byte| Some(i64::from(byte)));
        matches!(items, [Semantic::Unavailable]) || items.iter().map(number).eq(bytes)
    }

    /// A map from the placeholder to itself.
    pub(super) fn is_map(&self, entries: &[(std::borrow::Cow<'_, str>, Semantic<'_>)]) -> bool {
        matches!(entries, [(key, Semantic::Unavailable)] if key.as_ref() == self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_known() {
        let placeholder = Placeholder::new(UNAVAILABLE);
        let texts = [
            UNAVAILABLE,
            "X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==",
            "5f5f646562657a69756d5f756e617661696c61626c655f76616c7565",
            r#"{"__debezium_unavailable_value":"__debezium_unavailable_value"}"#,
        ];
        assert!(texts.iter().all(|text| placeholder.is_text(text)));
        assert!(!placeholder.is_text("") && !placeholder.is_text("__debezium"));
        assert!(placeholder.is_bytes(UNAVAILABLE.as_bytes()) && !placeholder.is_bytes(b""));
        let numbers: Vec<_> = UNAVAILABLE.bytes().map(|byte| Semantic::Int(byte.into())).collect();
        assert!(placeholder.is_array(&numbers));
        assert!(!placeholder.is_array(&numbers[1..]));
        let days: Vec<_> =
            UNAVAILABLE.bytes().map(|byte| Semantic::Date(Date { days: byte.into() })).collect();
        assert!(placeholder.is_array(&days));
        assert!(placeholder.is_array(&[Semantic::Unavailable]));
        assert!(placeholder.is_array(&[Semantic::Uuid(UNAVAILABLE_UUID)]));
        assert!(!placeholder.is_array(&[]));
        assert!(!placeholder.is_array(&[Semantic::Unavailable, Semantic::Null]));
        assert!(placeholder.is_map(&[(UNAVAILABLE.into(), Semantic::Unavailable)]));
        assert!(!placeholder.is_map(&[("a".into(), Semantic::Unavailable)]));
    }

    #[test]
    fn an_empty_placeholder_stands_for_nothing() {
        let placeholder = Placeholder::new("");
        assert!(!placeholder.is_text("") && !placeholder.is_bytes(b""));
        assert!(!placeholder.is_array(&[]));
    }
}
