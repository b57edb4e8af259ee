//! The outboxes: the last records of each topic, read without a group, for what they tell of order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::future::BoxFuture;
use readmill_connectors::kafka::Cluster;
use readmill_core::envelope::{Change, Payload};
use readmill_core::{Finished, Partition, Position, ReadModel, Record, ResumeAt};
use readmill_engine::patience::Patience;
use readmill_engine::reader::{self, Aside, Reader};
use readmill_engine::{
    Bounds, Clock as _, Fault, Feed, Forgetting, Log, Metrics, Script, Since, Until, side_by_side,
};
use readmill_models::Visit;

use super::{Room, Seen, Visitor};
use crate::config::Model;
use crate::doctor::finding::Findings;
use crate::doctor::order::{Count, Glance, examine};
use crate::doctor::rules::order::{Beside, judge};
use crate::ports::{Opening, SystemClock};
use crate::scratch::Excerpt;
use crate::standing::Standing;

const BATCH_RECORDS: usize = 1_000;
/// Records that are stamped later than this beyond now are ahead.
const AHEAD_MS: i64 = 1_000;

/// What one partition has shown.
#[derive(Debug, Default)]
struct Shown {
    glances: Vec<Glance>,
    beside: Beside,
    records: u64,
}

impl Visitor {
    /// A room for the outboxes of each model; a topic of several models is read once.
    pub(super) fn outboxes(&self, cluster: Option<&Arc<Cluster>>) -> Vec<Room> {
        let mut read = BTreeSet::new();
        let mut rooms = Vec::new();
        for model in self.config.models.iter().filter(|_| self.records > 0) {
            let is_there = |topic: &&String| {
                cluster.is_none_or(|cluster| cluster.topics.contains_key(topic.as_str()))
            };
            let topics = model.topics.iter().filter(is_there);
            let topics: Vec<String> =
                topics.filter(|topic| read.insert((*topic).clone())).cloned().collect();
            if topics.is_empty() {
                continue;
            }
            let name = format!("the outboxes of {}", model.row.name);
            let reading =
                Reading { visitor: self.clone(), model: Model { topics, ..model.clone() } };
            if let Some(seen) = readmill_models::visit(model.row.name, reading) {
                rooms.push(Room::new(name, seen));
            }
        }
        rooms
    }
}

/// The topics of one model that are to be read.
struct Reading {
    visitor: Visitor,
    model: Model,
}

impl Visit for Reading {
    type Out = BoxFuture<'static, Seen>;

    fn visit<M: ReadModel>(self) -> Self::Out {
        Box::pin(async move { self.read::<M>().await })
    }
}

impl Reading {
    async fn read<M: ReadModel>(self) -> Seen {
        let Self { visitor, model } = &self;
        let bounds = Standing::of(&visitor.config, model)?.bounds().await?;
        let begins = begins(&bounds, visitor.records);
        let is_cut = |(partition, at): &(&Partition, &ResumeAt)| {
            bounds.get(*partition).is_some_and(|bounds| bounds.from < **at)
        };
        let cut = begins.iter().filter(is_cut).map(|(partition, _)| partition.clone()).collect();
        let opening = Opening { config: &visitor.config, model, services: &visitor.services };
        // Who is forgotten has an order, too, and nothing is told of anybody.
        let script = opening.script_without(Forgetting::nobody()).await?;
        let excerpt = Excerpt::open(opening, Since::Places(begins), Until::Now).await?;
        let shown = show::<M>(excerpt.log, &script).await?;
        let now_ms = SystemClock.now_ms();
        let mut findings = Findings::default();
        judge(&examine(&shown.glances, &cut, now_ms), &shown.beside, &mut findings);
        Ok((findings, shown.records))
    }
}

