//! Where the values of placeholders come from: `${env:NAME}` and `${file:PATH}`.

use std::io;
use std::path::Path;

/// Where they come from; tests bring their own.
pub trait Elsewhere {
    /// A variable of the environment, or of whatever comes before it.
    fn variable(&self, name: &str) -> Option<String>;

    /// The text of a file.
    ///
    /// # Errors
    /// When it cannot be read.
    fn file(&self, path: &Path) -> io::Result<String>;

    /// What a file keeps: without the newline at its end, which is not part of it.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn kept_in(&self, path: &str) -> Result<String, String> {
        let text = self.file(Path::new(path));
        let text = text.map_err(|error| format!("{path} cannot be read: {}", error.kind()))?;
        Ok(text.trim_end_matches(['\r', '\n']).to_owned())
    }
}

/// The environment and the files of this machine.
#[derive(Debug, Clone, Copy)]
pub struct Here;

impl Elsewhere for Here {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn file(&self, path: &Path) -> io::Result<String> {
        std::fs::read_to_string(path)
    }
}
