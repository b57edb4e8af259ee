//! About how many different items there were: exact while they are few, HyperLogLog afterwards
//! (Flajolet and others, 2007; linear counting while many registers are empty).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// So many are remembered one by one.
const FEW: usize = 128;
/// The first bits of a hash choose one of so many registers: a standard error of 2.3 percent.
const REGISTER_BITS: u32 = 11;
const REGISTERS: usize = 1 << REGISTER_BITS;

/// A set of items of which only the size is of interest. Sketches merge: that of a union is made of
/// those of its parts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sketch {
    /// The hashes of the items, while they are few.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    few: BTreeSet<i64>,
    /// Of each register the longest run of zeros, once they are many.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "crate::bytes")]
    many: Vec<u8>,
}

impl Sketch {
    /// Adds an item.
    pub fn add(&mut self, item: &str) {
        self.add_hash(xxh3_64(item.as_bytes()));
    }

    /// Adds the items of another one.
    pub fn merge(&mut self, other: &Self) {
        if !other.many.is_empty() {
            self.grow();
            for (mine, theirs) in self.many.iter_mut().zip(&other.many) {
                *mine = (*mine).max(*theirs);
            }
        }
        other.few.iter().for_each(|hash| self.add_hash(hash.cast_unsigned()));
    }

    /// About how many there are.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an estimate")]
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    pub fn estimate(&self) -> u64 {
        if self.many.is_empty() {
            return self.few.len() as u64;
        }
        let registers = REGISTERS as f64;
        let empty = self.many.iter().filter(|run| **run == 0).count();
        let inverse: f64 = self.many.iter().map(|run| 0.5_f64.powi(i32::from(*run))).sum();
        let raw = 0.7213 / (1.0 + 1.079 / registers) * registers * registers / inverse;
        let linear = registers * (registers / empty.max(1) as f64).ln();
        let estimate = if raw <= 2.5 * registers && empty > 0 { linear } else { raw };
        estimate.round() as u64
    }

    fn add_hash(&mut self, hash: u64) {
        if self.many.is_empty() {
            self.few.insert(hash.cast_signed());
            if self.few.len() > FEW {
                self.grow();
            }
            return;
        }
        let register = usize::try_from(hash >> (u64::BITS - REGISTER_BITS)).unwrap_or_default();
        let run = (hash << REGISTER_BITS).leading_zeros().min(u64::BITS - REGISTER_BITS) + 1;
        if let Some(longest) = self.many.get_mut(register) {
            *longest = (*longest).max(u8::try_from(run).unwrap_or(u8::MAX));
        }
    }

    fn grow(&mut self) {
        if !self.many.is_empty() {
            return;
        }
        self.many = vec![0; REGISTERS];
        let few = std::mem::take(&mut self.few);
        few.into_iter().for_each(|hash| self.add_hash(hash.cast_unsigned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(range: std::ops::Range<u32>) -> Sketch {
        let mut sketch = Sketch::default();
        range.for_each(|item| sketch.add(&item.to_string()));
        sketch
    }

    #[test]
    fn few_are_exact_and_many_are_near() {
        for count in [0, 1, 128] {
            assert_eq!(of(0..count).estimate(), u64::from(count));
        }
        for count in [129, 1_000, 5_000, 30_000, 200_000] {
            let off = of(0..count).estimate().abs_diff(u64::from(count));
            assert!(off * 100 <= u64::from(count) * 8, "{count}: {off} off");
        }
    }

    #[test]
    fn unions_are_as_their_parts() {
        for (a, b) in [(0..50, 40..90), (0..50, 20..400), (0..9_000, 5_000..12_000)] {
            let mut merged = of(a.clone());
            merged.merge(&of(b.clone()));
            assert_eq!(merged, of(a.start..b.end));
        }
    }

    #[test]
    fn a_sketch_survives_as_text() {
        for sketch in [of(0..0), of(0..5), of(0..500)] {
            let text = serde_json::to_string(&sketch).unwrap();
            assert_eq!(serde_json::from_str::<Sketch>(&text).unwrap(), sketch);
        }
    }
}
