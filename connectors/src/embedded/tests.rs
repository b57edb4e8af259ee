//! The embedded store on a real disk: the contract, and what only it can meet.

use std::path::Path;

use readmill_core::{Key, Shows};
use readmill_engine::{Fault, Mirror, Outlet, Put, Said, Store, View, Write};
use tempfile::TempDir;

use super::plan::{Cell, Guard};
use super::{Embedded, EmbeddedConfig, EmbeddedStore};
use crate::conformance::{Pebble, Pebbles, conformance, held_conformance, mirror_conformance};

#[track_caller]
fn open(directory: &Path) -> Embedded {
    Embedded::open(&EmbeddedConfig::at(directory)).unwrap()
}

fn text_of(opened: Result<Embedded, Fault>) -> String {
    opened.unwrap_err().to_string()
}

async fn put(store: &EmbeddedStore, key: &str, expected: i64, revision: i64) -> Put {
    let (key, document) = (Key::from(key), Pebble::number(revision).at_revision(revision));
    let write = Write::<Pebbles> { key: &key, expected, document: &document };
    store.put(&[write]).await.unwrap().first().copied().unwrap()
}

#[tokio::test]
async fn it_keeps_the_contract() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path()).documents("pebbles", 1).unwrap();
    let passed = conformance(&store).await.unwrap();
    assert!(passed.len() > 15, "{passed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn it_keeps_the_contract_with_many_threads() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path()).documents("pebbles", 1).unwrap();
    conformance(&store).await.unwrap();
}

#[tokio::test]
async fn what_is_done_is_there_after_opening_again_and_generations_are_apart() {
    let directory = TempDir::new().unwrap();
    let embedded = open(directory.path());
    let store = embedded.documents("pebbles", 1).unwrap();
    assert_eq!(put(&store, "a", 0, 1).await, Put::Done);
    drop((store, embedded));
    let embedded = open(directory.path());
    let store = embedded.documents("pebbles", 1).unwrap();
    assert_eq!(put(&store, "a", 0, 1).await, Put::Unsure);
    assert_eq!(put(&store, "a", 1, 2).await, Put::Done);
    let next = embedded.documents("pebbles", 2).unwrap();
    assert_eq!(put(&next, "a", 0, 1).await, Put::Done);
}

#[tokio::test]
async fn a_second_opener_is_sent_to_the_first() {
    let directory = TempDir::new().unwrap();
    let _first = open(directory.path());
    let text = text_of(Embedded::open(&EmbeddedConfig::at(directory.path())));
    assert!(text.contains("in use by another process"), "{text}");
    assert!(text.contains("ask the running instance over HTTP"), "{text}");
}

#[tokio::test]
async fn a_place_that_cannot_be_a_directory_is_refused() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let text = text_of(Embedded::open(&EmbeddedConfig::at(&file)));
    assert!(text.contains("name a directory, not a file"), "{text}");
    let text = text_of(Embedded::open(&EmbeddedConfig::at("/proc/readmill")));
    assert!(text.contains("embedded store refused: /proc/readmill: "), "{text}");
}

#[tokio::test]
async fn a_value_of_another_program_is_damage() {
    let directory = TempDir::new().unwrap();
    let embedded = open(directory.path());
    let cell = Cell::new("a", Guard::Absent, 1, &"secret").unwrap();
    embedded.space("pebbles.g1").unwrap().put(vec![cell]).await.unwrap();
    let store = embedded.documents("pebbles", 1).unwrap();
    let loaded: Result<Vec<Option<readmill_core::Document<Pebbles>>>, Fault> =
        store.load(&[Key::from("a")]).await;
    let text = loaded.unwrap_err().to_string();
    assert!(text.contains("pebbles.g1 is damaged") && !text.contains("secret"), "{text}");
}

#[tokio::test]
async fn reactions_are_kept_once_by_their_ids() {
    let directory = TempDir::new().unwrap();
    let embedded = open(directory.path());
    let said = |id: &str, body: &[u8]| Said {
        id: id.to_owned(),
        key: Key::from("k"),
        contract: "a.B".to_owned(),
        body: body.to_vec(),
    };
    embedded.send(&[said("m/k/1/0", b"one"), said("m/k/1/1", b"two")]).await.unwrap();
    embedded.send(&[said("m/k/1/1", b"two"), said("m/k/2/0", b"three")]).await.unwrap();
    assert_eq!(embedded.said_count().await.unwrap(), 3);
    let mut bodies = Vec::new();
    embedded.each_said(&mut |said| bodies.push(said.body)).await.unwrap();
    assert_eq!(bodies, [b"one".to_vec(), b"two".to_vec(), b"three".to_vec()]);
}

#[tokio::test]
async fn it_keeps_the_contract_of_held_records() {
    let directory = TempDir::new().unwrap();
    let passed = held_conformance(&open(directory.path()), "pebbles", "others").await.unwrap();
    assert!(passed.len() >= 12, "{passed:?}");
}

#[tokio::test]
async fn an_older_view_never_covers_a_newer_one() {
    let directory = TempDir::new().unwrap();
    let mirror = open(directory.path()).mirror("points").unwrap();
    let view = |revision, value: Option<&str>| View {
        key: Key::from("m"),
        revision,
        fields: value.map(|value| Shows::hash([("balance", value.to_owned())])),
    };
    let shown = async || {
        let shown = mirror.get(&Key::from("m")).await.unwrap().unwrap();
        (shown.revision, shown.fields.and_then(|mut fields| fields.remove("balance")))
    };
    assert_eq!(mirror.get(&Key::from("m")).await.unwrap(), None);
    mirror.show(&[view(2, Some("20"))]).await.unwrap();
    mirror.show(&[view(1, Some("10"))]).await.unwrap();
    assert_eq!(shown().await, (2, Some("20".to_owned())));
    mirror.show(&[view(3, None)]).await.unwrap();
    mirror.show(&[view(2, Some("20"))]).await.unwrap();
    assert_eq!(shown().await, (3, None));
}

#[tokio::test]
async fn it_keeps_the_contract_of_a_mirror() {
    let directory = TempDir::new().unwrap();
    let mirror = open(directory.path()).mirror("points").unwrap();
    let passed = mirror_conformance(&mirror).await.unwrap();
    assert!(passed.len() >= 15, "{passed:?}");
}
