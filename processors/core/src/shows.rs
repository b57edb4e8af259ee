//! How a document shows in its mirror: by itself, and as a member of collections.

use serde_json::{Map, Value};

/// What a living document shows; what is empty is not shown.
///
/// In a collection the document is a member under its own key, so that each member can be
/// explained by the one document that it stands for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Shows {
    /// The fields of a hash of its own.
    pub hash: Vec<(&'static str, String)>,
    /// A JSON text of its own.
    pub json: Option<Map<String, Value>>,
    /// The collections that it is in.
    pub places: Vec<Place>,
}

/// A place in a collection that many documents share.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// Which collection.
    pub collection: Collection,
    /// By what its members are sorted, where they are. A score that is no number is 0.
    pub score: f64,
}

/// A collection of keys.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Collection {
    /// A set, by its name.
    Set(String),
    /// A sorted set, by its name.
    Sorted(String),
}

impl Shows {
    /// A hash with these fields.
    pub fn hash(fields: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        Self { hash: fields.into_iter().collect(), ..Self::default() }
    }

    /// And a JSON text with these members.
    #[must_use]
    pub fn json<N: Into<String>>(mut self, members: impl IntoIterator<Item = (N, Value)>) -> Self {
        self.json = Some(members.into_iter().map(|(name, value)| (name.into(), value)).collect());
        self
    }

    /// And it is a member of a set.
    #[must_use]
    pub fn in_set(self, name: impl Into<String>) -> Self {
        self.at(Collection::Set(name.into()), 0.0)
    }

    /// And it is a member of a sorted set, with this score.
    #[must_use]
    pub fn sorted(self, name: impl Into<String>, score: f64) -> Self {
        self.at(Collection::Sorted(name.into()), score)
    }

    /// And it is a member of a sorted set, with a whole number as its score. It is exact up to
    /// 2^53, as milliseconds are for the next 285,000 years.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "the scores of sorted sets are doubles")]
    pub fn ranked(self, name: impl Into<String>, score: i64) -> Self {
        self.sorted(name, score as f64)
    }

    /// The last word counts where a collection is named twice.
    fn at(mut self, collection: Collection, score: f64) -> Self {
        let score = if score.is_nan() { 0.0 } else { score };
        self.places.retain(|place| place.collection != collection);
        self.places.push(Place { collection, score });
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_in_a_collection_once_and_with_a_number() {
        let shows = Shows::default().sorted("top", 3.0).in_set("top").sorted("top", f64::NAN);
        let places: Vec<(Collection, f64)> =
            shows.places.into_iter().map(|place| (place.collection, place.score)).collect();
        let (set, sorted) = (Collection::Set("top".into()), Collection::Sorted("top".into()));
        assert_eq!(places, [(set, 0.0), (sorted, 0.0)]);
    }
}
