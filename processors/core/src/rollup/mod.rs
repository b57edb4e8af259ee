//! Roll-ups: what documents add to groups, and the partial groups in which it is added up once.

mod partial;
mod sketch;
mod totals;

use serde::{Deserialize, Serialize};

pub use partial::{Added, BUCKETS, GroupName, Partial, PartialName, Partials, Window};
pub use sketch::Sketch;
pub use totals::{Ranked, Totals, Wide};

/// A roll-up that a model declares. Count, sum and sum of squares are always kept, and are exact
/// also when documents change their minds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rollup {
    /// Its name, in stores and in questions.
    pub name: &'static str,
    /// What it answers, in one line.
    pub about: &'static str,
    /// What adds to it.
    pub added_by: AddedBy,
    /// What is kept beside: for roll-ups to which is only added. What is taken back stays in these,
    /// and is counted as withdrawn.
    pub beside: Beside,
}

impl Rollup {
    /// One to which documents contribute as they stand.
    pub const fn of_documents(name: &'static str, about: &'static str) -> Self {
        let beside = Beside { extremes: false, top: 0, distinct: false };
        Self { name, about, added_by: AddedBy::Documents, beside }
    }

    /// One to which events add.
    pub const fn of_events(name: &'static str, about: &'static str) -> Self {
        Self { added_by: AddedBy::Events, ..Self::of_documents(name, about) }
    }

    /// With the least and the greatest value.
    #[must_use]
    pub const fn with_extremes(mut self) -> Self {
        self.beside.extremes = true;
        self
    }

    /// With so many of the greatest values, and their items.
    #[must_use]
    pub const fn with_top(mut self, many: u8) -> Self {
        self.beside.top = many;
        self
    }

    /// With about how many different items there were.
    #[must_use]
    pub const fn with_distinct(mut self) -> Self {
        self.beside.distinct = true;
        self
    }
}

/// What adds to a roll-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddedBy {
    /// Documents: what they contribute is taken back when they change or end.
    Documents,
    /// Events: each once, whatever becomes of the document.
    Events,
}

/// Measures that cannot take anything back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Beside {
    /// The least and the greatest value.
    pub extremes: bool,
    /// So many of the greatest values, with their items.
    pub top: u8,
    /// About how many different items there were.
    pub distinct: bool,
}

/// What a document, or an event, adds to a group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Contribution {
    /// The roll-up's name.
    pub rollup: String,
    /// The group.
    pub group: GroupName,
    /// What is summed.
    pub value: i64,
    /// What is told apart, for measures that do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
}

impl Contribution {
    /// One more in a group, with nothing to sum.
    pub fn one(rollup: &Rollup, group: GroupName) -> Self {
        Self::of(rollup, group, 0)
    }

    /// One more in a group, with a value.
    pub fn of(rollup: &Rollup, group: GroupName, value: i64) -> Self {
        Self { rollup: rollup.name.to_owned(), group, value, item: None }
    }

    /// With the item that it is about.
    #[must_use]
    pub fn about(mut self, item: impl Into<String>) -> Self {
        self.item = Some(item.into());
        self
    }
}

/// A contribution that is added, or taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// What.
    pub what: Contribution,
    /// Whether it is taken back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub back: bool,
}

impl Difference {
    /// Added.
    pub const fn added(what: Contribution) -> Self {
        Self { what, back: false }
    }
}

/// What makes of one list of contributions another one: what is in both cancels out.
pub fn differences(mut old: Vec<Contribution>, mut new: Vec<Contribution>) -> Vec<Difference> {
    old.sort();
    new.sort();
    let (mut old, mut new) = (old.into_iter().peekable(), new.into_iter().peekable());
    let mut all = Vec::new();
    loop {
        let back = match (old.peek(), new.peek()) {
            (None, None) => return all,
            (Some(was), Some(is)) if was == is => {
                old.next();
                new.next();
                continue;
            }
            (Some(was), Some(is)) => was < is,
            (was, _) => was.is_some(),
        };
        let side = if back { &mut old } else { &mut new };
        all.extend(side.next().map(|what| Difference { what, back }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDERS: Rollup = Rollup::of_documents("orders", "orders by status");

    fn of(group: &str, value: i64) -> Contribution {
        Contribution::of(&ORDERS, GroupName::of(&[group]), value)
    }

    #[test]
    fn what_stays_cancels_out() {
        let old = vec![of("paid", 5), of("open", 1), of("open", 1)];
        let new = vec![of("open", 1), of("paid", 7), of("late", 0)];
        let told = differences(old, new);
        let told: Vec<(String, i64, bool)> = told
            .into_iter()
            .map(|one| (one.what.group.to_string(), one.what.value, one.back))
            .collect();
        let wanted = [("late", 0, false), ("open", 1, true), ("paid", 5, true), ("paid", 7, false)];
        assert_eq!(told, wanted.map(|(group, value, back)| (group.to_owned(), value, back)));
        assert_eq!(differences(vec![of("a", 1)], vec![of("a", 1)]), []);
    }
}
