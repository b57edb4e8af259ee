//! Many lives, one seed after the other, on several threads.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use readmill_engine::Metrics;

use crate::cut::Cut;
use crate::faults::Strikes;
use crate::life::{Report, simulate};

/// Which lives.
#[derive(Debug, Clone, Copy)]
pub struct Lives {
    /// The first seed.
    pub from: u64,
    /// How many.
    pub seeds: u64,
    /// On so many threads.
    pub jobs: usize,
    /// Stop at the first that goes wrong.
    pub stop_at_first: bool,
}

/// What many lives came to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// How many were lived.
    pub lived: u64,
    /// How many went wrong.
    pub violations: u64,
    /// The first of them, by seed.
    pub failed: Vec<Report>,
    /// How often each fault struck in all of them.
    pub strikes: Strikes,
}

/// So many reports of lives that went wrong are kept.
const KEPT_REPORTS: usize = 20;

/// Lives them. `progress` is told now and then how many are done and how many went wrong.
///
/// # Errors
/// When there is no runtime to be had from the machine.
pub fn live(lives: Lives, progress: &(dyn Fn(u64, u64) + Sync)) -> std::io::Result<Outcome> {
    let next = AtomicU64::new(0);
    let over = AtomicBool::new(false);
    let outcome = Mutex::new(Outcome::default());
    let with = |note: &mut dyn FnMut(&mut Outcome)| {
        note(&mut outcome.lock().unwrap_or_else(PoisonError::into_inner));
    };
    let work = || -> std::io::Result<()> {
        let metrics = Metrics::new().map_err(std::io::Error::other)?;
        while !over.load(Ordering::Relaxed) {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= lives.seeds {
                break;
            }
            let report = simulate(lives.from + n, &Cut::default(), false, &metrics)?;
            if lives.stop_at_first && !report.findings.is_empty() {
                over.store(true, Ordering::Relaxed);
            }
            with(&mut |outcome| outcome.add(report.clone(), progress));
        }
        Ok(())
    };
    thread::scope(|scope| {
        let jobs: Vec<_> = (0..lives.jobs.max(1)).map(|_| scope.spawn(work)).collect();
        for job in jobs {
            job.join().map_err(|_| std::io::Error::other("a life panicked"))??;
        }
        Ok::<(), std::io::Error>(())
    })?;
    let mut outcome = outcome.into_inner().unwrap_or_else(PoisonError::into_inner);
    outcome.failed.sort_by_key(|report| report.seed);
    Ok(outcome)
}

impl Outcome {
    fn add(&mut self, report: Report, progress: &(dyn Fn(u64, u64) + Sync)) {
        self.lived += 1;
        self.strikes.add(&report.strikes);
        if !report.findings.is_empty() {
            self.violations += 1;
            if self.failed.len() < KEPT_REPORTS {
                self.failed.push(report);
            }
        }
        progress(self.lived, self.violations);
    }
}
