//! Whether the loops are alive: what a health check sees.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use readmill_core::Partition;

/// The pulse of a process: each loop beats when it makes progress.
#[derive(Debug, Clone, Default)]
pub struct Pulse {
    loops: Arc<Mutex<Loops>>,
}

#[derive(Debug, Default)]
struct Loops {
    /// What each partition worker is doing, and since when.
    partitions: BTreeMap<(&'static str, Partition), Doing>,
    /// When each log last showed that it is being polled.
    logs: BTreeMap<&'static str, Instant>,
}

#[derive(Debug, Clone, Copy)]
enum Doing {
    Idle,
    Since(Instant),
}

/// How the loops of a model stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// For how long the slowest one has made no progress.
    pub longest: Duration,
    /// How many have made none for longer than they may.
    pub stuck: usize,
}

impl Pulse {
    /// A worker has records in its hands.
    pub fn busy(&self, model: &'static str, partition: &Partition) {
        let doing = Doing::Since(Instant::now());
        self.with(|loops| loops.partitions.insert((model, partition.clone()), doing));
    }

    /// A worker has settled what it had.
    pub fn idle(&self, model: &'static str, partition: &Partition) {
        self.with(|loops| loops.partitions.insert((model, partition.clone()), Doing::Idle));
    }

    /// A worker has let go of its partition.
    pub fn released(&self, model: &'static str, partition: &Partition) {
        self.with(|loops| loops.partitions.remove(&(model, partition.clone())));
    }

    /// A log's loop has come round.
    pub fn polled(&self, log: &'static str) {
        self.with(|loops| loops.logs.insert(log, Instant::now()));
    }

    /// A log has ended for good, as an archive does.
    pub fn ended(&self, log: &'static str) {
        self.with(|loops| loops.logs.remove(log));
    }

    /// What has made no progress for `limit`, in words.
    pub fn stuck(&self, limit: Duration) -> Vec<String> {
        self.with(|loops| {
            let workers = loops.partitions.iter().filter_map(|((model, partition), doing)| {
                let Doing::Since(since) = doing else {
                    return None;
                };
                let seconds = since.elapsed().as_secs();
                (since.elapsed() > limit)
                    .then(|| format!("{model}: {partition} has made no progress for {seconds} s"))
            });
            let logs = loops.logs.iter().filter_map(|(log, polled)| {
                let seconds = polled.elapsed().as_secs();
                (polled.elapsed() > limit).then(|| format!("{log}: not polled for {seconds} s"))
            });
            workers.chain(logs).collect()
        })
    }

    /// For how long the slowest loop of each log and model has made no progress, and how many have
    /// made none for `limit`; a loop without work in hand is not among the workers.
    pub fn standing(&self, limit: Duration) -> BTreeMap<&'static str, Standing> {
        self.with(|loops| {
            let mut all: BTreeMap<&'static str, Standing> = BTreeMap::new();
            let idle = loops.partitions.keys().map(|(model, _)| (*model, None));
            let workers = loops.partitions.iter().filter_map(|((model, _), doing)| match doing {
                Doing::Idle => None,
                Doing::Since(since) => Some((*model, Some(*since))),
            });
            let logs = loops.logs.iter().map(|(log, polled)| (*log, Some(*polled)));
            for (name, since) in idle.chain(workers).chain(logs) {
                let standing = all.entry(name).or_default();
                let Some(lasts) = since.map(|since| since.elapsed()) else { continue };
                standing.longest = standing.longest.max(lasts);
                standing.stuck += usize::from(lasts > limit);
            }
            all
        })
    }

    fn with<T>(&self, look: impl FnOnce(&mut Loops) -> T) -> T {
        look(&mut self.loops.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_loop_is_stuck_after_the_limit_and_an_idle_one_never() {
        let pulse = Pulse::default();
        let partition = Partition::new("t", 0);
        pulse.busy("points", &partition);
        pulse.polled("kafka");
        assert_eq!(pulse.stuck(Duration::ZERO).len(), 2);
        let standing = pulse.standing(Duration::ZERO);
        assert_eq!((standing["points"].stuck, standing["kafka"].stuck), (1, 1));
        assert!(standing["points"].longest > Duration::ZERO);
        let patient = pulse.standing(Duration::from_secs(60));
        assert_eq!((patient["points"].stuck, patient["kafka"].stuck), (0, 0));
        assert!(pulse.stuck(Duration::from_secs(60)).is_empty());
        pulse.idle("points", &partition);
        assert_eq!(pulse.standing(Duration::ZERO)["points"], Standing::default());
        pulse.ended("kafka");
        assert!(pulse.stuck(Duration::ZERO).is_empty());
    }
}
