//! An origin in a file: a JSON object a line, with the key of a document and what it should say.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use readmill_core::{Key, SourcePosition};
use readmill_engine::Fault;
use readmill_engine::reconcile::{Origin, Place, Told};
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_128;

const PAGE_LINES: usize = 500;
const HINT: &str = "write a line for each document, such as {\"key\": \"m-1\", \"balance\": 7}";

/// Lines of a file. In memory are only their places.
#[derive(Debug)]
pub struct LinesOrigin {
    path: PathBuf,
    file: BufReader<File>,
    /// Where the line of each key begins, by the key's hash.
    places: BTreeMap<u128, u64>,
    at: u64,
    number: u64,
}

impl LinesOrigin {
    /// Opens a file, and reads it through once.
    ///
    /// # Errors
    /// When it cannot be read, a line is not what it should be, or two are of one key.
    pub fn open(path: &Path) -> Result<Self, Fault> {
        let unreadable = |error: std::io::Error| Fault::Refused {
            service: "file",
            detail: format!("{} cannot be read: {error}", path.display()),
            hint: "name a file with a JSON object a line",
        };
        let file = BufReader::new(File::open(path).map_err(unreadable)?);
        let (places, path) = (BTreeMap::new(), path.to_owned());
        let mut lines = Self { path, file, places, at: 0, number: 0 };
        loop {
            let at = lines.at;
            let Some(told) = lines.next()? else { break };
            if lines.places.insert(hash(&told.key), at).is_some() {
                return Err(lines.wrong("is of a key that came before"));
            }
        }
        lines.seek(0)?;
        lines.number = 0;
        Ok(lines)
    }

    fn next(&mut self) -> Result<Option<Told>, Fault> {
        let mut line = String::new();
        while line.trim().is_empty() {
            line.clear();
            self.number += 1;
            let read = self.file.read_line(&mut line);
            let read = read.map_err(|_| self.wrong("cannot be read"))?;
            if read == 0 {
                return Ok(None);
            }
            self.at += u64::try_from(read).unwrap_or_default();
        }
        let told: Value =
            serde_json::from_str(&line).map_err(|_| self.wrong("is no JSON object"))?;
        let key = told["key"].as_str().ok_or_else(|| self.wrong("has no text named key"))?;
        Ok(Some(Told { key: Key::from(key), fields: told }))
    }

    fn seek(&mut self, at: u64) -> Result<(), Fault> {
        self.at = at;
        let sought = self.file.seek(SeekFrom::Start(at));
        sought.map(drop).map_err(|_| self.wrong("cannot be read"))
    }

    fn wrong(&self, what: &str) -> Fault {
        let detail = format!("line {} of {} {what}", self.number, self.path.display());
        Fault::Refused { service: "file", detail, hint: HINT }
    }
}

fn hash(key: &Key) -> u128 {
    xxh3_128(key.as_str().as_bytes())
}

#[async_trait]
impl Origin for LinesOrigin {
    async fn page(&mut self) -> Result<Vec<Told>, Fault> {
        let mut page = Vec::new();
        while page.len() < PAGE_LINES
            && let Some(told) = self.next()?
        {
            page.push(told);
        }
        Ok(page)
    }

    async fn look(&mut self, keys: &[Key]) -> Result<BTreeMap<Key, Value>, Fault> {
        let (back, number) = (self.at, self.number);
        let mut found = BTreeMap::new();
        for key in keys {
            let Some(at) = self.places.get(&hash(key)).copied() else { continue };
            self.seek(at)?;
            if let Some(told) = self.next()?.filter(|told| told.key == *key) {
                found.insert(told.key, told.fields);
            }
        }
        self.seek(back)?;
        self.number = number;
        Ok(found)
    }

    fn prefixes(&self) -> Vec<String> {
        vec![String::new()]
    }

    async fn place(&mut self) -> Result<Option<Place>, Fault> {
        Ok(None)
    }

    async fn has_published(&mut self, _: &Place) -> Result<bool, Fault> {
        Ok(false)
    }

    async fn stands(&mut self) -> Result<Option<SourcePosition>, Fault> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn open(text: &str) -> Result<LinesOrigin, Fault> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lines");
        std::fs::write(&path, text).unwrap();
        LinesOrigin::open(&path)
    }

    #[tokio::test]
    async fn lines_are_read_through_and_found_by_key() {
        let text: String =
            (0..1_200).map(|n| format!("{{\"key\":\"k{n}\",\"n\":{n}}}\n\n")).collect();
        let mut origin = open(&text).unwrap();
        let mut seen = 0;
        loop {
            let page = origin.page().await.unwrap();
            if page.is_empty() {
                break;
            }
            seen += page.len();
            let keys = [Key::from("k7"), Key::from("nobody"), Key::from("k1199")];
            let found = origin.look(&keys).await.unwrap();
            assert_eq!((found.len(), &found[&keys[2]]["n"]), (2, &json!(1199)));
        }
        assert_eq!(seen, 1_200);
    }

    #[test]
    fn a_line_that_is_none_is_named() {
        for (text, wanted) in [
            ("{\"key\":\"a\"}\n{\"n\":1}", "line 2 "),
            ("x", "line 1 "),
            ("{\"key\":\"a\"}\n{\"key\":\"a\"}", "came before"),
        ] {
            let told = open(text).unwrap_err().to_string();
            assert!(told.contains(wanted) && told.contains("write a line"), "{told}");
        }
    }
}
