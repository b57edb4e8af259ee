//! Guards taken down one by one: without any of them some life must go wrong.

use readmill_core::Guard;
use readmill_core::guard::take_down;

use crate::cut::Cut;
use crate::life::simulate;

/// The first seed that goes wrong without a guard, and what is found in it; none of so many if the
/// guard is not missed.
///
/// # Errors
/// When there is no runtime to be had from the machine.
pub fn killer(guard: Guard, seeds: u64) -> std::io::Result<Option<(u64, &'static str)>> {
    let metrics = readmill_engine::Metrics::new().map_err(std::io::Error::other)?;
    take_down(Some(guard));
    for seed in 0..seeds {
        let report = simulate(seed, &Cut::default(), false, &metrics)?;
        if let Some(finding) = report.findings.first() {
            take_down(None);
            return Ok(Some((seed, finding.invariant())));
        }
    }
    take_down(None);
    Ok(None)
}
