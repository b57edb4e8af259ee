//! The names of what stands in a mirror.

use readmill_core::{Collection, Key};
use readmill_engine::mirror::Spot;

/// Markers of a mirror in a cluster: so many that each node has one.
const MARKERS: usize = 64;

/// The keys of one mirror.
///
/// A hash is at `{head}:{key}`, a JSON text at `{head}.json:{key}`, a collection at
/// `{head}.set:{{name}}` or `{head}.sorted:{{name}}`. The braces put what belongs to a collection
/// into its slot of a cluster; those in its name are written as `%7B` and `%7D`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    head: String,
}

/// The keys of a collection, all in one slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// The collection, as readers see it.
    pub members: String,
    /// The revision of each member, and of those who have left.
    pub revisions: String,
    /// Who has left, by the time.
    pub left: String,
}

impl Names {
    /// The keys of the mirror whose name with the prefix is `head`.
    pub const fn new(head: String) -> Self {
        Self { head }
    }

    /// Where a document's hash is.
    pub fn own(&self, key: &Key) -> String {
        format!("{}:{key}", self.head)
    }

    /// Where its JSON text is.
    pub fn json(&self, key: &Key) -> String {
        format!("{}.json:{key}", self.head)
    }

    /// Where a collection is.
    pub fn collection(&self, collection: &Collection) -> Keys {
        let (kind, name) = kind_and_name(collection);
        let name = name.replace('%', "%25").replace('{', "%7B").replace('}', "%7D");
        // An empty tag would be none.
        let name = if name.is_empty() { "%".to_owned() } else { name };
        let members = format!("{}.{kind}:{{{name}}}", self.head);
        let (revisions, left) = (format!("{members}:revisions"), format!("{members}:left"));
        Keys { members, revisions, left }
    }

    /// Where the marker is.
    pub fn marker(&self) -> String {
        format!("{}.marker", self.head)
    }

    /// Where its companions are in a cluster.
    pub fn markers(&self) -> Vec<String> {
        (0..MARKERS).map(|n| format!("{}.marker:{n}", self.head)).collect()
    }

    /// The pattern of all hashes.
    pub fn all_own(&self) -> String {
        escaped(&self.head) + ":*"
    }

    /// The pattern of all JSON texts.
    pub fn all_json(&self) -> String {
        escaped(&self.head) + ".json:*"
    }

    /// The patterns of all collections, and of the revisions of their members.
    pub fn all_collections(&self) -> [String; 4] {
        let head = escaped(&self.head);
        ["set:{*}", "sorted:{*}", "set:{*}:revisions", "sorted:{*}:revisions"]
            .map(|rest| format!("{head}.{rest}"))
    }

    /// The document whose hash is there.
    pub fn key_of_own(&self, stored: &str) -> Option<Key> {
        stored.strip_prefix(&self.head)?.strip_prefix(':').map(Key::from)
    }

    /// The document whose JSON text is there.
    pub fn key_of_json(&self, stored: &str) -> Option<Key> {
        stored.strip_prefix(&self.head)?.strip_prefix(".json:").map(Key::from)
    }

    /// The collection that is there, or whose revisions are.
    pub fn collection_of(&self, stored: &str) -> Option<Collection> {
        let rest = stored.strip_prefix(&self.head)?.strip_prefix('.')?;
        let (kind, name) = rest.split_once(":{")?;
        let name = name.strip_suffix(":revisions").unwrap_or(name).strip_suffix('}')?;
        let name = if name == "%" { "" } else { name };
        let name = name.replace("%7D", "}").replace("%7B", "{").replace("%25", "%");
        of_kind(kind, name)
    }
}

/// The word for a kind of collections, and the name of one.
pub fn kind_and_name(collection: &Collection) -> (&'static str, &str) {
    match collection {
        Collection::Set(name) => ("set", name),
        Collection::Sorted(name) => ("sorted", name),
    }
}

fn of_kind(kind: &str, name: String) -> Option<Collection> {
    match kind {
        "set" => Some(Collection::Set(name)),
        "sorted" => Some(Collection::Sorted(name)),
        _ => None,
    }
}

/// A spot other than the document's own hash, as it stands in its record.
pub fn written(spot: &Spot) -> Option<String> {
    match spot {
        Spot::Own => None,
        Spot::Json => Some("json".to_owned()),
        Spot::In(collection) => {
            let (kind, name) = kind_and_name(collection);
            Some(format!("{kind}:{name}"))
        }
    }
}

/// A spot as it stands in a record.
pub fn read(written: &str) -> Option<Spot> {
    if written == "json" {
        return Some(Spot::Json);
    }
    let (kind, name) = written.split_once(':')?;
    of_kind(kind, name.to_owned()).map(Spot::In)
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '*' | '?' | '[' | ']' | '\\' | '^' | '-') {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_and_a_collection_is_in_one_slot() {
        let names = Names::new("rm:points:available".to_owned());
        let key = Key::from("m-1");
        assert_eq!(names.own(&key), "rm:points:available:m-1");
        assert_eq!(names.json(&key), "rm:points:available.json:m-1");
        assert_eq!(names.key_of_own(&names.own(&key)), Some(key.clone()));
        assert_eq!(names.key_of_json(&names.json(&key)), Some(key));
        assert_eq!(names.key_of_own("rm:points:available.json:m-1"), None);
        for name in ["top", "", "}", "{a}:revisions", "a%7Db", "%", "배달", "a:{b"] {
            for collection in [Collection::Set(name.into()), Collection::Sorted(name.into())] {
                let keys = names.collection(&collection);
                for stored in [&keys.members, &keys.revisions] {
                    assert_eq!(names.collection_of(stored), Some(collection.clone()), "{stored}");
                }
                let tag = |key: &str| {
                    key.split_once('{').unwrap().1.split_once('}').unwrap().0.to_owned()
                };
                assert!(!tag(&keys.members).is_empty());
                assert_eq!(tag(&keys.members), tag(&keys.revisions));
                assert_eq!(tag(&keys.members), tag(&keys.left));
                let spot = Spot::In(collection);
                assert_eq!(read(&written(&spot).unwrap()), Some(spot));
            }
        }
        assert_eq!(read(&written(&Spot::Json).unwrap()), Some(Spot::Json));
    }
}
