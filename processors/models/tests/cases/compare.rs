//! A validator of two sets of documents: what one side lacks, which fields differ, and whether that
//! will pass by itself.

use std::collections::{BTreeMap, BTreeSet};

use readmill_core::{Key, ReadModel};
use readmill_models::Deals;
use readmill_schemas::Timestamp;
use readmill_schemas::deals::{
    DealKind, DealRemoved, DealWritten, DealsEvent, ProductStatus, ProductStocked, ProductWritten,
};
use serde_json::Value;

use crate::kit::{Line, Run};

/// One side: its documents, and how far it has read the log.
#[derive(Debug, Clone, Default)]
struct Side {
    /// What stands under each key, none if it has ended, and the record that made it so.
    documents: BTreeMap<Key, (usize, Option<Value>)>,
    /// The first record that it has not read.
    reads_at: usize,
}

impl Side {
    /// How many documents live there.
    fn total(&self) -> usize {
        self.documents.values().filter(|(_, state)| state.is_some()).count()
    }

    fn at(&self, key: &Key) -> (usize, Option<&Value>) {
        self.documents.get(key).map_or((0, None), |(at, state)| (*at, state.as_ref()))
    }
}

/// How a document differs.
#[derive(Debug, PartialEq, Eq)]
struct Difference {
    what: What,
    /// Whether the side that is behind has yet to read the record that made the difference: only if
    /// it is still there once that is read, it is an error.
    passes: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum What {
    OnlyLeft,
    OnlyRight,
    /// The paths of the fields that differ.
    Fields(BTreeSet<String>),
}

/// Every difference, by key, both ways.
fn compare(left: &Side, right: &Side) -> BTreeMap<Key, Difference> {
    let keys: BTreeSet<&Key> = left.documents.keys().chain(right.documents.keys()).collect();
    let behind = left.reads_at.min(right.reads_at);
    let judge = |key: &Key| {
        let ((changed, ours), (also_changed, theirs)) = (left.at(key), right.at(key));
        let what = match (ours, theirs) {
            (Some(_), None) => What::OnlyLeft,
            (None, Some(_)) => What::OnlyRight,
            (Some(ours), Some(theirs)) if ours != theirs => {
                let mut fields = BTreeSet::new();
                differ(String::new(), ours, theirs, &mut fields);
                What::Fields(fields)
            }
            (Some(_), Some(_)) | (None, None) => return None,
        };
        let passes = changed.max(also_changed) >= behind;
        Some((key.clone(), Difference { what, passes }))
    };
    keys.into_iter().filter_map(judge).collect()
}

fn differ(path: String, ours: &Value, theirs: &Value, fields: &mut BTreeSet<String>) {
    if let (Value::Object(ours), Value::Object(theirs)) = (ours, theirs) {
        let names: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
        for name in names {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            let [ours, theirs] = [ours, theirs].map(|side| side.get(name).unwrap_or(&Value::Null));
            differ(path, ours, theirs, fields);
        }
    } else if ours != theirs {
        fields.insert(path);
    }
}

/// A side that has read the log up to a record. What changes by a copy changes by its record, too.
fn read<M: ReadModel>(log: &[Line<M::Event>], up_to: usize) -> Side {
    let (mut run, mut side) = (Run::<M>::new(), Side::default());
    for (at, line) in log.iter().take(up_to).enumerate() {
        run.take(line, at, at, at);
        for (key, document) in &run.documents {
            let state = document.state.as_ref().map(|state| serde_json::to_value(state).unwrap());
            if side.at(key).1 != state.as_ref() {
                side.documents.insert(key.clone(), (at, state));
            }
        }
    }
    Side { reads_at: up_to, ..side }
}

fn log() -> Vec<Line<DealsEvent>> {
    let occurred_at = Timestamp::EPOCH;
    let deal = |deal_id: &str| DealWritten {
        deal_id: deal_id.to_owned(),
        occurred_at,
        kind: DealKind::Big,
        title: "A deal".to_owned(),
        product_id: "p-1".to_owned(),
        price: 900,
        quantity: 3,
        starts_at: occurred_at,
        ends_at: occurred_at.plus_millis(9),
        badge: None,
    };
    let product_id = || "p-1".to_owned();
    let status = ProductStatus::OnSale;
    let (name, price, stock) = ("Tea".to_owned(), 1_000, 5);
    crate::deals::log([
        ProductWritten { product_id: product_id(), occurred_at, name, price, stock, status }.into(),
        deal("d-1").into(),
        deal("d-2").into(),
        DealRemoved { deal_id: "d-2".to_owned(), occurred_at }.into(),
        ProductStocked { product_id: product_id(), occurred_at, stock: 0 }.into(),
        deal("d-3").into(),
    ])
}

fn key(text: &str) -> Key {
    Key::from(text)
}

fn fields(paths: &[&str]) -> What {
    What::Fields(paths.iter().map(|path| (*path).to_owned()).collect())
}

#[test]
fn rule_a_validator_finds_nothing_between_sides_that_agree() {
    let log = log();
    let (left, right) = (read::<Deals>(&log, 6), read::<Deals>(&log, 6));
    assert_eq!((left.total(), right.total()), (3, 3));
    assert_eq!(compare(&left, &right), BTreeMap::new());
}

#[test]
fn rule_a_validator_tells_what_will_pass_by_itself_from_an_error() {
    let log = log();
    let (ahead, behind) = (read::<Deals>(&log, 6), read::<Deals>(&log, 3));
    assert_eq!((ahead.total(), behind.total()), (3, 3), "equal totals prove nothing");
    let passing = |what| Difference { what, passes: true };
    let wanted = BTreeMap::from([
        (key("deal/d-1"), passing(fields(&["deal.offer", "deal.product.stock"]))),
        (key("deal/d-2"), passing(What::OnlyRight)),
        (key("deal/d-3"), passing(What::OnlyLeft)),
        (key("product/p-1"), passing(fields(&["product.stock"]))),
    ]);
    assert_eq!(compare(&ahead, &behind), wanted);
}

#[test]
fn rule_a_validator_names_what_is_wrong_although_everything_is_read() {
    let log = log();
    let (left, mut right) = (read::<Deals>(&log, 6), read::<Deals>(&log, 6));
    right.documents.remove(&key("deal/d-3"));
    if let Some((_, Some(deal))) = right.documents.get_mut(&key("deal/d-1")) {
        deal["deal"]["product"]["stock"] = 5.into();
        deal["deal"]["title"] = "Another".into();
    }
    let error = |what| Difference { what, passes: false };
    let wanted = BTreeMap::from([
        (key("deal/d-1"), error(fields(&["deal.product.stock", "deal.title"]))),
        (key("deal/d-3"), error(What::OnlyLeft)),
    ]);
    assert_eq!(compare(&left, &right), wanted);
    // One that is behind does not hide what it has read.
    let behind = read::<Deals>(&log, 5);
    let found = compare(&behind, &right);
    let passes = found.values().map(|difference| difference.passes);
    assert_eq!(passes.collect::<Vec<_>>(), [false], "{found:?}");
}
