//! Faults that are planted, and what is to be found of them.

use std::collections::{BTreeMap, BTreeSet};

use readmill_core::rollup::{PartialName, Partials};
use readmill_core::{Document, Key, ReadModel};
use readmill_engine::{Put, Store, Write};

use super::{Last, all};
use crate::paths::stack;
use crate::real::Corner;

/// What was planted: its sort, the kind, and the key or the group.
#[derive(Debug, Default)]
pub struct Planted {
    pub all: BTreeSet<(String, String, String)>,
    used: BTreeSet<Key>,
}

impl Planted {
    fn note(&mut self, sort: &str, kind: &str, name: &str) {
        self.all.insert((sort.to_owned(), kind.to_owned(), name.to_owned()));
    }

    /// How many were found, and which were not.
    pub fn compare(
        &self,
        found: &BTreeSet<(String, String, String)>,
    ) -> (usize, Vec<(String, String, String)>) {
        let hits = self.all.intersection(found).count();
        (hits, self.all.difference(found).cloned().collect())
    }

    /// A key that rests, and in which nothing is planted yet.
    fn take(&mut self, mut fits: impl FnMut(&Key) -> bool, (last, rested): (&Last, u64)) -> Key {
        let rests = last.iter().filter(|(_, at)| **at < rested).map(|(key, _)| key);
        let mut free = rests.filter(|key| !self.used.contains(*key) && fits(key));
        let key = free.next().expect("a key that rests").clone();
        self.used.insert(key.clone());
        key
    }
}

async fn put<M: ReadModel>(
    store: &impl Store<M>,
    key: &Key,
    expected: i64,
    document: &Document<M>,
) {
    let put = store.put(&[Write { key, expected, document }]).await.unwrap();
    assert_eq!(put, [Put::Done]);
}

/// A document that is missing, one that is changed, one that is older than it was, and one that
/// nothing led to.
pub async fn plant<M: ReadModel>(
    planted: &mut Planted,
    store: &impl Store<M>,
    before: &BTreeMap<Key, Document<M>>,
    resting: (&Last, u64),
    change: impl Fn(&mut M::State),
) {
    let now = all(store).await;
    let lives = |key: &Key| now.get(key).is_some_and(|document| document.state.is_some());
    let missing = planted.take(lives, resting);
    store.erase(std::slice::from_ref(&missing)).await.unwrap();
    planted.note("document", "missing", missing.as_str());
    let key = planted.take(lives, resting);
    let mut changed = now[&key].clone();
    changed.state.as_mut().map(&change).unwrap();
    put(store, &key, changed.stamp.revision, &changed).await;
    planted.note("document", "changed", key.as_str());
    let moved = |key: &Key| {
        let was = before.get(key).map_or(i64::MAX, |document| document.stamp.revision);
        now.get(key).is_some_and(|document| was < document.stamp.revision)
    };
    let key = planted.take(moved, resting);
    put(store, &key, now[&key].stamp.revision, &before[&key]).await;
    planted.note("document", "stale", key.as_str());
    let key = planted.take(lives, resting);
    let nobody = Key(format!("{key}-nobody"));
    put(store, &nobody, 0, &now[&key]).await;
    planted.note("document", "unintended", nobody.as_str());
}

/// A contribution that is added twice.
pub async fn partial_group(planted: &mut Planted, store: &impl Store<Partials>) {
    let mut changed = 0;
    for (key, _) in all(store).await {
        let rollup = ["ledger", "tiers"].into_iter().find(|r| key.as_str().starts_with(r)).unwrap();
        let group = PartialName::group(rollup, &key).unwrap();
        let name = format!("{rollup}/{group}");
        if changed == 2
            || planted.all.contains(&("roll-up".into(), "duplicate".into(), name.clone()))
        {
            continue;
        }
        // Its worker may come first.
        for _ in 0..100 {
            let Some(mut document) =
                store.load(std::slice::from_ref(&key)).await.unwrap().pop().unwrap()
            else {
                break;
            };
            let expected = document.stamp.revision;
            let partial = document.state.as_mut().unwrap();
            partial.totals.count += 1;
            partial.totals.sum.0 += 100;
            document.stamp.revision += 1;
            let write = [Write { key: &key, expected, document: &document }];
            if store.put(&write).await.unwrap() == [Put::Done] {
                planted.note("roll-up", "duplicate", &name);
                changed += 1;
                break;
            }
        }
    }
    assert_eq!(changed, 2);
}

/// A view that says something else.
pub async fn mirror_view(planted: &mut Planted, corner: &Corner, resting: (&Last, u64)) {
    let mirror = corner.redis().await.mirror("points:available");
    let mut shown = BTreeSet::new();
    for key in resting.0.keys() {
        if mirror.get(key).await.unwrap().contains_key("available") {
            shown.insert(key.clone());
        }
    }
    let key = planted.take(|key| shown.contains(key), resting);
    let client = redis::Client::open(stack("REDIS_URL")).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let place = format!("{}:points:available:{key}", corner.name);
    let mut set = redis::cmd("HSET");
    set.arg(&place).arg("available").arg("-7");
    let _: i64 = set.query_async(&mut connection).await.unwrap();
    planted.note("view", "changed", key.as_str());
}

/// Of documents that have ended: one that stands again as it was, one that has risen from the dead
/// under its own stamp, and one that nothing led to.
pub async fn plant_among_ended<M: ReadModel>(
    planted: &mut Planted,
    store: &impl Store<M>,
    before: &BTreeMap<Key, Document<M>>,
    resting: (&Last, u64),
) {
    let now = all(store).await;
    let has_ended = |key: &Key| {
        let lived = before.get(key).is_some_and(|document| document.state.is_some());
        lived && now.get(key).is_some_and(|document| document.stamp.gone)
    };
    let key = planted.take(has_ended, resting);
    put(store, &key, now[&key].stamp.revision, &before[&key]).await;
    planted.note("document", "stale", key.as_str());
    let key = planted.take(has_ended, resting);
    let mut risen = now[&key].clone();
    risen.state.clone_from(&before[&key].state);
    risen.stamp.gone = false;
    put(store, &key, risen.stamp.revision, &risen).await;
    planted.note("document", "changed", key.as_str());
    let nobody = Key(format!("{key}-nobody"));
    put(store, &nobody, 0, &before[&key]).await;
    planted.note("document", "unintended", nobody.as_str());
}
