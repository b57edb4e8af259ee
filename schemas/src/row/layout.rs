//! A table as its contract describes it, for whoever asks a database for its rows.
use serde_json::Value;

use super::snake::snake;
use super::{Decimal, KeyPart, TimestampMicros, Uuid};
use crate::semantic::{Date, Time};
use crate::{Contract, Timestamp};

/// What a column is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// True or false.
    Boolean,
    /// A whole number of 32 bits.
    Int,
    /// A whole number of 64 bits.
    Long,
    /// A floating-point number.
    Double,
    /// A text, or a symbol of an enum.
    Text,
    /// An exact number; with so many digits behind the point, where the contract says so.
    Decimal(Option<usize>),
    /// An instant with milliseconds.
    Millis,
    /// An instant with microseconds.
    Micros,
    /// A day.
    Date,
    /// A time of day.
    Time,
    /// A UUID.
    Uuid,
    /// A JSON text, as the JSON that it is.
    Json,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayoutColumn {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: ColumnKind,
}

/// A table, its columns, and those of its primary key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The table, such as `coupon` or `shop.coupon`.
    pub table: String,
    /// The field under which a replica has its rows.
    pub field: String,
    /// All columns.
    pub columns: Vec<LayoutColumn>,
    /// The places of the primary key's columns among them.
    pub key: Vec<usize>,
}

impl ColumnKind {
    /// A value as documents show it, from its text: instants come as the number of their units
    /// since 1970. None if it is none of the kind.
    pub fn json(self, text: &str) -> Option<Value> {
        let number = || text.parse::<i64>().ok();
        match self {
            Self::Boolean => boolean(text).map(Value::from),
            Self::Int => text.parse::<i32>().ok().map(Value::from),
            Self::Long => number().map(Value::from),
            Self::Double => text.parse::<f64>().ok().filter(|n| n.is_finite()).map(Value::from),
            Self::Text => Some(Value::from(text)),
            Self::Decimal(scale) => shown(decimal(text, scale)?),
            Self::Millis => shown(Timestamp::from_millis(number()?)),
            Self::Micros => shown(TimestampMicros::from_micros(number()?)),
            Self::Date => shown(Date::try_from(text.to_owned()).ok()?),
            Self::Time => shown(Time::try_from(text.to_owned()).ok()?),
            Self::Uuid => shown(text.parse::<Uuid>().ok()?),
            Self::Json => serde_json::from_str(text).ok(),
        }
    }

    /// A value, given as documents show it, as a part of a key.
    fn key_part(self, value: &Value) -> Option<String> {
        let text = || value.as_str();
        let mut out = String::new();
        match self {
            Self::Boolean => value.as_bool()?.write(&mut out),
            Self::Int | Self::Long => value.as_i64()?.write(&mut out),
            Self::Text => text()?.to_owned().write(&mut out),
            Self::Decimal(_) => text()?.parse::<Decimal>().ok()?.write(&mut out),
            Self::Millis => text()?.parse::<Timestamp>().ok()?.write(&mut out),
            Self::Micros => text()?.parse::<TimestampMicros>().ok()?.write(&mut out),
            Self::Date => Date::try_from(text()?.to_owned()).ok()?.write(&mut out),
            Self::Time => Time::try_from(text()?.to_owned()).ok()?.write(&mut out),
            Self::Uuid => text()?.parse::<Uuid>().ok()?.write(&mut out),
            Self::Double | Self::Json => return None,
        }
        Some(out)
    }

    /// The literal for a part of a key; none if no value of the kind has that part.
    fn literal(self, part: &str) -> Option<String> {
        let text = if self == Self::Text {
            part.replace("%2F", "/").replace("%25", "%")
        } else {
            part.to_owned()
        };
        let value = match self {
            Self::Millis | Self::Micros => Value::from(text.as_str()),
            Self::Boolean
            | Self::Int
            | Self::Long
            | Self::Double
            | Self::Text
            | Self::Decimal(_)
            | Self::Date
            | Self::Time
            | Self::Uuid
            | Self::Json => self.json(&text)?,
        };
        // What is written in another way than a key has it is no key of a row.
        (self.key_part(&value)? == part).then_some(text)
    }
}

impl Layout {
    /// The table of a contract; none of a contract of events.
    ///
    /// # Errors
    /// When it has a column that no database can be asked for here.
    pub fn of(contract: &Contract) -> Result<Option<Self>, String> {
        let Some(table) = contract.table else { return Ok(None) };
        let schema: Value = serde_json::from_str(contract.text).unwrap_or_default();
        let name = contract.name.rsplit('.').next().unwrap_or_default();
        let mut columns = Vec::new();
        for field in schema["fields"].as_array().into_iter().flatten() {
            let name = field["name"].as_str().unwrap_or_default().to_owned();
            let kind = kind(&field["type"])
                .ok_or_else(|| format!("the column {name} of {table} is of no type for that"))?;
            columns.push(LayoutColumn { name, kind });
        }
        let place =
            |key: &Value| columns.iter().position(|column| Some(&*column.name) == key.as_str());
        let key = schema["readmill.key"].as_array().into_iter().flatten().filter_map(place);
        let key = key.collect();
        Ok(Some(Self { table: table.to_owned(), field: snake(name), columns, key }))
    }

