//! Shrinking: the least of a life that still goes wrong in the same way.

use std::collections::BTreeSet;

use readmill_engine::Metrics;

use crate::cut::Cut;
use crate::faults::Kind;
use crate::life::{Report, simulate};

/// No more lives than this are lived to shrink one.
const MOST_TRIES: usize = 3_000;

/// A shrunk life.
#[derive(Debug)]
pub struct Shrunk {
    /// What it goes without.
    pub cut: Cut,
    /// What it came to, with its history.
    pub report: Report,
}

/// Shrinks a life that went wrong.
///
/// # Errors
/// When there is no runtime to be had from the machine.
pub fn shrink(report: &Report, cut: &Cut, metrics: &Metrics) -> std::io::Result<Shrunk> {
    let wanted = invariants(report);
    let mut shrinking =
        Shrinking { seed: report.seed, wanted, cut: cut.clone(), metrics, tries: 0 };
    let mut size = usize::MAX;
    while shrinking.size() < size && shrinking.tries < MOST_TRIES {
        size = shrinking.size();
        shrinking.pass()?;
    }
    let report = simulate(report.seed, &shrinking.cut, true, metrics)?;
    Ok(Shrunk { cut: shrinking.cut, report })
}

fn invariants(report: &Report) -> BTreeSet<&'static str> {
    report.findings.iter().map(crate::check::Finding::invariant).collect()
}

struct Shrinking<'m> {
    seed: u64,
    wanted: BTreeSet<&'static str>,
    cut: Cut,
    metrics: &'m Metrics,
    tries: usize,
}

impl Shrinking<'_> {
    /// How little is cut away; the less, the bigger the life.
    fn size(&self) -> usize {
        let Cut { without, rows, acts, quiet, instances } = &self.cut;
        let cut = without.len() + rows.len() + acts.len() + quiet.len();
        usize::MAX / 2 - cut - usize::from(instances.is_some())
    }

    fn pass(&mut self) -> std::io::Result<()> {
        for instances in 1..=2 {
            if self.cut.instances.is_none() {
                self.try_cut(|cut| cut.instances = Some(instances))?;
            }
        }
        for kind in Kind::ALL {
            if !self.cut.without.contains(kind) {
                self.try_cut(|cut| {
                    cut.without.insert(*kind);
                })?;
            }
        }
        let Some(report) = self.run(&self.cut.clone())? else { return Ok(()) };
        let most = |numbers: &BTreeSet<usize>| numbers.last().map_or(0, |last| last + 1);
        let acts = report.acts + most(&self.cut.acts);
        self.drop_numbers(0..acts, |cut| &mut cut.acts)?;
        let rows = report.rows + self.cut.rows.len();
        self.drop_numbers(0..rows, |cut| &mut cut.rows)?;
        self.drop_numbers(1..report.faults + 1, |cut| &mut cut.quiet)
    }

    /// Drops halves, quarters, and so on down to single ones.
    fn drop_numbers(
        &mut self,
        all: std::ops::Range<usize>,
        which: impl Fn(&mut Cut) -> &mut BTreeSet<usize>,
    ) -> std::io::Result<()> {
        let mut step = all.len().div_ceil(2).max(1);
        loop {
            let mut from = all.start;
            while from < all.end {
                let to = (from + step).min(all.end);
                self.try_cut(|cut| which(cut).extend(from..to))?;
                from = to;
            }
            if step == 1 || self.tries >= MOST_TRIES {
                return Ok(());
            }
            step = step.div_ceil(2);
        }
    }

    /// Keeps a cut if the life without that still goes wrong in the same way.
    fn try_cut(&mut self, more: impl FnOnce(&mut Cut)) -> std::io::Result<()> {
        let mut cut = self.cut.clone();
        more(&mut cut);
        if cut != self.cut && self.run(&cut)?.is_some() {
            self.cut = cut;
        }
        Ok(())
    }

    fn run(&mut self, cut: &Cut) -> std::io::Result<Option<Report>> {
        self.tries += 1;
        let report = simulate(self.seed, cut, false, self.metrics)?;
        let same = invariants(&report).iter().any(|invariant| self.wanted.contains(invariant));
        Ok(same.then_some(report))
    }
}
