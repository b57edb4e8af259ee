//! The command on an archive and the embedded store: what it names, what it passes over, and what
//! it says where it cannot look.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use readmill_connectors::embedded::{Embedded, EmbeddedConfig, EmbeddedStore};
use readmill_core::{Document, Key};
use readmill_engine::{Put, Store, Write};
use readmill_models::Points;

use super::{all, verify};
use crate::mill::{Mill, readmill, succeed};
use crate::said::Said;

const LIMIT: Duration = Duration::from_secs(60);

/// An archive that was folded into an embedded store.
struct Place {
    dir: tempfile::TempDir,
    configuration: String,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (archive, store) = (dir.path().join("archive"), dir.path().join("store"));
        let archived = archive.to_str().unwrap();
        succeed(&["produce", "--archive", archived, "--events", "3000", "--keys", "200"]);
        let configuration = format!(
            "[source]\nkind = \"archive\"\narchive_dir = \"{archived}\"\n\n\
             [embedded]\ndirectory = \"{}\"\n\n\
             [models.points]\ntopics = [\"shop.public.points_outbox\"]\nstore = \"embedded\"\n\
             mirror = \"embedded\"\n",
            store.display()
        );
        let place = Self { dir, configuration };
        let instance = format!("[instance]\nstate_dir = \"{}\"\n", place.path("state").display());
        fs::write(place.path("readmill.toml"), instance + &place.configuration).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn dir(&self) -> &Path {
        self.dir.path()
    }

    fn verify(&self, more: &[&str]) -> Said {
        verify("points", &self.path("readmill.toml"), self.dir(), more)
    }

    /// Folds the archive to its end.
    fn fold(&self) {
        let mill = Mill::start(self.dir(), &self.configuration);
        mill.wait_for("/readyz", LIMIT);
        crate::real::wait_until_quiet(&[&mill], LIMIT);
        assert_eq!(mill.stop(), Some(0));
    }

    fn store(&self) -> EmbeddedStore {
        let embedded = Embedded::open(&EmbeddedConfig::at(self.path("store"))).unwrap();
        embedded.documents("points", 1).unwrap()
    }

    /// Changes a document that has points; answers its key.
    async fn change(&self, change: impl Fn(&mut Document<Points>)) -> Key {
        let store = self.store();
        let documents = all::<Points>(&store).await;
        let mut living = documents.into_iter();
        let (key, mut document) =
            living.find(|(_, d)| d.state.as_ref().is_some_and(|s| s.available > 500)).unwrap();
        let expected = document.stamp.revision;
        change(&mut document);
        let write = Write { key: &key, expected, document: &document };
        assert_eq!(store.put(&[write]).await.unwrap(), [Put::Done]);
        key
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_field_is_named_by_its_path_and_mended() {
    let place = Place::new();
    place.fold();
    place.verify(&[]).is_clean();
    let key = place.change(|document| document.state.as_mut().unwrap().available += 3).await;
    let said = place.verify(&[]);
    assert_eq!(said.code, Some(7));
    let line = said.lines.iter().find(|line| line["kind"] == "changed").unwrap();
    assert_eq!(
        (line["key"].as_str(), &line["paths"][0]),
        (Some(key.as_str()), &"available".into())
    );
    assert!(line.get("values").is_none(), "values are not told unless asked for: {line}");
    let valued = place.verify(&["--values"]);
    let line = valued.lines.iter().find(|line| line["kind"] == "changed").unwrap();
    let (is, should) = (&line["values"][0]["is"], &line["values"][0]["should_be"]);
    assert_eq!(is.as_i64().unwrap() - should.as_i64().unwrap(), 3);
    for passed in [
        ["--ignore", "available"],
        ["--tolerance", "available=3"],
        ["--tolerance", "available=1%"],
        ["--prefix", "nobody"],
    ] {
        assert_eq!(documents_that_differ(&place.verify(&passed)), 0, "{passed:?}");
    }
    for found in [["--tolerance", "available=2"], ["--prefix", key.as_str()], ["--sample", "9999"]]
    {
        assert_eq!(documents_that_differ(&place.verify(&found)), 1, "{found:?}");
    }
    let keys = place.path("keys");
    fs::write(&keys, format!("{key}\nnobody\n")).unwrap();
    let said = place.verify(&["--keys", keys.to_str().unwrap()]);
    assert_eq!((said.number("documents"), documents_that_differ(&said)), (2, 1));
    let said = place.verify(&["--repair"]);
    assert_eq!(said.number("mended"), 1, "{said:#?}");
    let file = place.path("readmill.toml");
    succeed(&["heal", "points", "-c", file.to_str().unwrap()]);
    place.verify(&[]).is_clean();
}

fn documents_that_differ(said: &Said) -> usize {
    said.findings().iter().filter(|(sort, ..)| sort == "document").count()
}

#[test]
fn a_store_that_another_process_has_open_is_said() {
    let place = Place::new();
    let _open = Embedded::open(&EmbeddedConfig::at(place.path("store"))).unwrap();
    let file = place.path("readmill.toml");
    let output = readmill(&["verify", "points", "-c", file.to_str().unwrap()]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(told.contains("hint:") && told.contains("store"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_never_settled_is_no_finding() {
    let place = Place::new();
    // Nothing was folded yet: the model is as far behind as can be.
    fs::create_dir_all(place.path("state")).unwrap();
    let said = place.verify(&[]);
    assert_eq!((said.number("findings"), said.code), (0, Some(0)), "{said:#?}");
    place.fold();
    // As if it had not settled anything of what it has folded.
    fs::remove_dir_all(place.path("state")).unwrap();
    let said = place.verify(&[]);
    assert_eq!((said.number("findings"), said.code), (0, Some(0)), "{said:#?}");
    assert!(said.number("moved") > 100, "{said:#?}");
}
