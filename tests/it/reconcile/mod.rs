//! Reconciling on the real stack: what differs from the origin's rows is named, and what is on the
//! way from there is not.

pub mod coupons;
mod dual;

use std::path::Path;
use std::time::Duration;

use readmill_core::{Document, Key, ReadModel};
use readmill_engine::{Put, Store, Write};

use crate::mill::wait;
use crate::said::Said;

const LIMIT: Duration = Duration::from_secs(150);

/// Runs `reconcile` with its report.
#[track_caller]
fn reconcile(model: &str, dir: &Path, more: &[&str]) -> Said {
    let file = dir.join("readmill.toml");
    let args = ["reconcile", model, "-c", file.to_str().unwrap()];
    Said::of(&[&args[..], more].concat(), dir)
}

/// Reconciles until so many documents are equal, and nothing is on the way.
#[track_caller]
fn wait_until_equal(model: &str, dir: &Path, documents: u64, more: &[&str]) {
    wait(LIMIT, "all documents to be equal", || {
        let said = reconcile(model, dir, more);
        let left = said.number("findings") + said.number("open");
        left == 0 && said.number("documents") == documents
    });
}

async fn load<M: ReadModel>(store: &impl Store<M>, key: &Key) -> Document<M> {
    let found = store.load(std::slice::from_ref(key)).await.unwrap();
    found.into_iter().next().flatten().unwrap()
}

async fn put<M: ReadModel>(store: &impl Store<M>, key: &str, document: &Document<M>) {
    let key = Key::from(key);
    let found = store.load(std::slice::from_ref(&key)).await.unwrap();
    let expected = found[0].as_ref().map_or(0, |document| document.stamp.revision);
    let write = Write { key: &key, expected, document };
    assert_eq!(store.put(&[write]).await.unwrap(), [Put::Done]);
}
