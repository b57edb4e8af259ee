//! The fuzz targets on their seeds and on mutations of them, for compilers that fuzz nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::wildcard_enum_match_arm, reason = "the bodies look into some values alone")]

use std::fs;
use std::path::Path;

#[path = "../../fuzz/bodies/mod.rs"]
mod bodies;

const MUTATIONS: u64 = 3_000;

/// The seeds of a target, in the order of their names.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// The next number of a sequence that a seed determines (splitmix64).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn below(state: &mut u64, bound: usize) -> usize {
    usize::try_from(next(state) % bound.max(1) as u64).unwrap()
}

/// A seed with some bytes changed, put in, taken out, or copied from another one.
fn mutated(seeds: &[Vec<u8>], state: &mut u64) -> Vec<u8> {
    let mut input = seeds[below(state, seeds.len())].clone();
    for _ in 0..=below(state, 4) {
        let at = below(state, input.len() + 1);
        let byte = [0, 1, 2, 0x7f, 0x80, 0xff, next(state).to_le_bytes()[0]][below(state, 7)];
        match below(state, 5) {
            0 => input.insert(at, byte),
            1 => input.truncate(at),
            2 => {
                let other = &seeds[below(state, seeds.len())];
                let from = below(state, other.len() + 1);
                let to = (from + below(state, 64)).min(other.len());
                input.splice(at..at, other[from..to].iter().copied());
            }
            _ if at < input.len() => input[at] = byte,
            _ => input.push(byte),
        }
    }
    input.truncate(4_096);
    input
}

fn check(target: &str, run: fn(&[u8])) {
    let seeds = seeds(target);
    assert!(seeds.len() >= 3, "{target} has {} seeds", seeds.len());
    seeds.iter().for_each(|seed| run(seed));
    for seed in 0..MUTATIONS {
        let mut state = seed;
        let input = mutated(&seeds, &mut state);
        let done = std::panic::catch_unwind(|| run(&input));
        assert!(done.is_ok(), "{target} fails on mutation {seed}: {input:02x?}");
    }
}

#[test]
fn framing_holds() {
    check("framing", bodies::framing::run);
}

#[test]
fn plans_hold() {
    check("plan", bodies::plan::run);
}

#[test]
fn envelopes_hold() {
    check("envelope", bodies::envelope::run);
}

#[test]
fn columns_hold() {
    check("semantic", |input| {
        let _ = bodies::semantic::run(input);
    });
    for (place, seed) in seeds("semantic").iter().enumerate() {
        assert!(bodies::semantic::run(seed), "seed {place} of semantic does not fit its schema");
    }
}
