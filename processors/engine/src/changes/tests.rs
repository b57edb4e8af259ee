//! What listeners hear, over breaks, gaps and writers that overtake one another.

use readmill_core::Stamp;
use readmill_models::Points;
use tokio::time::{advance, timeout};

use super::*;

const MOMENT: Duration = Duration::from_millis(10);

fn ended(revision: i64) -> Document<Points> {
    Document { state: None, stamp: Stamp { revision, gone: true, ..Stamp::default() } }
}

fn tell(changes: &Changes, key: &str, revision: i64) {
    changes.tell(&Key::from(key), &ended(revision));
}

/// What is there to hear now.
async fn heard(listener: &mut Listener) -> Option<Vec<(String, i64)>> {
    match timeout(MOMENT, listener.next(3)).await {
        Err(_) => Some(Vec::new()),
        Ok(Heard::Changes(changes)) => {
            let brief = |(_, change): &(u64, Arc<Change>)| (change.key.0.clone(), change.revision);
            Some(changes.iter().map(brief).collect())
        }
        Ok(Heard::BrokenOff | Heard::Behind) => None,
    }
}

fn those(list: &[(&str, i64)]) -> Option<Vec<(String, i64)>> {
    Some(list.iter().map(|(key, revision)| ((*key).to_owned(), *revision)).collect())
}

#[tokio::test(start_paused = true)]
async fn whoever_listens_hears_each_change_once_and_in_order() {
    let changes = Changes::default();
    tell(&changes, "before", 1);
    let mut listener = changes.listen();
    for (key, revision) in [("a", 1), ("b", 7), ("a", 2), ("a", 2), ("b", 6), ("b", 9)] {
        tell(&changes, key, revision);
    }
    // What was overtaken, or told before, is left out.
    assert_eq!(heard(&mut listener).await, those(&[("a", 1), ("b", 7), ("a", 2)]));
    assert_eq!(heard(&mut listener).await, those(&[("b", 9)]));
    assert_eq!(heard(&mut listener).await, those(&[]));
    tell(&changes, "c", 1);
    assert_eq!(heard(&mut listener).await, those(&[("c", 1)]));
}

#[tokio::test(start_paused = true)]
async fn a_document_in_which_something_only_waits_is_nothing_to_tell() {
    let changes = Changes::default();
    let mut listener = changes.listen();
    let waiting =
        Document::<Points> { state: None, stamp: Stamp { revision: 1, ..Stamp::default() } };
    changes.tell(&Key::from("a"), &waiting);
    assert_eq!(heard(&mut listener).await, those(&[]));
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_back_goes_on_where_it_was_or_hears_that_it_cannot() {
    let changes = Changes::default();
    let mut listener = changes.listen();
    tell(&changes, "a", 1);
    assert_eq!(heard(&mut listener).await, those(&[("a", 1)]));
    let at = listener.at();
    drop(listener);
    tell(&changes, "a", 2);
    let mut again = changes.resume(at).unwrap();
    assert_eq!(heard(&mut again).await, those(&[("a", 2)]));
    let elsewhere = Told { epoch: at.epoch + 1, ..at };
    let ahead = Told { number: at.number + 2, ..at };
    assert!(changes.resume(elsewhere).is_none() && changes.resume(ahead).is_none());
    // Nobody has listened for long: it is not remembered any more, and says so.
    drop(again);
    advance(REMEMBERED_FOR + MOMENT).await;
    tell(&changes, "a", 3);
    assert!(changes.resume(at).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_write_that_ends_early_breaks_off_what_is_told() {
    let changes = Changes::default();
    let mut listener = changes.listen();
    changes.writing().all_is_told();
    assert_eq!(heard(&mut listener).await, those(&[]));
    let at = listener.at();
    drop(changes.writing());
    assert_eq!(heard(&mut listener).await, None);
    assert!(changes.resume(at).is_none());
    tell(&changes, "a", 1);
    assert_eq!(heard(&mut listener).await, those(&[("a", 1)]));
}

#[tokio::test(start_paused = true)]
async fn whoever_is_too_slow_hears_that_it_has_missed_something() {
    let changes = Changes::default();
    let mut listener = changes.listen();
    let begun = listener.at();
    for revision in 1..=i64::try_from(REMEMBERED_CHANGES).unwrap() {
        tell(&changes, "a", revision);
    }
    assert!(changes.resume(begun).is_some());
    tell(&changes, "a", i64::MAX);
    assert!(changes.resume(begun).is_none());
    assert_eq!(timeout(MOMENT, listener.next(3)).await.unwrap(), Heard::Behind);
    let bytes = changes.with(|ring| ring.bytes);
    assert!(bytes <= REMEMBERED_BYTES && changes.with(|ring| ring.latest.len()) == 1, "{bytes}");
}
