//! The lives that every change has to survive, and that they can be lived again.

#![allow(clippy::print_stdout, reason = "the coverage is for people to read")]

use std::time::{Duration, Instant};

use readmill_engine::Metrics;
use readmill_sim::cut::Cut;
use readmill_sim::faults::Kind;
use readmill_sim::life::simulate;
use readmill_sim::many::{self, Lives};

/// So many lives; fewer if the time is up.
const SEEDS: u64 = 2_000;
const CHUNK: u64 = 100;
const TIME_LIMIT: Duration = Duration::from_secs(60);

#[test]
fn no_life_goes_wrong_and_every_fault_has_struck() {
    let began = Instant::now();
    let mut strikes = readmill_sim::faults::Strikes::default();
    let mut lived = 0;
    while lived < SEEDS && began.elapsed() < TIME_LIMIT {
        let lives = Lives { from: lived, seeds: CHUNK, jobs: 2, stop_at_first: true };
        let outcome = many::live(lives, &|_, _| {}).unwrap();
        let failed = outcome.failed.first();
        let what = failed.map(|report| format!("seed {}: {:?}", report.seed, report.findings));
        assert_eq!(what, None, "again: readmill-sim replay --seed N --shrink");
        strikes.add(&outcome.strikes);
        lived += CHUNK;
    }
    println!("{lived} of {SEEDS} seeds");
    strikes.counts().for_each(|(kind, count)| println!("{:<24}{count:>8}", kind.name()));
    let never: Vec<&str> =
        Kind::ALL.iter().filter(|kind| strikes.of(**kind) == 0).map(|kind| kind.name()).collect();
    assert_eq!(never, Vec::<&str>::new(), "kinds of faults that never struck");
}

#[test]
fn a_life_can_be_lived_again() {
    let metrics = Metrics::new().unwrap();
    for seed in 0..40 {
        let live = || simulate(seed, &Cut::default(), true, &metrics).unwrap();
        let (once, again) = (live(), live());
        assert!(once.history.len() > 3);
        assert_eq!(once.to_string(), again.to_string(), "seed {seed}");
    }
}

#[test]
fn what_is_cut_away_is_missing() {
    let metrics = Metrics::new().unwrap();
    let cut = Cut {
        without: Kind::ALL.iter().copied().collect(),
        acts: (0..10).collect(),
        instances: Some(1),
        ..Cut::default()
    };
    let report = simulate(3, &cut, true, &metrics).unwrap();
    assert_eq!((report.faults, report.findings), (0, Vec::new()));
}
