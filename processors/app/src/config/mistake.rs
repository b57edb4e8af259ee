//! Mistakes in a configuration, each with the line it is on.

use std::fmt;

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// The line, counted from 1, where the mistake has one.
    pub line: Option<usize>,
    /// The column, counted from 1, where it helps to find the place.
    pub column: Option<usize>,
    /// The stanza and the setting, such as `models.points.topics`.
    pub at: String,
    /// What is wrong and what would be right; never a value that may be secret.
    pub what: String,
}

/// All mistakes of a file; never empty when it is an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistakes {
    /// The file, as it was named.
    pub file: String,
    /// The mistakes, in the order of their lines.
    pub list: Vec<Mistake>,
}

impl Mistakes {
    /// One mistake that concerns the file as a whole.
    pub fn of_file(file: impl Into<String>, what: impl Into<String>) -> Self {
        let whole = Mistake { line: None, column: None, at: String::new(), what: what.into() };
        Self { file: file.into(), list: vec![whole] }
    }

    /// A line for each mistake.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.list.iter().map(|mistake| {
            let Mistake { line, column, at, what } = mistake;
            let number = |n: &Option<usize>| n.map(|n| format!(":{n}")).unwrap_or_default();
            let at = if at.is_empty() { String::new() } else { format!("{at}: ") };
            format!("{}{}{}: {at}{what}", self.file, number(line), number(column))
        })
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().collect::<Vec<_>>().join("\n"))
    }
}

impl std::error::Error for Mistakes {}
