//! Who embeds a document: an edge for each of them, so that a document embedded a million times is
//! no larger than any other, and those who embed it can be told page by page.

use serde::{Deserialize, Serialize};

use crate::kept::{Kept, KeptAsDocuments};
use crate::model::Key;

/// An edge: a document embeds another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// The revision of the document that embeds, when it said so last.
    pub since: i64,
}

impl Edge {
    /// The key under which it stands that `dependent` embeds `embedded`.
    pub fn key(embedded: &Key, dependent: &Key) -> Key {
        Key(format!("{}{dependent}", Self::of(embedded)))
    }

    /// What the keys of all edges of an embedded document begin with. Its length comes first, so
    /// that no key can be taken for the beginning of another.
    pub fn of(embedded: &Key) -> String {
        format!("{}:{embedded}>", embedded.as_str().len())
    }

    /// The document that is embedded, and the one that embeds it, of an edge.
    pub fn sides(edge: &Key) -> Option<(Key, Key)> {
        let (length, rest) = edge.as_str().split_once(':')?;
        let (embedded, dependent) = rest.split_at_checked(length.parse().ok()?)?;
        Some((Key::from(embedded), Key::from(dependent.strip_prefix('>')?)))
    }

    /// The document that embeds, of an edge of `embedded`.
    pub fn dependent(embedded: &Key, edge: &Key) -> Option<Key> {
        edge.as_str().strip_prefix(&Self::of(embedded)).map(Key::from)
    }
}

impl Kept for Edge {
    const NAME: &'static str = "edges";
    const ABOUT: &'static str = "which documents embed which";
}

/// Edges as documents, so that every store keeps them by compare-and-set.
pub type Edges = KeptAsDocuments<Edge>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_of_a_document_are_those_of_no_other() {
        for (embedded, dependent) in [("p", "d"), ("p>", "d"), ("", ""), ("1:p", ">")] {
            let (embedded, dependent) = (Key::from(embedded), Key::from(dependent));
            let edge = Edge::key(&embedded, &dependent);
            assert_eq!(Edge::dependent(&embedded, &edge), Some(dependent.clone()));
            assert_eq!(Edge::sides(&edge), Some((embedded.clone(), dependent)));
            for other in ["p1", "pp", "x"] {
                assert_eq!(Edge::dependent(&Key::from(other), &edge), None);
            }
        }
    }
}
