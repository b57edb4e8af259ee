//! Persons who are forgotten: known again by digests of their ids alone, and told of by an alias.
//!
//! What a log still says of such a person is heard without them: the id gives way to the alias,
//! what is personal is empty, and what would go into a document of their own goes nowhere. So
//! documents are a fold of the log without the person, whenever and from wherever they are folded.

use std::collections::BTreeSet;

use readmill_schemas::{Personal as _, encode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::model::{Key, ReadModel};
use crate::record::Record;

/// By what a person is known again who is forgotten: it does not tell the id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PersonTag(u128);

impl PersonTag {
    /// As it is written.
    pub fn to_text(self) -> String {
        format!("{:032x}", self.0)
    }

    /// As it was written.
    pub fn from_text(text: &str) -> Option<Self> {
        u128::from_str_radix(text, 16).ok().map(Self)
    }
}

impl From<PersonTag> for String {
    fn from(tag: PersonTag) -> Self {
        tag.to_text()
    }
}

impl TryFrom<String> for PersonTag {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::from_text(&text).ok_or("it is no digest of a person's id")
    }
}

/// A person who is forgotten, while something is at hand that tells of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The id that is nowhere to be kept.
    pub id: String,
    /// What stands in its place, the same one wherever the person was told of.
    pub alias: String,
}

/// Everybody who is forgotten.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forgotten {
    salt: String,
    digests: BTreeSet<PersonTag>,
}

/// An event as it is heard.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard<E> {
    /// The event, without persons who are forgotten.
    pub event: E,
    /// The keys of the documents into which it is folded.
    pub keys: Vec<Key>,
    /// Who is forgotten of those that it told of.
    pub forgotten: Vec<Person>,
    /// The keys of documents that were their own: nothing is to stand there.
    pub own: Vec<Key>,
}

impl Forgotten {
    /// Those with these digests.
    pub fn of(salt: String, digests: impl IntoIterator<Item = PersonTag>) -> Self {
        Self { salt, digests: digests.into_iter().collect() }
    }

    /// Whether nobody is.
    pub fn is_empty(&self) -> bool {
        self.digests.is_empty()
    }

    /// What makes digests of different places differ.
    pub fn salt(&self) -> &str {
        &self.salt
    }

    /// The digests.
    pub const fn digests(&self) -> &BTreeSet<PersonTag> {
        &self.digests
    }

    /// The digest of an id.
    pub fn digest(&self, id: &str) -> PersonTag {
        PersonTag(self.hash("known by", id))
    }

    /// A person with an id, whether forgotten or not.
    pub fn person(&self, id: &str) -> Person {
        let alias = format!("forgotten-{:016x}", self.hash("told of as", id) >> 64);
        Person { id: id.to_owned(), alias }
    }

    /// The person with this id, if forgotten.
    pub fn find(&self, id: &str) -> Option<Person> {
        let is_known = !self.is_empty() && !id.is_empty();
        (is_known && self.digests.contains(&self.digest(id))).then(|| self.person(id))
    }

    /// Whether the key or the value of a record that nobody can read tells of one of them: as a
    /// whole, or by any part that could be a text of Avro or of JSON.
    pub fn are_told_of_by(&self, record: &Record) -> bool {
        !self.is_empty() && record.key.iter().chain(&record.value).any(|part| self.are_in(part))
    }

    fn are_in(&self, bytes: &[u8]) -> bool {
        let texts = (0..bytes.len()).filter_map(|at| {
            let (length, rest) = avro_length(bytes.get(at..)?)?;
            rest.get(..length)
        });
        let quoted = bytes.split(|byte| *byte == b'"');
        let mut parts = std::iter::once(bytes).chain(quoted).chain(texts);
        parts.any(|part| std::str::from_utf8(part).is_ok_and(|text| self.find(text).is_some()))
    }

    fn hash(&self, what_for: &str, id: &str) -> u128 {
        let mut hash = Sha256::new();
        for part in [&self.salt, what_for, id] {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        let mut first = [0; 16];
        first.iter_mut().zip(hash.finalize()).for_each(|(to, from)| *to = from);
        u128::from_be_bytes(first)
    }

    /// Hears an event.
    pub fn hear<M: ReadModel>(&self, event: M::Event) -> Heard<M::Event> {
        let keys = M::keys(&event).into_vec();
        let mut forgotten: Vec<Person> = Vec::new();
        if !self.is_empty() {
            event.persons(&mut |id| {
                if !forgotten.iter().any(|known| known.id == id) {
                    forgotten.extend(self.find(id));
                }
            });
        }
        if forgotten.is_empty() {
            return Heard { event, keys, forgotten, own: Vec::new() };
        }
        let event = without::<M>(event, &forgotten);
        let left = M::keys(&event).into_vec();
        let (keys, own) = keys.into_iter().partition(|key| left.contains(key));
        Heard { event, keys, forgotten, own }
    }
}

/// An event without some persons.
pub fn without<M: ReadModel>(mut event: M::Event, persons: &[Person]) -> M::Event {
    for Person { id, alias } in persons {
        event.forget(id, alias);
    }
    event
}

/// Whether a thing has the id of any of these persons in it as a text of its own.
pub fn is_anybody_in<T: Serialize>(persons: &[Person], thing: &T) -> bool {
    serde_json::to_string(thing)
        .is_ok_and(|text| persons.iter().any(|person| text.contains(&person.as_json())))
}

/// Whether a record tells of any of these persons.
pub fn is_anybody_told_of_by(persons: &[Person], record: &Record) -> bool {
    record.parts().any(|part| persons.iter().any(|person| person.is_told_of_in(part)))
}

impl Person {
    /// Whether a document under this key is the person's own: one of the key's parts is the id.
    pub fn owns(&self, key: &Key) -> bool {
        key.as_str().split('/').any(|part| part == self.id)
    }

