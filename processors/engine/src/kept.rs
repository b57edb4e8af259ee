//! What is kept like documents, read and changed by compare-and-set.

use std::time::Duration;

use readmill_core::kept::{Kept, KeptAsDocuments};
use readmill_core::{Document, Key, Stamp};
use tokio::time::sleep;

use crate::fault::Fault;
use crate::ports::{Put, Store, Write};

/// Whoever is refused by another's change looks again after this.
pub const AGAIN: Duration = Duration::from_millis(20);

/// What is kept under a key, and its revision; 0 means that nothing is.
///
/// # Errors
/// When the store does not answer or refuses.
pub async fn read<T: Kept>(
    store: &dyn Store<KeptAsDocuments<T>>,
    key: &Key,
) -> Result<(Option<T>, i64), Fault> {
    let found = store.load(std::slice::from_ref(key)).await?.into_iter().next().flatten();
    let revision = found.as_ref().map_or(0, |document| document.stamp.revision);
    Ok((found.and_then(|document| document.state), revision))
}

/// Keeps something under a key, if what stands there has this revision. Answers whether it had.
///
/// # Errors
/// When the store does not answer or refuses.
pub async fn put<T: Kept>(
    store: &dyn Store<KeptAsDocuments<T>>,
    key: &Key,
    next: T,
    expected: i64,
) -> Result<bool, Fault> {
    let stamp = Stamp { revision: expected + 1, ..Stamp::default() };
    let document = Document { state: Some(next), stamp };
    let puts = store.put(&[Write { key, expected, document: &document }]).await?;
    Ok(puts.first() == Some(&Put::Done))
}

/// Changes what is kept under a key, unless nothing comes of it, until no other change has come
/// between.
///
/// # Errors
/// When the store does not answer or refuses.
pub async fn change<T: Kept>(
    store: &dyn Store<KeptAsDocuments<T>>,
    key: &Key,
    change: impl Fn(Option<T>) -> Option<T>,
) -> Result<(), Fault> {
    loop {
        let (known, revision) = read(store, key).await?;
        let Some(next) = change(known) else { return Ok(()) };
        if put(store, key, next, revision).await? {
            return Ok(());
        }
        sleep(AGAIN).await;
    }
}
