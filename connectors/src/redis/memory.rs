//! What a writer remembers of the revisions that were acknowledged to it: a second net, under the
//! tide, for single documents that somebody has set back.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use xxhash_rust::xxh3::xxh3_64;

/// So many documents are remembered at least, and twice as many at most.
const REMEMBERED_DOCUMENTS: usize = 1 << 15;

/// Two generations of revisions, by the hashes of their keys: when the younger is full, the elder
/// is forgotten.
#[derive(Debug, Default)]
pub struct Memory {
    generations: Mutex<[HashMap<u64, i64>; 2]>,
}

impl Memory {
    /// A revision was acknowledged, of a document that stands until it is written again; or one
    /// that may go by itself.
    pub fn acknowledged(&self, key: &str, revision: Option<i64>) {
        let hash = xxh3_64(key.as_bytes());
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        let [young, old] = &mut *generations;
        old.remove(&hash);
        match revision {
            Some(revision) => young.insert(hash, revision),
            None => young.remove(&hash),
        };
        if young.len() >= REMEMBERED_DOCUMENTS {
            *old = std::mem::take(young);
        }
    }

    /// Whether a document stands lower than was expected of it, and was acknowledged. One that is
    /// missing does not: it may have been erased.
    pub fn was_set_back(&self, key: &str, expected: i64, stored: i64) -> bool {
        let hash = xxh3_64(key.as_bytes());
        let generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        let known = generations.iter().find_map(|generation| generation.get(&hash));
        // Another's acknowledgement may have come after the answer was given.
        (1..expected).contains(&stored) && known.is_some_and(|known| expected <= *known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_acknowledged_and_stands_can_have_been_set_back() {
        let memory = Memory::default();
        memory.acknowledged("a", Some(7));
        memory.acknowledged("b", Some(7));
        memory.acknowledged("b", None);
        let table = [(7, 6, true), (7, 7, false), (7, 9, false), (7, 0, false)];
        for (expected, stored, wanted) in table.into_iter().chain([(8, 6, false), (6, 6, false)]) {
            let found = memory.was_set_back("a", expected, stored);
            assert_eq!(found, wanted, "{expected} {stored}");
        }
        assert!(!memory.was_set_back("b", 7, 6) && !memory.was_set_back("c", 7, 6));
        // It is forgotten in the end, and not before as many others came.
        for n in 0..REMEMBERED_DOCUMENTS {
            memory.acknowledged(&n.to_string(), Some(1));
        }
        assert!(memory.was_set_back("a", 7, 6));
        for n in 0..REMEMBERED_DOCUMENTS {
            memory.acknowledged(&format!("x{n}"), Some(1));
        }
        assert!(!memory.was_set_back("a", 7, 6));
    }
}
