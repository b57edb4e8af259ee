//! What is added up in a group. Totals merge: those of partial groups make those of the group.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Beside, Difference, Sketch};

/// What is added up in a group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// How many contributions there are.
    pub count: i64,
    /// The sum of their values.
    pub sum: Wide,
    /// The sum of the squares of their values.
    pub squares: Wide,
    /// How many contributions have been taken back: of the measures below, these are still part.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub withdrawn: i64,
    /// The least value ever added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least: Option<i64>,
    /// The greatest value ever added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub greatest: Option<i64>,
    /// The greatest values ever added with their items, the greatest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub top: Vec<Ranked>,
    /// About how many different items were ever added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distinct: Option<Sketch>,
}

/// A value with its item.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Ranked {
    /// The value.
    pub value: i64,
    /// The item.
    pub item: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde asks for")]
const fn is_zero(number: &i64) -> bool {
    *number == 0
}

impl Totals {
    /// Adds a difference.
    pub fn add(&mut self, difference: &Difference, beside: Beside) {
        let Difference { what, back } = difference;
        let value = i128::from(what.value);
        let sign = if *back { -1 } else { 1 };
        self.count += if *back { -1 } else { 1 };
        self.sum.add(sign * value);
        self.squares.add(sign * value * value);
        if *back {
            self.withdrawn += 1;
            return;
        }
        if beside.extremes {
            self.least = least(self.least, Some(what.value));
            self.greatest = self.greatest.max(Some(what.value));
        }
        let Some(item) = &what.item else { return };
        if beside.top > 0 {
            self.rank([Ranked { value: what.value, item: item.clone() }], beside);
        }
        if beside.distinct {
            self.distinct.get_or_insert_default().add(item);
        }
    }

    /// Adds the totals of another part of the group.
    pub fn merge(&mut self, other: Self, beside: Beside) {
        self.count += other.count;
        self.sum.add(other.sum.0);
        self.squares.add(other.squares.0);
        self.withdrawn += other.withdrawn;
        self.least = least(self.least, other.least);
        self.greatest = self.greatest.max(other.greatest);
        self.rank(other.top, beside);
        if let Some(more) = other.distinct {
            self.distinct.get_or_insert_default().merge(&more);
        }
    }

    fn rank(&mut self, more: impl IntoIterator<Item = Ranked>, beside: Beside) {
        self.top.extend(more);
        self.top.sort_by(|a, b| b.cmp(a));
        // An item has its greatest value.
        let mut seen = std::collections::BTreeSet::new();
        self.top.retain(|ranked| seen.insert(ranked.item.clone()));
        self.top.truncate(beside.top.into());
    }

    /// The mean of the values; none of nothing.
    #[expect(clippy::cast_precision_loss, reason = "a mean is not exact")]
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum.0 as f64 / self.count as f64)
    }

    /// The standard deviation of the values, of all of them and not of a sample; none of nothing.
    /// The numerator is exact, however close the values are to each other.
    #[expect(clippy::cast_precision_loss, reason = "a root is not exact")]
    pub fn deviation(&self) -> Option<f64> {
        if self.count <= 0 {
            return None;
        }
        let count = i128::from(self.count);
        let exact = self.squares.0.checked_mul(count);
        let exact = exact.zip(self.sum.0.checked_mul(self.sum.0)).map(|(a, b)| a - b);
        let numerator = exact.map_or_else(
            || (self.squares.0 as f64).mul_add(count as f64, -(self.sum.0 as f64).powi(2)),
            |exact| exact as f64,
        );
        Some(numerator.max(0.0).sqrt() / count as f64)
    }
}

fn least(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// A sum of 128 bits: a number where it fits into 64, else a text. Beyond them it goes round, so
/// that it is right again when what went beyond is taken back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wide(pub i128);

impl Wide {
    const fn add(&mut self, more: i128) {
        self.0 = self.0.wrapping_add(more);
    }
}

impl Serialize for Wide {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match i64::try_from(self.0) {
            Ok(number) => to.serialize_i64(number),
            Err(_) => to.collect_str(&self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Wide {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(i64),
            Text(String),
        }
        match Written::deserialize(from)? {
            Written::Number(number) => Ok(Self(number.into())),
            Written::Text(text) => text.parse().map(Self).map_err(serde::de::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Contribution, GroupName};
    use super::*;

    const ALL: Beside = Beside { extremes: true, top: 3, distinct: true };

    fn difference(value: i64, back: bool) -> Difference {
        let (rollup, group) = ("r".to_owned(), GroupName::of(&["g"]));
        let item = Some(format!("item {}", value % 7));
        Difference { what: Contribution { rollup, group, value, item }, back }
    }

    fn totals(values: &[i64]) -> Totals {
        let mut totals = Totals::default();
        values.iter().for_each(|value| totals.add(&difference(*value, false), ALL));
        totals
    }

    proptest! {
        /// Partial groups in any cut and any order make the group.
        #[test]
        fn totals_merge(values in prop::collection::vec(any::<i64>(), 0..40), cut in 0_usize..40) {
            let (front, back) = values.split_at(cut.min(values.len()));
            let mut merged = totals(back);
            merged.merge(totals(front), ALL);
            prop_assert_eq!(merged, totals(&values));
        }

        /// What is taken back was never there, for measures that can forget.
        #[test]
        fn sums_forget(values in prop::collection::vec(any::<i64>(), 0..9), extra in any::<i64>()) {
            let mut changed = totals(&values);
            changed.add(&difference(extra, false), ALL);
            changed.add(&difference(extra, true), ALL);
            let wanted = totals(&values);
            prop_assert_eq!(
                (changed.count, changed.sum, changed.squares, changed.withdrawn),
                (wanted.count, wanted.sum, wanted.squares, 1)
            );
        }

        #[test]
        fn totals_survive_as_text(values in prop::collection::vec(any::<i64>(), 0..9)) {
            let totals = totals(&values);
            let text = serde_json::to_string(&totals).unwrap();
            prop_assert_eq!(serde_json::from_str::<Totals>(&text).unwrap(), totals);
        }
    }

    #[test]
    fn the_deviation_of_large_close_values_is_exact() {
        let base = 4_000_000_000_000_000_000;
        let totals = totals(&[base, base + 2, base + 4]);
        let deviation = totals.deviation().unwrap();
        assert!((deviation - (8.0_f64 / 3.0).sqrt()).abs() < 1e-9, "{deviation}");
        assert_eq!(self::totals(&[2, 4]).mean(), Some(3.0));
        assert_eq!(Totals::default().deviation(), None);
    }

    #[test]
    fn an_item_ranks_once_with_its_greatest_value() {
        let totals = totals(&[7, 14, 1, 8, 2, 3]);
        let ranked: Vec<(i64, &str)> =
            totals.top.iter().map(|ranked| (ranked.value, ranked.item.as_str())).collect();
        assert_eq!(ranked, [(14, "item 0"), (8, "item 1"), (3, "item 3")]);
        assert_eq!((totals.least, totals.greatest), (Some(1), Some(14)));
        assert_eq!(totals.distinct.unwrap().estimate(), 4);
    }
}
