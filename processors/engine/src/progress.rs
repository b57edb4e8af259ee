//! How far a partition has come, for those who watch: metrics, and the pulse of its work.

use readmill_core::{Partition, ReadModel, ResumeAt};

use crate::metrics::{Meter, Metrics, PartitionLabels};
use crate::open::Open;
use crate::pulse::Pulse;
use crate::reached::Reached;
use crate::run::Watch;

/// One partition's progress. It is taken off the display when the partition is let go.
#[derive(Debug)]
pub struct Progress {
    model: &'static str,
    partition: Partition,
    metrics: Metrics,
    pulse: Pulse,
    reached: Reached,
    /// Since when it has stood where it stands, with records open; none when nothing is open.
    at: Option<ResumeAt>,
    rests: bool,
}

impl Progress {
    /// Of a partition that was assigned.
    pub fn of<M: ReadModel>(partition: &Partition, metrics: Metrics, watch: &Watch) -> Self {
        let (pulse, reached) = (watch.pulse.clone(), watch.reached.clone());
        Self {
            model: M::NAME,
            partition: partition.clone(),
            metrics,
            pulse,
            reached,
            at: None,
            rests: false,
        }
    }

    /// It asks what it must know before its first record, from which on it is read.
    pub fn begin(&self, from: ResumeAt) {
        self.reached.note(&self.partition, from);
        self.pulse.busy(self.model, &self.partition);
    }

    /// It knows.
    pub fn begun(&self) {
        self.pulse.idle(self.model, &self.partition);
    }

    /// Whether nothing is open and no more is taken for now. It does not rest any more before it
    /// takes the next record.
    pub fn rest(&mut self, rests: bool) {
        if self.rests != rests {
            self.rests = rests;
            self.reached.rest(&self.partition, rests);
        }
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
        self.reached.note(&self.partition, open.resume_at());
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
        self.reached.release(&self.partition);
    }
}
