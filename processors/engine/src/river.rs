//! The river: one batch of one partition through the eight stations, in this one function.

use std::num::NonZeroUsize;
use std::sync::Arc;

use futures::future::try_join_all;
use readmill_core::{Ledger, Outcome, Position, ReadModel, ResumeAt};

use crate::fault::Fault;
use crate::metrics::Meter;
use crate::patience::Patience;
use crate::ports::{HeldRecord, Ports};
use crate::reader::{self, Reader};
use crate::record::Record;
use crate::route::Routed;
use crate::run::Limits;
use crate::shard::{self, Batch, End, Shard};
use crate::station::Lap;
use crate::station::Station::{Envelope, Event, Intake, Route, Settle, Wire};
use crate::tally::{Settled, Tally};

/// One partition's river.
#[derive(Debug)]
pub struct River<'p, M: ReadModel> {
    ports: &'p Ports<M>,
    tally: Tally,
    patience: Patience,
    reader: Reader<M>,
    shards: Vec<Shard<M>>,
    ledger: Option<Ledger>,
}

impl<'p, M: ReadModel> River<'p, M> {
    /// A river for a newly assigned partition.
    pub fn new(ports: &'p Ports<M>, limits: &Limits, tally: Tally, patience: Patience) -> Self {
        let shards = limits.shards_per_partition.max(1);
        let cached = limits.cached_documents_per_partition / shards;
        let cached = NonZeroUsize::new(cached).unwrap_or(NonZeroUsize::MIN);
        Self {
            ports,
            tally,
            reader: Reader::new(Arc::clone(&ports.schemas), patience.clone()),
            shards: (0..shards).map(|_| Shard::new(cached, patience.clone())).collect(),
            patience,
            ledger: None,
        }
    }

    /// Takes a batch in and answers where the partition may be resumed once it has returned.
    ///
    /// # Errors
    /// A fault that does not pass, or `Abandoned`: then nothing of the batch is settled, and
    /// whoever reads it again finds the stamps of what was written.
    pub async fn flow(&mut self, records: Vec<Record>) -> Result<Option<ResumeAt>, Fault> {
        let metrics = &self.ports.metrics;
        let mut lap = Lap::begin(metrics, M::NAME);
        let records = lap.of(Intake, self.intake(records));
        let mut routed = Routed::new(self.shards.len());
        for (at, record) in records.iter().enumerate() {
            let mut lap = Lap::sampled(metrics, M::NAME, at);
            let passing = async {
                let framed = lap.of(Wire, reader::wire(record))?;
                let change = lap.of(Envelope, self.reader.envelope(record, framed).await)?;
                let event = lap.of(Event, self.reader.event(&change).await)?;
                Ok((change, event))
            };
            let passed = passing.await;
            lap.of(Route, routed.add::<M>(at, record, passed))?;
        }
        let Some(first) = records.first() else {
            return Ok(None);
        };
        let sent_below = first.position.offset;
        self.hold_keyless(&records, &routed.keyless).await?;
        let batch = Batch { ports: self.ports, records: &records, sent_below };
        let shards = self.shards.iter_mut().zip(routed.shards);
        let folding = shards.map(|(shard, queues)| shard.fold_and_write(batch, queues));
        let ends = try_join_all(folding).await?; // 6 fold and 7 write, timed in each shard
        let mut lap = Lap::begin(metrics, M::NAME);
        Ok(lap.of(Settle, self.settle(&records, routed.ends, ends)))
    }

    /// Station 1: takes records in. A log that goes back (a topic made anew, positions reset by
    /// hand) is followed: what was folded before is known by its stamps, and counted.
    fn intake(&mut self, mut records: Vec<Record>) -> Vec<Record> {
        let Some(Position { partition, offset }) = records.first().map(|first| &first.position)
        else {
            return records;
        };
        let goes_back = self.ledger.as_ref().is_some_and(|l| l.resume_at().covers(*offset));
        if goes_back {
            tracing::warn!(model = M::NAME, %partition, offset = offset.0, "the log went back");
            self.ledger = None;
        }
        let begin = || Ledger::starting_at(ResumeAt::stored(offset.0));
        let ledger = self.ledger.get_or_insert_with(begin);
        records.retain(|record| ledger.take(record.position.offset));
        self.ports.metrics.observe(Meter::Batch, &[M::NAME], records.len() as f64);
        records
    }

    async fn hold_keyless(
        &mut self,
        records: &[Record],
        keyless: &[(usize, String)],
    ) -> Result<(), Fault> {
        let held_at_ms = self.ports.clock.now_ms();
        let held: Vec<HeldRecord> = keyless
            .iter()
            .filter_map(|(at, reason)| {
                let record = records.get(*at)?.clone();
                let reason = reason.clone();
                Some(HeldRecord { model: M::NAME, key: None, reason, held_at_ms, record })
            })
            .collect();
        shard::keep(&mut self.patience, self.ports, &held).await
    }

    /// Station 8: every record has its outcome; the ledger says how far that is contiguous.
    fn settle(
        &mut self,
        records: &[Record],
        aside: Vec<(usize, Outcome)>,
        ends: Vec<Vec<End>>,
    ) -> Option<ResumeAt> {
        let (mut parts, mut released) = (aside, Vec::new());
        for end in ends.into_iter().flatten() {
            self.observe(&end);
            parts.push((end.record, end.taken.outcome));
            released.extend(end.taken.released);
        }
        self.tally.count(Settled::of(records, &parts, released));
        let ledger = self.ledger.as_mut()?;
        records.iter().for_each(|record| ledger.finish(record.position.offset));
        Some(ledger.resume_at())
    }

    /// What a part's end says to those who watch.
    fn observe(&self, end: &End) {
        if end.taken.undecided {
            self.ports.metrics.add(Meter::Undecided, &[M::NAME], 1);
        }
        if let Some(ms) = end.committed_ms.filter(|_| end.taken.outcome == Outcome::Applied) {
            let seconds = (self.ports.clock.now_ms() - ms).max(0) as f64 / 1000.0;
            self.ports.metrics.observe(Meter::Freshness, &[M::NAME], seconds);
        }
    }
}
