//! How things are laid out in Redis: keys, patterns, and the arguments of the guarded replacement.

use readmill_core::{Document, Key, ReadModel, Stamp};
use readmill_engine::{Fault, Write};
use redis::Cmd;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use super::faults::{damaged, refused};
use super::fields::{self, Fields, Name};
use crate::life;

/// The field with the stamp.
pub const STAMP: &str = "_readmill";
/// The field with the revision alone, for the guard and for readers.
pub const REVISION: &str = "_revision";
/// The field that tells whether another document of the key may have other fields.
pub const SHAPE: &str = "_shape";

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
        self.pattern_of("")
    }

    /// The pattern of those whose keys begin with a prefix.
    pub fn pattern_of(&self, prefix: &str) -> String {
        format!("{}{}*}}", literally(&self.head), literally(prefix))
    }

    /// The pattern of everything in the generation.
    pub fn everything(&self) -> String {
        format!("{}*", literally(&self.generation()))
    }

    /// What all keys of the generation begin with.
    pub fn generation(&self) -> String {
        self.head.trim_end_matches('{').to_owned()
    }

    /// The key of the sorted set of the documents' keys.
    pub fn order(&self) -> String {
        format!("{}~order", self.generation())
    }
}

/// A text as a pattern that nothing else fits.
fn literally(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '*' | '?' | '[' | ']' | '\\' | '^' | '-') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern
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

/// The guarded write of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The key of the hash.
    pub key: String,
    /// The revision that must stand there; 0 is nothing.
    pub expected: i64,
    /// Its life in milliseconds; 0 is for ever.
    pub life_ms: i64,
    /// Tells hashes apart whose fields may be others.
    pub shape: String,
    /// The fields and their values.
    pub fields: Vec<(Name, String)>,
}

impl Planned {
    /// Its weight, for bounds.
    pub fn bytes(&self) -> usize {
        self.fields.iter().map(|(name, value)| name.len() + value.len() + 16).sum::<usize>()
            + self.key.len()
    }

    /// The revision that stands once it is written; none if it may go by itself.
    pub fn stands(&self) -> Option<i64> {
        let (_, revision) = self.fields.first().filter(|_| self.life_ms == 0)?;
        revision.parse().ok()
    }

    /// Adds its fields to a command.
    pub fn write(&self, command: &mut Cmd) {
        for (name, value) in &self.fields {
            command.arg(&**name).arg(value);
        }
    }
}

/// Plans the compare-and-set of a document. Quiet tombstones expire, and quiet documents if their
/// model says so.
pub fn replace<M: ReadModel>(
    naming: &Naming,
    write: &Write<'_, M>,
    tombstone_life_ms: Option<i64>,
) -> Result<Planned, Fault> {
    let Document { state, stamp } = write.document;
    let fields = state.as_ref().map(fields::of_state).transpose();
    let Fields { values, texts } =
        fields.map_err(|error| unfit(M::NAME, &error))?.unwrap_or_default();
    let row = StampRow { stamp, form: Form { bare: state.is_none(), texts } };
    let row = serde_json::to_string(&row).map_err(|error| unfit(M::NAME, &error))?;
    let life_ms =
        if life::may_expire(stamp) { tombstone_life_ms } else { idle_life_ms::<M>(stamp) };
    let life_ms = life_ms.unwrap_or(0);
    for (name, _) in &values {
        if [STAMP, REVISION, SHAPE].contains(&&**name) {
            return Err(reserved(M::NAME, name));
        }
    }
    let shape = shape_of(&values, life_ms > 0);
    let mut all = Vec::with_capacity(3 + values.len());
    all.push((Name::Borrowed(REVISION), stamp.revision.to_string()));
    all.push((Name::Borrowed(SHAPE), shape.clone()));
    all.push((Name::Borrowed(STAMP), row));
    all.extend(values);
    let key = naming.stored(write.key);
    Ok(Planned { key, expected: write.expected, life_ms, shape, fields: all })
}

/// How long a document stands after its last event, if nothing of it is still owed to anybody.
fn idle_life_ms<M: ReadModel>(stamp: &Stamp<M::Event>) -> Option<i64> {
    let quiet = !stamp.is_held() && stamp.waiting.is_empty() && stamp.unsent.is_empty();
    let hours = M::IDLE_LIFE_HOURS.filter(|_| quiet)?;
    Some(i64::from(hours) * 3_600_000)
}

fn shape_of(values: &[(Name, String)], expires: bool) -> String {
    let mut hash = Xxh3::new();
    for (name, _) in values {
        hash.update(name.as_bytes());
        hash.update(&[0]);
    }
    format!("{:x}{}", hash.digest(), if expires { "~" } else { "" })
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
    let values = hash.into_iter().filter(|(name, _)| name != SHAPE);
    let values = values.map(|(name, value)| (Name::Owned(name), value)).collect();
    let fields = Fields { values, texts: form.texts };
    let state = if form.bare {
        None
    } else {
        let state = fields::into_state(&fields);
        Some(state.map_err(|_| broken("its fields do not fit the read model"))?)
    };
    Ok(Some(Document { state, stamp }))
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
        "_readmill, _revision and _shape are reserved: rename the field",
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
        let strange = Naming::new("a*[b]", "m", 2);
        assert_eq!(strange.pattern(), r"a\*\[b\]m:2:{*}");
        assert_eq!(strange.pattern_of("d-"), r"a\*\[b\]m:2:{d\-*}");
        assert_eq!(strange.everything(), r"a\*\[b\]m:2:*");
    }

    fn planned(document: &Document<Pebbles>, life_ms: i64) -> Planned {
        let write = Write::<Pebbles> { key: &Key::from("k"), expected: 4, document };
        replace(&Naming::new("rm:", "p", 1), &write, Some(life_ms)).unwrap()
    }

    #[test]
    fn a_document_is_its_fields_with_its_guard() {
        let document = Pebble::number(3).at_revision(5);
        let planned = planned(&document, 9);
        assert_eq!((planned.expected, planned.life_ms), (4, 0));
        let hash = planned.fields.iter().map(|(name, value)| (name.to_string(), value.clone()));
        let hash: Vec<(String, String)> = hash.collect();
        assert_eq!(hash[0], ("_revision".to_owned(), "5".to_owned()));
        assert_eq!(document_of(hash), Some(document));
    }

    #[test]
    fn a_shape_tells_fields_and_life_apart() {
        let plain = planned(&Pebble::number(3).at_revision(5), 9);
        let same = planned(&Pebble::number(4).at_revision(6), 9);
        assert_eq!(plain.shape, same.shape);
        let mut slim = Pebble::number(3);
        slim.limit = None;
        assert_ne!(planned(&slim.at_revision(5), 9).shape, plain.shape);
        let mut tombstone = crate::conformance::tombstone(8);
        let expires = planned(&tombstone, 9).shape;
        tombstone.stamp.held = crate::conformance::somewhere();
        assert_ne!(planned(&tombstone, 9).shape, expires);
    }

    fn document_of(hash: Vec<(String, String)>) -> Option<Document<Pebbles>> {
        super::document(hash).unwrap()
    }

    #[test]
    fn a_quiet_tombstone_expires() {
        let mut document = crate::conformance::tombstone(8);
        let life = |document: &Document<Pebbles>| planned(document, 9).life_ms;
        assert_eq!(life(&document), 9);
        document.stamp.held = crate::conformance::somewhere();
        assert_eq!(life(&document), 0);
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
}
