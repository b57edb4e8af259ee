//! Reading one stanza: every setting that does not fit is named, and the others still count.

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::path::Path;

use readmill_connectors::elsewhere::Elsewhere;
use readmill_connectors::renewed::Written;
use serde::de::DeserializeOwned;
use toml_edit::de::from_document;
use toml_edit::{DocumentMut, Item, Key, Table};

use super::mistake::Mistake;
use super::reword::{missing, reword};
use super::secret::fill_in;

/// The settings that end in one of these are limits, for which 0 makes no sense.
const LIMITS: [&str; 8] =
    ["_ms", "_kib", "_mib", "_bytes", "_records", "_commands", "_per_partition", "_per_second"];
/// But of these 0 means "not at all".
const MAY_BE_ZERO: [&str; 3] = ["unknown_limit_ms", "unknown_age_ms", "warm_up_limit_ms"];

/// A stanza under its name; what was found wrong in it is not complained about twice.
#[derive(Debug)]
pub struct Stanza {
    /// The name, such as `models.points`.
    pub name: String,
    /// Where it begins, in bytes.
    at: Option<usize>,
    /// As it is written.
    table: Table,
    spoiled: BTreeSet<String>,
}

impl Stanza {
    /// Whether a setting is written there.
    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// What of it files fill in, as it is written.
    pub fn written(&self) -> Written {
        let mut written = Written::default();
        for (key, item) in self.table.iter() {
            if let Some(text) = item.as_str() {
                written.keep(key, text);
            }
        }
        written
    }
}

/// The mistakes found so far, and what is needed to name them.
pub struct Reading<'a> {
    text: &'a str,
    elsewhere: &'a dyn Elsewhere,
    /// The mistakes.
    pub found: Vec<Mistake>,
}

impl<'a> Reading<'a> {
    /// Reads a text.
    pub const fn new(text: &'a str, elsewhere: &'a dyn Elsewhere) -> Self {
        Self { text, elsewhere, found: Vec::new() }
    }

    /// The text of a file that a setting names.
    pub fn file(&self, path: &Path) -> io::Result<String> {
        self.elsewhere.file(path)
    }

    /// The stanza of that name in `parent`, if it is there and is a table.
    pub fn stanza(&mut self, parent: &Table, prefix: &str, name: &str) -> Option<Stanza> {
        let (key, item) = parent.get_key_value(name)?;
        let at = start(key, item);
        let name = format!("{prefix}{name}");
        match item.clone().into_table() {
            Ok(table) => Some(Stanza { name, at, table, spoiled: BTreeSet::new() }),
            Err(_) => {
                let what = format!("must be a table: write it under [{name}]");
                self.note(at, name, what);
                None
            }
        }
    }

    /// Reads a stanza into its type. `None` means that mistakes were noted that leave nothing.
    pub fn read<T: DeserializeOwned>(&mut self, stanza: &mut Stanza) -> Option<T> {
        let mut table = stanza.table.clone();
        self.refuse_zeros(stanza, &mut table);
        // First as written, where every mistake has its place; then with references filled in.
        self.sift::<T>(stanza, &mut table)?;
        for (key, why) in fill_in(&mut table, self.elsewhere) {
            self.blame(stanza, &key, why);
            stanza.spoiled.insert(key);
        }
        match from_document(DocumentMut::from(table)) {
            Ok(read) => Some(read),
            Err(error) => {
                self.note(stanza.at, stanza.name.clone(), reword(error.message()));
                None
            }
        }
    }

    /// Takes every setting that does not fit out of the table, until the rest does.
    fn sift<T: DeserializeOwned>(&mut self, stanza: &mut Stanza, table: &mut Table) -> Option<T> {
        loop {
            let error = match from_document(DocumentMut::from(table.clone())) {
                Ok(read) => return Some(read),
                Err(error) => error,
            };
            let culprit = error.span().and_then(|span| entry_at(table, &span));
            let Some(key) = culprit else {
                let told = missing(error.message()).is_some_and(|key| stanza.spoiled.contains(key));
                if !told {
                    self.note(stanza.at, stanza.name.clone(), reword(error.message()));
                }
                return None;
            };
            self.blame(stanza, &key, reword(error.message()));
            table.remove(&key);
            stanza.spoiled.insert(key);
        }
    }

    fn refuse_zeros(&mut self, stanza: &mut Stanza, table: &mut Table) {
        let zero = |item: &Item| item.as_integer() == Some(0);
        let limit = |key: &str| LIMITS.iter().any(|suffix| key.ends_with(suffix));
        let wrong: Vec<String> = table
            .iter()
            .filter(|(key, item)| limit(key) && zero(item) && !MAY_BE_ZERO.contains(key))
            .map(|(key, _)| key.to_owned())
            .collect();
        for key in wrong {
            self.blame(stanza, &key, "a limit of 0 would stop everything; at least 1");
            table.remove(&key);
            stanza.spoiled.insert(key);
        }
    }

    /// Notes a mistake at a setting, unless that setting has one already.
    pub fn blame(&mut self, stanza: &Stanza, key: &str, what: impl Into<String>) {
        if stanza.spoiled.contains(key) {
            return;
        }
        let at = stanza.table.get_key_value(key).and_then(|(key, item)| start(key, item));
        self.note(at.or(stanza.at), format!("{}.{key}", stanza.name), what);
    }

    /// Notes a mistake of a whole stanza.
    pub fn blame_stanza(&mut self, stanza: &Stanza, what: impl Into<String>) {
        self.note(stanza.at, stanza.name.clone(), what);
    }

    /// Notes a mistake at a byte of the text.
    pub fn note(&mut self, at: Option<usize>, place: String, what: impl Into<String>) {
        let line = at.map(|at| position(self.text, at).0);
        self.found.push(Mistake { line, column: None, at: place, what: what.into() });
    }
}

/// The line and the column of a byte, counted from 1.
pub fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// Where a setting begins.
pub fn start(key: &Key, item: &Item) -> Option<usize> {
    key.span().or_else(|| item.span()).map(|span| span.start)
}

/// The setting that a span is part of.
fn entry_at(table: &Table, span: &Range<usize>) -> Option<String> {
    let holds = |whole: Option<Range<usize>>| {
        whole.is_some_and(|whole| whole.start <= span.start && span.end <= whole.end)
    };
    let mut entries = table.iter().filter_map(|(key, _)| table.get_key_value(key));
    entries
        .find(|(key, item)| holds(key.span()) || holds(item.span()))
        .map(|(key, _)| key.get().to_owned())
}
