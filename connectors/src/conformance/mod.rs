//! The contracts of the stores, of documents and of held records: every store behind a port passes
//! all of these checks.

mod crashes;
mod erasing;
mod held;
mod many_held;
mod mirror;
mod pebbles;
mod races;
mod ranges;
mod shapes;
mod steps;

pub use held::{held_conformance, held_report};
pub use mirror::{Halfway, mirror_conformance};
pub use pebbles::{Pebble, Pebbles};
#[cfg(test)]
pub(crate) use pebbles::{somewhere, tombstone};

use std::collections::BTreeMap;

use readmill_core::{Document, Key};
use readmill_engine::{Put, Store, Write};

/// What a check found wrong.
pub(crate) type Checked = Result<(), String>;

type Doc = Document<Pebbles>;

/// What came of the checks of a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The checks that it passed.
    pub passed: Vec<&'static str>,
    /// Those that it did not, each with what was found.
    pub failed: Vec<String>,
}

impl Report {
    fn add(&mut self, name: &'static str, checked: Checked) {
        match checked {
            Ok(()) => self.passed.push(name),
            Err(problem) => self.failed.push(format!("{name}: {problem}")),
        }
    }

    fn into_passed(self) -> Result<Vec<&'static str>, String> {
        if self.failed.is_empty() { Ok(self.passed) } else { Err(self.failed.join("\n")) }
    }
}

/// Runs every check on an **empty** store and names those that it passed, or says what failed.
///
/// Whoever writes a new store runs this on it, on the real thing, before anything else. A store may
/// answer [`Put::Unsure`] for a write that it did make, but never [`Put::Done`] for one that it did
/// not, and in quiet times it knows.
///
/// # Errors
/// What each check that failed has found.
pub async fn conformance<S: Store<Pebbles>>(store: &S) -> Result<Vec<&'static str>, String> {
    report(store).await.into_passed()
}

/// Runs every check on two **empty** stores of different generations. The first one is dropped.
///
/// # Errors
/// What each check that failed has found.
pub async fn conformance_of_two<S: Store<Pebbles>>(
    one: &S,
    other: &S,
) -> Result<Vec<&'static str>, String> {
    report_of_two(one, other).await.into_passed()
}

/// Runs every check on an **empty** store.
pub async fn report<S: Store<Pebbles>>(store: &S) -> Report {
    let mut report = Report::default();
    macro_rules! run {
        ($($check:path),* $(,)?) => {$(
            report.add(stringify!($check), Box::pin($check(store)).await);
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
        shapes::what_is_unsent_is_kept_until_it_is_not,
        shapes::strange_keys_are_keys,
        shapes::any_letter_is_a_key,
        shapes::big_documents_fit,
        shapes::the_largest_documents_fit,
        races::one_of_many_writers_makes_a_new_document,
        races::no_update_is_lost,
        races::a_large_batch_gets_right_verdicts,
        races::many_are_loaded_at_once,
        crashes::a_writer_that_is_given_up_leaves_whole_documents,
        crashes::two_batches_share_their_documents_out,
        steps::a_scan_sees_everything_once,
        steps::what_waits_is_found_among_all,
        ranges::pages_come_in_the_order_of_bytes,
        ranges::a_page_has_only_what_was_asked_for,
        ranges::all_pages_are_what_a_scan_sees,
        erasing::what_is_erased_was_never_there,
        erasing::many_are_erased_and_others_stay,
    );
    report
}

/// Runs the checks that need two generations.
pub async fn report_of_two<S: Store<Pebbles>>(one: &S, other: &S) -> Report {
    let mut report = Report::default();
    macro_rules! run {
        ($($check:path),* $(,)?) => {$(
            report.add(stringify!($check), Box::pin($check(one, other)).await);
        )*};
    }
    run!(
        erasing::contents_are_those_of_the_documents,
        erasing::one_key_has_a_document_in_each,
        erasing::a_generation_is_dropped_alone,
    );
    report
}

/// Every document, and how often it was seen.
async fn scanned<S: Store<Pebbles>>(store: &S) -> Result<BTreeMap<Key, (Doc, u32)>, String> {
    let mut seen: BTreeMap<Key, (Doc, u32)> = BTreeMap::new();
    let mut visit = |key, document| {
        seen.entry(key).and_modify(|(_, times)| *times += 1).or_insert((document, 1));
    };
    store.scan(&mut visit).await.map_err(|fault| fault.to_string())?;
    Ok(seen)
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
