//! The keys that most records are for: a bounded sketch for each model, never a label.
//!
//! Space-Saving: a model has so many counters, each with a key. A key without one takes over the
//! lowest counter, with its count, by which it may be too high from then on. So every key that has
//! had more than its share (all records divided by the number of counters) is there, no count is
//! too low, and each says by how much it may be too high. With time all counts are halved.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use readmill_core::Key;
use xxhash_rust::xxh3::xxh3_64;

/// So many keys of a model are counted.
const COUNTERS: usize = 64;
/// Counts are halved after so long.
pub const HALF_LIFE_MS: i64 = 60_000;
/// A longer key is shown by its beginning; it is told from others by its hash.
const LONGEST_KEY_BYTES: usize = 256;

/// The sketches of all models; cheap to clone.
#[derive(Debug, Clone)]
pub struct HotKeys {
    /// None where nothing is measured.
    sketches: Option<Arc<Mutex<Sketches>>>,
}

type Sketches = BTreeMap<&'static str, Arc<Mutex<Sketch>>>;

/// What is seen of a model's keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// How many records there were, halved like the counts.
    pub records: u64,
    /// The hottest first.
    pub keys: Vec<HotKey>,
}

/// A key, and how many records were for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HotKey {
    /// The key, or its beginning.
    pub key: String,
    /// How many records; never too few.
    pub count: u64,
    /// By how many that may be too many.
    pub at_most_over_by: u64,
}

#[derive(Debug, Default)]
struct Sketch {
    /// The hashes of the keys, which are all that is looked at of most.
    hashes: Vec<u64>,
    counts: Vec<u64>,
    /// The keys themselves, with what they may be too high by.
    slots: Vec<(String, u64)>,
    records: u64,
    halved_ms: i64,
}

impl Default for HotKeys {
    fn default() -> Self {
        Self { sketches: Some(Arc::default()) }
    }
}

impl HotKeys {
    /// Counts nothing.
    pub const fn off() -> Self {
        Self { sketches: None }
    }

    /// Counts the records of a batch by the keys that they are for.
    pub fn count<'k>(
        &self,
        model: &'static str,
        keys: impl Iterator<Item = (&'k Key, usize)>,
        now_ms: i64,
    ) {
        if let Some(sketch) = self.sketch(model) {
            let mut sketch = sketch.lock().unwrap_or_else(PoisonError::into_inner);
            sketch.halve(now_ms);
            keys.for_each(|(key, records)| sketch.add(key.as_str(), records as u64));
        }
    }

    /// What is seen of a model's keys by now.
    pub fn seen(&self, model: &'static str, now_ms: i64) -> Seen {
        self.sketch(model).map_or_else(Seen::default, |sketch| {
            let mut sketch = sketch.lock().unwrap_or_else(PoisonError::into_inner);
            sketch.halve(now_ms);
            sketch.seen()
        })
    }

    /// Forgets all keys of a model: some are those of persons who are forgotten.
    pub fn forget(&self, model: &'static str) {
        if let Some(sketch) = self.sketch(model) {
            *sketch.lock().unwrap_or_else(PoisonError::into_inner) = Sketch::default();
        }
    }

    fn sketch(&self, model: &'static str) -> Option<Arc<Mutex<Sketch>>> {
        let mut all = self.sketches.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(all.entry(model).or_default()))
    }
}

impl Sketch {
    fn add(&mut self, key: &str, records: u64) {
        if records == 0 {
            return;
        }
        self.records += records;
        let hash = xxh3_64(key.as_bytes());
        if let Some(count) = self
            .hashes
            .iter()
            .position(|known| *known == hash)
            .and_then(|at| self.counts.get_mut(at))
        {
            *count += records;
            return;
        }
        if self.hashes.len() < COUNTERS {
            self.hashes.push(hash);
            self.counts.push(records);
            self.slots.push((shown(key).to_owned(), 0));
            return;
        }
        self.take_over(hash, key, records);
    }

    /// Gives the lowest counter to another key.
    fn take_over(&mut self, hash: u64, key: &str, records: u64) {
        let lowest = self.counts.iter().copied().min().unwrap_or(0);
        let Some(at) = self.counts.iter().position(|count| *count == lowest) else { return };
        let slot = (self.hashes.get_mut(at), self.counts.get_mut(at), self.slots.get_mut(at));
        if let (Some(known), Some(count), Some((name, over))) = slot {
            *known = hash;
            *count += records;
            *over = lowest;
            name.clear();
            name.push_str(shown(key));
        }
    }

    fn halve(&mut self, now_ms: i64) {
        if self.halved_ms == 0 || now_ms < self.halved_ms {
            self.halved_ms = now_ms;
            return;
        }
        let times = (now_ms - self.halved_ms) / HALF_LIFE_MS;
        if times == 0 {
            return;
        }
        self.halved_ms += times * HALF_LIFE_MS;
        let times = u32::try_from(times).unwrap_or(u32::MAX);
        let less = |n: &mut u64| *n = n.checked_shr(times).unwrap_or(0);
        // What a count may be too high by is rounded up: the bound must hold.
        let less_up = |n: &mut u64| {
            let rest = n.trailing_zeros() < times && *n > 0;
            *n = n.checked_shr(times).unwrap_or(0) + u64::from(rest);
        };
        less(&mut self.records);
        self.counts.iter_mut().for_each(less);
        self.slots.iter_mut().for_each(|(_, over)| less_up(over));
    }

