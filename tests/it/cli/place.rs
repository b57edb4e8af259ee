//! A directory with an archive, the documents folded from it, and some records held: all that a
//! command line can be tried on without any service.

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use crate::mill::{Mill, free_port, succeed, wait};

const LIMIT: Duration = Duration::from_secs(60);

/// The place.
pub struct Place {
    dir: TempDir,
}

impl Place {
    /// Made and folded; nothing runs there.
    pub fn new() -> Self {
        let place = Self { dir: tempfile::tempdir().unwrap() };
        let archive = place.path("archive");
        let produce = ["produce", "--archive", &archive, "--events", "2000", "--keys", "50"];
        succeed(&[&produce[..], &["--poison-per-mille", "5"]].concat());
        let port = free_port();
        let (dir, file) = (place.dir.path().display(), place.file());
        let text = format!(
            "[instance]\nstate_dir = \"{dir}/state\"\n\n[http]\nlisten = \"127.0.0.1:{port}\"\n\n\
             [source]\nkind = \"archive\"\narchive_dir = \"{dir}/archive\"\n\n\
             [embedded]\ndirectory = \"{dir}/store\"\n\n\
             [models.points]\ntopics = [\"shop.public.points_outbox\"]\nstore = \"embedded\"\n\
             mirror = \"embedded\"\n"
        );
        std::fs::write(file, &text).unwrap();
        let mut mill = Mill::start_at(place.dir.path(), port, &text);
        let mut status = None;
        wait(LIMIT, "the archive to be folded", || {
            status = mill.ended();
            status.is_some()
        });
        assert!(status.is_some_and(|status| status.success()), "{status:?}");
        place
    }

    /// A file or a directory in it.
    pub fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    /// The directory itself.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The configuration.
    pub fn file(&self) -> String {
        self.path("readmill.toml")
    }
}
