//! What the embedded store leaves on the disk: after a kill at any byte, and after an erasure.

use std::fs;
use std::path::{Path, PathBuf};

use readmill_core::{Document, Key};
use readmill_engine::{Contents, Put, Store, Write};
use tempfile::TempDir;

use super::{Embedded, EmbeddedConfig, EmbeddedStore};
use crate::conformance::{Pebble, Pebbles};

const BATCH: i64 = 5;

fn open(directory: &Path) -> (Embedded, EmbeddedStore) {
    let embedded = Embedded::open(&EmbeddedConfig::at(directory)).unwrap();
    let store = embedded.documents("pebbles", 1).unwrap();
    (embedded, store)
}

fn keys() -> Vec<Key> {
    (0..BATCH).map(|number| Key(format!("k{number}"))).collect()
}

/// Writes one document under each of some keys, all of one revision, with a text of its own.
async fn put(store: &EmbeddedStore, keys: &[Key], revision: i64, title: &str) {
    let state = Pebble { title: title.to_owned(), ..Pebble::number(revision) };
    let document = state.at_revision(revision);
    let write = |key| Write::<Pebbles> { key, expected: revision - 1, document: &document };
    let writes: Vec<_> = keys.iter().map(write).collect();
    assert_eq!(store.put(&writes).await.unwrap(), vec![Put::Done; keys.len()]);
}

async fn revisions(store: &EmbeddedStore, keys: &[Key]) -> Vec<i64> {
    let found: Vec<Option<Document<Pebbles>>> = store.load(keys).await.unwrap();
    found.iter().map(|found| found.as_ref().map_or(0, |found| found.stamp.revision)).collect()
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let copied = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(copied.parent().unwrap()).unwrap();
        let copied = fs::copy(&file, copied);
        // The engine may have taken it away meanwhile.
        assert!(copied.is_ok() || !file.exists(), "{copied:?}");
    }
}

/// A kill leaves a journal that ends anywhere in what was not acknowledged, or has anything there.
#[tokio::test]
async fn whatever_byte_a_kill_hits_the_acknowledged_stands_and_no_batch_is_torn() {
    let (directory, keys) = (TempDir::new().unwrap(), keys());
    let journal = Path::new("0.jnl");
    let length = || fs::metadata(directory.path().join(journal)).unwrap().len();
    let (embedded, store) = open(directory.path());
    let mut acknowledged = vec![(0, length())];
    for revision in 1..=6 {
        put(&store, &keys, revision, &"x".repeat(300)).await;
        acknowledged.push((revision, length()));
    }
    let running = TempDir::new().unwrap();
    copy(directory.path(), running.path());
    drop((store, embedded));
    let (first, last) = (acknowledged[1].1, length());
    for cut in (first..=last).step_by(89).chain([last]) {
        for torn in [false, true] {
            let killed = TempDir::new().unwrap();
            copy(running.path(), killed.path());
            let path = killed.path().join(journal);
            let mut bytes = fs::read(&path).unwrap();
            bytes.truncate(usize::try_from(cut).unwrap());
            let garbage = if torn { 700 } else { 0 };
            bytes.extend((0..garbage).map(|at: u32| at.to_le_bytes()[0] ^ 0x5a));
            fs::write(&path, bytes).unwrap();
            let (_embedded, store) = open(killed.path());
            let stands = revisions(&store, &keys).await;
            let least = acknowledged.iter().rev().find(|(_, length)| *length <= cut).unwrap().0;
            assert!(stands.iter().all(|revision| *revision == stands[0]), "{cut}: {stands:?}");
            assert_eq!(stands[0], least, "cut at {cut}, torn: {torn}");
            put(&store, &keys, stands[0] + 1, "goes on").await;
        }
    }
}

fn has_bytes(directory: &Path, text: &str) -> bool {
    let has = |file: &PathBuf| {
        // The engine may have taken it away meanwhile.
        let bytes = fs::read(file).unwrap_or_default();
        memchr::memmem::find(&bytes, text.as_bytes()).is_some()
    };
    files(directory).iter().any(has)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_erased_is_nowhere_on_the_disk() {
    const SECRET: &str = "the name of a person";
    let (directory, keys) = (TempDir::new().unwrap(), keys());
    let (embedded, store) = open(directory.path());
    let other = embedded.documents("pebbles", 2).unwrap();
    put(&store, &keys, 1, SECRET).await;
    put(&store, &keys[..1], 2, "still that person").await;
    put(&other, &keys, 1, "somebody else").await;
    assert!(has_bytes(directory.path(), SECRET));
    Store::<Pebbles>::erase(&store, &keys[..3]).await.unwrap();
    assert_eq!(revisions(&store, &keys).await, [0, 0, 0, 1, 1]);
    Store::<Pebbles>::erase(&store, &keys[3..]).await.unwrap();
    for text in [SECRET, "still that person"] {
        assert!(!has_bytes(directory.path(), text), "{text}");
    }
    Store::<Pebbles>::drop_all(&other).await.unwrap();
    assert!(!has_bytes(directory.path(), "somebody else"));
    drop((store, other, embedded));
    let (embedded, store) = open(directory.path());
    let other = embedded.documents("pebbles", 2).unwrap();
    for store in [&store, &other] {
        assert_eq!(Contents::of::<Pebbles>(store).await.unwrap(), Contents::default());
    }
}

#[tokio::test]
async fn a_store_that_was_dropped_can_be_written_into_and_outlives_a_kill() {
    let (directory, keys) = (TempDir::new().unwrap(), keys());
    let (embedded, store) = open(directory.path());
    put(&store, &keys, 1, "before").await;
    Store::<Pebbles>::drop_all(&store).await.unwrap();
    put(&store, &keys, 1, "after").await;
    let killed = TempDir::new().unwrap();
    copy(directory.path(), killed.path());
    drop((store, embedded));
    let (_embedded, store) = open(killed.path());
    assert_eq!(revisions(&store, &keys).await, [1; 5]);
    assert!(!has_bytes(killed.path(), "before"));
}