    fn seen(&self) -> Seen {
        let slots = self.slots.iter().zip(&self.counts).filter(|(_, count)| **count > 0);
        let mut keys: Vec<HotKey> = slots
            .map(|((key, over), count)| {
                let at_most_over_by = (*over).min(*count);
                HotKey { key: key.clone(), count: *count, at_most_over_by }
            })
            .collect();
        keys.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.key.cmp(&b.key)));
        Seen { records: self.records, keys }
    }
}

/// A key as it is shown: at most so many bytes of it, ending with a whole letter.
fn shown(key: &str) -> &str {
    let end = (0..=LONGEST_KEY_BYTES.min(key.len())).rev().find(|at| key.is_char_boundary(*at));
    key.get(..end.unwrap_or(0)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: &str = "points";

    fn key(n: u64) -> Key {
        Key(format!("k{n}"))
    }

    /// A stream in which key `n` comes about `1 / (n + 1)` as often as key 0, and its counts.
    fn skewed(hot: &HotKeys, records: u64) -> BTreeMap<String, u64> {
        let mut truth: BTreeMap<String, u64> = BTreeMap::new();
        let mut lot = 7_u64;
        for n in 0..records {
            lot = lot.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
            let share = 1 + (lot >> 33) % 1000;
            let drawn = if n % 3 == 0 { 1_000_000 + n } else { 1000 / share - 1 };
            *truth.entry(key(drawn).0).or_default() += 1;
            hot.count(MODEL, [(&key(drawn), 1)].into_iter(), 1);
        }
        truth
    }

    #[test]
    fn no_count_is_too_low_and_none_too_high_by_more_than_it_says() {
        let hot = HotKeys::default();
        let truth = skewed(&hot, 30_000);
        let seen = hot.seen(MODEL, 1);
        assert_eq!((seen.records, seen.keys.len()), (30_000, COUNTERS));
        for HotKey { key, count, at_most_over_by } in &seen.keys {
            let real = truth[key];
            assert!(*count >= real && count - at_most_over_by <= real, "{key}: {count}, {real}");
        }
        let share = 30_000 / COUNTERS as u64;
        for (key, real) in truth.iter().filter(|(_, real)| **real > share) {
            assert!(seen.keys.iter().any(|found| found.key == *key), "{key}: {real}");
        }
        assert_eq!(seen.keys[0].key, "k0");
    }

    #[test]
    fn the_sketch_does_not_grow_with_keys_nor_with_their_lengths() {
        let hot = HotKeys::default();
        let long = "é".repeat(10_000);
        for n in 0..10_000 {
            hot.count(MODEL, [(&Key(format!("{long}{n}")), 1)].into_iter(), 1);
        }
        let seen = hot.seen(MODEL, 1);
        assert_eq!(seen.keys.len(), COUNTERS);
        assert!(seen.keys.iter().all(|found| found.key.len() <= LONGEST_KEY_BYTES));
    }

    #[test]
    fn what_was_hot_long_ago_fades() {
        let hot = HotKeys::default();
        hot.count(MODEL, [(&key(1), 1000)].into_iter(), 1);
        hot.count(MODEL, [(&key(2), 300)].into_iter(), 1 + HALF_LIFE_MS * 2);
        let seen = hot.seen(MODEL, 1 + HALF_LIFE_MS * 2);
        let counts: Vec<u64> = seen.keys.iter().map(|key| key.count).collect();
        assert_eq!((seen.records, counts), (550, vec![300, 250]));
        assert_eq!(hot.seen(MODEL, 1 + HALF_LIFE_MS * 99), Seen::default());
    }

    #[test]
    fn a_key_may_be_too_high_by_what_it_took_over_also_when_that_is_halved() {
        let hot = HotKeys::default();
        for n in 0..COUNTERS as u64 {
            hot.count(MODEL, [(&key(n), 3)].into_iter(), 1);
        }
        hot.count(MODEL, [(&key(999), 1)].into_iter(), 1);
        let of = |now_ms| {
            let seen = hot.seen(MODEL, now_ms);
            let found = seen.keys.into_iter().find(|found| found.key == "k999").unwrap();
            (found.count, found.at_most_over_by)
        };
        assert_eq!(of(1), (4, 3));
        assert_eq!(of(1 + HALF_LIFE_MS), (2, 2));
    }

    #[test]
    fn forgetting_leaves_no_key_and_nothing_is_counted_where_nothing_is_measured() {
        let hot = HotKeys::default();
        hot.count(MODEL, [(&key(1), 5)].into_iter(), 1);
        hot.forget(MODEL);
        assert_eq!(hot.seen(MODEL, 1), Seen::default());
        let off = HotKeys::off();
        off.count(MODEL, [(&key(1), 5)].into_iter(), 1);
        assert_eq!(off.seen(MODEL, 1), Seen::default());
    }
}
