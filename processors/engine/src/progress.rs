//! How far a partition has come, for those who watch: metrics, and the pulse of its work.

use readmill_core::{Partition, ReadModel, ResumeAt};

use crate::metrics::{Meter, Metrics, PartitionLabels};
use crate::open::Open;
use crate::pulse::Pulse;

/// One partition's progress. It is taken off the display when the partition is let go.
#[derive(Debug)]
pub struct Progress {
    model: &'static str,
    partition: Partition,
    metrics: Metrics,
    pulse: Pulse,
    /// Since when it has stood where it stands, with records open; none when nothing is open.
    at: Option<ResumeAt>,
}

impl Progress {
    /// Of a partition that was assigned.
    pub fn of<M: ReadModel>(partition: &Partition, metrics: Metrics, pulse: Pulse) -> Self {
        Self { model: M::NAME, partition: partition.clone(), metrics, pulse, at: None }
    }

    /// It asks what it must know before its first record.
    pub fn begin(&self) {
        self.pulse.busy(self.model, &self.partition);
    }

    /// It knows.
    pub fn begun(&self) {
        self.pulse.idle(self.model, &self.partition);
    }

    /// Shows how it stands after a turn. The pulse beats when the position to resume at moves, not
    /// when more records come: work that hangs must not hide behind them.
    pub fn show(&mut self, open: &Open) {
        let at = (open.records() > 0).then(|| open.resume_at());
        match at {
            None => self.pulse.idle(self.model, &self.partition),
            Some(_) if at == self.at => {}
            Some(_) => self.pulse.busy(self.model, &self.partition),
        }
        self.at = at;
        let place = PartitionLabels::of(self.model, &self.partition);
        let labels = place.as_array();
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.metrics.set(Meter::ResumeAt, &labels, open.resume_at().value());
        self.metrics.set(Meter::OpenRecords, &labels, count(open.records()));
        self.metrics.set(Meter::OpenBytes, &labels, count(open.bytes()));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        let place = PartitionLabels::of(self.model, &self.partition);
        for meter in [Meter::ResumeAt, Meter::OpenRecords, Meter::OpenBytes] {
            self.metrics.remove(meter, &place.as_array());
        }
        self.pulse.released(self.model, &self.partition);
    }
}