/// Where the last records of each topic begin, the same number in each partition that has any.
fn begins(bounds: &BTreeMap<Partition, Bounds>, records: u64) -> BTreeMap<Partition, ResumeAt> {
    let mut filled: BTreeMap<&str, u64> = BTreeMap::new();
    for partition in bounds.iter().filter(|(_, b)| !b.is_empty()).map(|(partition, _)| partition) {
        *filled.entry(&partition.topic).or_default() += 1;
    }
    let begin = |(partition, bounds): (&Partition, &Bounds)| {
        let share = records.div_ceil(filled.get(&*partition.topic).copied().unwrap_or(1));
        let from = bounds.to.value().saturating_sub_unsigned(share).max(bounds.from.value());
        (partition.clone(), ResumeAt::stored(from))
    };
    bounds.iter().map(begin).collect()
}

/// Reads all partitions side by side.
async fn show<M: ReadModel>(log: Box<dyn Log>, script: &Script) -> Result<Shown, Fault> {
    let metrics =
        Metrics::new().map_err(|error| Fault::defect("the metrics of a reading", &error))?;
    let mut all = Shown::default();
    let read = |feed: Feed| {
        let patience = Patience::new(feed.closing(), metrics.clone(), M::NAME);
        drain(feed, Reader::<M>::new(script, patience))
    };
    side_by_side(log, read, |shown| all.add(shown)).await?;
    all.glances.sort_by(|one, other| one.position.cmp(&other.position));
    Ok(all)
}

async fn drain<M: ReadModel>(mut feed: Feed, mut reader: Reader<M>) -> Result<Shown, Fault> {
    let mut shown = Shown::default();
    while let Some(records) = feed.next(BATCH_RECORDS).await {
        let next = records.last().map(|last| ResumeAt::stored(last.position.offset.0 + 1));
        let now_ms = SystemClock.now_ms();
        for record in &records {
            shown.take(record, now_ms, &mut reader).await?;
        }
        if let Some(next) = next {
            feed.settle(next, Finished::default());
        }
    }
    Ok(shown)
}

impl Shown {
    async fn take<M: ReadModel>(
        &mut self,
        record: &Record,
        now_ms: i64,
        reader: &mut Reader<M>,
    ) -> Result<(), Fault> {
        self.records += 1;
        if record.timestamp_ms > now_ms + AHEAD_MS {
            count(&mut self.beside.ahead, &record.position);
        }
        let framed = match reader::wire(record) {
            Ok(framed) => framed,
            Err(aside) => return self.aside(record, aside),
        };
        match reader.envelope(record, framed).await {
            Ok(change) => {
                self.glances.extend(glance(&record.position, &change));
                Ok(())
            }
            Err(aside) => self.aside(record, aside),
        }
    }

    fn aside(&mut self, record: &Record, aside: Aside) -> Result<(), Fault> {
        match aside {
            Aside::Skip(_) => {}
            Aside::Hold { .. } => count(&mut self.beside.unreadable, &record.position),
            Aside::Fault(fault) => return Err(fault),
        }
        Ok(())
    }

    fn add(&mut self, other: Self) {
        self.glances.extend(other.glances);
        self.records += other.records;
        let sides = [
            (&mut self.beside.unreadable, other.beside.unreadable),
            (&mut self.beside.ahead, other.beside.ahead),
        ];
        for (own, others) in sides {
            for (topic, found) in others {
                own.entry(topic).or_insert(Count { count: 0, first: found.first }).count +=
                    found.count;
            }
        }
    }
}

fn count(counts: &mut BTreeMap<String, Count>, at: &Position) {
    let known = counts.entry(at.partition.topic.to_string());
    known.or_insert_with(|| Count { count: 0, first: at.clone() }).count += 1;
}

/// What is looked at of a row of an outbox; tables have no events.
fn glance(at: &Position, change: &Change<'_>) -> Option<Glance> {
    if matches!(change.payload, Payload::Row { .. }) {
        return None;
    }
    let family = change.versions_of.as_ref().unwrap_or(&at.partition.topic);
    Some(Glance {
        position: at.clone(),
        family: family.to_string(),
        aggregate: change.aggregate.clone().into_owned(),
        version: change.version,
        event: change.event_id.to_owned(),
        source: change.position,
        committed_ms: change.committed_ms,
    })
}
