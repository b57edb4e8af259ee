//! Reading roll-ups: the partial groups of a group merged, and the groups within another, in pages.

use std::sync::Arc;

use readmill_core::rollup::{PartialName, Partials, Totals};
use readmill_core::{GroupName, Key, ReadModel, Rollup};

use crate::fault::Fault;
use crate::ports::Store;

/// So many partial groups are read at a time.
const PAGE_PARTIALS: usize = 500;

/// The roll-ups of a model, for those who read them.
#[derive(Debug, Clone, Default)]
pub struct Rollups {
    declared: &'static [Rollup],
    store: Option<Arc<dyn Store<Partials>>>,
}

/// Some groups with their totals.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Groups {
    /// The groups, in the order of their names' bytes: windows of time sort by time.
    pub groups: Vec<(GroupName, Totals)>,
    /// The last of them, if more groups come after it.
    pub more_after: Option<GroupName>,
}

impl Rollups {
    /// The roll-ups of `M`, of which the partial groups are in `store`.
    pub const fn of<M: ReadModel>(store: Option<Arc<dyn Store<Partials>>>) -> Self {
        Self { declared: M::ROLLUPS, store }
    }

    /// Those that the model declares.
    pub const fn declared(&self) -> &'static [Rollup] {
        self.declared
    }

    /// The roll-up of that name.
    pub fn named(&self, name: &str) -> Option<&'static Rollup> {
        self.declared.iter().find(|rollup| rollup.name == name)
    }

    /// The totals of a group, over all its partial groups; none if nothing was ever added to it.
    ///
    /// Partial groups are read one after the other, not at one instant: of what is written
    /// meanwhile some may be in the totals and some not.
    ///
    /// # Errors
    /// When the store does not answer or refuses.
    pub async fn group(&self, rollup: &Rollup, group: &GroupName) -> Result<Option<Totals>, Fault> {
        let prefix = PartialName::of_group(rollup.name, group);
        let found = self.merged(rollup, &prefix, None, 1).await?;
        Ok(found.groups.into_iter().next().map(|(_, totals)| totals))
    }

    /// Groups within one, or of the whole roll-up, however deep they are within it: at most
    /// `limit` of those that come after `after`.
    ///
    /// # Errors
    /// When the store does not answer or refuses.
    pub async fn within(
        &self,
        rollup: &Rollup,
        group: Option<&GroupName>,
        after: Option<&GroupName>,
        limit: usize,
    ) -> Result<Groups, Fault> {
        let prefix = PartialName::within(rollup.name, group);
        let after = after.map(|group| behind(rollup, group));
        self.merged(rollup, &prefix, after, limit).await
    }

    async fn merged(
        &self,
        rollup: &Rollup,
        prefix: &str,
        mut after: Option<Key>,
        limit: usize,
    ) -> Result<Groups, Fault> {
        let mut found = Groups::default();
        let Some(store) = self.store.as_ref().filter(|_| limit > 0) else { return Ok(found) };
        loop {
            let page = store.scan_range(prefix, after.as_ref(), PAGE_PARTIALS).await?;
            let is_last = page.len() < PAGE_PARTIALS;
            after = page.last().map(|(key, _)| key.clone());
            for (key, document) in page {
                let Some(group) = PartialName::group(rollup.name, &key) else { continue };
                let totals = document.state.map(|partial| partial.totals).unwrap_or_default();
                let is_full = found.groups.len() == limit;
                match found.groups.last_mut() {
                    Some((last, sum)) if *last == group => sum.merge(totals, rollup.beside),
                    Some((last, _)) if is_full => {
                        found.more_after = Some(last.clone());
                        return Ok(found);
                    }
                    Some(_) | None => found.groups.push((group, totals)),
                }
            }
            if is_last {
                return Ok(found);
            }
        }
    }
}

