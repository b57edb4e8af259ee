//! Whether a value is what the database says of the column in its own text.
use readmill_schemas::semantic::{Geometry, Semantic};
use serde_json::Value;

/// Compares a value with `column::text` of PostgreSQL or `CAST(column AS CHAR)` of MariaDB.
pub fn agrees(value: &Semantic<'_>, text: Option<&str>) -> bool {
    let Some(text) = text else { return matches!(value, Semantic::Null) };
    let document = serde_json::to_value(value).unwrap_or(Value::Null);
    let shown = document.as_str().unwrap_or_default();
    match value {
        Semantic::Null | Semantic::Unavailable | Semantic::Row(_) => false,
        Semantic::Bool(value) => {
            text == if *value { "true" } else { "false" } || text == bit(*value)
        }
        Semantic::Int(value) => text == value.to_string(),
        Semantic::Year(value) => text == value.to_string(),
        Semantic::Float(value) => text.parse() == Ok(*value) || (value.is_nan() && text == "NaN"),
        Semantic::Double(value) => {
            plain(text).parse() == Ok(*value) || (value.is_nan() && text == "NaN")
        }
        Semantic::Text(value) => {
            value == text || decimal(value) == decimal(&plain(text)) || padded(value, text)
        }
        Semantic::Decimal(value) => decimal(&value.to_string()) == decimal(&plain(text)),
        Semantic::Bytes(bytes) => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            text == format!("\\x{hex}") || text == hex.to_uppercase()
        }
        Semantic::Date(_) | Semantic::Timestamp(_) | Semantic::Zoned(_) => {
            moment(text) == shown.trim_end_matches('Z')
        }
        Semantic::Time(_) => fraction(text) == shown,
        Semantic::Infinite(_) | Semantic::Uuid(_) => shown == text,
        Semantic::Json(value) | Semantic::Xml(value) | Semantic::Enum(value) => {
            *value == text || hstore(text, value)
        }
        Semantic::EnumSet(values) => values.join(",") == text,
        Semantic::Bits(_) => shown.trim_start_matches('0') == text.trim_start_matches('0'),
        Semantic::Geometry(geometry) => is_geometry(geometry, text),
        // Written otherwise in both worlds: the documents hold them.
        Semantic::ZonedTime(_) | Semantic::OffsetTime(..) | Semantic::Interval(_) => true,
        Semantic::Span(_) | Semantic::Array(_) | Semantic::Map(_) => true,
    }
}

fn bit(value: bool) -> &'static str {
    if value { "1" } else { "0" }
}

/// PostgreSQL's `char(n)` has no blanks at its end as a text; its `inet` has a mask.
fn padded(value: &str, text: &str) -> bool {
    value.trim_end_matches(' ') == text || [32, 128].iter().any(|m| text == format!("{value}/{m}"))
}

/// Money without its marks.
fn plain(text: &str) -> String {
    text.replace(['$', ','], "")
}

/// A number without zeros at its end.
fn decimal(text: &str) -> Option<String> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let trimmed =
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text };
    is_number.then(|| trimmed.to_owned())
}

fn fraction(text: &str) -> String {
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    }
}

/// A date or timestamp of the database by ISO 8601: years before Christ count from 0 downwards.
fn moment(text: &str) -> String {
    let (text, before) = text.strip_suffix(" BC").map_or((text, false), |text| (text, true));
    let text = text.strip_suffix("+00").unwrap_or(text).replace(' ', "T");
    let text = if text.contains('T') { fraction(&text) } else { text };
    let (year, rest) = text.split_once('-').unwrap_or((&text, ""));
    let Ok(year) = year.parse::<i64>() else { return text };
    let year = if before { 1 - year } else { year };
    let sign = if year < 0 {
        "-"
    } else if year > 9999 {
        "+"
    } else {
        ""
    };
    format!("{sign}{:04}-{rest}", year.abs())
}

fn hstore(text: &str, json: &str) -> bool {
    let Ok(Value::Object(entries)) = serde_json::from_str(json) else { return false };
    let keys = entries.iter().all(|(key, _)| text.contains(&format!("\"{key}\"=>")));
    keys && text.matches("=>").count() == entries.len()
}

/// MariaDB's `srid;hex of wkb;text`, or PostgreSQL's `(x,y)`.
fn is_geometry(geometry: &Geometry<'_>, text: &str) -> bool {
    if let Some((srid, rest)) = text.split_once(';') {
        let hex: String = geometry.wkb.iter().map(|byte| format!("{byte:02X}")).collect();
        return rest.starts_with(&hex) && srid == geometry.srid.unwrap_or(0).to_string();
    }
    let number = |at: usize| geometry.wkb[at..at + 8].try_into().map(f64::from_le_bytes).unwrap();
    let (x, y) = text.trim_matches(['(', ')']).split_once(',').unwrap();
    let same = |text: &str, at: usize| {
        let (read, written) = (text.parse::<f64>().unwrap(), number(at));
        read == written || read.is_nan() && written.is_nan()
    };
    same(x, 5) && same(y, 13)
}

/// Base64 with the standard alphabet.
pub fn from_base64(text: &str) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let mut bytes = Vec::new();
    for chunk in text.trim_end_matches('=').as_bytes().chunks(4) {
        let bits = chunk.iter().fold(0, |bits, byte| bits << 6 | u32::from(digit(*byte)));
        let bits = bits << (6 * (4 - chunk.len()));
        bytes.extend_from_slice(&bits.to_be_bytes()[1..chunk.len()]);
    }
    bytes
}
