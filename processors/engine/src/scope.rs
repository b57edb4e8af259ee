//! Which keys are meant: of a comparison, or of a fold that is for some of them alone.

use std::collections::BTreeSet;
use std::sync::Arc;

use readmill_core::Key;

/// Some keys of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All, and roll-ups, edges and views with them.
    All,
    /// Those that begin so.
    Prefix(String),
    /// Those from one on and before another, in the order of their bytes; open where none is named.
    Range {
        /// The first one.
        from: Option<Key>,
        /// The first one that is not meant any more.
        to: Option<Key>,
    },
    /// These.
    Keys(BTreeSet<Key>),
    /// About so many, drawn from all by a seed, with what is beside them in the order of keys.
    Sample {
        /// How many.
        many: usize,
        /// The same draws the same of the same documents.
        seed: u64,
    },
}

impl Scope {
    /// Whether a key may be meant. Of a sample nobody knows before it is drawn.
    pub fn covers(&self, key: &Key) -> bool {
        match self {
            Self::All | Self::Sample { .. } => true,
            Self::Prefix(prefix) => key.as_str().starts_with(prefix),
            Self::Range { from, to } => {
                from.as_ref().is_none_or(|from| key >= from)
                    && to.as_ref().is_none_or(|to| key < to)
            }
            Self::Keys(keys) => keys.contains(key),
        }
    }
}

/// The keys for which alone a log is read; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Only(Option<Arc<Scope>>);

impl Only {
    /// For these.
    pub fn of(scope: Scope) -> Self {
        Self(Some(Arc::new(scope)))
    }

    /// Whether a key is among them.
    pub fn covers(&self, key: &Key) -> bool {
        self.0.as_ref().is_none_or(|scope| scope.covers(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_covers_what_it_names_and_nothing_beside_it() {
        let key = |text: &str| Some(Key::from(text));
        let table = [
            (Scope::All, "abcd"),
            (Scope::Prefix("b".to_owned()), "b"),
            (Scope::Range { from: key("b"), to: key("d") }, "bc"),
            (Scope::Range { from: None, to: key("c") }, "ab"),
            (Scope::Range { from: key("c"), to: None }, "cd"),
            (Scope::Range { from: key("c"), to: key("c") }, ""),
            (Scope::Keys(BTreeSet::from([Key::from("a"), Key::from("d")])), "ad"),
        ];
        for (scope, wanted) in table {
            let only = Only::of(scope.clone());
            let covered = |name: &&str| only.covers(&Key::from(*name));
            let found: String = ["a", "b", "c", "d"].into_iter().filter(covered).collect();
            assert_eq!(found, wanted, "{scope:?}");
        }
        assert!(Only::default().covers(&Key::from("any")));
    }
}
