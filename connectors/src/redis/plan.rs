//! How things are laid out in Redis: keys, patterns, and the arguments of the guarded replacement.

use readmill_core::{Document, Key, ReadModel, Stamp};
use readmill_engine::{Fault, View, Write};
use serde::{Deserialize, Serialize};

use super::faults::{damaged, refused};
use super::fields::{self, Fields};
use crate::life;

/// The field with the stamp.
pub const STAMP: &str = "_readmill";
/// The field with the revision alone, for the guard and for readers.
pub const REVISION: &str = "_revision";

/// The keys of one generation of a read model: `rm:deliveries:1:{d-123}`. What stands in braces
/// decides the slot in a cluster, so that other keys about the same document can be put beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Naming {
    head: String,
}

impl Naming {
    /// The keys of a generation.
    pub fn new(prefix: &str, model: &str, generation: u32) -> Self {
        Self { head: format!("{prefix}{model}:{generation}:{{") }
    }

    /// A document's key in Redis.
    pub fn stored(&self, key: &Key) -> String {
        format!("{}{key}}}", self.head)
    }

    /// The document's key of a key in Redis.
    pub fn key(&self, stored: &str) -> Option<Key> {
        stored.strip_prefix(&self.head)?.strip_suffix('}').map(Key::from)
    }

    /// The pattern of all of them.
    pub fn pattern(&self) -> String {
        let mut pattern = String::with_capacity(self.head.len() + 2);
        for letter in self.head.chars() {
            if matches!(letter, '*' | '?' | '[' | ']' | '\\' | '^' | '-') {
                pattern.push('\\');
            }
            pattern.push(letter);
        }
        pattern + "*}"
    }
}

/// The key of the held records of a model.
pub fn held(prefix: &str, model: &str) -> String {
    format!("{prefix}held:{{{model}}}")
}

/// The key of the ids of those that hold one key, or none; in the same slot.
pub fn held_by(prefix: &str, model: &str, key: Option<&Key>) -> String {
    let all = held(prefix, model);
    key.map_or_else(|| format!("{all}:keyless"), |key| format!("{all}:key:{key}"))
}

/// A guarded replacement: the key and the arguments of the script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    /// The key of the hash.
    pub key: String,
    /// The arguments.
    pub arguments: Vec<String>,
}

impl Replacement {
    /// Its weight, for bounds.
    pub fn bytes(&self) -> usize {
        self.key.len() + self.arguments.iter().map(|text| text.len() + 8).sum::<usize>()
    }
}

/// What is kept with the stamp: what a hash cannot say.
#[derive(Serialize)]
#[serde(bound = "Stamp<E>: Serialize")]
struct StampRow<'a, E> {
    #[serde(flatten)]
    stamp: &'a Stamp<E>,
    #[serde(flatten)]
    form: Form,
}

#[derive(Default, Serialize, Deserialize)]
struct Form {
    /// There is no state: not even one without any fields.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    bare: bool,
    /// The fields whose texts look like something else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    texts: Vec<String>,
}

/// The compare-and-set of a document.
pub fn replace<M: ReadModel>(
    naming: &Naming,
    write: &Write<'_, M>,
    life_ms: Option<i64>,
) -> Result<Replacement, Fault> {
    let Document { state, stamp } = write.document;
    let fields = state.as_ref().map(fields::of_state).transpose();
    let Fields { values, texts } =
        fields.map_err(|error| unfit(M::NAME, &error))?.unwrap_or_default();
    let row = StampRow { stamp, form: Form { bare: state.is_none(), texts } };
    let row = serde_json::to_string(&row).map_err(|error| unfit(M::NAME, &error))?;
    let life_ms = life_ms.filter(|_| life::may_expire(stamp)).unwrap_or(0);
    let mut arguments = Vec::with_capacity(8 + values.len() * 2);
    arguments.extend(["exactly".to_owned(), write.expected.to_string()]);
    arguments.extend([stamp.revision.to_string(), life_ms.to_string()]);
    arguments.extend([REVISION.to_owned(), stamp.revision.to_string()]);
    arguments.extend([STAMP.to_owned(), row]);
    for (name, value) in values {
        if name == STAMP || name == REVISION {
            return Err(reserved(M::NAME, &name));
        }
        arguments.extend([name, value]);
    }
    Ok(Replacement { key: naming.stored(write.key), arguments })
}

/// Reads a document back from all fields of its hash; no fields are no document.
pub fn document<M: ReadModel>(
    mut hash: Vec<(String, String)>,
) -> Result<Option<Document<M>>, Fault> {
    if hash.is_empty() {
        return Ok(None);
    }
    let broken = |detail: &str| damaged(format!("a document of {} in Redis", M::NAME), detail);
    let mut take = |name: &str| {
        let at = hash.iter().position(|(field, _)| field == name)?;
        Some(hash.swap_remove(at).1)
    };
    let (Some(row), Some(revision)) = (take(STAMP), take(REVISION)) else {
        return Err(broken("it has no stamp"));
    };
    // Serde's own words may quote the data.
    let unreadable = |_: serde_json::Error| broken("its stamp cannot be read");
    let stamp: Stamp<M::Event> = serde_json::from_str(&row).map_err(unreadable)?;
    let form: Form = serde_json::from_str(&row).map_err(unreadable)?;
    if stamp.revision.to_string() != revision {
        return Err(broken("its revision and its stamp disagree"));
    }
    let fields = Fields { values: hash, texts: form.texts };
    let state = if form.bare {
        None
    } else {
        let state = fields::into_state(&fields);
        Some(state.map_err(|_| broken("its fields do not fit the read model"))?)
    };
    Ok(Some(Document { state, stamp }))
}

