//! The clock, which jumps.

use readmill_engine::Clock;

use super::World;

/// A clock of the world.
#[derive(Debug)]
pub struct SimClock(
    /// The world.
    pub World,
);

impl Clock for SimClock {
    fn now_ms(&self) -> i64 {
        let now_ms = i64::try_from(self.0.now_ms()).unwrap_or(i64::MAX);
        self.0.look(|world| {
            if world.fates.strikes(crate::faults::Kind::ClockJump) {
                let jump = i64::try_from(world.fates.between(0, 200_000)).unwrap_or(0);
                world.clock_ms += jump - 100_000;
            }
            now_ms + world.clock_ms
        })
    }
}
