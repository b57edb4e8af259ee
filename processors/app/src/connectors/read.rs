//! Definitions out of files, with their placeholders filled in.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use anyhow::{Context as _, Result};
use readmill_connectors::connect::Definition;
use readmill_connectors::elsewhere::{Elsewhere, Here};

use crate::cli::DefinitionFiles;
use crate::exit::{Exit, Failure};

/// Where the values of placeholders come from: the command line, the environment, files.
struct Variables {
    set: BTreeMap<String, String>,
    files: BTreeMap<String, String>,
}

impl Elsewhere for Variables {
    fn variable(&self, name: &str) -> Option<String> {
        let set = self.set.get(name).cloned();
        set.or_else(|| Here.variable(name)).or_else(|| self.files.get(name).cloned())
    }

    fn file(&self, path: &Path) -> io::Result<String> {
        Here.file(path)
    }
}

/// Reads all of them.
///
/// # Errors
/// When a file cannot be read, or is no definition.
pub fn definitions(args: &DefinitionFiles) -> Result<Vec<Definition>> {
    let mut files = BTreeMap::new();
    for path in &args.env_file {
        files.extend(pairs(&text(path)?));
    }
    let values = Variables { set: args.variables.iter().cloned().collect(), files };
    let read = |path: &std::path::PathBuf| {
        let definition = Definition::read(&path.display().to_string(), &text(path)?, &values);
        definition.map_err(|unfit| {
            let hint = "connectors/debezium has definitions to begin with";
            Failure::new(Exit::Usage, unfit.to_string(), hint).into()
        })
    };
    args.files.iter().map(read).collect()
}

fn text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path)
        .map_err(|error| {
            let told = format!("{} cannot be read: {error}", path.display());
            Failure::new(Exit::Usage, told, "name a file that is there")
        })
        .context("the definitions cannot be read")
}

/// `NAME=VALUE` a line; comments, `export` and quotes as shells take them.
fn pairs(text: &str) -> BTreeMap<String, String> {
    let pair = |line: &str| {
        let line = line.trim();
        let (name, value) = line.strip_prefix("export ").unwrap_or(line).split_once('=')?;
        let value = value.trim();
        let quoted = ['"', '\''].iter().find_map(|quote| {
            value.strip_prefix(*quote).and_then(|value| value.strip_suffix(*quote))
        });
        let is_name = !name.starts_with('#') && !name.contains(' ');
        is_name.then(|| (name.to_owned(), quoted.unwrap_or(value).to_owned()))
    };
    text.lines().filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::pairs;

    #[test]
    fn files_of_variables_are_read_as_shells_do() {
        let read = pairs("# A=0\nA=1\nexport B=\"two words\"\nC='x=y'\n\nno line\nD=\n");
        let read: Vec<(&str, &str)> = read.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(read, [("A", "1"), ("B", "two words"), ("C", "x=y"), ("D", "")]);
    }
}
