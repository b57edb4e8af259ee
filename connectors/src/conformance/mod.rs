//! The contracts of the stores, of documents and of held records: every store behind a port passes
//! all of these checks.

mod held;
mod many_held;
mod pebbles;
mod races;
mod shapes;
mod steps;

pub use held::held_conformance;
pub use pebbles::{Pebble, Pebbles};
#[cfg(test)]
pub(crate) use pebbles::{somewhere, tombstone};

use readmill_core::{Document, Key};
use readmill_engine::{Put, Store, Write};

/// What a check found wrong.
pub(crate) type Checked = Result<(), String>;

type Doc = Document<Pebbles>;

/// Runs every check on an **empty** store and names those that it passed, or says what failed.
///
/// Whoever writes a new store runs this on it, on the real thing, before anything else. A store may
/// answer [`Put::Unsure`] for a write that it did make, but never [`Put::Done`] for one that it did
/// not, and in quiet times it knows.
pub async fn conformance<S: Store<Pebbles>>(store: &S) -> Result<Vec<&'static str>, String> {
    let mut passed = Vec::new();
    macro_rules! run {
        ($($check:path),* $(,)?) => {$(
            let name = stringify!($check);
            $check(store).await.map_err(|problem| format!("{name}: {problem}"))?;
            passed.push(name);
        )*};
    }
    run!(
        steps::an_empty_store_scans_empty,
        steps::missing_documents_load_as_none,
        steps::a_new_document_is_done_and_reads_back,
        steps::a_wrong_revision_changes_nothing,
        steps::answers_come_in_the_order_of_the_keys,
        steps::a_tombstone_keeps_its_revision,
        steps::the_dead_rise_only_from_their_own_revision,
        steps::a_replacement_leaves_nothing_of_the_old_state,
        shapes::every_value_survives,
        shapes::the_whole_stamp_survives,
        shapes::a_document_without_a_state_survives,
        shapes::strange_keys_are_keys,
        shapes::big_documents_fit,
        races::one_of_many_writers_makes_a_new_document,
        races::no_update_is_lost,
        races::a_large_batch_gets_right_verdicts,
        steps::a_scan_sees_everything_once,
        steps::what_waits_is_found_among_all,
    );
    Ok(passed)
}

/// Loads one document.
async fn load<S: Store<Pebbles>>(store: &S, key: &str) -> Result<Option<Doc>, String> {
    let mut found = store.load(&[Key::from(key)]).await.map_err(|fault| fault.to_string())?;
    match found.len() {
        1 => Ok(found.swap_remove(0)),
        other => Err(format!("{other} answers to one key")),
    }
}

/// Writes one document.
async fn put<S: Store<Pebbles>>(
    store: &S,
    key: &str,
    expected: i64,
    document: &Doc,
) -> Result<Put, String> {
    let key = Key::from(key);
    let write = Write { key: &key, expected, document };
    let verdicts = store.put(&[write]).await.map_err(|fault| fault.to_string())?;
    match verdicts.as_slice() {
        [verdict] => Ok(*verdict),
        other => Err(format!("{} verdicts for one write", other.len())),
    }
}

/// Writes one document where nothing can stand in the way.
async fn must_put<S: Store<Pebbles>>(
    store: &S,
    key: &str,
    expected: i64,
    document: &Doc,
) -> Checked {
    let verdict = put(store, key, expected, document).await?;
    same("the verdict on a right write", &verdict, &Put::Done)
}

/// What stands under a key is this document.
async fn stands<S: Store<Pebbles>>(store: &S, key: &str, document: Option<&Doc>) -> Checked {
    let found = load(store, key).await?;
    same("what is stored", &found.as_ref(), &document)
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, wanted: &T) -> Checked {
    if found == wanted {
        return Ok(());
    }
    let cut = |value: &T| format!("{value:?}").chars().take(1_000).collect::<String>();
    Err(format!("{what} is {} instead of {}", cut(found), cut(wanted)))
}