/// A key behind all partial groups of a group, and before those of any group that comes after it.
fn behind(rollup: &Rollup, group: &GroupName) -> Key {
    let mut text = PartialName::of_group(rollup.name, group);
    text.pop();
    // What comes next after the bar behind a group's name, which no name has in it.
    text.push('}');
    Key(text)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::sync::Mutex;

    use async_trait::async_trait;
    use proptest::prelude::*;
    use readmill_core::rollup::{Added, Difference, Partial};
    use readmill_core::{Contribution, Document, Offset, Partition};

    use super::*;
    use crate::ports::{Put, Write};

    const SALES: Rollup =
        Rollup::of_documents("sales", "what was sold").with_extremes().with_top(2).with_distinct();
    const SALE: Rollup = Rollup { name: "sale", ..SALES };

    /// Partial groups in memory.
    #[derive(Debug, Default)]
    struct Shelf(Mutex<BTreeMap<Key, Document<Partials>>>);

    #[async_trait]
    impl Store<Partials> for Shelf {
        async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Document<Partials>>>, Fault> {
            Ok(keys.iter().map(|key| self.0.lock().unwrap().get(key).cloned()).collect())
        }

        async fn put(&self, _: &[Write<'_, Partials>]) -> Result<Vec<Put>, Fault> {
            Ok(Vec::new())
        }

        async fn scan(
            &self,
            visit: &mut (dyn FnMut(Key, Document<Partials>) + Send),
        ) -> Result<(), Fault> {
            let all = self.0.lock().unwrap().clone();
            all.into_iter().for_each(|(key, document)| visit(key, document));
            Ok(())
        }

        async fn erase(&self, _: &[Key]) -> Result<(), Fault> {
            Ok(())
        }

        async fn drop_all(&self) -> Result<(), Fault> {
            Ok(())
        }
    }

    impl Shelf {
        fn add(&self, rollup: &Rollup, group: &GroupName, from: (i32, &str), value: i64) {
            let (partition, key) = (Partition::new("t", from.0), Key::from(from.1));
            let name = PartialName::key(rollup.name, group, &partition, &key);
            let mut all = self.0.lock().unwrap();
            let document = all.entry(name).or_default();
            document.stamp.revision += 1;
            let revision = document.stamp.revision;
            let what = Contribution::of(rollup, group.clone(), value).about(from.1);
            let differences = &[Difference::added(what)];
            let differences = differences.iter().collect();
            let added = Added { key: &key, revision, offset: Offset(revision), differences };
            let partial = document.state.get_or_insert_with(Partial::default);
            assert!(partial.add(&added, rollup.beside));
        }
    }

    fn rollups(shelf: Shelf) -> Rollups {
        Rollups { declared: &[SALES, SALE], store: Some(Arc::new(shelf)) }
    }

    #[tokio::test]
    async fn a_group_is_the_sum_of_its_partial_groups_and_of_no_others() {
        let shelf = Shelf::default();
        let (group, inner) = (GroupName::of(&["eu"]), GroupName::of(&["eu", "paid"]));
        for at in 0..700 {
            shelf.add(&SALES, &group, (at, &format!("d{at}")), at.into());
        }
        for (rollup, group) in [
            (&SALES, &inner),
            (&SALES, &GroupName::of(&["eu}"])),
            (&SALES, &GroupName::of(&["eu|"])),
            (&SALE, &group),
        ] {
            shelf.add(rollup, group, (0, "d"), 1_000_000);
        }
        let rollups = rollups(shelf);
        let totals = rollups.group(&SALES, &group).await.unwrap().unwrap();
        assert_eq!((totals.count, totals.sum.0), (700, (0..700).sum()));
        assert_eq!((totals.least, totals.greatest), (Some(0), Some(699)));
        assert_eq!(totals.top.len(), 2);
        let other = rollups.group(&SALES, &inner).await.unwrap().unwrap();
        assert_eq!(other.count, 1);
        assert_eq!(rollups.group(&SALES, &GroupName::of(&["e"])).await.unwrap(), None);
        let all = rollups.within(&SALES, None, None, 9).await.unwrap();
        let names: Vec<String> = all.groups.iter().map(|(name, _)| name.to_string()).collect();
        assert_eq!(names, ["eu%7C", "eu/paid", "eu", "eu}"]);
        let within = rollups.within(&SALES, Some(&group), None, 9).await.unwrap();
        assert_eq!(within.groups, [(inner, other)]);
    }

    #[tokio::test]
    async fn a_model_without_roll_ups_has_none_to_read() {
        let none = Rollups::default();
        assert!(none.declared().is_empty() && none.named("sales").is_none());
        assert_eq!(none.group(&SALES, &GroupName::of(&["eu"])).await.unwrap(), None);
    }

    proptest! {
        /// Pages of any size make the whole, each group once with all that is in it.
        #[test]
        fn pages_make_the_whole(
            added in prop::collection::vec(("[a|}/!~]{0,2}", "[a|}/~]{0,1}", 0..3_i32), 0..40),
            limit in 1..9_usize,
        ) {
            let shelf = Shelf::default();
            let mut counts: BTreeMap<String, i64> = BTreeMap::new();
            for (n, (one, other, partition)) in added.iter().enumerate() {
                let group = GroupName::of(&[one, other]);
                shelf.add(&SALES, &group, (*partition, &n.to_string()), 1);
                *counts.entry(group.to_string()).or_default() += 1;
            }
            let rollups = rollups(shelf);
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let reading = rollups.within(&SALES, None, after.as_ref(), limit);
                let page = runtime.block_on(reading).unwrap();
                prop_assert!(page.groups.len() <= limit);
                found.extend(page.groups);
                after = page.more_after;
                if after.is_none() {
                    break;
                }
            }
            let names: BTreeSet<String> = found.iter().map(|(name, _)| name.to_string()).collect();
            prop_assert_eq!(names.len(), found.len());
            let found = found.into_iter().map(|(name, totals)| (name.to_string(), totals.count));
            prop_assert_eq!(found.collect::<BTreeMap<_, _>>(), counts);
        }
    }
}