/// The guarded replacement of a view. The revision stays when the document has ended, so that an
/// older view cannot come back.
pub fn show(name: &str, view: &View, life_ms: Option<i64>) -> Replacement {
    let revision = view.revision.to_string();
    let life_ms = life_ms.filter(|_| view.fields.is_none()).unwrap_or(0);
    let mut arguments = vec!["no newer than".to_owned(), revision.clone()];
    arguments.extend([revision.clone(), life_ms.to_string()]);
    arguments.extend([REVISION.to_owned(), revision]);
    for (field, value) in view.fields.iter().flatten() {
        arguments.extend([(*field).to_owned(), value.clone()]);
    }
    Replacement { key: view_key(name, &view.key), arguments }
}

/// The key of a view.
pub fn view_key(name: &str, key: &Key) -> String {
    format!("{name}:{key}")
}

fn unfit(model: &str, error: &serde_json::Error) -> Fault {
    refused(
        format!("a document of {model} cannot be written as a hash: {error}"),
        "the state of a read model must be a structure of plain data with text keys",
    )
}

fn reserved(model: &str, name: &str) -> Fault {
    refused(
        format!("the state of {model} has a field named {name}"),
        "_readmill and _revision are reserved: rename the field",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::{Pebble, Pebbles};

    #[test]
    fn keys_come_back_whatever_is_in_them() {
        let naming = Naming::new("rm:", "deliveries", 1);
        assert_eq!(naming.stored(&Key::from("d-123")), "rm:deliveries:1:{d-123}");
        for key in ["", "}", "{a}", "a:b", "배달"] {
            let stored = naming.stored(&Key::from(key));
            assert_eq!(naming.key(&stored), Some(Key::from(key)));
        }
        assert_eq!(naming.key("rm:deliveries:10:{x}"), None);
        assert_eq!(Naming::new("a*[b]", "m", 2).pattern(), r"a\*\[b\]m:2:{*}");
    }

    #[test]
    fn a_document_is_its_fields_with_its_guard() {
        let document = Pebble::number(3).at_revision(5);
        let write = Write::<Pebbles> { key: &Key::from("k"), expected: 4, document: &document };
        let planned = replace(&Naming::new("rm:", "p", 1), &write, Some(9)).unwrap();
        let guard: Vec<&str> = planned.arguments.iter().take(6).map(String::as_str).collect();
        assert_eq!(guard, ["exactly", "4", "5", "0", "_revision", "5"]);
        let fields = planned.arguments.get(4..).unwrap();
        let hash = fields.chunks(2).map(|pair| match pair {
            [name, value] => (name.clone(), value.clone()),
            other => unreachable!("{other:?}"),
        });
        assert_eq!(document_of(hash.collect()), Some(document));
    }

    fn document_of(hash: Vec<(String, String)>) -> Option<Document<Pebbles>> {
        super::document(hash).unwrap()
    }

    #[test]
    fn a_quiet_tombstone_expires() {
        let mut document = crate::conformance::tombstone(8);
        let key = Key::from("k");
        let life = |document: &Document<Pebbles>| {
            let write = Write { key: &key, expected: 4, document };
            let planned = replace(&Naming::new("rm:", "p", 1), &write, Some(9)).unwrap();
            planned.arguments.get(3).cloned().unwrap()
        };
        assert_eq!(life(&document), "9");
        document.stamp.held = crate::conformance::somewhere();
        assert_eq!(life(&document), "0");
    }

    #[test]
    fn damage_is_told_without_data() {
        let hash = |fields: &[(&str, &str)]| {
            fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let table = [
            hash(&[("name", "secret")]),
            hash(&[(STAMP, "secret"), (REVISION, "1")]),
            hash(&[(STAMP, r#"{"revision":2}"#), (REVISION, "1")]),
            hash(&[(STAMP, r#"{"revision":1}"#), (REVISION, "1"), ("count", "secret")]),
        ];
        for fields in table {
            let text = super::document::<Pebbles>(fields).unwrap_err().to_string();
            assert!(text.contains("damaged") && !text.contains("secret"), "{text}");
        }
    }

    #[test]
    fn a_view_that_ended_keeps_its_revision_for_a_while() {
        let view = View { key: Key::from("m-1"), revision: 7, fields: None };
        let planned = show("points:balance", &view, Some(60));
        assert_eq!(planned.key, "points:balance:m-1");
        assert_eq!(planned.arguments, ["no newer than", "7", "7", "60", "_revision", "7"]);
    }
}
