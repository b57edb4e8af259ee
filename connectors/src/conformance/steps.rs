//! What one writer sees, step after step.

use std::collections::BTreeMap;

use readmill_core::Key;
use readmill_engine::{Put, Store};

use super::pebbles::{Kind, Pebble, Pebbles, tombstone};
use super::{Checked, Doc, load, must_put, put, same, scanned, stands};

pub async fn an_empty_store_scans_empty<S: Store<Pebbles>>(store: &S) -> Checked {
    same("the number of documents", &scanned(store).await?.len(), &0)
}

pub async fn missing_documents_load_as_none<S: Store<Pebbles>>(store: &S) -> Checked {
    stands(store, "nobody", None).await?;
    let none = store.load(&[]).await.map_err(|fault| fault.to_string())?;
    same("the answer to no keys", &none.len(), &0)?;
    let none = store.put(&[]).await.map_err(|fault| fault.to_string())?;
    same("the answer to no writes", &none.len(), &0)
}

pub async fn a_new_document_is_done_and_reads_back<S: Store<Pebbles>>(store: &S) -> Checked {
    let document = Pebble::number(1).at_revision(1);
    must_put(store, "new", 0, &document).await?;
    stands(store, "new", Some(&document)).await
}

pub async fn a_wrong_revision_changes_nothing<S: Store<Pebbles>>(store: &S) -> Checked {
    let (first, other) = (Pebble::number(1).at_revision(5), Pebble::number(2).at_revision(6));
    must_put(store, "wrong", 0, &first).await?;
    for expected in [0, 1, 4, 6] {
        let verdict = put(store, "wrong", expected, &other).await?;
        same("the verdict on a wrong revision", &verdict, &Put::Unsure)?;
        stands(store, "wrong", Some(&first)).await?;
    }
    let verdict = put(store, "wrong and missing", 5, &other).await?;
    same("the verdict on a missing document", &verdict, &Put::Unsure)?;
    stands(store, "wrong and missing", None).await?;
    must_put(store, "wrong", 5, &other).await?;
    stands(store, "wrong", Some(&other)).await
}

pub async fn answers_come_in_the_order_of_the_keys<S: Store<Pebbles>>(store: &S) -> Checked {
    for number in [3, 1, 2] {
        let document = Pebble::number(number).at_revision(1);
        must_put(store, &format!("order {number}"), 0, &document).await?;
    }
    let asked = ["order 2", "order none", "order 1", "order 3", "order 2"];
    let found = store.load(&asked.map(Key::from)).await.map_err(|fault| fault.to_string())?;
    let counts: Vec<Option<i64>> =
        found.into_iter().map(|found| found?.state.map(|state| state.count)).collect();
    same("the answer", &counts, &vec![Some(2), None, Some(1), Some(3), Some(2)])
}

pub async fn a_tombstone_keeps_its_revision<S: Store<Pebbles>>(store: &S) -> Checked {
    must_put(store, "dead", 0, &Pebble::number(1).at_revision(3)).await?;
    must_put(store, "dead", 3, &tombstone(4)).await?;
    stands(store, "dead", Some(&tombstone(4))).await?;
    must_put(store, "born dead", 0, &tombstone(1)).await?;
    stands(store, "born dead", Some(&tombstone(1))).await
}

pub async fn the_dead_rise_only_from_their_own_revision<S: Store<Pebbles>>(store: &S) -> Checked {
    must_put(store, "risen", 0, &tombstone(4)).await?;
    let alive = Pebble::number(9).at_revision(5);
    for expected in [0, 3, 5] {
        let verdict = put(store, "risen", expected, &alive).await?;
        same("the verdict", &verdict, &Put::Unsure)?;
        stands(store, "risen", Some(&tombstone(4))).await?;
    }
    must_put(store, "risen", 4, &alive).await?;
    stands(store, "risen", Some(&alive)).await
}

pub async fn a_replacement_leaves_nothing_of_the_old_state<S: Store<Pebbles>>(
    store: &S,
) -> Checked {
    let mut full = Pebble::number(1);
    full.note = Some("gone soon".to_owned());
    full.kind = Kind::Cut(3);
    full.totals.insert("sum".to_owned(), 1);
    must_put(store, "slim", 0, &full.at_revision(1)).await?;
    let mut slim = Pebble::number(1);
    slim.limit = None;
    let slim = slim.at_revision(2);
    must_put(store, "slim", 1, &slim).await?;
    stands(store, "slim", Some(&slim)).await
}

pub async fn a_scan_sees_everything_once<S: Store<Pebbles>>(store: &S) -> Checked {
    let seen = scanned(store).await?;
    for (key, (document, times)) in &seen {
        same("how often a document was seen", times, &1)?;
        same("a scanned document", &load(store, key.as_str()).await?.as_ref(), &Some(document))?;
    }
    for key in ["new", "dead", "born dead", "risen", "batch 1999"] {
        same("whether it was seen", &seen.contains_key(&Key::from(key)), &true)?;
    }
    let missing = seen.contains_key(&Key::from("wrong and missing"));
    same("whether a missing one was seen", &missing, &false)?;
    let batch = seen.keys().filter(|key| key.as_str().starts_with("batch ")).count();
    same("how many of the batch were seen", &batch, &2_000)
}

pub async fn what_waits_is_found_among_all<S: Store<Pebbles>>(store: &S) -> Checked {
    let all = scanned(store).await?.into_iter();
    let waiting = all.filter(|(_, (document, _))| !document.stamp.waiting.is_empty());
    let waiting: BTreeMap<Key, Doc> = waiting.map(|(key, (document, _))| (key, document)).collect();
    same("whether any waits", &waiting.is_empty(), &false)?;
    let mut found = BTreeMap::new();
    let mut visit = |key, document| {
        found.insert(key, document);
    };
    store.scan_waiting(&mut visit).await.map_err(|fault| fault.to_string())?;
    same("the documents in which events wait", &found, &waiting)
}
