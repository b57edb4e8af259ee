//! What many writers see, and many documents at once.

use futures::future::{join_all, try_join_all};
use readmill_core::Key;
use readmill_engine::{Put, Store, Write};

use super::pebbles::{Pebble, Pebbles};
use super::{Checked, Doc, load, must_put, put, same, stands};

const WRITERS: i64 = 16;

pub async fn one_of_many_writers_makes_a_new_document<S: Store<Pebbles>>(store: &S) -> Checked {
    for round in 0..8 {
        let key = &format!("race {round}");
        let documents: Vec<Doc> =
            (0..WRITERS).map(|number| Pebble::number(number).at_revision(1)).collect();
        let writes = documents.iter().map(|document| put(store, key, 0, document));
        let verdicts = try_join_all(writes).await?;
        let done: Vec<&Doc> = documents
            .iter()
            .zip(&verdicts)
            .filter(|(_, verdict)| **verdict == Put::Done)
            .map(|(document, _)| document)
            .collect();
        same("the number of winners", &done.len(), &1)?;
        stands(store, key, done.first().copied()).await?;
    }
    Ok(())
}

pub async fn no_update_is_lost<S: Store<Pebbles>>(store: &S) -> Checked {
    const EACH: i64 = 20;
    must_put(store, "counter", 0, &Pebble::number(0).at_revision(1)).await?;
    for counted in join_all((0..WRITERS).map(|_| count(store, EACH))).await {
        counted?;
    }
    let total = load(store, "counter").await?;
    let total = total.and_then(|document| document.state).map(|state| state.count);
    same("the counter", &total, &Some(WRITERS * EACH))
}

/// Adds one, so often. Every try by which nobody got on would be a writer turned away for nothing.
async fn count<S: Store<Pebbles>>(store: &S, times: i64) -> Checked {
    let mut left = times;
    for _ in 0..times * WRITERS * 4 {
        let found = load(store, "counter").await?.ok_or("the counter is gone")?;
        let count = found.state.map_or(0, |state| state.count);
        let next = Pebble::number(count + 1).at_revision(found.stamp.revision + 1);
        if put(store, "counter", found.stamp.revision, &next).await? == Put::Done {
            left -= 1;
        }
        if left == 0 {
            return Ok(());
        }
    }
    Err(format!("{left} additions could not be made at all"))
}

pub async fn a_large_batch_gets_right_verdicts<S: Store<Pebbles>>(store: &S) -> Checked {
    let keys: Vec<Key> = (0..2_000).map(|number| Key(format!("batch {number}"))).collect();
    let first: Vec<Doc> = (0..2_000).map(|n| Pebble::number(n).at_revision(1)).collect();
    let verdicts = put_all(store, &keys, &first, |_| 0).await?;
    let done = verdicts.iter().filter(|verdict| **verdict == Put::Done).count();
    same("the number of new documents that are done", &done, &2_000)?;

    let next: Vec<Doc> = (0..2_000).map(|n| Pebble::number(-n).at_revision(2)).collect();
    let refused = |number: usize| number % 7 == 3;
    let expected = |number| if refused(number) { 9 } else { 1 };
    let verdicts = put_all(store, &keys, &next, expected).await?;
    let stored = store.load(&keys).await.map_err(|fault| fault.to_string())?;
    same("the number of answers", &stored.len(), &2_000)?;
    let answers = verdicts.iter().zip(&stored).zip(first.iter().zip(&next));
    for (number, ((verdict, stored), (first, next))) in answers.enumerate() {
        let wanted = if refused(number) { first } else { next };
        same("a document of the batch", &stored.as_ref(), &Some(wanted))?;
        let wanted = if refused(number) { Put::Unsure } else { Put::Done };
        same("the verdict of one write among many", verdict, &wanted)?;
    }
    Ok(())
}

/// Many are asked for at once, among them some twice and some that are missing.
pub async fn many_are_loaded_at_once<S: Store<Pebbles>>(store: &S) -> Checked {
    let number = |at: usize| (at * 7) % 4_000;
    let keys: Vec<Key> = (0..5_000).map(|at| Key(format!("batch {}", number(at)))).collect();
    let found = store.load(&keys).await.map_err(|fault| fault.to_string())?;
    same("the number of answers", &found.len(), &keys.len())?;
    for (at, found) in found.iter().enumerate() {
        let count = found.as_ref().and_then(|found| found.state.as_ref()).map(|state| state.count);
        let number = number(at);
        let own = i64::try_from(number).unwrap_or_default();
        let own = if number % 7 == 3 { own } else { -own };
        same("one of many", &count, &(number < 2_000).then_some(own))?;
    }
    Ok(())
}

pub fn writes<'a>(
    keys: &'a [Key],
    documents: &'a [Doc],
    expected: impl Fn(usize) -> i64,
) -> Vec<Write<'a, Pebbles>> {
    let both = keys.iter().zip(documents).enumerate();
    both.map(|(number, (key, document))| Write { key, expected: expected(number), document })
        .collect()
}

pub async fn put_all<S: Store<Pebbles>>(
    store: &S,
    keys: &[Key],
    documents: &[Doc],
    expected: impl Fn(usize) -> i64,
) -> Result<Vec<Put>, String> {
    let writes = writes(keys, documents, expected);
    let verdicts = store.put(&writes).await.map_err(|fault| fault.to_string())?;
    same("the number of verdicts", &verdicts.len(), &keys.len())?;
    Ok(verdicts)
}
