//! A partial group: what the records of one partition, in one share of the keys, added to a group.

use std::collections::BTreeMap;
use std::fmt;

use readmill_schemas::Timestamp;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use super::{Beside, Difference, Totals};
use crate::guard::{Guard, stands};
use crate::kept::{Kept, KeptAsDocuments};
use crate::model::Key;
use crate::position::{Offset, Partition};
use crate::stamp::Sent;

/// The keys of a partition add to a group in so many shares, so that those who fold them side by
/// side do not contend. It is fixed: a key adds to the same partial group for ever.
pub const BUCKETS: u64 = 4;

/// A group, as its dimensions: `eu/paid/2026-11-21`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GroupName(String);

impl GroupName {
    /// A group from its dimensions, the most general first.
    pub fn of(dimensions: &[&str]) -> Self {
        let escaped = dimensions.iter().map(|dimension| escaped(dimension));
        Self(escaped.collect::<Vec<_>>().join("/"))
    }

    /// The group within it of a window of time.
    #[must_use]
    pub fn within(&self, window: Window, at: Timestamp) -> Self {
        let window = window.of(at);
        if self.0.is_empty() { Self(window) } else { Self(format!("{}/{window}", self.0)) }
    }

    /// Its dimensions.
    pub fn dimensions(&self) -> Vec<String> {
        self.0.split('/').map(unescaped).collect()
    }

    /// A group as it is written, and as its `Display` shows it.
    pub const fn written(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn escaped(dimension: &str) -> String {
    dimension.replace('%', "%25").replace('/', "%2F").replace('|', "%7C")
}

fn unescaped(dimension: &str) -> String {
    dimension.replace("%7C", "|").replace("%2F", "/").replace("%25", "%")
}

/// A window of time, by the event's own time in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// `2026-11-21T18:05`
    Minute,
    /// `2026-11-21T18`
    Hour,
    /// `2026-11-21`
    Day,
    /// `2026-11`
    Month,
}

impl Window {
    /// The window in which an instant is; windows sort by time.
    pub fn of(self, at: Timestamp) -> String {
        let mut text = at.to_string();
        let from_the_end_of_the_date = |text: &str| text.find('T').unwrap_or(text.len());
        let date = from_the_end_of_the_date(&text);
        text.truncate(match self {
            Self::Minute => date + "T18:05".len(),
            Self::Hour => date + "T18".len(),
            Self::Day => date,
            Self::Month => date - "-21".len(),
        });
        text
    }
}

/// The name of a partial group, which is the key that it is stored under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartialName;

impl PartialName {
    /// The key of the partial group to which a record of `partition` adds for a document.
    pub fn key(rollup: &str, group: &GroupName, partition: &Partition, document: &Key) -> Key {
        let bucket = xxh3_64(document.as_str().as_bytes()) % BUCKETS;
        Key(format!("{}{partition}.{bucket}", Self::of_group(rollup, group)))
    }

    /// What the keys of all partial groups of a group begin with.
    pub fn of_group(rollup: &str, group: &GroupName) -> String {
        format!("{rollup}/{group}|")
    }

    /// What the keys of all partial groups within a group begin with; of the whole roll-up if none
    /// is given.
    pub fn within(rollup: &str, group: Option<&GroupName>) -> String {
        group.map_or_else(|| format!("{rollup}/"), |group| format!("{rollup}/{group}/"))
    }

    /// The group of a key.
    pub fn group(rollup: &str, key: &Key) -> Option<GroupName> {
        let rest = key.as_str().strip_prefix(rollup)?.strip_prefix('/')?;
        Some(GroupName(rest.split_once('|')?.0.to_owned()))
    }
}

/// What one document at one revision adds to a partial group.
#[derive(Debug, Clone)]
pub struct Added<'a> {
    /// The document.
    pub key: &'a Key,
    /// Its revision.
    pub revision: i64,
    /// The offset of the record to which it is owed.
    pub offset: Offset,
    /// What it adds and takes back.
    pub differences: Vec<&'a Difference>,
}

/// A partial group. It remembers what it has added: everything that is owed to records below a
/// floor, and of those above it the revisions of their documents. A document's revisions come in
/// their order, so that the latest stands for all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Partial {
    /// What was added up.
    #[serde(flatten)]
    pub totals: Totals,
    floor: Offset,
    /// Records below the floor that could not be read: what is owed to them may come yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    unread: Vec<Offset>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    above: BTreeMap<KeyTag, Told>,
}

