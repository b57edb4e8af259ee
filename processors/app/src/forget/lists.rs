//! Where it is kept who is forgotten: beside the documents, once in each place that has some.

use std::collections::BTreeSet;
use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::BuildHasher as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use readmill_connectors::archive::replace_file;
use readmill_core::Forgotten;
use readmill_core::forgotten::PersonTag;
use readmill_engine::forgotten::{Entries, Entry, List};
use readmill_engine::{Fault, Store, kept};
use serde::{Deserialize, Serialize};

/// One such place.
#[derive(Debug, Clone)]
pub enum Place {
    /// A store that any process may ask.
    Kept(Arc<dyn Store<Entries>>),
    /// A file beside a directory that one process has to itself.
    File(PathBuf),
}

/// What the file has.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Written {
    salt: String,
    done: BTreeSet<PersonTag>,
    #[serde(default)]
    unfinished: BTreeSet<PersonTag>,
}

impl Place {
    /// Who is forgotten.
    ///
    /// # Errors
    /// When the place does not answer, or has something else.
    pub async fn read(&self) -> Result<List, Fault> {
        match self {
            Self::Kept(store) => List::read(&**store).await,
            Self::File(path) => {
                let Written { salt, done, unfinished } = written(path)?;
                let all = done.union(&unfinished).copied();
                let forgotten = Forgotten::of(salt, all);
                Ok(List { forgotten, unfinished: unfinished.into_iter().collect() })
            }
        }
    }

    /// Adds persons, unfinished as yet, by digests that this salt has made.
    ///
    /// # Errors
    /// When the place does not answer or refuses, or its digests are made otherwise: whoever has
    /// begun it meanwhile would not be known by these.
    pub async fn add(&self, salt: &str, digests: &[PersonTag], now_ms: i64) -> Result<(), Fault> {
        if let Self::Kept(store) = self {
            let first = Entry { salt: Some(salt.to_owned()), ..Entry::default() };
            let begin = |known: Option<Entry>| known.is_none().then(|| first.clone());
            kept::change(&**store, &Entry::salt_key(), begin).await?;
        }
        let known = self.read().await?.forgotten;
        if !known.salt().is_empty() && known.salt() != salt {
            return Err(Fault::Refused {
                service: "the list of the forgotten",
                detail: "another command has begun it meanwhile".to_owned(),
                hint: "give the command again",
            });
        }
        let new = digests.iter().filter(|digest| !known.digests().contains(digest)).copied();
        match self {
            Self::Kept(store) => {
                let entry = Entry { since_ms: now_ms, ..Entry::default() };
                for digest in new {
                    let add = |known: Option<Entry>| known.is_none().then(|| entry.clone());
                    kept::change(&**store, &Entry::key(digest), add).await?;
                }
                Ok(())
            }
            Self::File(path) => change(path, |written| {
                salt.clone_into(&mut written.salt);
                written.unfinished.extend(new);
            }),
        }
    }

    /// Notes that nothing of persons is left.
    ///
    /// # Errors
    /// When the place does not answer or refuses.
    pub async fn finish(&self, digests: &[PersonTag], now_ms: i64) -> Result<(), Fault> {
        match self {
            Self::Kept(store) => {
                for digest in digests {
                    let done = |known: Option<Entry>| {
                        known.map(|entry| Entry { done_ms: Some(now_ms), ..entry })
                    };
                    kept::change(&**store, &Entry::key(*digest), done).await?;
                }
                Ok(())
            }
            Self::File(path) => change(path, |written| {
                for digest in digests {
                    written.unfinished.remove(digest);
                    written.done.insert(*digest);
                }
            }),
        }
    }
}

/// A salt like no other, by the one source of chance in the standard library.
pub fn new_salt() -> String {
    let parts = [0, 1].map(|part| RandomState::new().hash_one(part));
    format!("{:016x}{:016x}", parts[0], parts[1])
}

fn written(path: &Path) -> Result<Written, Fault> {
    match fs::read(path) {
        Ok(text) => serde_json::from_slice(&text).map_err(|error| damaged(path, &error)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Written::default()),
        Err(error) => Err(damaged(path, &error)),
    }
}

fn change(path: &Path, change: impl FnOnce(&mut Written)) -> Result<(), Fault> {
    let mut now = written(path)?;
    change(&mut now);
    let text = serde_json::to_vec(&now).map_err(|error| damaged(path, &error))?;
    replace_file(path, &text).map_err(|error| damaged(path, &error))
}

fn damaged(path: &Path, error: &dyn std::fmt::Display) -> Fault {
    Fault::Damaged {
        what: format!("the list of the forgotten, {}", path.display()),
        detail: error.to_string(),
        hint: "restore it from a copy: without it forgotten persons would be told of again",
    }
}

#[cfg(test)]
mod tests {
    use readmill_engine::shelf::Shelf;

    use super::*;

    fn tags(salt: &str, ids: &[&str]) -> Vec<PersonTag> {
        let by = Forgotten::of(salt.to_owned(), []);
        ids.iter().map(|id| by.digest(id)).collect()
    }

    #[tokio::test]
    async fn whoever_comes_second_with_other_digests_is_refused_and_takes_nothing_away() {
        let dir = tempfile::tempdir().unwrap();
        let shelf: Arc<dyn Store<Entries>> = Arc::<Shelf<Entries>>::default();
        for place in [Place::Kept(shelf), Place::File(dir.path().join("store.forgotten"))] {
            place.add("one", &tags("one", &["a"]), 1).await.unwrap();
            let second = place.add("other", &tags("other", &["b"]), 2).await.unwrap_err();
            assert!(second.to_string().contains("give the command again"), "{second}");
            place.add("one", &tags("one", &["a", "b"]), 3).await.unwrap();
            let known = place.read().await.unwrap().forgotten;
            assert!(known.find("a").is_some() && known.find("b").is_some(), "{place:?}");
            assert_eq!(known.digests().len(), 2);
        }
    }

    #[tokio::test]
    async fn a_file_keeps_who_is_forgotten_and_what_is_unfinished() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::File(dir.path().join("store.forgotten"));
        assert_eq!(place.read().await.unwrap(), List::default());
        let salt = new_salt();
        assert_ne!(salt, new_salt());
        let [one, other] = ["a", "b"].map(|id| Forgotten::of(salt.clone(), []).digest(id));
        place.add(&salt, &[one, other], 1).await.unwrap();
        place.finish(&[one], 2).await.unwrap();
        place.add(&salt, &[one], 3).await.unwrap();
        let list = place.read().await.unwrap();
        assert_eq!(list.unfinished, [other]);
        assert!(list.forgotten.find("a").is_some() && list.forgotten.find("c").is_none());
        fs::write(dir.path().join("store.forgotten"), "{").unwrap();
        assert!(place.read().await.is_err());
    }
}
