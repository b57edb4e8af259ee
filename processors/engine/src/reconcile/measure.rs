//! What of a document is compared with what of its origin.

use readmill_core::ReadModel;
use readmill_schemas::row::Decimal;
use serde_json::{Map, Value};

use crate::verify::{Departure, Kind, Tolerances, value};

/// A field of a document and the origin's name for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pairing {
    /// The path in the document, such as `totals.earned.points`.
    pub path: String,
    /// The origin's field.
    pub field: String,
}

/// What is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Measure {
    /// The whole document: it is what the origin says, and nothing else.
    Whole,
    /// Some of its fields.
    Fields(Vec<Pairing>),
}

impl Measure {
    /// How a living document differs from what its origin says; nothing if it does not.
    pub fn judge<M: ReadModel>(
        &self,
        tolerances: &Tolerances,
        state: Option<&M::State>,
        told: Option<&Value>,
    ) -> Option<(Kind, Vec<Departure>)> {
        let (state, told) = match (state, told) {
            (None, None) => return None,
            (None, Some(_)) => return Some((Kind::Missing, Vec::new())),
            (Some(_), None) => return Some((Kind::Unintended, Vec::new())),
            (Some(state), Some(told)) => (state, told),
        };
        let departures = match self {
            Self::Whole => whole::<M>(tolerances, state, told),
            Self::Fields(pairings) => fields(tolerances, pairings, &value(state), told),
        };
        (!departures.is_empty()).then_some((Kind::Changed, departures))
    }
}

/// What the origin says is read as a state: equal values that are written in different ways are
/// equal.
fn whole<M: ReadModel>(tolerances: &Tolerances, state: &M::State, told: &Value) -> Vec<Departure> {
    let read: Option<M::State> = serde_json::from_value(told.clone()).ok();
    if read.as_ref() == Some(state) {
        return Vec::new();
    }
    let told = read.as_ref().map_or_else(|| told.clone(), value);
    tolerances.departures(Some(&value(state)), Some(&told))
}

fn fields(
    tolerances: &Tolerances,
    pairings: &[Pairing],
    state: &Value,
    told: &Value,
) -> Vec<Departure> {
    let (mut left, mut right) = (Map::new(), Map::new());
    for Pairing { path, field } in pairings {
        let mine = path.split('.').fold(state, |value, step| &value[step]);
        let theirs = told.get(field).unwrap_or(&Value::Null);
        let theirs = if same_number(mine, theirs) { mine } else { theirs };
        left.insert(path.clone(), mine.clone());
        right.insert(path.clone(), theirs.clone());
    }
    tolerances.departures(Some(&Value::Object(left)), Some(&Value::Object(right)))
}

/// Exact numbers are texts in one place and numbers in another.
fn same_number(left: &Value, right: &Value) -> bool {
    number(left).zip(number(right)).is_some_and(|(left, right)| left == right)
}

fn number(value: &Value) -> Option<Decimal> {
    match value {
        Value::Number(number) => number.to_string().parse().ok(),
        Value::String(text) => text.parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}
