//! A writer that is given up halfway, and writers that meet in the middle of their batches.

use std::time::Duration;

use futures::future::try_join;
use readmill_core::Key;
use readmill_engine::{Put, Store};
use tokio::time::timeout;

use super::pebbles::{Pebble, Pebbles};
use super::races::{put_all, writes};
use super::{Checked, Doc, same};

const BATCH: usize = 600;
/// When the writer is given up, in microseconds after its beginning; the last ones are done.
const GIVEN_UP_US: [u64; 8] = [0, 50, 200, 600, 1_500, 4_000, 10_000, 30_000];
const LOOKS: usize = 200;
const LOOK: Duration = Duration::from_millis(10);

fn batch(revision: usize) -> Vec<Doc> {
    let revision = i64::try_from(revision).unwrap_or(i64::MAX);
    let title = format!("{revision} ").repeat(60);
    let number = |n| Pebble { title: title.clone(), ..Pebble::number(n) };
    (0..).take(BATCH).map(|n| number(n).at_revision(revision)).collect()
}

/// Each document is the old one or the new one, whole; what was not answered may still come.
pub async fn a_writer_that_is_given_up_leaves_whole_documents<S: Store<Pebbles>>(
    store: &S,
) -> Checked {
    let keys: Vec<Key> = (0..BATCH).map(|number| Key(format!("given up {number}"))).collect();
    let batches: Vec<Vec<Doc>> = (1..=GIVEN_UP_US.len() + 1).map(batch).collect();
    let mut stands = vec![0; BATCH];
    for (documents, after_us) in batches.iter().zip(GIVEN_UP_US) {
        let writes = writes(&keys, documents, |number| stands[number]);
        let answer = timeout(Duration::from_micros(after_us), store.put(&writes)).await;
        let puts = answer.unwrap_or_else(|_| Ok(vec![Put::Unsure; BATCH]));
        let puts = puts.map_err(|fault| fault.to_string())?;
        for ((stands, put), document) in stands.iter_mut().zip(puts).zip(documents) {
            *stands = if put == Put::Done { document.stamp.revision } else { *stands };
        }
        settle(store, &keys, &batches, &mut stands).await?;
    }
    // Whoever comes after it finds a store that works.
    let last = batches.last().map_or(&[][..], Vec::as_slice);
    let puts = put_all(store, &keys, last, |number| stands[number]).await?;
    same("the verdicts of the next writer", &puts, &vec![Put::Done; BATCH])
}

/// Looks until nothing comes any more. Each document is one of those that were to be written, and
/// none is older than it was.
async fn settle<S: Store<Pebbles>>(
    store: &S,
    keys: &[Key],
    batches: &[Vec<Doc>],
    stands: &mut [i64],
) -> Checked {
    let mut quiet = 0;
    for _ in 0..LOOKS {
        let found = store.load(keys).await.map_err(|fault| fault.to_string())?;
        let mut has_changed = false;
        for (number, (found, stands)) in found.into_iter().zip(stands.iter_mut()).enumerate() {
            let revision = found.as_ref().map_or(0, |document| document.stamp.revision);
            let at = usize::try_from(revision - 1).ok();
            let whole = at.and_then(|at| batches.get(at)?.get(number));
            same("a document of a writer that was given up", &found.as_ref(), &whole)?;
            if revision < *stands {
                return Err(format!("{stands} that was written is {revision} now"));
            }
            has_changed |= revision != *stands;
            *stands = revision;
        }
        quiet = if has_changed { 0 } else { quiet + 1 };
        if quiet == 3 {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
    Err("writes of a writer that was given up keep coming".to_owned())
}

/// Of two writers of the same batch, one gets each document, and never are both told so.
pub async fn two_batches_share_their_documents_out<S: Store<Pebbles>>(store: &S) -> Checked {
    let keys: Vec<Key> = (0..BATCH).map(|number| Key(format!("shared out {number}"))).collect();
    let backwards: Vec<Key> = keys.iter().rev().cloned().collect();
    for revision in 1..=6 {
        let mine = batch(usize::try_from(revision).unwrap_or_default());
        let theirs: Vec<Doc> =
            (0..).take(BATCH).map(|n| Pebble::number(-n - 1).at_revision(revision)).collect();
        let (my_puts, their_puts) = try_join(
            put_all(store, &keys, &mine, |_| revision - 1),
            put_all(store, &backwards, &theirs, |_| revision - 1),
        )
        .await?;
        let found = store.load(&keys).await.map_err(|fault| fault.to_string())?;
        let their_puts = their_puts.iter().rev().zip(theirs.iter().rev());
        let all = found.iter().zip(my_puts.iter().zip(&mine)).zip(their_puts);
        for ((found, (my_put, mine)), (their_put, theirs)) in all {
            let (is_mine, is_theirs) = (*my_put == Put::Done, *their_put == Put::Done);
            same("whether both got a document", &(is_mine && is_theirs), &false)?;
            let stands =
                if is_mine || (!is_theirs && found.as_ref() == Some(mine)) { mine } else { theirs };
            same("what stands after a race", &found.as_ref(), &Some(stands))?;
        }
    }
    Ok(())
}
