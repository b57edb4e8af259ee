//! Pages of documents in the order of their keys.

use std::collections::BTreeMap;

use readmill_core::Key;
use readmill_engine::Store;

use super::pebbles::{Pebble, Pebbles, tombstone};
use super::races::put_all;
use super::{Checked, Doc, same, scanned};

/// Keys that sort otherwise by letters, by length or by UTF-16 than by their bytes.
const NAMES: [&str; 16] = [
    "", "a", "A", "a/", "a0", "aa", "b", "é", "e\u{301}", "z", "\u{ffff}", "🚚", "배달", "\0", "*",
    "[a]",
];

/// How many pages a walk may take at most.
const MAX_PAGES: usize = 10_000;

pub async fn pages_come_in_the_order_of_bytes<S: Store<Pebbles>>(store: &S) -> Checked {
    let keys: Vec<Key> = NAMES.iter().map(|name| Key(format!("range/{name}"))).collect();
    let documents: Vec<Doc> = (1..).zip(&keys).map(|(number, _)| in_range(number)).collect();
    put_all(store, &keys, &documents, |_| 0).await?;
    let wanted: BTreeMap<Key, Doc> = keys.into_iter().zip(documents).collect();
    let wanted: Vec<(Key, Doc)> = wanted.into_iter().collect();
    for limit in [1, 3, 7, 16, 1_000] {
        same("the pages", &walk(store, "range/", limit).await?, &wanted)?;
    }
    for (at, (key, _)) in wanted.iter().enumerate() {
        let page = page(store, "range/", Some(key), 2).await?;
        let next: Vec<_> = wanted.iter().skip(at + 1).take(2).cloned().collect();
        same("the page after a key", &page, &next)?;
    }
    Ok(())
}

/// Every other one is a tombstone: a page has those too.
fn in_range(number: i64) -> Doc {
    if number % 2 == 0 { tombstone(1) } else { Pebble::number(number).at_revision(1) }
}

pub async fn a_page_has_only_what_was_asked_for<S: Store<Pebbles>>(store: &S) -> Checked {
    let none = Vec::new();
    same("a page of nothing", &page(store, "range/", None, 0).await?, &none)?;
    same("an unknown prefix", &page(store, "range/none/", None, 9).await?, &none)?;
    let past = Key::from("range0");
    same("what comes after all", &page(store, "range/", Some(&past), 9).await?, &none)?;
    let before = Key::from("q");
    let first = page(store, "range/", Some(&before), 1).await?;
    same("what comes after an earlier key", &first, &page(store, "range/", None, 1).await?)?;
    for prefix in ["range/*", "range/[a]", "range/\0", "range/배", "range/a"] {
        let found = walk(store, prefix, 2).await?;
        let keys: Vec<&str> = found.iter().map(|(key, _)| key.as_str()).collect();
        let all = NAMES.iter().map(|name| format!("range/{name}"));
        let mut wanted: Vec<String> = all.filter(|key| key.starts_with(prefix)).collect();
        wanted.sort();
        same("the keys with a prefix", &keys, &wanted.iter().map(String::as_str).collect())?;
    }
    Ok(())
}

pub async fn all_pages_are_what_a_scan_sees<S: Store<Pebbles>>(store: &S) -> Checked {
    let seen = scanned(store).await?.into_iter();
    let seen: Vec<(Key, Doc)> = seen.map(|(key, (document, _))| (key, document)).collect();
    let walked = walk(store, "", 997).await?;
    same("the number of documents in all pages", &walked.len(), &seen.len())?;
    for (walked, seen) in walked.iter().zip(&seen) {
        same("a document of a page", &walked, &seen)?;
    }
    Ok(())
}

async fn walk<S: Store<Pebbles>>(
    store: &S,
    prefix: &str,
    limit: usize,
) -> Result<Vec<(Key, Doc)>, String> {
    let mut all: Vec<(Key, Doc)> = Vec::new();
    for _ in 0..MAX_PAGES {
        let next = page(store, prefix, all.last().map(|(key, _)| key), limit).await?;
        let is_last = next.len() < limit;
        all.extend(next);
        if is_last {
            return Ok(all);
        }
    }
    Err("the pages do not end".to_owned())
}

async fn page<S: Store<Pebbles>>(
    store: &S,
    prefix: &str,
    after: Option<&Key>,
    limit: usize,
) -> Result<Vec<(Key, Doc)>, String> {
    store.scan_range(prefix, after, limit).await.map_err(|fault| fault.to_string())
}