    /// What the keys of all its rows begin with.
    pub fn prefix(&self) -> String {
        format!("{}/", self.table.replace('%', "%25").replace('/', "%2F"))
    }

    /// The key of a row, whose columns are given as documents show them.
    pub fn key_text(&self, row: &Value) -> Option<String> {
        let part = |at: &usize| {
            let column = self.columns.get(*at)?;
            column.kind.key_part(&row[&column.name])
        };
        let parts: Option<Vec<String>> = self.key.iter().map(part).collect();
        Some(self.prefix() + &parts?.join("/"))
    }

    /// The literals of a key's columns; none if no row can have that key.
    pub fn literals(&self, key: &str) -> Option<Vec<String>> {
        let rest = key.strip_prefix(&self.prefix())?;
        let parts: Vec<&str> = rest.split('/').collect();
        if parts.len() != self.key.len() {
            return None;
        }
        let literal = |(at, part): (&usize, &str)| self.columns.get(*at)?.kind.literal(part);
        self.key.iter().zip(parts).map(literal).collect()
    }
}

fn shown(value: impl serde::Serialize) -> Option<Value> {
    serde_json::to_value(value).ok()
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "t" | "true" | "1" => Some(true),
        "f" | "false" | "0" => Some(false),
        _ => None,
    }
}

/// With as many digits behind the point as the contract says, unless that would cut some off.
fn decimal(text: &str, scale: Option<usize>) -> Option<Decimal> {
    let number: Decimal = text.parse().ok()?;
    let scaled = scale.and_then(|scale| number.with_scale(scale));
    Some(scaled.unwrap_or(number))
}

fn kind(told: &Value) -> Option<ColumnKind> {
    if let Some(branches) = told.as_array() {
        let mut some = branches.iter().filter(|branch| *branch != "null");
        return some.next().and_then(kind);
    }
    let name = told.as_str().or_else(|| told["type"].as_str())?;
    Some(match (name, told["logicalType"].as_str()) {
        ("long", Some("timestamp-millis")) => ColumnKind::Millis,
        ("long", Some("timestamp-micros")) => ColumnKind::Micros,
        ("int", Some("date")) => ColumnKind::Date,
        ("long", Some("time-micros")) => ColumnKind::Time,
        ("string", Some("uuid")) => ColumnKind::Uuid,
        ("bytes", Some("decimal")) | ("string", Some("decimal")) => {
            ColumnKind::Decimal(told["scale"].as_u64().and_then(|scale| scale.try_into().ok()))
        }
        ("boolean", _) => ColumnKind::Boolean,
        ("int", _) => ColumnKind::Int,
        ("long", _) => ColumnKind::Long,
        ("float" | "double", _) => ColumnKind::Double,
        ("string" | "enum", _) => ColumnKind::Text,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Events as _;
    use crate::coupons::{CouponsEvent, CouponsRow};

    fn coupons() -> Layout {
        Layout::of(&CouponsEvent::CONTRACTS[0]).unwrap().unwrap()
    }

    #[test]
    fn a_row_of_texts_is_the_row_that_a_replica_stores() {
        let layout = coupons();
        let texts = ["7", "WINTER", "m-1", "issued", "10.5", "1806364800000000", "x", "1"];
        let columns = layout.columns.iter().zip(texts);
        let row: Value = columns.map(|(c, text)| (c.name.clone(), c.kind.json(text))).collect();
        assert_eq!(layout.key_text(&row).as_deref(), Some("coupon/7"));
        let stored: CouponsRow = serde_json::from_value(json!({ &layout.field: row })).unwrap();
        assert_eq!(serde_json::to_value(stored).unwrap()["coupon"]["discount"], "10.50");
        let history = Layout::of(&CouponsEvent::CONTRACTS[1]).unwrap().unwrap();
        assert_eq!((&*history.field, &*history.table), ("coupon_history", "coupon_history"));
    }

    #[test]
    fn only_a_key_that_a_row_can_have_has_literals() {
        let layout = coupons();
        assert_eq!(layout.literals("coupon/7"), Some(vec!["7".to_owned()]));
        for none in ["coupon/07", "coupon/x", "coupon/7/8", "coupon/", "coupon_history/7"] {
            assert_eq!(layout.literals(none), None, "{none}");
        }
        let text = Layout { key: vec![1, 0], ..coupons() };
        let literals = text.literals("coupon/a%2Fb%25/-1");
        assert_eq!(literals, Some(vec!["a/b%".to_owned(), "-1".to_owned()]));
        let row = json!({ "code": "a/b%", "id": -1 });
        assert_eq!(text.key_text(&row).as_deref(), Some("coupon/a%2Fb%25/-1"));
    }

    #[test]
    fn instants_are_literals_as_keys_have_them() {
        let mut at = coupons();
        at.key = vec![7];
        let row = json!({ "updated_at": ColumnKind::Micros.json("1806364800000001") });
        let key = at.key_text(&row).unwrap();
        assert_eq!(at.literals(&key).unwrap(), [row["updated_at"].as_str().unwrap()]);
    }
}