/// By what a partial group knows a document: keys may have any characters, which names of fields
/// may not, and may be a person's, who lives on in no group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
struct KeyTag(String);

impl KeyTag {
    fn of(key: &Key) -> Self {
        Self(format!("{:032x}", xxh3_128(key.as_str().as_bytes())))
    }
}

/// What of a document was added above the floor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Told {
    /// Its last revision, which stands for all before it.
    revision: i64,
    /// The first of the records to which these are owed.
    first: Offset,
    /// The last of them.
    last: Offset,
}

impl Default for Partial {
    fn default() -> Self {
        let (totals, floor) = (Totals::default(), Offset(i64::MIN));
        Self { totals, floor, unread: Vec::new(), above: BTreeMap::new() }
    }
}

impl Partial {
    /// Adds what was not added before; answers whether that was so.
    pub fn add(&mut self, added: &Added<'_>, beside: Beside) -> bool {
        if self.knows(added) {
            return false;
        }
        for difference in &added.differences {
            self.totals.add(difference, beside);
        }
        let Added { key, revision, offset, .. } = added;
        let told = self.above.entry(KeyTag::of(key)).or_insert(Told {
            revision: *revision,
            first: *offset,
            last: *offset,
        });
        *told = Told {
            revision: *revision,
            first: told.first.min(*offset),
            last: told.last.max(*offset),
        };
        true
    }

    /// Forgets what no one can tell again: what is owed to records that are surely settled. From
    /// now on all of that counts as added.
    pub fn raise_floor(&mut self, sent: Sent<'_>) {
        if sent.below <= self.floor {
            return; // it comes from someone who knows less
        }
        // What was below the floor before was added, though a later worker cannot read it.
        let may_come = |offset: &&Offset| **offset >= self.floor || self.unread.contains(*offset);
        self.unread = sent.unread.range(..sent.below).filter(may_come).copied().collect();
        self.floor = sent.below;
        let unread = &self.unread;
        let stands_for_unread =
            |told: &Told| unread.iter().any(|offset| (told.first..=told.last).contains(offset));
        self.above.retain(|_, told| told.last >= sent.below || stands_for_unread(told));
    }

    /// Whether what a document owes to the record at an offset was added, as far as it remembers.
    pub fn has_added(&self, key: &Key, offset: Offset) -> bool {
        let below = offset < self.floor && !self.unread.contains(&offset);
        below || self.above.get(&KeyTag::of(key)).is_some_and(|told| offset <= told.last)
    }

    fn knows(&self, added: &Added<'_>) -> bool {
        let below = added.offset < self.floor && !self.unread.contains(&added.offset);
        let told = self.above.get(&KeyTag::of(added.key));
        let above = told.is_some_and(|told| told.revision >= added.revision);
        (below && stands(Guard::RollupFloor)) || (above && stands(Guard::RollupMemory))
    }
}

impl Kept for Partial {
    const NAME: &'static str = "partial groups";
    const ABOUT: &'static str = "what was added up of the contributions of documents";
}

