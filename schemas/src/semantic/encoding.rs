//! Bytes as text: base64 with both alphabets, and hexadecimal.

/// How a connector writes binary columns (`binary.handling.mode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BinaryMode {
    /// As bytes.
    #[default]
    Bytes,
    /// `base64`.
    Base64,
    /// `base64-url-safe`.
    Base64UrlSafe,
    /// `hex`.
    Hex,
}

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl BinaryMode {
    /// The text that the mode writes; bytes that are left as bytes have base64 in documents.
    pub(super) fn encode(self, bytes: &[u8]) -> String {
        match self {
            Self::Bytes | Self::Base64 => base64(bytes, STANDARD),
            Self::Base64UrlSafe => base64(bytes, URL_SAFE),
            Self::Hex => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }

    /// The bytes of a text, unless it is none of the mode's.
    pub(super) fn decode(self, text: &str) -> Option<Vec<u8>> {
        match self {
            Self::Bytes => None,
            Self::Base64 => from_base64(text, STANDARD),
            Self::Base64UrlSafe => from_base64(text, URL_SAFE),
            Self::Hex => from_hex(text),
        }
    }
}

fn base64(bytes: &[u8], alphabet: &[u8; 64]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let sextet = usize::try_from(bits >> (18 - 6 * place) & 63).unwrap_or(0);
            let digit = alphabet.get(sextet).copied().unwrap_or(b'=');
            text.push(char::from(if place <= chunk.len() { digit } else { b'=' }));
        }
    }
    text
}

fn from_base64(text: &str, alphabet: &[u8; 64]) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=').as_bytes();
    let padding = text.len() - digits.len();
    let padded = text.len().is_multiple_of(4) && padding < 3;
    if !padded || digits.len() % 4 == 1 {
        return None;
    }
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    for chunk in digits.chunks(4) {
        let mut bits = 0;
        for place in 0..4 {
            let sextet = match chunk.get(place) {
                Some(digit) => alphabet.iter().position(|known| known == digit)?,
                None => 0,
            };
            bits = bits << 6 | u32::try_from(sextet).ok()?;
        }
        let [_, triple @ ..] = bits.to_be_bytes();
        bytes.extend_from_slice(triple.get(..chunk.len() - 1)?);
    }
    Some(bytes)
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |digit: u8| char::from(digit).to_digit(16);
    let pairs = text.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(digit(*high)? << 4 | digit(*low)?).ok(),
        _ => None,
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back() {
        for mode in [BinaryMode::Base64, BinaryMode::Base64UrlSafe, BinaryMode::Hex] {
            for length in 0..40u8 {
                let bytes: Vec<u8> = (0..length).map(|n| n.wrapping_mul(251)).collect();
                assert_eq!(mode.decode(&mode.encode(&bytes)), Some(bytes));
            }
        }
        assert_eq!(BinaryMode::Base64.encode(&[0, 255, 128, 251, 239]), "AP+A++8=");
        assert_eq!(BinaryMode::Base64UrlSafe.encode(&[0, 255, 128, 251, 239]), "AP-A--8=");
        for text in ["A", "AA", "====", "A===", "AP-A", "é===", "AAAA===="] {
            assert_eq!(BinaryMode::Base64.decode(text), None, "{text}");
        }
        assert_eq!(BinaryMode::Hex.decode("0g"), None);
        assert_eq!(BinaryMode::Hex.decode("012"), None);
    }
}
