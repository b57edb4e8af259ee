//! Order sheets: a value for every one of the contract's fields, of the type that it names.

use readmill_schemas::Timestamp;
use readmill_schemas::orders::OrderSheetWritten;
use serde_json::{Map, Value, json};

use crate::rng::Rng;

/// Writes sheets after their contract.
#[derive(Debug)]
pub struct Sheets {
    fields: Vec<(String, Kind)>,
}

/// What a field holds.
#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Text,
    Long,
    Int,
    Double,
    Boolean,
    Moment,
    Texts,
    Symbol(Vec<String>),
    Maybe(Box<Self>),
}

impl Sheets {
    /// Reads the contract.
    pub fn new() -> Self {
        let contract: Value =
            serde_json::from_str(OrderSheetWritten::CONTRACT.text).unwrap_or_default();
        let (mut fields, mut symbols) = (Vec::new(), Map::new());
        for field in contract.get("fields").and_then(Value::as_array).into_iter().flatten() {
            let name = field.get("name").and_then(Value::as_str);
            let kind = field.get("type").and_then(|kind| Kind::of(kind, &mut symbols));
            fields.extend(name.map(str::to_owned).zip(kind));
        }
        Self { fields }
    }

    /// A sheet of an order; nothing, if the contract has a type that is not known here.
    pub fn sheet(&self, order_no: &str, now_ms: i64, rng: &mut Rng) -> Option<OrderSheetWritten> {
        let value = |(name, kind): &(String, Kind)| (name.clone(), kind.value(now_ms, rng));
        let mut sheet: Map<String, Value> = self.fields.iter().map(value).collect();
        sheet.insert("order_no".to_owned(), json!(order_no));
        sheet.insert("occurred_at".to_owned(), json!(Timestamp::from_millis(now_ms)));
        serde_json::from_value(Value::Object(sheet)).ok()
    }
}

impl Kind {
    /// A type as a contract writes it; `symbols` are those of the enums above.
    fn of(kind: &Value, symbols: &mut Map<String, Value>) -> Option<Self> {
        if let Some(branches) = kind.as_array() {
            return Some(Self::Maybe(Box::new(Self::of(branches.get(1)?, symbols)?)));
        }
        let is = |key: &str, wanted: &str| kind.get(key).and_then(Value::as_str) == Some(wanted);
        if is("type", "enum") {
            symbols.insert(kind.get("name")?.as_str()?.to_owned(), kind.get("symbols")?.clone());
            return Self::of(kind.get("name")?, symbols);
        }
        Some(match kind.as_str() {
            Some("string") => Self::Text,
            Some("long") => Self::Long,
            Some("int") => Self::Int,
            Some("double") => Self::Double,
            Some("boolean") => Self::Boolean,
            Some(name) => {
                let symbols = symbols.get(name)?.as_array()?.iter();
                Self::Symbol(symbols.filter_map(Value::as_str).map(str::to_owned).collect())
            }
            None if is("logicalType", "timestamp-millis") => Self::Moment,
            None if is("type", "array") => Self::Texts,
            None => return None,
        })
    }

    /// Names and numbers that mean nothing, and nothing where there may be none as often as not.
    fn value(&self, now_ms: i64, rng: &mut Rng) -> Value {
        let text = |rng: &mut Rng| format!("t{:06}", rng.below(1_000_000));
        match self {
            Self::Text => json!(text(rng)),
            Self::Long => json!(rng.between(0, 100_000)),
            Self::Int => json!(rng.between(0, 100)),
            // An eighth is exact in binary: the same on every machine.
            Self::Double => json!(f64::from(u16::try_from(rng.below(8_000)).unwrap_or(0)) / 8.0),
            Self::Boolean => json!(rng.chance(500)),
            Self::Moment => {
                json!(Timestamp::from_millis(now_ms.saturating_add(rng.between(0, 999))))
            }
            Self::Texts => json!((0..rng.below(3)).map(|_| text(rng)).collect::<Vec<_>>()),
            Self::Symbol(symbols) => json!(symbols.get(rng.index(symbols.len()))),
            Self::Maybe(_) if rng.chance(500) => Value::Null,
            Self::Maybe(kind) => kind.value(now_ms, rng),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_the_contract_gets_a_value() {
        let sheets = Sheets::new();
        assert!(sheets.fields.len() > 500, "{}", sheets.fields.len());
        let mut rng = Rng::new(1, 0);
        let sheet = sheets.sheet("n", 7, &mut rng).unwrap();
        let again = sheets.sheet("n", 7, &mut rng).unwrap();
        assert_eq!((sheet.order_no.as_str(), sheet.occurred_at.as_millis()), ("n", 7));
        assert!(sheet != again && sheet.delivery_address_line_1.starts_with('t'));
    }
}
