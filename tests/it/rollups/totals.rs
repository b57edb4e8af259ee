//! What roll-ups must be: computed from events one by one, and from the documents that stand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use readmill_core::rollup::{Difference, Partials, Totals};
use readmill_core::{
    Beside, Document, Identity, Incoming, Key, Offset, Partition, Position, ReadModel, Record,
    Sent, What,
};
use readmill_engine::{Rollups, Store};
use readmill_workload::{SourceRow, Subject};

/// Totals by roll-up and group, `tiers/0`.
pub type Groups = BTreeMap<String, Totals>;

/// What rows add, each folded once in their order.
pub fn added<M: ReadModel<Event: Subject>>(rows: impl Iterator<Item = SourceRow>) -> Groups {
    let mut documents: BTreeMap<Key, Document<M>> = BTreeMap::new();
    let mut groups = Groups::new();
    for (row, offset) in rows.zip(0..) {
        let Some(event) = M::Event::of(&row.event) else { continue };
        let partition = Partition::new(row.table.topic(), 0);
        let record = Record::at(Position { partition, offset: Offset(offset) });
        for key in M::keys(event).into_vec() {
            let (topic, aggregate) = (row.table.topic(), row.aggregate_id.as_str());
            let is_key = key.as_str() == aggregate;
            let identity = match row.version {
                Some(version) => Identity::version(topic, aggregate, is_key, version),
                None => Identity::event(topic, Some(row.position()), &row.event_id),
            };
            let document = documents.entry(key).or_default();
            let incoming = Incoming::straight(&identity, &record, event);
            document.take(Incoming { sent: Sent::NOTHING, ..incoming });
            for output in std::mem::take(&mut document.stamp.unsent) {
                if let What::Difference(difference) = &output.what {
                    add::<M>(&mut groups, difference);
                }
            }
        }
    }
    groups
}

fn add<M: ReadModel>(groups: &mut Groups, difference: &Difference) {
    let what = &difference.what;
    let rollup = M::ROLLUPS.iter().find(|rollup| rollup.name == what.rollup).unwrap();
    let group = groups.entry(format!("{}/{}", what.rollup, what.group)).or_default();
    group.add(difference, rollup.beside);
}

/// What the documents of a store contribute as they stand.
pub async fn contributed<M: ReadModel>(store: &impl Store<M>) -> Groups {
    let mut groups = Groups::new();
    let mut visit = |_, document: Document<M>| {
        let state = document.state.as_ref();
        for what in state.map(M::contributes).unwrap_or_default() {
            let group = groups.entry(format!("{}/{}", what.rollup, what.group)).or_default();
            group.add(&Difference::added(what), Beside::default());
        }
    };
    store.scan(&mut visit).await.unwrap();
    groups
}

/// What the partial groups of a store come to, read in small pages.
pub async fn stored<M: ReadModel>(store: impl Store<Partials> + 'static) -> Groups {
    let rollups = Rollups::of::<M>(Some(Arc::new(store)));
    let mut groups = Groups::new();
    for rollup in rollups.declared() {
        let mut after = None;
        loop {
            let page = rollups.within(rollup, None, after.as_ref(), 17).await.unwrap();
            for (group, totals) in page.groups {
                let twice = groups.insert(format!("{}/{group}", rollup.name), totals);
                assert_eq!(twice, None, "{group} was read twice");
            }
            after = page.more_after;
            if after.is_none() {
                break;
            }
        }
    }
    groups
}

/// Groups are equal in every measure.
#[track_caller]
pub fn check(model: &str, found: &Groups, wanted: &Groups) {
    let names: BTreeSet<&String> = found.keys().chain(wanted.keys()).collect();
    for name in names {
        assert_eq!(found.get(name), wanted.get(name), "{model}: {name}");
    }
}

/// What documents contribute as they stand is what is left in the groups.
#[track_caller]
pub fn check_standing(model: &str, found: &Groups, stands: &Groups) {
    assert!(!stands.is_empty(), "{model}: no document contributes anything");
    let rollup = |group: &str| group.split('/').next().unwrap().to_owned();
    let by_state: BTreeSet<String> = stands.keys().map(|group| rollup(group)).collect();
    for (group, totals) in found.iter().filter(|(group, _)| by_state.contains(&rollup(group))) {
        let wanted = stands.get(group).cloned().unwrap_or_default();
        let [is, should] = [totals, &wanted].map(|t| (t.count, t.sum, t.squares));
        assert_eq!(is, should, "{model}: {group}");
    }
    for group in stands.keys() {
        assert!(found.contains_key(group), "{model}: {group} is missing");
    }
}
