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

/// Fills in every reference of a text.
///
/// # Errors
/// The first reference that cannot be filled in, and why.
pub fn filled(text: &str, elsewhere: &dyn Elsewhere) -> Result<String, String> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((plain, reference)) = rest.split_once("${") {
        let Some((reference, after)) = reference.split_once('}') else {
            return Err("a `${` is not closed by `}`".to_owned());
        };
        filled.push_str(plain);
        filled.push_str(&fetch(reference, elsewhere)?);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

fn fetch(reference: &str, elsewhere: &dyn Elsewhere) -> Result<String, String> {
    match reference.split_once(':') {
        Some(("env", name)) => elsewhere
            .variable(name)
            .ok_or_else(|| format!("the environment variable {name} is not set")),
        Some(("file", path)) => elsewhere.kept_in(path),
        _ => Err("only ${env:NAME} and ${file:PATH} can be filled in".to_owned()),
    }
}
