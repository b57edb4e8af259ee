//! How those generations come along that readers do not see, as metrics of their model.

use readmill_engine::{Meter, Metrics};

/// What such a generation is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It takes records in.
    Folding,
    /// It has no leave to.
    Resting,
    /// It stopped with a fault.
    Failed,
    /// It has read all that there is.
    Ended,
}

impl State {
    const ALL: [Self; 4] = [Self::Folding, Self::Resting, Self::Failed, Self::Ended];

    const fn name(self) -> &'static str {
        match self {
            Self::Folding => "folding",
            Self::Resting => "resting",
            Self::Failed => "failed",
            Self::Ended => "ended",
        }
    }
}

/// How one of them stands.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    /// What it is doing.
    pub state: State,
    /// Records that it has taken in.
    pub done: u64,
    /// Records that it has not settled, if that is known.
    pub left: Option<i64>,
}

/// Those of one model together.
#[derive(Debug, Default)]
pub struct Rebuilds {
    states: Vec<State>,
    done: u64,
    left: Option<i64>,
}

impl Rebuilds {
    /// Of these.
    pub fn of(all: impl Iterator<Item = Standing>) -> Self {
        let mut rebuilds = Self::default();
        for Standing { state, done, left } in all {
            rebuilds.states.push(state);
            rebuilds.done += done;
            rebuilds.left = rebuilds.left.map_or(left, |sum| Some(sum + left.unwrap_or(0)));
        }
        rebuilds
    }

    /// Shows them; of none nothing is shown.
    pub fn show(&self, metrics: &Metrics, model: &str) {
        for state in State::ALL {
            let many = self.states.iter().filter(|found| **found == state).count();
            let labels = [model, state.name()];
            if self.states.is_empty() {
                metrics.remove(Meter::RebuildState, &labels);
            } else {
                metrics.set(Meter::RebuildState, &labels, i64::try_from(many).unwrap_or(i64::MAX));
            }
        }
        let done = (!self.states.is_empty()).then(|| i64::try_from(self.done).unwrap_or(i64::MAX));
        for (meter, value) in [(Meter::RebuildDone, done), (Meter::RebuildLag, self.left)] {
            match value {
                Some(value) => metrics.set(meter, &[model], value),
                None => metrics.remove(meter, &[model]),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_shown_together_while_there_are_any() {
        let metrics = Metrics::new().unwrap();
        let one = |state, done, left| Standing { state, done, left };
        let two = [one(State::Folding, 7, Some(3)), one(State::Failed, 5, None)];
        Rebuilds::of(two.into_iter()).show(&metrics, "points");
        let text = metrics.render().unwrap();
        for line in [
            "readmill_rebuild_done_records{model=\"points\"} 12",
            "readmill_rebuild_lag_records{model=\"points\"} 3",
            "readmill_rebuild_state{model=\"points\",state=\"failed\"} 1",
            "readmill_rebuild_state{model=\"points\",state=\"resting\"} 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
        Rebuilds::default().show(&metrics, "points");
        assert!(!metrics.render().unwrap().contains("readmill_rebuild"));
    }
}