/// Partial groups as documents, so that every store keeps them by compare-and-set.
pub type Partials = KeptAsDocuments<Partial>;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::Contribution;
    use super::*;

    const NONE: Beside = Beside { extremes: false, top: 0, distinct: false };

    fn add(partial: &mut Partial, key: &str, revision: i64, offset: i64) -> bool {
        let (rollup, group) = ("r".to_owned(), GroupName::of(&["g"]));
        let what = Contribution { rollup, group, value: 1, item: None };
        let differences = &[Difference::added(what)];
        let (key, differences) = (&Key::from(key), differences.iter().collect());
        partial.add(&Added { key, revision, offset: Offset(offset), differences }, NONE)
    }

    fn below(below: i64, unread: &BTreeSet<Offset>) -> Sent<'_> {
        Sent { below: Offset(below), unread }
    }

    #[test]
    fn a_repeat_adds_nothing_above_the_floor_and_below_it() {
        let mut partial = Partial::default();
        assert!(add(&mut partial, "a", 1, 10));
        assert!(!add(&mut partial, "a", 1, 10));
        assert!(add(&mut partial, "b", 1, 11));
        assert!(add(&mut partial, "a", 2, 12));
        assert!(!add(&mut partial, "a", 1, 10), "a later revision stands for all");
        partial.raise_floor(below(12, &BTreeSet::new()));
        assert_eq!(partial.above.len(), 1);
        assert!(!add(&mut partial, "b", 1, 11), "a zombie comes late");
        assert!(!add(&mut partial, "a", 2, 12));
        assert_eq!(partial.totals.count, 3);
    }

    #[test]
    fn who_knows_less_lowers_no_floor() {
        let mut partial = Partial::default();
        partial.raise_floor(below(12, &BTreeSet::new()));
        partial.raise_floor(below(5, &BTreeSet::new()));
        assert!(!add(&mut partial, "a", 1, 11));
    }

    #[test]
    fn what_was_added_is_not_added_again_because_a_later_worker_cannot_read_it() {
        let mut partial = Partial::default();
        assert!(add(&mut partial, "a", 1, 3));
        partial.raise_floor(below(5, &BTreeSet::new()));
        partial.raise_floor(below(6, &BTreeSet::from([Offset(3), Offset(5)])));
        assert_eq!(partial.unread, [Offset(5)]);
        assert!(!add(&mut partial, "a", 1, 3));
        assert!(add(&mut partial, "b", 1, 5));
    }

    #[test]
    fn what_is_owed_to_an_unread_record_is_added_once_when_it_comes() {
        let unread = BTreeSet::from([Offset(7), Offset(8)]);
        let mut partial = Partial::default();
        assert!(add(&mut partial, "told", 1, 7));
        partial.raise_floor(below(20, &unread));
        assert!(!add(&mut partial, "told", 1, 7));
        assert!(add(&mut partial, "untold", 1, 8));
        partial.raise_floor(below(21, &unread));
        assert!(!add(&mut partial, "untold", 1, 8));
        partial.raise_floor(below(22, &BTreeSet::new()));
        assert!(partial.above.is_empty());
        assert!(!add(&mut partial, "untold", 1, 8));
    }

    #[test]
    fn what_an_unread_record_owed_is_not_added_again_after_later_ones_of_its_document() {
        let mut partial = Partial::default();
        assert!(add(&mut partial, "k", 6, 0));
        assert!(add(&mut partial, "k", 8, 2));
        partial.raise_floor(below(14, &BTreeSet::from([Offset(0)])));
        assert!(!add(&mut partial, "k", 6, 0));
        assert_eq!(partial.totals.count, 2);
    }

    #[test]
    fn what_was_added_is_told_by_its_offset() {
        let mut partial = Partial::default();
        add(&mut partial, "a", 1, 10);
        add(&mut partial, "a", 3, 12);
        let has =
            |partial: &Partial, key, offset| partial.has_added(&Key::from(key), Offset(offset));
        assert!(has(&partial, "a", 10) && has(&partial, "a", 12) && !has(&partial, "a", 13));
        assert!(!has(&partial, "b", 11));
        partial.raise_floor(below(12, &BTreeSet::from([Offset(9)])));
        assert!(has(&partial, "b", 11) && !has(&partial, "b", 9) && !has(&partial, "b", 12));
    }

    #[test]
    fn names_are_found_by_their_beginning_and_keep_any_dimension() {
        let dimensions = ["a/b", "c|d", "100%2F"];
        let group = GroupName::of(&dimensions);
        assert_eq!(group.dimensions(), dimensions);
        let at: Timestamp = "2026-11-21T18:05:03Z".parse().unwrap();
        let day = group.within(Window::Day, at);
        let partition = Partition::new("t.u", 3);
        let key = PartialName::key("sales", &day, &partition, &Key::from("k"));
        assert!(key.as_str().starts_with(&PartialName::of_group("sales", &day)));
        assert!(key.as_str().starts_with(&PartialName::within("sales", Some(&group))));
        assert!(!key.as_str().starts_with(&PartialName::of_group("sales", &group)));
        assert_eq!(PartialName::group("sales", &key), Some(day));
        assert_eq!(PartialName::group("sale", &key), None);
    }

    #[test]
    fn windows_are_those_of_the_event() {
        let at: Timestamp = "2026-11-21T18:05:03.250Z".parse().unwrap();
        let all = [Window::Minute, Window::Hour, Window::Day, Window::Month];
        let all = all.map(|window| window.of(at));
        assert_eq!(all, ["2026-11-21T18:05", "2026-11-21T18", "2026-11-21", "2026-11"]);
    }

    #[test]
    fn a_partial_group_survives_as_text() {
        let mut partial = Partial::default();
        for (key, offset) in [("a.b", 7), ("$c", 30)] {
            add(&mut partial, key, 4, offset);
        }
        partial.raise_floor(below(20, &BTreeSet::from([Offset(7)])));
        let text = serde_json::to_string(&partial).unwrap();
        assert_eq!(serde_json::from_str::<Partial>(&text).unwrap(), partial, "{text}");
    }
}
