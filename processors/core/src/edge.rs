//! Who embeds a document: an edge for each of them, so that a document embedded a million times is
//! no larger than any other, and those who embed it can be told page by page.

use readmill_schemas::points::PointsEvent;
use serde::{Deserialize, Serialize};

use crate::model::{Admit, Folded, Key, Keys, ReadModel, Standing};

/// An edge: a document embeds another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// The revision of the document that embeds, when it said so last.
    pub since: i64,
    /// Whether it has looked since what stands there: from then on it is told of changes only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub looked: bool,
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

    /// The document that embeds, of an edge of `embedded`.
    pub fn dependent(embedded: &Key, edge: &Key) -> Option<Key> {
        edge.as_str().strip_prefix(&Self::of(embedded)).map(Key::from)
    }
}

/// Edges as documents, so that every store keeps them by compare-and-set.
#[derive(Debug)]
pub struct Edges;

impl ReadModel for Edges {
    const NAME: &'static str = "edges";
    const FOLD_VERSION: u32 = 1;
    const ABOUT: &'static str = "which documents embed which";

    type Event = PointsEvent;
    type State = Edge;

    fn keys(_: &PointsEvent) -> Keys {
        Keys::None
    }

    fn admit(_: Standing<'_, Edge>, _: &PointsEvent) -> Admit {
        Admit::Stale
    }

    fn fold(state: Option<Edge>, _: &PointsEvent) -> Folded<Edge> {
        state.map_or_else(Folded::gone, Folded::next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_of_a_document_are_those_of_no_other() {
        for (embedded, dependent) in [("p", "d"), ("p>", "d"), ("", ""), ("1:p", ">")] {
            let (embedded, dependent) = (Key::from(embedded), Key::from(dependent));
            let edge = Edge::key(&embedded, &dependent);
            assert_eq!(Edge::dependent(&embedded, &edge), Some(dependent));
            for other in ["p1", "pp", "x"] {
                assert_eq!(Edge::dependent(&Key::from(other), &edge), None);
            }
        }
    }
}
