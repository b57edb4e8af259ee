//! The revisions of what was written last, in memory: most comparisons then read no disk.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use xxhash_rust::xxh3::xxh3_128_with_seed;

/// So many names with equal beginnings of their hashes have room side by side.
const WAYS: usize = 8;

/// A key of a space, by a hash that no two keys share: it is as wide as that takes, and its seed is
/// drawn by each process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Name {
    /// Which shelf it stands on.
    shelf: u64,
    /// Which one of the shelf it is; never 0.
    tag: u64,
}

/// What stands under names: a revision, or nothing.
pub type Standing = HashMap<Name, Option<i64>>;

/// A memory of revisions that has its full size from the beginning: a table of shelves, each with
/// room for a few. One that finds no room takes another's, which is then read from the disk again.
#[derive(Debug)]
pub struct Revisions {
    seed: u64,
    shelves: Vec<[Entry; WAYS]>,
    next_victim: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    /// 0 where there is none.
    tag: u64,
    revision: i64,
}

impl Revisions {
    /// Remembers what fits into so many bytes.
    pub fn within(bytes: usize) -> Self {
        let shelves = (bytes / size_of::<[Entry; WAYS]>()).max(1);
        let seed = RandomState::new().hash_one(0_u8);
        Self { seed, shelves: vec![[Entry::default(); WAYS]; shelves], next_victim: 0 }
    }

    /// The name of a key of a space.
    pub fn name(&self, space: u64, key: &[u8]) -> Name {
        let hash = xxh3_128_with_seed(key, self.seed ^ space);
        let half = |hash: u128| u64::try_from(hash & u128::from(u64::MAX)).unwrap_or_default();
        Name { shelf: half(hash >> 64), tag: half(hash).max(1) }
    }

    /// The revision that stands under a name, if it is remembered.
    pub fn get(&mut self, name: Name) -> Option<i64> {
        let found = self.shelf(name)?.iter().find(|entry| entry.tag == name.tag);
        found.map(|entry| entry.revision)
    }

    /// Remembers a revision.
    pub fn set(&mut self, name: Name, revision: i64) {
        let victim = self.next_victim % WAYS;
        let Some(shelf) = self.shelf(name) else { return };
        let own = shelf.iter().position(|entry| entry.tag == name.tag);
        let free = own.or_else(|| shelf.iter().position(|entry| entry.tag == 0));
        if let Some(entry) = shelf.get_mut(free.unwrap_or(victim)) {
            *entry = Entry { tag: name.tag, revision };
        }
        if free.is_none() {
            self.next_victim += 1;
        }
    }

    /// Remembers nothing of a name any more.
    pub fn forget(&mut self, name: Name) {
        let shelf = self.shelf(name).into_iter().flatten();
        shelf.filter(|entry| entry.tag == name.tag).for_each(|entry| *entry = Entry::default());
    }

    /// Remembers nothing any more.
    pub fn forget_all(&mut self) {
        self.shelves.fill([Entry::default(); WAYS]);
    }

    fn shelf(&mut self, name: Name) -> Option<&mut [Entry; WAYS]> {
        let at = usize::try_from(name.shelf % self.shelves.len() as u64).ok()?;
        self.shelves.get_mut(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_remembers_nearly_all_that_fits_and_nothing_wrong() {
        let many = 10_000_i64;
        let mut revisions = Revisions::within(2 * 10_000 * size_of::<Entry>());
        let names: Vec<Name> =
            (0..many).map(|number| revisions.name(1, &number.to_le_bytes())).collect();
        for round in 1..4 {
            for (number, name) in (0..many).zip(&names) {
                revisions.set(*name, number * round);
                assert_eq!(revisions.get(*name), Some(number * round));
            }
        }
        let found: Vec<Option<i64>> = names.iter().map(|name| revisions.get(*name)).collect();
        let known = found.iter().flatten().count();
        assert!(known > 9_500, "only {known} are remembered");
        for (number, found) in (0..many).zip(found) {
            assert!(found.is_none_or(|found| found == number * 3), "{number} has {found:?}");
        }
    }

    #[test]
    fn many_more_than_fit_take_the_room_of_others() {
        let mut revisions = Revisions::within(1);
        let size = revisions.shelves.len();
        for number in 0..1_000_i64 {
            let name = revisions.name(1, &number.to_le_bytes());
            revisions.set(name, number);
            assert_eq!(revisions.get(name), Some(number));
        }
        assert_eq!((revisions.shelves.len(), size), (1, 1));
    }

    #[test]
    fn spaces_are_apart_and_what_is_forgotten_is_unknown() {
        let mut revisions = Revisions::within(4_096);
        let (one, other) = (revisions.name(1, b"k"), revisions.name(2, b"k"));
        assert_ne!(one, other);
        revisions.set(one, 1);
        revisions.set(other, 2);
        revisions.forget(one);
        assert_eq!((revisions.get(one), revisions.get(other)), (None, Some(2)));
        revisions.forget_all();
        assert_eq!(revisions.get(other), None);
    }
}