    /// Whether bytes tell of the person: as a whole, or with the id as a text of its own in Avro
    /// or in JSON.
    pub fn is_told_of_in(&self, bytes: &[u8]) -> bool {
        let (mut avro, json) = (Vec::new(), self.as_json());
        encode::text(&self.id, &mut avro);
        let has = |wanted: &[u8]| bytes.windows(wanted.len()).any(|window| window == wanted);
        bytes == self.id.as_bytes() || has(&avro) || has(json.as_bytes())
    }

    /// Whether a thing has the person's id in it as a text of its own.
    pub fn is_in<T: Serialize>(&self, thing: &T) -> bool {
        is_anybody_in(std::slice::from_ref(self), thing)
    }

    fn as_json(&self) -> String {
        serde_json::to_string(&self.id).unwrap_or_default()
    }

    /// A thing with the alias in the place of the id, wherever that stands as a text of its own;
    /// none if it cannot be read back so.
    pub fn replaced_in<T: Serialize + DeserializeOwned>(&self, thing: &T) -> Option<T> {
        let mut value = serde_json::to_value(thing).ok()?;
        self.replace(&mut value);
        serde_json::from_value(value).ok()
    }

    fn replace(&self, value: &mut Value) {
        match value {
            Value::String(text) if *text == self.id => text.clone_from(&self.alias),
            Value::Array(items) => items.iter_mut().for_each(|item| self.replace(item)),
            Value::Object(members) => {
                if let Some(member) = members.remove(&self.id) {
                    members.insert(self.alias.clone(), member);
                }
                members.values_mut().for_each(|member| self.replace(member));
            }
            Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

/// The length of a text as Avro writes it, and what comes behind; none if none is this short.
fn avro_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let low = usize::from(first & 0x7f);
    let (twice, rest) = if first & 0x80 == 0 {
        (low, rest)
    } else {
        let (second, rest) = rest.split_first()?;
        (low | usize::from(second & 0x7f) << 7, rest)
    };
    (twice % 2 == 0 && twice > 0).then_some((twice / 2, rest))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::position::{Offset, Partition, Position};

    fn with(id: &str) -> Forgotten {
        let empty = Forgotten::of("salt".to_owned(), []);
        Forgotten::of("salt".to_owned(), [empty.digest(id)])
    }

    #[test]
    fn a_person_is_known_again_by_a_digest_that_differs_from_place_to_place() {
        let forgotten = with("m-1");
        assert!(forgotten.find("m-1").is_some());
        assert_eq!((forgotten.find("m-2"), forgotten.find("")), (None, None));
        assert_eq!(Forgotten::default().find("m-1"), None);
        let elsewhere = Forgotten::of("other".to_owned(), []);
        assert_ne!(elsewhere.digest("m-1"), forgotten.digest("m-1"));
        assert_ne!(elsewhere.person("m-1").alias, forgotten.person("m-1").alias);
        assert!(!forgotten.person("m-1").alias.contains(&forgotten.digest("m-1").to_text()[..16]));
        let digest = forgotten.digest("m-1");
        assert_eq!(PersonTag::from_text(&digest.to_text()), Some(digest));
        let text = serde_json::to_string(&digest).unwrap();
        assert_eq!(serde_json::from_str::<PersonTag>(&text).unwrap(), digest);
    }

    #[test]
    fn the_alias_takes_the_place_of_whole_texts_only() {
        let person = with("m-1").find("m-1").unwrap();
        let thing = BTreeMap::from([("m-1".to_owned(), vec!["m-1", "m-10", "x"])]);
        let thing: BTreeMap<String, Vec<String>> = thing
            .into_iter()
            .map(|(k, v)| (k, v.into_iter().map(str::to_owned).collect()))
            .collect();
        assert!(person.is_in(&thing));
        let replaced = person.replaced_in(&thing).unwrap();
        assert_eq!(replaced[&person.alias], [person.alias.as_str(), "m-10", "x"]);
        let quoted = with("a\"b").find("a\"b").unwrap();
        assert!(quoted.is_in(&["a\"b"]) && !quoted.is_in(&["ab"]));
        assert!(!person.is_in(&["m-10", "a m-1"]));
    }

    #[test]
    fn a_persons_own_documents_have_the_id_in_their_keys() {
        let person = with("m-1").find("m-1").unwrap();
        let own = |key: &str| person.owns(&Key::from(key));
        assert!(own("m-1") && own("seen/m-1/x") && !own("m-10") && !own("a-m-1"));
        let told = |bytes: &[u8]| person.is_told_of_in(bytes);
        assert!(told(b"\x00\x06m-1\x02") && told(b"m-1") && told(br#"{"id":"m-1"}"#));
        assert!(!told(b"m-") && !told(b"\x08m-10") && !told(br#"{"id":"m-10"}"#) && !told(b""));
        let unread = |value: &[u8]| Record {
            value: Some(value.to_vec()),
            ..Record::at(Position { partition: Partition::new("t", 0), offset: Offset(0) })
        };
        let told = |value: &[u8]| with("m-1").are_told_of_by(&unread(value));
        assert!(told(b"\x09\x00\x06m-1\x02") && told(b"m-1"));
        assert!(told(br#"{"id":"m-1""#) && !told(b"\x08m-10"));
        assert!(!Forgotten::default().are_told_of_by(&unread(b"m-1")));
        let long = with(&"x".repeat(200)).find(&"x".repeat(200)).unwrap();
        assert!(long.is_told_of_in(&[&[0x90, 0x03], long.id.as_bytes()].concat()));
    }
}
