//! A directory with an archive, the documents folded from it, some records held, and an instance
//! with tokens beside it: all that a command line can be tried on without any service.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::mill::{Mill, free_port, readmill, succeed, wait};

const LIMIT: Duration = Duration::from_secs(60);
const READS: &str = "reads-reads-reads-1";
const OPERATES: &str = "operates-operates-1";

/// The place.
pub struct Place {
    dir: TempDir,
    port: u16,
}

impl Place {
    /// Made and folded; nothing runs there.
    pub fn new() -> Self {
        let place = Self { dir: tempfile::tempdir().unwrap(), port: free_port() };
        let archive = place.path("archive");
        let produce = ["produce", "--archive", &archive, "--events", "2000", "--keys", "50"];
        succeed(&[&produce[..], &["--poison-per-mille", "5"]].concat());
        std::fs::write(place.path("read"), READS).unwrap();
        std::fs::write(place.path("operate"), OPERATES).unwrap();
        std::fs::write(place.file(), place.configuration()).unwrap();
        let mill = place.start();
        assert_eq!(mill.stop(), Some(0));
        place
    }

    /// Starts an instance that has folded everything.
    pub fn start(&self) -> Mill {
        let mill = Mill::start_at(self.dir.path(), self.port, &self.configuration());
        wait(LIMIT, "everything to be folded", || {
            let output = self.ask(&["status", "--json"]);
            let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
            let models = told["models"].as_array();
            models.is_some_and(|models| models.iter().all(|model| model["state"] == "ended"))
        });
        mill
    }

    fn configuration(&self) -> String {
        let (dir, port) = (self.dir.path().display(), self.port);
        format!(
            "[instance]\nstate_dir = \"{dir}/state\"\n\n[http]\nlisten = \"127.0.0.1:{port}\"\n\
             read_token_file = \"{dir}/read\"\noperate_token_file = \"{dir}/operate\"\n\n\
             [source]\nkind = \"archive\"\narchive_dir = \"{dir}/archive\"\n\n\
             [embedded]\ndirectory = \"{dir}/store\"\n\n[lanes.bulk]\npriority = 2\n\n\
             [models.points]\ntopics = [\"shop.public.points_outbox\"]\nstore = \"embedded\"\n\
             mirror = \"embedded\"\nlanes = {{ \"shop.public.points_outbox\" = \"bulk\" }}\n"
        )
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

    /// The address of the instance.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Asks the instance, with the token that may do everything.
    pub fn ask(&self, args: &[&str]) -> Output {
        let (url, token) = (self.url(), self.path("operate"));
        readmill(&[args, &["--instance", &url, "--token-file", &token]].concat())
    }
}
