//! What happened in a life, line by line; nothing is written down unless somebody wants to read it.

use std::fmt;

use crate::world::Who;

/// A history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    kept: bool,
    lines: Vec<Line>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    at_ms: u64,
    who: Who,
    what: String,
}

impl History {
    /// A history that is kept, or one that is not.
    pub const fn new(kept: bool) -> Self {
        Self { kept, lines: Vec::new() }
    }

    /// Notes what `who` did; 0 is the world itself.
    pub fn note(&mut self, at_ms: u64, who: Who, what: impl FnOnce() -> String) {
        if self.kept {
            self.lines.push(Line { at_ms, who, what: what() });
        }
    }

    /// How many lines it has.
    pub const fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether nothing was noted.
    pub const fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Line { at_ms, who, what } in &self.lines {
            let who = if *who == 0 { "    ".to_owned() } else { format!("#{who:<3}") };
            writeln!(f, "{:>4}.{:03} {who} {what}", at_ms / 1000, at_ms % 1000)?;
        }
        Ok(())
    }
}
